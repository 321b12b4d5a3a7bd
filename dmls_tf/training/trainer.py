"""From records to a trained, self-describing `model.keras`.

WORK_DIR/
  model.keras                  the epoch with the best validation mean IoU
  checkpoints/{best,last}.keras
  log.csv, tensorboard/        scalars of every epoch, a few pictures
"""

import contextlib
import math
import pathlib

import keras

from dmls_tf.data.pipeline import (
    evaluation_batches,
    faults_named,
    steps_per_pass,
    training_batches,
)
from dmls_tf.dataset_info import DatasetInfo
from dmls_tf.errors import UserError
from dmls_tf.losses import BoundaryCrossEntropy, WeightedCrossEntropy
from dmls_tf.metrics import MeanIoU, PixelAccuracy
from dmls_tf.models import build_dmls, load_backbone_weights, load_dmls
from dmls_tf.training.callbacks import ProgressBar, TensorBoardImages

MODEL_FILE = "model.keras"
NUM_PICTURES = 4


def train(records_dir, splits, model_config, data_config, train_config, work_dir, strategy):
    """Trains a network and saves it.

    Args:
        records_dir: a directory with `dataset.json`.
        splits: (training split, validation split).
        model_config, data_config, train_config: of `dmls_tf.config`.
        work_dir: must hold no model yet.
        strategy: a `tf.distribute.Strategy`; see `dmls_tf.training.strategy`.

    Returns:
        The path of `model.keras`.

    Raises:
        UserError: records, weights or settings that do not fit together.
    """
    work_dir = pathlib.Path(work_dir)
    info = DatasetInfo.load(records_dir)
    train_split, val_split = splits
    keras.utils.set_random_seed(train_config.seed)
    weights = None
    if train_config.class_weighting:
        weights = info.class_weights(train_split, train_config.class_weighting)
    batches = training_batches(records_dir, train_split, data_config, train_config.seed)
    validation = evaluation_batches(records_dir, val_split, data_config)
    steps = train_config.steps_per_epoch
    steps = steps or steps_per_pass(records_dir, train_split, data_config)
    with strategy.scope():
        model = build_dmls(model_config, _metadata(info, data_config))
        load_backbone_weights(
            model.dfcn.backbone, model_config.backbone, train_config.backbone_weights
        )
        decay_kernels(model, train_config.weight_decay)
        compile_model(model, train_config, weights, steps)
    with faults_named(records_dir, *splits):
        fit(model, batches, validation, info, train_config.epochs, steps, work_dir)
    # Saved again without the optimiser's state.
    load_dmls(work_dir / "checkpoints/best.keras").save(work_dir / MODEL_FILE)
    return work_dir / MODEL_FILE


def compile_model(model, config, class_weights, steps_per_epoch):
    """Deep supervision: a loss on every output, metrics on the last one.

    Args:
        model: a `DMLS`.
        config: a `TrainConfig`.
        class_weights: N numbers or None.
        steps_per_epoch: for the learning-rate schedule.
    """
    scale = {
        "coarse": config.coarse_weight,
        "likelihood": config.head_weight,
        "evolved": config.evolved_weight,
    }
    losses, loss_weights = {}, {}
    for key in model.output_keys:
        kind = key.split("_")[0]
        if kind == "likelihood":
            losses[key] = BoundaryCrossEntropy()
        else:
            losses[key] = WeightedCrossEntropy(class_weights, config.boundary_weight)
        loss_weights[key] = scale[kind] / model.config.num_steps
    num_classes = model.config.num_classes
    metrics = {model.final_output: [PixelAccuracy(num_classes), MeanIoU(num_classes)]}
    optimizer = make_optimizer(config, steps_per_epoch)
    model.compile(optimizer, loss=losses, loss_weights=loss_weights, metrics=metrics)


def make_optimizer(config, steps_per_epoch):
    """The optimiser with its learning-rate schedule, as a `TrainConfig` says."""
    total, rate = config.epochs * steps_per_epoch, config.learning_rate
    if config.schedule == "step":
        rate = keras.optimizers.schedules.PiecewiseConstantDecay([total // 2], [rate, 0.1 * rate])
    elif config.schedule == "polynomial":
        rate = keras.optimizers.schedules.PolynomialDecay(rate, total, rate / 200, power=0.9)
    if config.optimizer == "adam":
        return keras.optimizers.Adam(rate)
    return keras.optimizers.SGD(rate, momentum=0.9)


def decay_kernels(model, weight_decay):
    """Adds `weight_decay / 2 * |kernel|^2` to the loss, for kernels only."""
    if weight_decay:
        for variable in model.trainable_variables:
            if variable.name.endswith("kernel"):
                variable.regularizer = keras.regularizers.L2(weight_decay / 2)


def fit(model, batches, validation, info, epochs, steps, work_dir):
    """Runs Keras `fit` with the progress bar, checkpoints and logs in `work_dir`."""

    def supervised(image, label):
        return image, {key: label for key in model.output_keys}

    checkpoints = work_dir / "checkpoints"
    checkpoints.mkdir(parents=True, exist_ok=True)
    images, labels = next(iter(validation.unbatch().batch(NUM_PICTURES)))
    monitor = f"val_{model.final_output}_mean_iou"
    logs = work_dir / "tensorboard"
    progress = ProgressBar(model.final_output)
    callbacks = [
        progress,
        keras.callbacks.ModelCheckpoint(
            str(checkpoints / "best.keras"), monitor=monitor, mode="max", save_best_only=True
        ),
        keras.callbacks.ModelCheckpoint(str(checkpoints / "last.keras")),
        keras.callbacks.CSVLogger(str(work_dir / "log.csv")),
        # An update_freq in steps would drop the scalars of epochs that end on another step.
        keras.callbacks.TensorBoard(str(logs), update_freq="epoch"),
        TensorBoardImages(logs / "images", images.numpy(), labels.numpy(), info.palette),
        keras.callbacks.TerminateOnNaN(),
    ]
    with contextlib.closing(progress):
        history = model.fit(
            batches.map(supervised),
            validation_data=validation.map(supervised),
            epochs=epochs,
            steps_per_epoch=steps,
            callbacks=callbacks,
            shuffle=False,  # the pipeline has done it
            verbose=0,
        )
    if not math.isfinite(history.history["loss"][-1]):
        raise UserError("the loss became NaN or infinite; lower the learning rate")


def _metadata(info, data_config):
    return {
        "dataset": info.name,
        "classes": list(info.class_names),
        "palette": [list(color) for color in info.palette],
        "image_size": list(data_config.image_size) if data_config.image_size else None,
    }
