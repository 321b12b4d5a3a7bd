"""One recurrent step: a dilated encoder with a skip decoder, from image and prior to scores.

    E = W_I * I + W_P * P + b                                                     (eqs 1, 2)

feeds the encoder; the decoder climbs from the output stride over the skips at strides 8 and 4
(and 2) to the class scores. With `network="fcn8s"` both are those of the paper's baseline.
"""

import keras
from keras import layers, ops

from dmls_tf.layers.resize import ResizeLike
from dmls_tf.models.backbones import build_backbone
from dmls_tf.models.fcn8s import build_fcn8s_decoder

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

    def compute_output_shape(self, images_shape):
        return images_shape


class DFCN(keras.layers.Layer):
    """The fully convolutional network of one step.

    `image_features(images)` is W_I * I + b, the same at every step: compute it once.

    Args:
        config: a `dmls_tf.config.ModelConfig`.

    Call arguments:
        image_features: `[B, h, w, C]`.
        prior: P, `[B, h, w, N]`, the previous prediction at the resolution of the image features
            (see `reduce`); None at the first step, where P = 0.

    Returns:
        A dict: `logits` float32 `[B, H/s, W/s, N]`, `decoder` the features they come from.
    """

    def __init__(self, config, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        plain = config.network == "fcn8s"
        self.backbone = build_backbone(
            config.backbone,
            32 if plain else config.output_stride,
            config.width,
            config.batch_norm_momentum,
        )
        self.scaling = ImageScaling(self.backbone.scaling, name="image_scaling")
        self.stem = self.backbone.stem
        self.body = self.backbone.body
        self.prior_convolution = build_prior_convolution(self.stem, config.num_classes)
        build = build_fcn8s_decoder if plain else build_decoder
        self.decoder = build(self.backbone, config)
        self.built = True

    def image_features(self, images, training=None):
        return self.stem(self.scaling(images), training=training)

    def reduce(self, maps):
        """Averages `[B, H, W, N]` to the resolution of the image features, where P enters."""
        stride = _stem_convolution(self.stem).strides[0]
        return ops.average_pool(maps, stride, padding="same") if stride > 1 else maps

    def call(self, image_features, prior=None, training=None):
        entry = image_features
        if prior is not None:
            entry = entry + self.prior_convolution(prior)
        features = self.body(entry, training=training)
        logits, last = self.decoder(features, training=training)
        return {"logits": logits, "decoder": last}


def build_prior_convolution(stem, num_classes):
    """W_P: a 3x3 convolution at the resolution of the stem's result, zero at first.

    Zeros make the untrained recurrence repeat its first step, whose weights may be published ones.
    Where the stem is strided, P is averaged to its resolution first: P is smooth but for its
    contours, and a 7x7 kernel over N full-size maps would cost an eighth of a ResNet-50 step.
    """
    prior = keras.Input((None, None, num_classes))
    convolution = layers.Conv2D(
        _stem_convolution(stem).filters,
        3,
        padding="same",
        use_bias=False,
        kernel_initializer="zeros",
        name="prior",
    )
    return keras.Model(prior, convolution(prior), name="prior_convolution")


def _stem_convolution(stem):
    return next(layer for layer in stem.layers if isinstance(layer, layers.Conv2D))


def build_decoder(backbone, config):
    """The skip decoder: encoder features -> (float32 logits, last features) at the score stride."""
    features = [keras.Input(output.shape[1:]) for output in backbone.body.outputs]
    x = _convolve(features[-1], config.decoder_channels, 1, config, "deep")
    for stride in (8, 4, 2):
        if stride < config.score_stride:
            break
        skip = features[backbone.strides.index(stride)]
        channels = config.decoder_channels if stride == 8 else config.decoder_channels // 2
        skip = _convolve(skip, min(SKIP_CHANNELS, channels), 1, config, f"skip{stride}")
        x = layers.Concatenate()([ResizeLike()([x, skip]), skip])
        x = _convolve(x, channels, 3, config, f"decode{stride}")
    logits = layers.Conv2D(config.num_classes, 1, name="scores", dtype="float32")(x)
    return keras.Model(features, [logits, x], name="decoder")


def _convolve(x, channels, kernel_size, config, name):
    """Convolution, batch normalisation, ReLU."""
    x = layers.Conv2D(
        channels,
        kernel_size,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )(x)
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
    step = dfcn(dfcn.image_features(image), dfcn.reduce(prior))
    logits = ResizeLike(dtype="float32")([step["logits"], image])
    return keras.Model({"image": image, "prior": prior}, logits, name="dfcn")
