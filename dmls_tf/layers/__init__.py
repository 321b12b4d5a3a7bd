"""Keras layers of the level set: weights and calls into `dmls_tf.ops`."""

from dmls_tf.layers.level_set import MultiphaseLevelSet
from dmls_tf.layers.resize import ResizeLike

__all__ = ["MultiphaseLevelSet", "ResizeLike"]
