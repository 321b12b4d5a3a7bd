"""The learned likelihood of pixels under each phase: Theta of eq. 9 as a small network."""

import keras
from keras import layers, ops

from dmls_tf.layers.resize import ResizeLike

HIDDEN_CHANNELS = 40
PROJECTED_CHANNELS = 16
LOWEST_LOG_SCORE = -8.0


def build_likelihood_head(num_classes, feature_channels, momentum=0.99):
    """log f_i at full resolution, from the image, features of the network and coarse scores.

    Three 3x3 convolutions and a zero-initialised 1x1 convolution whose output is added to the
    coarse log-scores: an untrained head returns the scores themselves. Feature maps are projected
    to few channels before they are brought to full resolution, which costs a quarter of the
    operations. No gradient reaches the coarse logits: this head's own loss would change their
    calibration.

    Args:
        num_classes: N.
        feature_channels: channels of each feature map.
        momentum: of the batch normalisations.

    Returns:
        A `keras.Model`: [image `[B, H, W, 3]` in [-1, 1], logits `[B, H, W, N]`, feature maps
        `[B, h, w, c]` of any resolution ...] -> log f up to a constant a pixel, float32
        `[B, H, W, N]`.
    """
    image = keras.Input((None, None, 3))
    logits = keras.Input((None, None, num_classes), dtype="float32")
    features = [keras.Input((None, None, channels)) for channels in feature_channels]
    lifted = [
        ResizeLike()([layers.Conv2D(PROJECTED_CHANNELS, 1)(feature), image]) for feature in features
    ]
    log_scores = ops.log_softmax(ops.stop_gradient(logits), axis=-1)
    clipped = ops.maximum(log_scores, LOWEST_LOG_SCORE) / 4.0 + 1.0
    x = layers.Concatenate()([image, clipped, *lifted])
    for dilation in (1, 2, 2):
        x = layers.Conv2D(
            HIDDEN_CHANNELS,
            3,
            padding="same",
            dilation_rate=dilation,
            use_bias=False,
            kernel_initializer="he_normal",
        )(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=momentum)(x))
    correction = layers.Conv2D(num_classes, 1, kernel_initializer="zeros", dtype="float32")(x)
    return keras.Model([image, logits, *features], log_scores + correction, name="likelihood")
