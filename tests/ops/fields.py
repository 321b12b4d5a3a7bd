"""Level sets and label maps that several tests start from."""

import numpy as np
import tensorflow as tf


def circle(size, radius):
    """The signed distance from a circle in the centre: float32 `[1, 1, size, size]`."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return (np.hypot(x, y) - radius).astype(np.float32)[None, None]


def smooth_labels(rng, phases, size, cells=6):
    """Random smooth regions, about one a cell: integers `[1, size, size]`."""
    coarse = rng.normal(size=(1, cells, cells, phases))
    return np.argmax(tf.image.resize(coarse, (size, size)), axis=-1)
