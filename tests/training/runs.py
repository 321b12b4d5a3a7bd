"""Small trainings that the tests share."""

import contextlib
import csv
import dataclasses
import warnings

import numpy as np
import tensorflow as tf

from dmls_tf.config import DataConfig, LevelSetConfig, ModelConfig, TrainConfig
from dmls_tf.training.checkpoints import find_checkpoints
from dmls_tf.training.trainer import train

# One step with a level set; everything small, and no deep stack of batch normalisations over a
# few pixels, in which differences of rounding grow a hundredfold at every step.
FLAGS = (
    "--backbone=vgg16",
    "--width_multiplier=0.125",
    "--output_stride=8",
    "--decoder_channels=16",
    "--recurrent_steps=1",
    "--evolution_steps=1",
    "--image_size=24,32",
    "--batch_norm_momentum=0.9",
)

MODEL = ModelConfig(
    num_classes=8,
    backbone="vgg16",
    width_multiplier=0.125,
    output_stride=8,
    decoder_channels=16,
    recurrent_steps=2,
    level_set=LevelSetConfig(evolution_steps=1),
    batch_norm_momentum=0.9,
)
PLAIN = dataclasses.replace(MODEL, recurrent_steps=1, level_set=None)
DATA = DataConfig(image_size=(24, 32), batch_size=4)
SPLITS = ("train", "val")
SGD = TrainConfig(epochs=1, learning_rate=1e-3, schedule="constant", weight_decay=0)


def train_in(work_dir, records, config, model=PLAIN, data=DATA):
    """The path of the model that a training in this process wrote."""
    strategy = tf.distribute.get_strategy()
    return train(records, SPLITS, (model, data, config), work_dir, strategy)


def rows_of(work_dir):
    """The rows of a training's `log.csv`."""
    with open(work_dir / "log.csv") as file:
        return list(csv.DictReader(file))


def last_state(work_dir):
    """{name: array} of the newest checkpoint."""
    return dict(np.load(find_checkpoints(work_dir / "checkpoints")[-1]))


def assert_same_state(one, two, tolerance=0.0):
    """Weights and optimiser state are equal, and without a tolerance also sums and scores."""
    assert one.keys() == two.keys()
    for name in one:
        if name != "facts":
            # Statistics of unscaled pixels reach thousands.
            atol = tolerance * max(1.0, np.abs(two[name]).max())
            np.testing.assert_allclose(one[name], two[name], rtol=0, atol=atol, err_msg=name)
    if not tolerance:
        assert str(one["facts"]) == str(two["facts"])


@contextlib.contextmanager
def eagerly():
    """Training steps run without being compiled, which is faster for a few of them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Even though the `tf.config.")  # tf.data compiles all
        tf.config.run_functions_eagerly(True)
        try:
            yield
        finally:
            tf.config.run_functions_eagerly(False)
