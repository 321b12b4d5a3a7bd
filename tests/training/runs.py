"""Small trainings that the tests share."""

import contextlib
import warnings

import numpy as np
import tensorflow as tf

from dmls_tf.training.checkpoints import find_checkpoints

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
