"""tensorflow-addons' transform, in an environment of its own."""

import numpy as np

from benchmarks.timing import median_ms


def times(path):
    """{way of calling: ms} for the masks of a file, uint8 `[B, H, W, C]`."""
    import tensorflow as tf
    import tensorflow_addons as tfa

    planes = tf.transpose(np.load(path), (0, 3, 1, 2))
    planes = tf.reshape(planes, (-1, *planes.shape[2:], 1))
    single = [plane[None] for plane in tf.unstack(planes)]
    transform = tfa.image.euclidean_dist_transform
    return {
        "one by one": median_ms(lambda: [transform(plane) for plane in single]),
        "one batch": median_ms(lambda: transform(planes)),
    }
