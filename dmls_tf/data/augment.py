"""Joint transformations of an image and its label map, stateless: a seed gives one result.

Images are float32 `[H, W, 3]`, 0..255; labels int32 `[H, W]`. Labels are never interpolated.
"""

import tensorflow as tf

from dmls_tf.datasets import IGNORE_LABEL


def resize(image, label, size):
    """Bilinear for the image, nearest for the label, both with half-pixel centres."""
    image = tf.image.resize(image, size)
    label = tf.image.resize(label[..., None], size, method="nearest")[..., 0]
    return image, label


def random_flip(image, label, seed):
    """Mirrors left to right with probability one half."""
    flip = tf.random.stateless_uniform((), seed) < 0.5
    mirrored = tf.reverse(image, [1]), tf.reverse(label, [1])
    return tf.cond(flip, lambda: mirrored, lambda: (image, label))


def random_crop(image, label, size, seed):
    """A window of `size` (height, width), drawn uniformly.

    A smaller image is first padded below and right: black pixels, ignored labels.
    """
    height, width = size
    shape = tf.shape(label)
    below, right = tf.maximum(height - shape[0], 0), tf.maximum(width - shape[1], 0)
    image = tf.pad(image, [[0, below], [0, right], [0, 0]])
    label = tf.pad(label, [[0, below], [0, right]], constant_values=IGNORE_LABEL)
    room = tf.shape(label) - [height, width] + 1
    corner = tf.random.stateless_uniform((2,), seed, maxval=tf.int32.max, dtype=tf.int32) % room
    image = tf.slice(image, tf.concat([corner, [0]], 0), [height, width, 3])
    label = tf.slice(label, corner, [height, width])
    return image, label
