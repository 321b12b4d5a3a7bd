"""The pieces of a DMLS call and whole networks, as compiled functions; for `benchmarks.parts`."""

import dataclasses
import functools

import tensorflow as tf
from keras import ops

from dmls_tf.layers import MultiphaseLevelSet
from dmls_tf.models.dmls import with_settings
from dmls_tf.ops.banded_distance import signed_distance_phases_first
from dmls_tf.ops.resize import reduced

LEFT_OUT = {
    "whole": {},
    "no evolution": {"evolution_steps": 0, "prior_evolution_steps": 0},
    "no level set": {"level_set": None},
}


def pieces(model, image):
    """{piece: call}, each on what the pieces before it make of the image, in the first step.

    Args:
        model: a `DMLS` with the learned likelihood and the prior at the image.
        image: float32 `[1, H, W, 3]`.
    """
    dfcn = model.dfcn

    def decode(*features):
        *skips, deepest = features
        return dfcn.decoder([*skips, dfcn.decoder_entry(deepest)])

    encoded = dfcn.encode(image)
    return {
        "image convolution": compiled(dfcn.encode, image),
        "encoder": compiled(dfcn.body, encoded.entry),
        "decoder": compiled(decode, *dfcn.body(encoded.entry)),
        **later_pieces(model, image, encoded, dfcn(encoded)),
    }


def later_pieces(model, image, encoded, decoded):
    """The pieces after the decoder, of its result."""
    stride, resize, likelihood = model.config.level_set_stride, model.resize, model.likelihood

    def prepare(image, features):
        return likelihood.prepare(reduced(image, stride) / 127.5 - 1.0, features, training=False)

    def prior(evolved):
        prediction = model.dfcn.prior_of(ops.softmax(evolved, axis=-1), stride, encoded)
        return encoded.entry + model.dfcn.prior_convolution(prediction)

    evidence = prepare(image, encoded.image_features)
    logits = resize([decoded.logits, evidence])
    given = evidence, logits, decoded.features
    log_f = likelihood(*given, training=False)
    return {
        "likelihood, image part": compiled(prepare, image, encoded.image_features),
        "likelihood": compiled(functools.partial(likelihood, training=False), *given),
        **level_set_pieces(model, logits, log_f),
        "logits to the level sets": compiled(lambda *maps: resize(maps), decoded.logits, evidence),
        "prediction to the image": compiled(lambda *maps: resize(maps), logits, image),
        "prior": compiled(prior, logits),
    }


def level_set_pieces(model, logits, log_f):
    """The layer with its evolution and without, and the distance transform in it."""
    config, num_phases = model.level_set.config, logits.shape[-1]
    if not config.evolves_all(num_phases):
        num_phases = config.max_phases + 1  # all others are one region
    labels = ops.cast(ops.argmax(logits, axis=-1) % num_phases, "int32")
    layers = {
        "level set, last step": model.level_set,
        "level set, steps before": model.prior_level_set,
        "level set, no evolution": MultiphaseLevelSet(
            dataclasses.replace(config, evolution_steps=0)
        ),
    }
    runs = {
        name: compiled(functools.partial(layer, training=False), logits, log_f)
        for name, layer in layers.items()
    }
    distance = functools.partial(
        signed_distance_phases_first, num_classes=num_phases, band=config.band
    )
    return runs | {"distance transform": compiled(distance, labels)}


def wholes(model, image, recurrent_steps):
    """{what is left out: call} of networks of the same weights with another K."""

    def predict(model, images):
        return model(images, training=False)[model.final_output]

    changed = {
        name: with_settings(model, recurrent_steps=recurrent_steps, **changes)
        for name, changes in LEFT_OUT.items()
    }
    return {
        name: compiled(functools.partial(predict, network), image)
        for name, network in changed.items()
    }


def compiled(function, *given):
    """A call of the function in a TF graph on these tensors, traced at its first."""
    graph = tf.function(function)
    return lambda: graph(*given)
