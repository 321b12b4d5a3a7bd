"""Bilinear resizing to the size of another map, known only when the network runs."""

import keras
from keras import ops

from dmls_tf.ops.resize import resize_bilinear


@keras.saving.register_keras_serializable(package="dmls")
class ResizeLike(keras.layers.Layer):
    """Bilinear resize of `[B, h, w, C]` to the height and width of a second map.

    Call arguments: a pair
        maps: `[B, h, w, C]`.
        reference: `[B, H, W, ...]`.

    Returns:
        `[B, H, W, C]`, of the layer's compute dtype.

    >>> logits, images = np.zeros((1, 6, 8, 19)), np.zeros((1, 48, 64, 3))
    >>> tuple(ResizeLike()([logits, images]).shape)
    (1, 48, 64, 19)
    """

    def call(self, inputs):
        maps, reference = inputs
        height, width = ops.shape(reference)[1:3]
        return resize_bilinear(maps, height, width)

    def compute_output_shape(self, input_shape):
        maps, reference = input_shape
        return (maps[0], reference[1], reference[2], maps[3])
