"""Trains a DMLS network.

    python scripts/train.py --flagfile=configs/camvid_cpu.flags \\
        --records_dir=records/camvid --work_dir=runs/camvid

Flags after the flag file override it. WORK_DIR receives `model.keras`, `resolved.flags`,
checkpoints, `log.csv` and TensorBoard logs. Killed or stopped, the same command goes on from the
last checkpoint. Several machines: the same command on each, with TF_CONFIG set.
"""

import pathlib
import sys

from absl import flags

from dmls_tf import command_line, config
from dmls_tf.dataset_info import DatasetInfo
from dmls_tf.errors import UserError

FLAGS = flags.FLAGS

flags.DEFINE_string("records_dir", None, "Directory with dataset.json.", required=True)
flags.DEFINE_string("work_dir", None, "Where the trained model goes.", required=True)
flags.DEFINE_string("train_split", "train", "Split to learn from; train+val for several.")
flags.DEFINE_string("val_split", "val", "Split that chooses the best epoch.")
flags.DEFINE_bool("overwrite", False, "Remove the training in WORK_DIR and start anew.")
flags.DEFINE_integer("batch_per_replica", 1, "Images a replica, step and accumulated part.", 1)
flags.DEFINE_enum(
    "strategy",
    "auto",
    config.STRATEGIES,
    "auto: several machines where TF_CONFIG is set, else all GPUs.",
)
flags.DEFINE_list(
    "stages",
    [],
    "NAME:EPOCHS[:RATE],... instead of --epochs: coarse (no level set), head (only the "
    "likelihood), joint (everything); RATE times --learning_rate.",
)

flags.DEFINE_enum("network", "dfcn", config.NETWORKS, "fcn8s: the paper's baseline.")
flags.DEFINE_string("backbone", "resnet50", "See dmls_tf/models/backbones.py, like vgg16.")
flags.DEFINE_string("backbone_weights", "none", "none, imagenet or the path of an .h5 file.")
flags.DEFINE_float("width", 1.0, "Width multiplier of the backbone.")
flags.DEFINE_integer("output_stride", 16, "Of the dilated backbone, 8 or 16.")
flags.DEFINE_integer("score_stride", 4, "Of the decoder's scores, 2 or 4.")
flags.DEFINE_integer("decoder_channels", 128, "At stride 8; half of it at finer strides.")
flags.DEFINE_integer("num_steps", 4, "K, recurrent steps.")
flags.DEFINE_enum(
    "prior_entry", "image", config.PRIOR_ENTRIES, "decoder: later steps run only the decoder again."
)
flags.DEFINE_bool("prior_gradient", False, "Gradients reach a step through its prediction, too.")
flags.DEFINE_bool("level_set", True, "Evolve the scores after each step.")
flags.DEFINE_enum("force", "head", config.FORCES, "Likelihood that drives the level sets.")
flags.DEFINE_integer("level_set_stride", 2, "Resolution of the level sets, 1 or 2.")
flags.DEFINE_integer("band", 8, "Half-width of the level sets' band, pixels.")
flags.DEFINE_integer("evolution_steps", 3, "Explicit steps of the last evolution.")
flags.DEFINE_integer("prior_evolution_steps", 1, "The same of all predictions but the last.")
flags.DEFINE_float("dt", 0.7, "Time step of the evolution.")
flags.DEFINE_float("epsilon", 0.0, "Weight of the curvature (the paper: 1).")
flags.DEFINE_float("rho", None, "Threshold of the force (the paper: 0.5); none by default.")
flags.DEFINE_enum("curvature_mean", "all", ["all", "active"], "Phases averaged over in eq. 8.")
flags.DEFINE_float("temperature", 0.1, "Softness of the assignment.")
flags.DEFINE_float("score_gradient", 1.0, "Straight-through slope of phi in the scores.")
flags.DEFINE_integer("max_phases", 24, "Phases of an image that evolve, the largest by area.")
flags.DEFINE_float(
    "coarse_adjustment", 0.0, "Times the log class weights, added to coarse scores at inference."
)
flags.DEFINE_float(
    "likelihood_adjustment", 0.0, "Times the log class weights, added to log f at inference."
)
flags.DEFINE_float("batch_norm_momentum", 0.99, "Of every batch normalisation.")

flags.DEFINE_list("image_size", None, "height,width to which images are resized.")
flags.DEFINE_list("crop_size", None, "height,width of random training crops.")
flags.DEFINE_list("scale_range", ["1", "1"], "lowest,highest random scale before the crop.")
flags.DEFINE_bool("flip", True, "Mirror half of the training images.")
flags.DEFINE_float("jitter", 0.0, "Strength of random changes of the colours, 0 to 1.")
flags.DEFINE_bool("pad_last_batch", False, "Fill an incomplete batch with ignored images.")
flags.DEFINE_integer("shuffle_buffer", 1000, "Records to draw the next one from.")
flags.DEFINE_bool("cache", False, "Keep all decoded training images in memory.")

flags.DEFINE_integer("epochs", 40, "Passes over the training split.")
flags.DEFINE_integer("steps_per_epoch", None, "Steps of an epoch; a whole pass by default.", 1)
flags.DEFINE_enum("optimizer", "sgd", config.OPTIMIZERS, "SGD has momentum 0.9.")
flags.DEFINE_float("learning_rate", 1e-2, "Before the schedule.")
flags.DEFINE_enum("schedule", "step", config.SCHEDULES, "step: times 0.1 after half the epochs.")
flags.DEFINE_integer("warmup_steps", 0, "In which the rate rises from zero.")
flags.DEFINE_float("new_parameter_rate", 1.0, "Factor of the rate of the recurrence and level set.")
flags.DEFINE_float("weight_decay", 5e-4, "Of convolution kernels.")
flags.DEFINE_float("clip_norm", None, "Largest norm of a step's gradient.")
flags.DEFINE_integer("accumulate", 1, "Parts of a replica's batch, computed one after the other.")
flags.DEFINE_float("average", None, "Momentum of the weights' running average, like 0.999.")
flags.DEFINE_float("class_weighting", 1.0, "Exponent of the median-frequency class weights.")
flags.DEFINE_float("boundary_weight", 1.0, "Added to the weight of boundary pixels.")
flags.DEFINE_float("coarse_weight", 1.0, "Of the loss on the coarse scores.")
flags.DEFINE_float("evolved_weight", 1.0, "Of the loss on the evolved prediction.")
flags.DEFINE_float("head_weight", 1.0, "Of the loss on the likelihood head.")
flags.DEFINE_integer("head_band", 4, "Pixels around true boundaries it learns from; 0: all.", 0)
flags.DEFINE_bool("deep_supervision", True, "Losses at every step, not only the last.")
flags.DEFINE_enum("train_only", "all", ["all", "head"], "head: keep all but the likelihood.")
flags.DEFINE_enum(
    "freeze_batch_norm", "none", config.FROZEN_BATCH_NORMS, "For batches of one image."
)
flags.DEFINE_string("initial_model", None, "A model.keras of the same network to start from.")
flags.DEFINE_enum("precision", "float32", config.PRECISIONS, "Of all but losses and level sets.")
flags.DEFINE_bool("jit_compile", False, "Compile the training step with XLA.")
flags.DEFINE_bool("remat", False, "Compute each step again instead of keeping its activations.")
flags.DEFINE_integer("checkpoint_steps", 1000, "Save the state so often, and after each epoch.")
flags.DEFINE_integer("seed", 0, "Of weights, order and augmentation.", 0, 2**32 - 1)


def main():
    from dmls_tf.training.stages import parse_stages, train_stages
    from dmls_tf.training.strategy import barrier, is_chief, make_strategy
    from dmls_tf.training.trainer import train
    from dmls_tf.training.work_dir import MODEL_FILE, clear

    work_dir = pathlib.Path(FLAGS.work_dir)
    info = DatasetInfo.load(FLAGS.records_dir)
    strategy = make_strategy(FLAGS.strategy)
    batch_size = FLAGS.batch_per_replica * FLAGS.accumulate * strategy.num_replicas_in_sync
    model_config = _from_flags(config.ModelConfig, num_classes=info.num_classes)
    data_config = _from_flags(config.DataConfig, batch_size=batch_size, **_pairs())
    train_config = _from_flags(config.TrainConfig, head_band=FLAGS.head_band or None)
    stages = parse_stages(FLAGS.stages)
    if FLAGS.overwrite and is_chief(strategy):
        clear(work_dir)
    barrier(strategy)
    trained = (work_dir / MODEL_FILE).exists()
    splits = (FLAGS.train_split, FLAGS.val_split)
    arguments = (FLAGS.records_dir, splits, model_config, data_config, train_config)
    if stages:
        path = train_stages(stages, *arguments, work_dir, strategy)
    else:
        path = train(*arguments, work_dir, strategy)
    if is_chief(strategy):
        (work_dir / "resolved.flags").write_text(_resolved_flags())
        print(f"{path}: is trained already" if trained else f"wrote {path}")


def _from_flags(config_class, **fields):
    """A config whose fields are those given, and the flags of the same names for the rest."""
    names = config_class.__dataclass_fields__.keys() - fields.keys()
    return config_class(**fields, **{name: FLAGS[name].value for name in names})


def _pairs():
    """The flags that hold a pair of numbers."""
    pairs = {}
    kinds = {
        "image_size": (int, "height,width"),
        "crop_size": (int, "height,width"),
        "scale_range": (float, "lowest,highest"),
    }
    for name, (kind, form) in kinds.items():
        value = FLAGS[name].value
        try:
            pairs[name] = tuple(map(kind, value)) if value else None
        except ValueError:
            raise UserError(f"--{name} must be {form}, got {','.join(value)}") from None
    return pairs


def _resolved_flags():
    """Every flag of this command as a flag file."""
    own = sorted(FLAGS.get_key_flags_for_module(sys.argv[0]), key=lambda flag: flag.name)
    return "".join(f"{flag.serialize()}\n" for flag in own if flag.value is not None)


if __name__ == "__main__":
    command_line.run(main)
