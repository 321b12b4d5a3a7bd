"""One recurrent step: a dilated encoder with a skip decoder, from image and prior to logits.

    E = W_I * I + W_P * P + b                                                     (eqs 1, 2)

feeds the encoder; the decoder climbs from the output stride over the skips at strides 8 and 4
(and 2) to the class logits. With `network="fcn8s"` both are those of the paper's baseline.

With `prior_entry="decoder"` W_P * P is added to the decoder's first convolution instead, which is
cut off like the encoder's, and the encoder runs once.
"""

from typing import Any, NamedTuple

import keras
from keras import layers, ops

from dmls_tf.layers.resize import ResizeLike
from dmls_tf.models.backbones import build_backbone
from dmls_tf.models.fcn8s import build_fcn8s_decoder
from dmls_tf.ops.resize import reduced

SKIP_CHANNELS = 48


class ImageScaling(keras.layers.Layer):
    """Pixels 0..255 to the range that a backbone of `keras.applications` was trained with.

    Args:
        mode: of `keras.applications.imagenet_utils.preprocess_input`.

    Call arguments:
        images: `[B, H, W, 3]`, RGB, 0..255.
    """

    def __init__(self, mode, **kwargs):
        super().__init__(autocast=False, **kwargs)  # pixels lose nothing to half precision
        self.mode = mode

    def call(self, images):
        images = ops.cast(images, "float32")
        scaled = keras.applications.imagenet_utils.preprocess_input(
            images, data_format="channels_last", mode=self.mode
        )
        return ops.cast(scaled, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape


class Encoded(NamedTuple):
    """What the recurrent steps share, computed once from the image.

    Attributes:
        image_features: W_I * I + b, `[B, h, w, C]`.
        skips: encoder features on the way to the decoder's entry if P enters there, else empty.
        entry: what W_P * P is added to.
    """

    image_features: Any
    skips: list
    entry: Any


class Decoded(NamedTuple):
    """What one step finds.

    Attributes:
        logits: S, float32 `[B, H/s, W/s, N]`.
        features: what the logits are computed from, `[B, H/s, W/s, C]`.
    """

    logits: Any
    features: Any


class DFCN(keras.layers.Layer):
    """The fully convolutional network of one step: `dfcn(dfcn.encode(images), prior)`.

    Args:
        config: a `dmls_tf.config.ModelConfig`.

    Call arguments:
        encoded: an `Encoded`.
        prior: P, `[B, h, w, N]`, the previous prediction at the size of `encoded.entry`, see
            `prior_of`; None at the first step, where P = 0.

    Returns:
        A `Decoded`.
    """

    def __init__(self, config, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.backbone = build_backbone(
            config.backbone,
            32 if config.network == "fcn8s" else config.output_stride,
            config.width_multiplier,
            config.batch_norm_momentum,
        )
        self.scaling = ImageScaling(self.backbone.scaling, name="image_scaling")
        self.stem = self.backbone.stem
        self.body = self.backbone.body
        if config.network == "fcn8s":
            self.decoder_stride, self.decoder_entry = 8, layers.Identity()
            self.decoder = build_fcn8s_decoder(self.backbone, config)
        else:
            self.decoder_stride = config.decoder_stride
            self.decoder_entry, self.decoder = build_decoder(self.backbone, config)
        self.prior_at_decoder = config.prior_entry == "decoder"
        first = _first_convolution(self.decoder_entry if self.prior_at_decoder else self.stem)
        self.prior_convolution = build_prior_convolution(first, config.num_classes)
        self.entry_stride = config.output_stride if self.prior_at_decoder else first.strides[0]
        self.entry_stride *= config.network_stride
        self.decoder_stride *= config.network_stride
        self.resize = ResizeLike(name="resize")
        self.built = True

    def encode(self, images, training=None):
        """What all steps share, from images `[B, H, W, 3]`, 0..255: an `Encoded`.

        Raises:
            UserError: images that are known to be smaller than `config.min_side`.
        """
        self.config.check_size([side for side in images.shape[1:3] if side])
        images = reduced(images, self.config.network_stride)
        image_features = self.stem(self.scaling(images), training=training)
        if not self.prior_at_decoder:
            return Encoded(image_features, [], image_features)
        *skips, entry = self._encoder_features(image_features, training)
        return Encoded(image_features, skips, entry)

    def prior_of(self, prediction, stride, encoded):
        """P from a prediction at `stride`: averaged or enlarged to where it is added."""
        if stride == self.entry_stride:
            return prediction
        if stride < self.entry_stride:
            prediction = reduced(prediction, self.entry_stride // stride)
        return self.resize([prediction, encoded.entry])

    def call(self, encoded, prior=None, training=None):
        entry = encoded.entry
        if prior is not None:
            entry = entry + self.prior_convolution(prior)
        if self.prior_at_decoder:
            features = [*encoded.skips, entry]
        else:
            features = self._encoder_features(entry, training)
        return Decoded(*self.decoder(features, training=training))

    def _encoder_features(self, entry, training):
        """Feature maps, the deepest as the decoder's first convolution leaves it."""
        *skips, deepest = self.body(entry, training=training)
        return [*skips, self.decoder_entry(deepest)]


def build_prior_convolution(first, num_classes):
    """W_P: a 3x3 convolution whose result is added to that of `first`, zero at first.

    Zeros make the untrained recurrence repeat its first step, whose weights may be published ones.
    Where P enters at a coarser resolution, it is averaged to it first: P is smooth but for its
    contours, and a 7x7 kernel over N full-size maps would cost an eighth of a ResNet-50 step.
    """
    prior = keras.Input((None, None, num_classes))
    convolution = layers.Conv2D(
        first.filters,
        3,
        padding="same",
        use_bias=False,
        kernel_initializer="zeros",
        name="prior",
    )
    return keras.Model(prior, convolution(prior), name="prior_convolution")


def _first_convolution(model):
    return next(layer for layer in model.layers if isinstance(layer, layers.Conv2D))


def build_decoder(backbone, config):
    """The skip decoder, cut like the encoder after its first convolution.

    Returns:
        The first convolution, of the deepest encoder features; and the rest, from encoder features,
        the deepest of them convolved, to (float32 logits, last features) at the decoder's stride.
    """
    *skips, deepest = [keras.Input(output.shape[1:]) for output in backbone.body.outputs]
    entry = keras.Model(deepest, _convolution(config.decoder_channels, 1, "deep")(deepest))
    inputs = [*skips, keras.Input(entry.output_shape[1:])]
    # Not every skip is read, and Keras 3.12, the last for Python 3.10, refuses idle inputs.
    features = layers.Identity()(inputs)
    x = _activate(features[-1], config, "deep")
    for stride in (8, 4, 2):
        if stride < config.decoder_stride:
            break
        skip = features[backbone.strides.index(stride)]
        channels = config.decoder_channels if stride == 8 else config.decoder_channels // 2
        skip = _convolve(skip, min(SKIP_CHANNELS, channels), 1, config, f"skip{stride}")
        x = layers.Concatenate()([ResizeLike()([x, skip]), skip])
        x = _convolve(x, channels, 3, config, f"decode{stride}")
    logits = layers.Conv2D(config.num_classes, 1, name="logits", dtype="float32")(x)
    return entry, keras.Model(inputs, [logits, x], name="decoder")


def _convolve(x, channels, kernel_size, config, name):
    return _activate(_convolution(channels, kernel_size, name)(x), config, name)


def _convolution(channels, kernel_size, name):
    return layers.Conv2D(
        channels,
        kernel_size,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )


def _activate(x, config, name):
    x = layers.BatchNormalization(momentum=config.batch_norm_momentum, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def build_dfcn(config):
    """One step on its own: a model {"image", "prior"} -> full-size float32 logits.

    Args:
        config: a `dmls_tf.config.ModelConfig`.

    Returns:
        A `keras.Model` with the inputs `image` `[B, H, W, 3]`, 0..255, and `prior`
        `[B, H, W, N]`, and the output `[B, H, W, N]`, float32 logits.
    """
    image = keras.Input((None, None, 3), name="image")
    prior = keras.Input((None, None, config.num_classes), name="prior")
    dfcn = DFCN(config, name="dfcn")
    encoded = dfcn.encode(image)
    decoded = dfcn(encoded, dfcn.prior_of(prior, 1, encoded))
    logits = ResizeLike(dtype="float32")([decoded.logits, image])
    return keras.Model({"image": image, "prior": prior}, logits, name="dfcn")
