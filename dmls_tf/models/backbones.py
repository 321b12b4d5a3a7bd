"""Encoders from `keras.applications`, made dilated by editing their configuration.

A strided layer beyond the output stride keeps its weights but not its stride; every kernel after
it is dilated instead. Subsampled, the dilated network equals the strided one, so published
weights stay right, and a new backbone is one row of `BACKBONES`: its constructor, the pixel
scaling it was trained with, and the layers to tap.

The encoder is cut after its first convolution, so that the recurrence can compute W_I * I once
and add W_P * P before the first normalisation or activation (eq. 2):

    >>> backbone = build_backbone("mobilenetv2", output_stride=16)
    >>> prior = 0.0  # W_P * P
    >>> maps = backbone.body(backbone.stem(np.zeros((1, 64, 96, 3))) + prior)
    >>> [tuple(features.shape[1:3]) for features in maps]
    [(32, 48), (16, 24), (8, 12), (4, 6), (4, 6)]
    >>> backbone.strides
    (2, 4, 8, 16, 16)
"""

import copy
import dataclasses
import functools
import math
import random
import warnings
from collections.abc import Callable

import keras

from dmls_tf.errors import UserError

# Any size divisible by 32: the edit only reads off it by how much each layer is strided.
_PROBE_SIZE = 256

# Kinds of layers that `dilate` changes, and those that see one pixel at a time.
DILATED_KINDS = ("InputLayer", "ZeroPadding2D", "MaxPooling2D", "Conv2D", "DepthwiseConv2D")
POINTWISE_KINDS = ("Activation", "Add", "BatchNormalization", "Concatenate", "ReLU", "Rescaling")


@dataclasses.dataclass(frozen=True)
class BackboneSpec:
    """A row of the table.

    Attributes:
        constructor: of the classification network, in `keras.applications`.
        scaling: mode of `keras.applications.imagenet_utils.preprocess_input`.
        taps: the last layer before each stride, finest first, for the strides 2, 4, 8, 16 (, 32).
        fcn_taps: what an FCN-8s classifies, at the strides 8, 16, 32.
        classifier: channels of the fully connected layers that an FCN-8s turns into convolutions.
    """

    constructor: Callable
    scaling: str
    taps: tuple[str, ...]
    fcn_taps: tuple[str, ...]
    classifier: tuple[int, ...] = ()


def _vgg(constructor, depth):
    """VGG nets: `depth` convolutions in each of the blocks 3 to 5."""
    return BackboneSpec(
        constructor,
        "caffe",
        taps=("block2_conv2", *(f"block{block}_conv{depth}" for block in (3, 4, 5))),
        fcn_taps=("block3_pool", "block4_pool", "block5_pool"),
        classifier=(4096, 4096),
    )


def _resnet(constructor, depth3, depth4):
    taps = (
        "conv1_relu",
        "conv2_block3_out",
        f"conv3_block{depth3}_out",
        f"conv4_block{depth4}_out",
        "conv5_block3_out",
    )
    return BackboneSpec(constructor, "caffe", taps, fcn_taps=taps[2:])


_MOBILENET_TAPS = (
    "expanded_conv_project_BN",
    "block_2_add",
    "block_5_add",
    "block_12_add",
    "out_relu",
)

BACKBONES = {
    "vgg16": _vgg(keras.applications.VGG16, 3),
    "vgg19": _vgg(keras.applications.VGG19, 4),
    "resnet50": _resnet(keras.applications.ResNet50, 4, 6),
    "resnet101": _resnet(keras.applications.ResNet101, 4, 23),
    "resnet152": _resnet(keras.applications.ResNet152, 8, 36),
    "mobilenetv2": BackboneSpec(
        keras.applications.MobileNetV2, "tf", _MOBILENET_TAPS, fcn_taps=_MOBILENET_TAPS[2:]
    ),
}


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A dilated encoder in two parts that share the layers of `network`.

    Attributes:
        network: image, scaled as `scaling` says, -> the deepest feature map.
        stem: image -> the first convolution, before normalisation and activation.
        body: that -> a list of feature maps, finest first, the last at the output stride.
        strides: of those maps; the output stride appears more than once where strides were
            removed.
        scaling: mode of `keras.applications.imagenet_utils.preprocess_input`.
    """

    network: keras.Model
    stem: keras.Model
    body: keras.Model
    strides: tuple[int, ...]
    scaling: str


def build_backbone(name, output_stride=16, width_multiplier=1.0, momentum=None):
    """Builds a dilated encoder with fresh weights.

    Args:
        name: a key of `BACKBONES`.
        output_stride: 8 or 16; 32 for the network as published, with the taps of an FCN-8s.
        width_multiplier: multiplies the channels of every layer (rounded to multiples of 8).
        momentum: of the batch normalisations, None for the published one.

    Returns:
        A `Backbone`.

    Raises:
        UserError: the network cannot be dilated.
    """
    spec = BACKBONES[name]
    config = dilate(*_published(name, keras.config.dtype_policy().name), output_stride)
    first = _first_convolution(config)
    activation = first["config"].get("activation")
    first["config"]["activation"] = "linear"
    for layer in config["layers"]:
        _resize_layer(layer, width_multiplier, momentum)
    network = keras.Model.from_config(config)
    entry = network.get_layer(first["config"]["name"]).output
    taps = spec.fcn_taps if output_stride == 32 else spec.taps
    outputs = [network.get_layer(tap).output for tap in taps]
    body = keras.Model(entry, outputs, name="encoder")
    if activation not in (None, "linear"):
        body = _activate_first(body, activation)
    strides = _measured_strides(network, outputs)
    if max(strides) != output_stride:
        raise UserError(f"the dilated {name} has maps at strides {strides}, not to {output_stride}")
    stem = keras.Model(network.inputs[0], entry, name="image_convolution")
    return Backbone(network, stem, body, strides, spec.scaling)


def load_backbone_weights(backbone, name, weights):
    """Loads published or own weights into a built backbone.

    Args:
        backbone: of `build_backbone`, width_multiplier 1.
        name: its key in `BACKBONES`.
        weights: "none", "imagenet" or the path of an `.h5` file of `keras.applications` layout
            (no top) or a `.weights.h5` file.

    Raises:
        UserError: the file is missing or does not fit, or the download fails.
    """
    if weights == "none":
        return
    try:
        with warnings.catch_warnings():
            # Keras only warns where it leaves layers as they were.
            warnings.simplefilter("error", UserWarning)
            if weights == "imagenet":
                source = BACKBONES[name].constructor(
                    include_top=False, weights="imagenet", input_shape=(224, 224, 3)
                )
                backbone.network.set_weights(source.get_weights())
            else:
                backbone.network.load_weights(weights)
    except Exception as error:  # a failed download raises a bare Exception
        reason = str(error).splitlines()[0]
        raise UserError(f"{weights}: no weights for the backbone {name}: {reason}") from error


def dilate(config, strides, output_stride):
    """Trades the strides beyond `output_stride` for dilation, in a model's configuration.

    Args:
        config: of a Functional model, `get_config()`.
        strides: {layer name: (stride of its input, stride of its output)}.
        output_stride: the largest stride that stays.

    Returns:
        A new configuration for inputs of any size, with weights of the same shapes.

    Raises:
        UserError: a layer of a kind that this function does not know to dilate.
    """
    config = copy.deepcopy(config)
    padding = None
    for layer in config["layers"]:
        layer.pop("build_config", None)  # the shapes it was built with
        settings = layer["config"]
        kind = layer["class_name"]
        if kind not in DILATED_KINDS + POINTWISE_KINDS:
            raise UserError(f"layer {settings['name']!r}: a {kind} cannot be dilated")
        before, after = strides[settings["name"]]
        rate = max(1, before // output_stride)
        if kind == "InputLayer":
            settings["batch_shape"] = [None, None, None, 3]
        elif kind == "ZeroPadding2D":
            padding = settings
        elif kind not in POINTWISE_KINDS:
            if after > before and after > output_stride:
                settings["strides"] = [1, 1]
                if kind == "MaxPooling2D":
                    settings["padding"] = "same"
                elif settings["padding"] == "valid" and settings["kernel_size"][0] > 1:
                    _dilate_padding(padding, settings["kernel_size"][0], rate)
            if kind != "MaxPooling2D" and settings["kernel_size"][0] > 1 and rate > 1:
                settings["dilation_rate"] = [rate, rate]
    return config


def _dilate_padding(padding, kernel_size, rate):
    """Rewrites the explicit padding before a convolution that has lost its stride."""
    sides = []
    for before, _ in padding["padding"]:
        sides.append([before * rate, (kernel_size - 1 - before) * rate])
    padding["padding"] = sides


@functools.cache
def _published(name, dtype_policy):
    """Configuration, under this global policy, and layer strides of the classification network."""
    shape = (_PROBE_SIZE, _PROBE_SIZE, 3)
    # Its unused weights must not change the random numbers of those drawn later.
    random_state = random.getstate()
    network = BACKBONES[name].constructor(include_top=False, weights=None, input_shape=shape)
    random.setstate(random_state)
    return network.get_config(), _layer_strides(network)


def _layer_strides(network):
    """{layer name: (stride of its input, stride of its output)} of a network of the probe size."""

    def stride(tensors):
        size = keras.tree.flatten(tensors)[0].shape[1]
        return 2 ** round(math.log2(_PROBE_SIZE / size))

    # An InputLayer has no input of its own.
    return {
        layer.name: (
            stride(layer.input if layer is not network.layers[0] else layer.output),
            stride(layer.output),
        )
        for layer in network.layers
    }


def _measured_strides(network, outputs):
    """How many pixels of the image lie between two of each output."""
    image = keras.KerasTensor((1, _PROBE_SIZE, _PROBE_SIZE, 3))
    maps = keras.Model(network.inputs, outputs).compute_output_spec(image)
    return tuple(_PROBE_SIZE // features.shape[1] for features in maps)


def _first_convolution(config):
    return next(layer for layer in config["layers"] if layer["class_name"] == "Conv2D")


def _resize_layer(layer, width_multiplier, momentum):
    """Scales the channels of a convolution, sets the momentum of a batch normalisation."""
    settings = layer["config"]
    if layer["class_name"] == "Conv2D" and width_multiplier != 1:
        settings["filters"] = max(8, 8 * round(settings["filters"] * width_multiplier / 8))
    if layer["class_name"] == "BatchNormalization" and momentum is not None:
        settings["momentum"] = momentum


def _activate_first(body, activation):
    """Puts the activation that the first convolution had fused in front of the rest."""
    entry = keras.Input(body.input_shape[1:])
    activated = keras.layers.Activation(activation, name="first_activation")(entry)
    return keras.Model(entry, body(activated), name="encoder")
