"""The paper's baseline: FCN-8s (Long, Shelhamer, Darrell 2015) on any of the backbones.

The strided network keeps its last pooling (output stride 32); fully connected layers, where the
backbone has them, become convolutions with dropout. Logits of the strides 32, 16 and 8 are summed
from coarse to fine, upsampled bilinearly: the authors' published networks keep their upsampling
kernels fixed at that, too.
"""

import keras
from keras import layers

from dmls_tf.layers.resize import ResizeLike
from dmls_tf.models.backbones import BACKBONES


def build_fcn8s_decoder(backbone, config):
    """Features at the strides 8, 16, 32 -> (float32 logits, finest features) at stride 8."""
    features = [keras.Input(output.shape[1:]) for output in backbone.body.outputs]
    x = features[-1]
    kernel_size = 7
    for i, channels in enumerate(BACKBONES[config.backbone].classifier, start=6):
        channels = max(8, 8 * round(channels * config.width_multiplier / 8))
        x = layers.Conv2D(
            channels,
            kernel_size,
            padding="same",
            activation="relu",
            kernel_initializer="he_normal",
            name=f"fc{i}",
        )(x)
        x = layers.Dropout(0.5, name=f"drop{i}")(x)
        kernel_size = 1
    logits = _logits(x, config, 32)
    for feature, stride in ((features[1], 16), (features[0], 8)):
        skip = _logits(feature, config, stride)
        logits = layers.Add(dtype="float32")([ResizeLike(dtype="float32")([logits, skip]), skip])
    return keras.Model(features, [logits, features[0]], name="decoder")


def _logits(features, config, stride):
    """A 1x1 convolution to class logits, zero at first, as in the original."""
    return layers.Conv2D(
        config.num_classes, 1, kernel_initializer="zeros", name=f"logits{stride}", dtype="float32"
    )(features)
