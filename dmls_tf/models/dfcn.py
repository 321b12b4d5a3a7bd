"""One recurrent step: a dilated encoder with a skip decoder, from image and prior to scores.

    E = W_I * I + W_P * P + b                                                     (eqs 1, 2)

feeds the encoder; the decoder climbs from the output stride over the skips at strides 8 and 4
(and 2) to the class scores. With `network="fcn8s"` both are those of the paper's baseline.

With `prior_entry="decoder"` W_P * P is added to the decoder's first convolution instead, which is
cut off like the encoder's, and the encoder runs once.
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

    `encode(images)` is the same at every step: compute it once.

    Args:
        config: a `dmls_tf.config.ModelConfig`.

    Call arguments:
        shared: of `encode`.
        prior: P, `[B, h, w, N]`, the previous prediction where it enters, see `prior_of`; None at
            the first step, where P = 0.

    Returns:
        A dict: `logits` float32 `[B, H/s, W/s, N]`, `decoder` the features they come from.
    """

    def __init__(self, config, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.backbone = build_backbone(
            config.backbone,
            32 if config.network == "fcn8s" else config.output_stride,
            config.width,
            config.batch_norm_momentum,
        )
        self.scaling = ImageScaling(self.backbone.scaling, name="image_scaling")
        self.stem = self.backbone.stem
        self.body = self.backbone.body
        if config.network == "fcn8s":
            self.score_stride, self.summit = 8, layers.Identity()
            self.decoder = build_fcn8s_decoder(self.backbone, config)
        else:
            self.score_stride = config.score_stride
            self.summit, self.decoder = build_decoder(self.backbone, config)
        self.late = config.prior_entry == "decoder"
        first = _first_convolution(self.summit if self.late else self.stem)
        self.prior_convolution = build_prior_convolution(first, config.num_classes)
        self.entry_stride = config.output_stride if self.late else first.strides[0]
        self.resize = ResizeLike(name="resize")
        self.built = True

    def encode(self, images, training=None):
        """What all steps share: a list of tensors, from W_I * I + b to what P is added to."""
        image_features = self.stem(self.scaling(images), training=training)
        if not self.late:
            return [image_features]
        return [image_features, *self._climb(image_features, training)]

    def prior_of(self, prediction, stride, shared):
        """P from a prediction at `stride`: averaged or enlarged to where it is added."""
        if stride == self.entry_stride:
            return prediction
        if stride < self.entry_stride:
            ratio = self.entry_stride // stride
            prediction = ops.average_pool(prediction, ratio, ratio, padding="same")
        return self.resize([prediction, shared[-1]])

    def call(self, shared, prior=None, training=None):
        *earlier, entry = shared
        if prior is not None:
            entry = entry + self.prior_convolution(prior)
        features = [*earlier[1:], entry] if self.late else self._climb(entry, training)
        logits, last = self.decoder(features, training=training)
        return {"logits": logits, "decoder": last}

    def _climb(self, entry, training):
        """Encoder features, the deepest as the decoder's first convolution has it."""
        *skips, deepest = self.body(entry, training=training)
        return [*skips, self.summit(deepest)]


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
        the deepest of them convolved, to (float32 logits, last features) at the score stride.
    """
    *skips, deepest = [keras.Input(output.shape[1:]) for output in backbone.body.outputs]
    summit = keras.Model(deepest, _convolution(config.decoder_channels, 1, "deep")(deepest))
    inputs = [*skips, keras.Input(summit.output_shape[1:])]
    # Not every skip is read, and Keras 3.12, the last for Python 3.10, refuses idle inputs.
    features = layers.Identity()(inputs)
    x = _activate(features[-1], config, "deep")
    for stride in (8, 4, 2):
        if stride < config.score_stride:
            break
        skip = features[backbone.strides.index(stride)]
        channels = config.decoder_channels if stride == 8 else config.decoder_channels // 2
        skip = _convolve(skip, min(SKIP_CHANNELS, channels), 1, config, f"skip{stride}")
        x = layers.Concatenate()([ResizeLike()([x, skip]), skip])
        x = _convolve(x, channels, 3, config, f"decode{stride}")
    logits = layers.Conv2D(config.num_classes, 1, name="scores", dtype="float32")(x)
    return summit, keras.Model(inputs, [logits, x], name="decoder")


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
    shared = dfcn.encode(image)
    step = dfcn(shared, dfcn.prior_of(prior, 1, shared))
    logits = ResizeLike(dtype="float32")([step["logits"], image])
    return keras.Model({"image": image, "prior": prior}, logits, name="dfcn")
