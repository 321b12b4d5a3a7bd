"""The networks that benchmarks compare, with random weights: ours and those of others.

A builder takes the shape of the images, `(B, H, W, 3)`, and N, and returns a Keras model and its
call, images -> logits. It imports its framework itself, for segmentation_models needs an
environment without Keras 3.
"""

import os

import numpy as np

from benchmarks.timing import memory_mib

SEGMENTATION_MODELS_MULTIPLE = 48  # what PSPNet's pooling wants the sides to be divisible by


def dmls(shape, num_classes, metadata=None, **settings):
    """Ours, whose prior counts: `settings` are fields of `ModelConfig`. A call gives the last P."""
    from dmls_tf.config import ModelConfig
    from dmls_tf.models import build_dmls

    model = build_dmls(ModelConfig(num_classes, **settings), metadata)
    (kernel,) = model.dfcn.prior_convolution.weights
    kernel.assign(np.random.default_rng(1).normal(size=kernel.shape) / 100)
    return model, lambda images: model(images, training=False)[model.final_output]


def fcn8s(shape, num_classes, backbone):
    """The paper's baseline, without recurrence and level sets."""
    settings = {"network": "fcn8s", "backbone": backbone, "recurrent_steps": 1, "level_set": None}
    return dmls(shape, num_classes, **settings)


def deeplab(shape, num_classes, output_stride):
    """KerasHub's DeepLabV3+ with ResNet-50, at output stride 32 (its preset) or 16.

    KerasHub has no dilated ResNet. At 16 the last stage has no stride, and no dilation either,
    for the same operations. KerasHub takes a map's stride from its name: the last is "P5" at stride
    32 and has to be "P4" at 16, or the logits would be twice as large as the image.
    """
    import keras_hub

    encoder = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 128, 256, 512],
        stackwise_num_blocks=[3, 4, 6, 3],
        stackwise_num_strides=[1, 2, 2, output_stride // 16],
        block_type="bottleneck_block",
        image_shape=tuple(shape[1:]),
    )
    last = {32: "P5", 16: "P4"}[output_stride]
    maps = encoder.pyramid_outputs
    encoder.pyramid_outputs = {"P2": maps["P2"], last: maps["P5"]}
    backbone = keras_hub.models.DeepLabV3Backbone(
        image_encoder=encoder,
        low_level_feature_key="P2",
        spatial_pyramid_pooling_key=last,
        upsampling_size=output_stride // 4,
        dilation_rates=[6, 12, 18],
        projection_filters=48,
        image_shape=tuple(shape[1:]),
    )
    model = keras_hub.models.DeepLabV3ImageSegmenter(backbone, num_classes)
    return model, lambda images: model(images, training=False)


def segmentation_models(shape, num_classes, architecture):
    """PSPNet or FPN with ResNet-50, of the package of that name (tf.keras, Keras 2)."""
    os.environ["SM_FRAMEWORK"] = "tf.keras"
    import segmentation_models

    model = getattr(segmentation_models, architecture)(
        "resnet50",
        input_shape=tuple(shape[1:]),
        classes=num_classes,
        activation="linear",
        encoder_weights=None,
    )
    return model, lambda images: model(images, training=False)


BUILDERS = {builder.__name__: builder for builder in (dmls, fcn8s, deeplab, segmentation_models)}


def alone(builder, shape, **settings):
    """One network in a process of its own, {request: function}; see `processes.Child`.

    Requests: "call" (a TF graph, float32); "peak" (MiB) and "rise" (of it over the loaded network);
    "parameters" (M); "GFLOPs" (of a call; by TensorFlow's profiler, a multiply-add is two).
    """
    import tensorflow as tf

    model, call = BUILDERS[builder](shape, **settings)
    images, compiled = random_images(shape), tf.function(call)
    loaded = memory_mib("VmRSS")

    def gigaflops():  # `dmls_tf.evaluation.complexity.count_flops` needs Keras 3
        graph = tf.function(call).get_concrete_function(tf.TensorSpec(shape)).graph
        options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
        options["output"] = "none"
        return tf.compat.v1.profiler.profile(graph, options=options).total_float_ops / 1e9

    return {
        "call": lambda: list(compiled(images).numpy().shape),
        "peak": memory_mib,
        "rise": lambda: memory_mib() - loaded,
        "parameters": lambda: model.count_params() / 1e6,
        "GFLOPs": gigaflops,
    }


def random_images(shape):
    """Pixels 0..255, float32 of this shape."""
    return np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
