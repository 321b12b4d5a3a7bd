"""Trains a DMLS network.

    python scripts/train.py --flagfile=configs/camvid_cpu.flags \\
        --records_dir=records/camvid --work_dir=runs/camvid

Flags after the flag file override it. WORK_DIR receives `model.keras`, `resolved.flags`,
checkpoints, `log.csv` and TensorBoard logs.
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
flags.DEFINE_bool("overwrite", False, "Replace the model in WORK_DIR.")
flags.DEFINE_integer("batch_per_replica", 1, "Images a replica and step.", 1)

flags.DEFINE_string("backbone", "resnet50", "vgg16, resnet50, resnet101 or mobilenetv2.")
flags.DEFINE_string("backbone_weights", "none", "none, imagenet or the path of an .h5 file.")
flags.DEFINE_float("width", 1.0, "Width multiplier of the backbone.")
flags.DEFINE_integer("output_stride", 16, "Of the dilated backbone, 8 or 16.")
flags.DEFINE_integer("score_stride", 4, "Of the decoder's scores, 2 or 4.")
flags.DEFINE_integer("decoder_channels", 128, "At stride 8; half of it at finer strides.")
flags.DEFINE_integer("num_steps", 4, "K, recurrent steps.")
flags.DEFINE_bool("level_set", True, "Evolve the scores after each step.")
flags.DEFINE_enum("force", "head", config.FORCES, "Likelihood that drives the level sets.")
flags.DEFINE_integer("band", 8, "Half-width of the level sets' band, pixels.")
flags.DEFINE_integer("evolution_steps", 3, "Explicit steps of an evolution.")
flags.DEFINE_float("dt", 0.4, "Time step of the evolution.")
flags.DEFINE_float("epsilon", 1.0, "Weight of the curvature.")
flags.DEFINE_float("rho", None, "Threshold of the force (the paper: 0.5); none by default.")
flags.DEFINE_enum("curvature_mean", "all", ["all", "active"], "Phases averaged over in eq. 8.")
flags.DEFINE_float("temperature", 0.1, "Softness of the assignment.")
flags.DEFINE_float("score_gradient", 1.0, "Straight-through slope of phi in the scores.")
flags.DEFINE_integer("max_phases", 24, "Phases of an image that evolve, the largest by area.")
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
flags.DEFINE_integer("steps_per_epoch", None, "Steps of an epoch; a whole pass by default.")
flags.DEFINE_enum("optimizer", "sgd", config.OPTIMIZERS, "SGD has momentum 0.9.")
flags.DEFINE_float("learning_rate", 1e-2, "At the start.")
flags.DEFINE_enum("schedule", "step", config.SCHEDULES, "step: times 0.1 after half the epochs.")
flags.DEFINE_float("weight_decay", 5e-4, "Of convolution kernels.")
flags.DEFINE_float("class_weighting", 1.0, "Exponent of the median-frequency class weights.")
flags.DEFINE_float("boundary_weight", 1.0, "Added to the weight of boundary pixels.")
flags.DEFINE_float("coarse_weight", 1.0, "Of the loss on the coarse scores.")
flags.DEFINE_float("evolved_weight", 1.0, "Of the loss on the evolved prediction.")
flags.DEFINE_float("head_weight", 1.0, "Of the loss on the likelihood head.")
flags.DEFINE_integer("seed", 0, "Of weights, order and augmentation.")


def main():
    from dmls_tf.training.strategy import make_strategy
    from dmls_tf.training.trainer import MODEL_FILE, train

    work_dir = pathlib.Path(FLAGS.work_dir)
    if (work_dir / MODEL_FILE).exists() and not FLAGS.overwrite:
        raise UserError(f"{work_dir / MODEL_FILE}: exists; pass --overwrite or another --work_dir")
    info = DatasetInfo.load(FLAGS.records_dir)
    strategy = make_strategy()
    batch_size = FLAGS.batch_per_replica * strategy.num_replicas_in_sync
    model_config = _from_flags(config.ModelConfig, num_classes=info.num_classes)
    data_config = _from_flags(config.DataConfig, batch_size=batch_size, **_pairs())
    train_config = _from_flags(config.TrainConfig)
    splits = (FLAGS.train_split, FLAGS.val_split)
    path = train(
        FLAGS.records_dir, splits, model_config, data_config, train_config, work_dir, strategy
    )
    (work_dir / "resolved.flags").write_text(_resolved_flags())
    print(f"wrote {path}")


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
