"""The pieces of a DMLS call and whole networks, as compiled functions; for `benchmarks.parts`."""

import functools

import tensorflow as tf
from keras import ops

from dmls_tf.models.dmls import with_settings
from dmls_tf.ops.distance_transform import signed_distance_phases_first

LEFT_OUT = {
    "whole": {},
    "no evolution": {"evolution_steps": 0, "prior_evolution_steps": 0},
    "no level set": {"level_set": False},
}


def pieces(model, image):
    """{piece: call}, each on what the pieces before it make of the image, in the first step.

    Args:
        model: a `DMLS` with the force "head" and the prior at the image.
        image: float32 `[1, H, W, 3]`.
    """
    dfcn = model.dfcn
    (entry,) = dfcn.encode(image)
    features = dfcn.body(entry)
    step = dfcn([entry])
    return {
        "image convolution": compiled(dfcn.encode, image),
        "encoder": compiled(dfcn.body, entry),
        "decoder": compiled(functools.partial(decoded, dfcn), *features),
        **later_pieces(model, image, entry, step),
    }


def decoded(dfcn, *features):
    *skips, deepest = features
    return dfcn.decoder([*skips, dfcn.summit(deepest)])


def later_pieces(model, image, entry, step):
    """The pieces after the decoder, of what it has returned."""
    stride, resize = model.config.level_set_stride, model.resize

    def prepare(image, entry):
        small = ops.average_pool(image, stride, stride, padding="same") if stride > 1 else image
        return model.likelihood.prepare(small / 127.5 - 1.0, entry, training=False)

    def likelihood(prepared, scores, last):
        return model.likelihood([prepared], scores, {"decoder": last}, training=False)

    def prior(evolved, entry):
        prediction = ops.softmax(evolved, axis=-1)
        return entry + model.dfcn.prior_convolution(
            model.dfcn.prior_of(prediction, stride, [entry])
        )

    (prepared,) = prepare(image, entry)
    scores = resize([step["logits"], prepared])
    log_f = likelihood(prepared, scores, step["decoder"])
    return {
        "head, image part": compiled(prepare, image, entry),
        "head": compiled(likelihood, prepared, scores, step["decoder"]),
        **level_set_pieces(model, scores, log_f),
        "scores to the level sets": compiled(lambda *maps: resize(maps), step["logits"], prepared),
        "answer to the image": compiled(lambda *maps: resize(maps), scores, image),
        "prior": compiled(prior, scores, entry),
    }


def level_set_pieces(model, scores, log_f):
    """The layer with its evolution and without, and the distance transform in it."""
    layer = model.level_set
    still = type(layer).from_config(layer.get_config() | {"num_steps": 0})
    num_phases = scores.shape[-1]
    if layer.max_phases is not None and layer.max_phases < num_phases:
        num_phases = layer.max_phases + 1  # all others are one region
    labels = ops.argmax(scores, axis=-1) % num_phases

    def distance(labels):
        return signed_distance_phases_first(ops.cast(labels, "int32"), num_phases, layer.band)

    layers = {
        "level set, last step": layer,
        "level set, steps before": model.prior_level_set,
        "level set, no evolution": still,
    }
    runs = {
        name: compiled(functools.partial(layer, training=False), scores, log_f)
        for name, layer in layers.items()
    }
    return runs | {"distance transform": compiled(distance, labels)}


def wholes(model, image, num_steps):
    """{what is left out: call} of networks of the same weights with K = `num_steps`."""

    def answer(model, images):
        return model(images, training=False)[model.final_output]

    return {
        name: compiled(
            functools.partial(answer, with_settings(model, num_steps=num_steps, **changes)), image
        )
        for name, changes in LEFT_OUT.items()
    }


def compiled(function, *given):
    """A call of the function in a TF graph on these tensors, traced at its first."""
    graph = tf.function(function)
    return lambda: graph(*given)
