"""log f of eq. 9: how likely each pixel is under each phase, which drives the level sets.

The paper takes the densities as known, "estimated from a number of previously selected points
belonging to that region". The readings of that, one class each:

    learned          a small network at high resolution, the freest Theta: the only one that made
                     contours clearly better
    gaussian         trained means and deviations of colours and low-level features
    adaptive         the same features, with the moments of each region of this image under the
                     coarse segmentation, and the log of its area
    scores           the coarse segmentation itself; without training it cannot move a contour
    scores+adaptive  the sum of both

A new one is a subclass of `Likelihood`, an entry of `CLASSES` and a name in
`dmls_tf.config.LIKELIHOODS`.
"""

import keras
from keras import layers, ops

from dmls_tf.layers.resize import ResizeLike
from dmls_tf.losses import BoundaryCrossEntropy, WeightedCrossEntropy
from dmls_tf.ops.region_statistics import gaussian_log_density, region_moments

HIDDEN_CHANNELS = 40
PROJECTED_CHANNELS = 16
LOWEST_LOG_PROBABILITY = -8.0
NUM_FEATURES = 4
MIN_DEVIATION = 0.2  # of features around 1


class Likelihood(keras.layers.Layer):
    """log f of eq. 9, normalised over the phases if it is compared with rho (eq. 10).

    Without rho a constant per pixel cancels in the force. Subclasses define `log_density`, and
    `prepare` for what the recurrent steps share.

    Args:
        config: a `ModelConfig`.
        channels: of W_I * I + b, and of the decoder's last features.

    Attributes:
        force_scale: factor of the force before it is clipped, see `LevelSetConfig`.
        supervised: whether it has a loss, and so an output, of its own. Otherwise it learns
            through the evolved prediction alone.

    Call arguments:
        evidence: of `prepare`.
        coarse: coarse logits S, float32 `[B, H, W, N]`.
        features: of the decoder, `[B, h, w, C]`.

    Returns:
        log f, float32 `[B, H, W, N]`. What is added to all coarse logits of a pixel does not
        change the force.
    """

    # Log-densities are far from a contour's scale.
    force_scale = 0.25
    supervised = False

    def __init__(self, config, channels, **kwargs):
        super().__init__(autocast=False, **kwargs)  # logits stay float32
        self.normalised = config.level_set.rho is not None

    def prepare(self, image, image_features, training=None):
        """What does not change over the recurrent steps, a tensor or None.

        Args:
            image: float32 `[B, H, W, 3]` in [-1, 1].
            image_features: W_I * I + b, `[B, h, w, C]`.
        """
        return None

    def call(self, evidence, coarse, features, training=None):
        log_density = self.log_density(evidence, coarse, features, training)
        return ops.log_softmax(log_density, axis=-1) if self.normalised else log_density

    def log_density(self, evidence, coarse, features, training):
        """log f up to a constant per pixel, float32 `[B, H, W, N]`."""
        raise NotImplementedError

    def loss(self, band):
        """The `DenseLoss` of a supervised likelihood; see `TrainConfig.likelihood_band`."""
        raise NotImplementedError


class LearnedLikelihood(Likelihood):
    """log f from the image, features of the network and coarse logits, by a small network.

    Three 3x3 convolutions and a zero-initialised 1x1 convolution whose output is added to the
    coarse logits: untrained, it returns those. Feature maps are projected to few channels before
    they are brought to its resolution, which costs a quarter of the operations, and what the first
    convolution makes of the image is shared by all steps. No gradient reaches the coarse logits:
    the loss of this network would change their calibration.
    """

    force_scale = 1.0  # it learns the scale
    supervised = True

    def __init__(self, config, channels, **kwargs):
        super().__init__(config, channels, **kwargs)
        image_channels, decoder_channels = channels
        momentum = config.batch_norm_momentum
        self.image_part = _image_part(image_channels, momentum)
        self.step_part = _step_part(config.num_classes, decoder_channels, momentum)
        self.built = True

    def prepare(self, image, image_features, training=None):
        return self.image_part([image, image_features], training=training)

    def log_density(self, evidence, coarse, features, training):
        coarse = ops.stop_gradient(coarse)
        return coarse + self.step_part([evidence, coarse, features], training=training)

    def loss(self, band):
        """Plain cross-entropy, near true boundaries, which is where level sets evolve."""
        return BoundaryCrossEntropy(band) if band else WeightedCrossEntropy(boundary_weight=0)


class GaussianLikelihood(Likelihood):
    """log f of Gaussians over colours and projected features, with trained Theta (eq. 11)."""

    def __init__(self, config, channels, **kwargs):
        super().__init__(config, channels, **kwargs)
        self.projection = _projection(channels[0])
        shape = (1, config.num_classes, 3 + NUM_FEATURES)
        self.mean = self.add_weight(shape=shape, initializer="random_normal", name="mean")
        self.log_deviation = self.add_weight(shape=shape, initializer="zeros", name="log_deviation")
        self.built = True

    def prepare(self, image, image_features, training=None):
        features = _colours_and_features(image, image_features, self.projection, training)
        return gaussian_log_density(features, self.mean, self.log_deviation)

    def log_density(self, evidence, coarse, features, training):
        return ops.transpose(evidence, (0, 2, 3, 1))


class AdaptiveLikelihood(Likelihood):
    """log f of Gaussians over the same, with the moments of this image's regions."""

    def __init__(self, config, channels, **kwargs):
        super().__init__(config, channels, **kwargs)
        self.projection = _projection(channels[0])
        self.built = True

    def prepare(self, image, image_features, training=None):
        return _colours_and_features(image, image_features, self.projection, training)

    def log_density(self, evidence, coarse, features, training):
        membership = ops.transpose(ops.softmax(coarse), (0, 3, 1, 2))
        mean, log_deviation = region_moments(evidence, membership, MIN_DEVIATION)
        share = ops.mean(membership, axis=(2, 3), keepdims=True)
        log_share = ops.log(ops.maximum(share, 1e-6)) / evidence.shape[1]
        log_density = gaussian_log_density(evidence, mean, log_deviation) + log_share
        return ops.transpose(log_density, (0, 2, 3, 1))


class ScoresLikelihood(Likelihood):
    """log f from the coarse segmentation alone: log softmax(S)."""

    def log_density(self, evidence, coarse, features, training):
        return coarse


class ScoresAndAdaptiveLikelihood(AdaptiveLikelihood):
    """The product of both densities."""

    def log_density(self, evidence, coarse, features, training):
        log_density = super().log_density(evidence, coarse, features, training)
        return log_density + ops.log_softmax(coarse, axis=-1)


CLASSES = {
    "learned": LearnedLikelihood,
    "gaussian": GaussianLikelihood,
    "adaptive": AdaptiveLikelihood,
    "scores": ScoresLikelihood,
    "scores+adaptive": ScoresAndAdaptiveLikelihood,
}


def build_likelihood(config, dfcn):
    """The `Likelihood` that a `ModelConfig` names, for the features of a `DFCN`."""
    channels = dfcn.stem.output_shape[-1], dfcn.decoder.outputs[1].shape[-1]
    return CLASSES[config.likelihood](config, channels, name="likelihood")


def _image_part(image_channels, momentum):
    """[image, image features] -> their share in the first convolution."""
    image = keras.Input((None, None, 3))
    image_features = keras.Input((None, None, image_channels))
    lifted = layers.Conv2D(PROJECTED_CHANNELS, 1, use_bias=False)(image_features)
    lifted = layers.ReLU()(layers.BatchNormalization(momentum=momentum)(lifted))
    x = layers.Concatenate()([image, ResizeLike()([lifted, image])])
    return keras.Model([image, image_features], _convolution(1)(x), name="image_part")


def _step_part(num_classes, decoder_channels, momentum):
    """[image part, coarse logits, decoder features] -> what is added to the coarse logits."""
    image_part = keras.Input((None, None, HIDDEN_CHANNELS))
    logits = keras.Input((None, None, num_classes), dtype="float32")
    decoder = keras.Input((None, None, decoder_channels))
    log_probability = ops.maximum(ops.log_softmax(logits, axis=-1), LOWEST_LOG_PROBABILITY)
    lifted = ResizeLike()([layers.Conv2D(PROJECTED_CHANNELS, 1)(decoder), image_part])
    x = layers.Concatenate()([log_probability / 4.0 + 1.0, lifted])
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


def _projection(image_channels):
    """[image features] -> a few normalised ones."""
    image_features = keras.Input((None, None, image_channels))
    projected = layers.Conv2D(NUM_FEATURES, 1, use_bias=False)(image_features)
    projected = layers.BatchNormalization(dtype="float32")(projected)
    return keras.Model(image_features, projected, name="projection")


def _colours_and_features(image, image_features, projection, training):
    """float32 `[B, 3 + NUM_FEATURES, H, W]`."""
    lifted = ResizeLike(dtype="float32")([projection(image_features, training=training), image])
    return ops.transpose(ops.concatenate([image, lifted], axis=-1), (0, 3, 1, 2))
