"""log f of eq. 9: how likely each pixel is under each phase, which drives the level sets.

The paper takes the densities as known, "estimated from a number of previously selected points
belonging to that region". The readings of that, behind one interface:

    head             a learned network at high resolution, the freest Theta: the only one that made
                     contours clearly better
    gaussian         trained means and deviations of colours and low-level features
    adaptive         the same features, with the moments of each region of this image under the
                     coarse segmentation, and the log of its area
    scores           the coarse scores themselves; without training they cannot move a contour
    scores+adaptive  the sum of both

`prepare(image, image_features)` is what the recurrent steps share; a call, with that, the coarse
scores and the outputs of the `DFCN`, is one step.
"""

import keras
from keras import layers, ops

from dmls_tf.layers.resize import ResizeLike
from dmls_tf.ops.region_statistics import gaussian_log_density, region_moments

HIDDEN_CHANNELS = 40
PROJECTED_CHANNELS = 16
LOWEST_LOG_SCORE = -8.0
NUM_FEATURES = 4
MIN_DEVIATION = 0.2  # of features around 1


def build_likelihood(config, dfcn):
    """The likelihood that `config.force` names, for the features of a `DFCN`."""
    stem_channels = dfcn.stem.output_shape[-1]
    if config.force == "head":
        return HeadLikelihood(
            config.num_classes,
            (stem_channels, dfcn.decoder.outputs[1].shape[-1]),
            config.batch_norm_momentum,
            name="likelihood",
        )
    if config.force == "scores":
        return ScoresLikelihood(name="likelihood")
    if config.force == "gaussian":
        return GaussianLikelihood(config.num_classes, stem_channels, name="likelihood")
    with_scores = config.force == "scores+adaptive"
    return AdaptiveLikelihood(stem_channels, with_scores, name="likelihood")


class ScoresLikelihood(keras.layers.Layer):
    """log f from the coarse scores alone, and the interface of all likelihoods.

    Call arguments:
        prepared: of `prepare`.
        scores: coarse logits, float32 `[B, H, W, N]`.
        step: a dict of `DFCN` outputs.

    Returns:
        log f up to a constant a pixel, float32 `[B, H, W, N]`.
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)  # scores stay float32

    def prepare(self, image, image_features, training=None):
        """What does not change over the recurrent steps: a list of tensors.

        Args:
            image: float32 `[B, H, W, 3]` in [-1, 1].
            image_features: W_I * I + b, `[B, h, w, C]`.
        """
        return []

    def call(self, prepared, scores, step, training=None):
        return scores


class GaussianLikelihood(ScoresLikelihood):
    """log f of Gaussians over colours and projected features, with trained Theta (eq. 11)."""

    def __init__(self, num_classes, stem_channels, **kwargs):
        super().__init__(**kwargs)
        self.projection = _projection(stem_channels)
        shape = (1, num_classes, 3 + NUM_FEATURES)
        self.mean = self.add_weight(shape=shape, initializer="random_normal", name="mean")
        self.log_deviation = self.add_weight(shape=shape, initializer="zeros", name="log_deviation")
        self.built = True

    def prepare(self, image, image_features, training=None):
        features = _colours_and_features(image, image_features, self.projection)
        return [gaussian_log_density(features, self.mean, self.log_deviation)]

    def call(self, prepared, scores, step, training=None):
        return ops.transpose(prepared[0], (0, 2, 3, 1))


class AdaptiveLikelihood(ScoresLikelihood):
    """log f of Gaussians over the same, with the moments of this image's regions.

    Args:
        stem_channels: of the image features.
        with_scores: whether the coarse scores are added.
    """

    def __init__(self, stem_channels, with_scores, **kwargs):
        super().__init__(**kwargs)
        self.with_scores = with_scores
        self.projection = _projection(stem_channels)
        self.built = True

    def prepare(self, image, image_features, training=None):
        return [_colours_and_features(image, image_features, self.projection)]

    def call(self, prepared, scores, step, training=None):
        (features,) = prepared
        membership = ops.transpose(ops.softmax(scores), (0, 3, 1, 2))
        mean, log_deviation = region_moments(features, membership, MIN_DEVIATION)
        share = ops.mean(membership, axis=(2, 3), keepdims=True)
        log_share = ops.log(ops.maximum(share, 1e-6)) / features.shape[1]
        log_density = gaussian_log_density(features, mean, log_deviation) + log_share
        log_density = ops.transpose(log_density, (0, 2, 3, 1))
        if self.with_scores:
            log_density = log_density + ops.log_softmax(scores, axis=-1)
        return log_density


class HeadLikelihood(ScoresLikelihood):
    """log f from the image, features of the network and coarse scores, by a small network.

    Three 3x3 convolutions and a zero-initialised 1x1 convolution whose output is added to the
    coarse scores: an untrained head returns the scores themselves. Feature maps are projected to
    few channels before they are brought to its resolution, which costs a quarter of the
    operations, and what the first convolution makes of the image is shared by all steps. No
    gradient reaches the coarse logits: this head's own loss would change their calibration.

    Args:
        num_classes: N.
        channels: of the image features and of the decoder's last features.
        momentum: of the batch normalisations.
    """

    def __init__(self, num_classes, channels, momentum, **kwargs):
        super().__init__(**kwargs)
        stem_channels, decoder_channels = channels
        self.image_part = _image_part(stem_channels, momentum)
        self.step_part = _step_part(num_classes, decoder_channels, momentum)
        self.built = True

    def prepare(self, image, image_features, training=None):
        return [self.image_part([image, image_features], training=training)]

    def call(self, prepared, scores, step, training=None):
        scores = ops.stop_gradient(scores)
        inputs = [prepared[0], scores, step["decoder"]]
        return scores + self.step_part(inputs, training=training)


def _image_part(stem_channels, momentum):
    """[image, image features] -> their share in the head's first convolution."""
    image = keras.Input((None, None, 3))
    image_features = keras.Input((None, None, stem_channels))
    lifted = layers.Conv2D(PROJECTED_CHANNELS, 1, use_bias=False)(image_features)
    lifted = layers.ReLU()(layers.BatchNormalization(momentum=momentum)(lifted))
    x = layers.Concatenate()([image, ResizeLike()([lifted, image])])
    return keras.Model([image, image_features], _convolution(1)(x), name="image_part")


def _step_part(num_classes, decoder_channels, momentum):
    """[image part, coarse logits, decoder features] -> what is added to the coarse logits."""
    image_part = keras.Input((None, None, HIDDEN_CHANNELS))
    logits = keras.Input((None, None, num_classes), dtype="float32")
    decoder = keras.Input((None, None, decoder_channels))
    log_scores = ops.maximum(ops.log_softmax(logits, axis=-1), LOWEST_LOG_SCORE)
    lifted = ResizeLike()([layers.Conv2D(PROJECTED_CHANNELS, 1)(decoder), image_part])
    x = layers.Concatenate()([log_scores / 4.0 + 1.0, lifted])
    x = layers.Add()([image_part, _convolution(1)(x)])
    for dilation in (2, 2, None):
        x = layers.ReLU()(layers.BatchNormalization(momentum=momentum)(x))
        x = _convolution(dilation)(x) if dilation else x
    correction = layers.Conv2D(num_classes, 1, kernel_initializer="zeros", dtype="float32")(x)
    return keras.Model([image_part, logits, decoder], correction, name="step_part")


def _convolution(dilation):
    return layers.Conv2D(
        HIDDEN_CHANNELS,
        3,
        padding="same",
        dilation_rate=dilation,
        use_bias=False,
        kernel_initializer="he_normal",
    )


def _projection(stem_channels):
    """[image features] -> a few normalised ones."""
    image_features = keras.Input((None, None, stem_channels))
    projected = layers.Conv2D(NUM_FEATURES, 1, use_bias=False)(image_features)
    projected = layers.BatchNormalization(dtype="float32")(projected)
    return keras.Model(image_features, projected, name="projection")


def _colours_and_features(image, image_features, projection):
    """float32 `[B, 3 + NUM_FEATURES, H, W]`."""
    lifted = ResizeLike(dtype="float32")([projection(image_features), image])
    return ops.transpose(ops.concatenate([image, lifted], axis=-1), (0, 3, 1, 2))
