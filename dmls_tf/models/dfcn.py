"""One recurrent step: a dilated encoder with a skip decoder, from image and prior to scores.

    E = W_I * I + W_P * P + b                                                     (eqs 1, 2)

feeds the encoder; the decoder climbs from the output stride over the skips at strides 8 and 4
(and 2) to the class scores.
"""

import keras
from keras import layers, ops

from dmls_tf.layers.resize import ResizeLike
from dmls_tf.models.backbones import build_backbone

SKIP_CHANNELS = 48


class ImageScaling(keras.layers.Layer):
    """Pixels 0..255 to the range that a backbone of `keras.applications` was trained with.

    Args:
        mode: of `keras.applications.imagenet_utils.preprocess_input`.

    Call arguments:
        images: `[B, H, W, 3]`, RGB, 0..255.
    """

    def __init__(self, mode, **kwargs):
        super().__init__(**kwargs)
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
    """The dilated fully convolutional network of one step.

    `image_features(images)` is W_I * I + b, the same at every step: compute it once.

    Args:
        config: a `dmls_tf.config.ModelConfig`.

    Call arguments:
        image_features: `[B, H/s, W/s, C]`.
        prior: P, `[B, H, W, N]`, the previous prediction; None at the first step, where P = 0.

    Returns:
        A dict: `logits` float32 `[B, H/4, W/4, N]` (at the score stride), `low` the encoder's
        finest features, `decoder` the decoder's last features.
    """

    def __init__(self, config, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.backbone = build_backbone(
            config.backbone, config.output_stride, config.width, config.batch_norm_momentum
        )
        self.scaling = ImageScaling(self.backbone.scaling, name="image_scaling")
        self.stem = self.backbone.stem
        self.body = self.backbone.body
        self.prior_convolution = build_prior_convolution(self.stem, config.num_classes)
        self.decoder = build_decoder(self.body, self.backbone.strides, config)
        self.built = True

    def image_features(self, images, training=None):
        return self.stem(self.scaling(images), training=training)

    def call(self, image_features, prior=None, training=None):
        entry = image_features
        if prior is not None:
            entry = entry + self.prior_convolution(prior)
        features = self.body(entry, training=training)
        logits, last = self.decoder(features, training=training)
        return {"logits": logits, "low": features[0], "decoder": last}


def build_prior_convolution(stem, num_classes):
    """W_P: a convolution with the geometry of the stem's, zero at first.

    Zeros make the untrained recurrence repeat its first step, whose weights may be published ones.
    """
    prior = keras.Input((None, None, num_classes))
    x = prior
    for layer in stem.layers:
        settings = layer.get_config()
        if isinstance(layer, layers.ZeroPadding2D):
            x = layers.ZeroPadding2D(settings["padding"], data_format="channels_last")(x)
        elif isinstance(layer, layers.Conv2D):
            x = layers.Conv2D(
                settings["filters"],
                settings["kernel_size"],
                strides=settings["strides"],
                padding=settings["padding"],
                use_bias=False,
                kernel_initializer="zeros",
                name="prior",
            )(x)
    return keras.Model(prior, x, name="prior_convolution")


def build_decoder(body, strides, config):
    """The skip decoder: encoder features -> (float32 logits, last features) at the score stride."""
    features = [keras.Input(output.shape[1:]) for output in body.outputs]
    x = _convolve(features[-1], config.decoder_channels, 1, config, "deep")
    for stride in (8, 4, 2):
        if stride < config.score_stride:
            break
        skip = features[strides.index(stride)]
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
        `[B, H, W, N]`, and the output `[B, H, W, N]`.
    """
    image = keras.Input((None, None, 3), name="image")
    prior = keras.Input((None, None, config.num_classes), name="prior")
    dfcn = DFCN(config, name="dfcn")
    step = dfcn(dfcn.image_features(image), prior)
    logits = ResizeLike(dtype="float32")([step["logits"], image])
    return keras.Model({"image": image, "prior": prior}, logits, name="dfcn")
