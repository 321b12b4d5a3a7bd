"""Times tensorflow-addons' transform in its own environment: FILE.npy holds uint8 `[B,H,W,C]`."""

import sys

import numpy as np
import tensorflow as tf
import tensorflow_addons as tfa

from benchmarks.timing import median_ms, report

mask = tf.constant(np.load(sys.argv[1]))
planes = tf.transpose(mask, (0, 3, 1, 2))
planes = tf.reshape(planes, (-1, *planes.shape[2:], 1))
single = [plane[None] for plane in tf.unstack(planes)]


report(
    {
        "one by one": median_ms(lambda: [tfa.image.euclidean_dist_transform(p) for p in single]),
        "one batch": median_ms(lambda: tfa.image.euclidean_dist_transform(planes)),
    }
)
