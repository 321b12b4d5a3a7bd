"""Parameters and floating-point operations of a network, counted by TensorFlow's profiler."""

import dataclasses

import keras
import tensorflow as tf

from dmls_tf.models import build_dmls


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of the network: how many parameters, and operations a call on one image."""

    name: str
    parameters: int
    flops: int


def complexity(config, size):
    """The parts of a network on an image of `size` (height, width).

    Args:
        config: a `ModelConfig`.
        size: pixels.

    Returns:
        A list of `Part`: what runs once (its name says so), and what runs at each step.
    """
    model = build_dmls(config)
    dfcn = model.dfcn
    image = _reduced_spec(size, config.network_stride)
    entry = _output_specs(dfcn.stem, image)
    *skips, deepest = _output_specs(dfcn.body, entry)
    features = [*skips, _output_specs(dfcn.decoder_entry, deepest)]
    parts = [
        _part("image convolution (once)", dfcn.stem, image),
        _part("prior convolution", dfcn.prior_convolution, _like(entry, config.num_classes)),
        _part("encoder", dfcn.body, entry),
        _sum(
            _part("decoder", dfcn.decoder_entry, deepest), _part("decoder", dfcn.decoder, features)
        ),
    ]
    if model.likelihood:
        small = _reduced_spec(size, config.level_set_stride)
        _, last = _output_specs(dfcn.decoder, features)
        once, per_step = _likelihood_flops(model.likelihood, small, entry, config.num_classes, last)
        parts.insert(1, Part("likelihood, image part (once)", 0, once))
        parts.append(Part("likelihood", model.likelihood.count_params(), per_step))
    return parts


def _reduced_spec(size, stride):
    """The specification of an image of this size, averaged over squares of `stride` pixels."""
    return tf.TensorSpec([1, *(-(-side // stride) for side in size), 3])


def _likelihood_flops(likelihood, image, entry, num_classes, features):
    """Operations of its part that runs once, and of its call at each step."""
    once = count_flops(lambda inputs: likelihood.prepare(*inputs), [image, entry])

    def whole(inputs):
        image, entry, coarse, features = inputs
        return likelihood(likelihood.prepare(image, entry), coarse, features)

    specs = [image, entry, _like(image, num_classes), features]
    return once, count_flops(whole, specs) - once


def complexity_table(parts):
    """The parts as lines of text, with all parameters and the operations of one step."""
    lines = [f"{'part':<30}{'parameters':>12}{'GFLOPs':>10}"]
    parameters = sum(part.parameters for part in parts)
    a_step = sum(part.flops for part in parts if "once" not in part.name)
    for part in [*parts, Part("one step from the second", parameters, a_step)]:
        lines.append(f"{part.name:<30}{part.parameters:>12,}{part.flops / 1e9:>10.1f}")
    return "\n".join(lines)


def _part(name, layer, specs):
    return Part(name, layer.count_params(), count_flops(layer, specs))


def _sum(one, two):
    return Part(one.name, one.parameters + two.parameters, one.flops + two.flops)


def count_flops(layer, specs):
    """Floating-point operations of one call on tensors of these specs."""
    graph = tf.function(lambda *inputs: layer(_unpacked(inputs)), autograph=False)
    graph = graph.get_concrete_function(*tf.nest.flatten(specs))
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    return tf.compat.v1.profiler.profile(graph.graph, options=options).total_float_ops


def _output_specs(layer, specs):
    tensors = keras.tree.map_structure(lambda spec: keras.KerasTensor(spec.shape), specs)
    outputs = layer.compute_output_spec(tensors)
    return keras.tree.map_structure(lambda tensor: tf.TensorSpec(tensor.shape), outputs)


def _like(image, channels):
    return tf.TensorSpec([*image.shape[:-1], channels])


def _unpacked(inputs):
    return inputs[0] if len(inputs) == 1 else list(inputs)
