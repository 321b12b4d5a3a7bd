"""What every public Keras layer, loss and metric must do, whatever it computes.

`CASES` are the objects and what they are called on; `check_layer`, `check_loss` and `check_metric`
raise where one breaks the contract. No TensorFlow here: JAX computes the cases too.
"""

import inspect
import json
from typing import NamedTuple

import keras
import numpy as np
from keras import ops, tree
from keras.backend import standardize_dtype
from scipy import ndimage

from dmls_tf.layers import MultiphaseLevelSet, ResizeLike
from dmls_tf.losses import BoundaryCrossEntropy, WeightedCrossEntropy
from dmls_tf.metrics import ConfusionMatrix

# Two calls on the same numbers differ by no more, relative and absolute, in a result of this dtype.
TOLERANCE = {"float32": 1e-5, "int64": 0, "float16": 1e-2, "bfloat16": 5e-2}


class Case(NamedTuple):
    """An object and what it is called on; `dtype` is None where the policy decides on it."""

    cls: type
    arguments: dict
    inputs: tuple
    dtype: str | None = "float32"

    def build(self):
        return self.cls(**self.arguments)


_rng = np.random.default_rng(0)  # the same numbers in any process
SMALL = 8 * _rng.normal(size=(2, 5, 6, 4)).astype(np.float32)
LOGITS = ndimage.zoom(SMALL, (1, 4, 5, 1), order=1)
LIKELIHOOD = _rng.normal(size=LOGITS.shape).astype(np.float32)
IDS = np.argmax(LOGITS, -1).astype(np.int32)
LABELS = np.argmax(LOGITS + LIKELIHOOD, -1).astype(np.int32)
LABELS[_rng.random(LABELS.shape) < 0.1] = 255
MARKED = np.where(LABELS == 255, -1, LABELS)  # with another label for ignored pixels

EVOLUTION = {
    "initial_phi": "distance",
    "band": 5,
    "evolution_steps": 2,
    "dt": 0.2,
    "epsilon": 0.5,
    "rho": -2.0,
    "max_phases": 2,
}
EVOLUTION |= {"max_phases": 2, "force_scale": 2.0, "temperature": 0.2, "straight_through": 0.5}
OTHER = {"ignore_label": -1, "name": "other"}
WEIGHTS = {"class_weights": (1, 2, 3, 4), "boundary_weight": 0.5}
COUNTS = {"num_classes": 4}
CASES = {
    "level_set": Case(MultiphaseLevelSet, {}, (LOGITS,)),
    "level_set_of_two_phases": Case(
        MultiphaseLevelSet, {"config": EVOLUTION}, (LOGITS, LIKELIHOOD)
    ),
    "level_set_from_margins": Case(
        MultiphaseLevelSet, {"config": EVOLUTION | {"initial_phi": "margin"}}, (LOGITS, LIKELIHOOD)
    ),
    "enlarged": Case(ResizeLike, {}, ([SMALL, LOGITS],), dtype=None),
    "reduced": Case(ResizeLike, {}, ([LOGITS, SMALL],), dtype=None),
    "entropy": Case(WeightedCrossEntropy, {}, (LABELS, LOGITS)),
    "weighted_entropy": Case(WeightedCrossEntropy, WEIGHTS | OTHER, (MARKED, LOGITS)),
    "boundary": Case(BoundaryCrossEntropy, {}, (LABELS, LOGITS)),
    "narrow_boundary": Case(BoundaryCrossEntropy, {"width": 2} | OTHER, (MARKED, LOGITS)),
    "matrix": Case(ConfusionMatrix, COUNTS | OTHER, (MARKED, LOGITS), dtype="int64"),
    "matrix_of_ids": Case(ConfusionMatrix, COUNTS, (LABELS, IDS), dtype="int64"),
}


def check_layer(layer, inputs, directory, dtype="float32"):
    """A layer's config, calls, mixed precision, and a `.keras` file written to `directory`."""

    def mixed(half):
        return type(layer).from_config(layer.get_config() | {"dtype": f"mixed_{half}"})

    _check_config(layer, inputs)
    _check_calls(layer, inputs, dtype, mixed)
    _check_saved_model(layer, inputs, directory / "model.keras")


def check_loss(loss, inputs):
    """A loss's config and calls, and those of its `call`, whose logits Keras does not cast."""
    _check_config(loss, inputs)
    _check_calls(loss, inputs, "float32")
    _check_calls(loss.call, inputs, "float32")


def check_metric(metric, inputs, dtype="float32"):
    """The config of a metric that has seen nothing, and its calls from that state."""

    def call(*arguments):
        metric.reset_state()
        return metric(*arguments)

    _check_config(metric, inputs)
    _check_calls(call, inputs, dtype)


def arguments_of(cls):
    """The names of the constructor's parameters, where this package defines it."""
    if not cls.__init__.__module__.startswith("dmls_tf"):
        return set()
    return set(inspect.signature(cls.__init__).parameters) - {"self", "kwargs"}


def _check_config(thing, inputs):
    """It holds every argument, and what it is restored from as JSON gives the same result."""
    config = thing.get_config()
    assert arguments_of(type(thing)) <= set(config)
    assert type(thing).from_config(json.loads(json.dumps(config))).get_config() == config
    text = json.dumps(keras.saving.serialize_keras_object(thing))
    restored = keras.saving.deserialize_keras_object(json.loads(text))
    assert restored.get_config() == config
    assert keras.saving.get_registered_object(f"dmls>{type(thing).__name__}") is type(thing)
    _assert_close(restored(*inputs), thing(*inputs), 0)


def _check_calls(call, inputs, dtype, mixed=None):
    """In float32 and half precision, where `mixed` makes the object of a policy if it has one."""
    _check_call(call, inputs, dtype or "float32")
    for half in ("float16", "bfloat16"):
        rounded = _floats_as(half, inputs)
        found = _check_call(mixed(half) if mixed else call, rounded, dtype or half)
        _assert_close(found, call(*_floats_as("float32", rounded)), TOLERANCE[dtype or half])


def _check_call(call, inputs, dtype):
    """The eager result is finite and of this dtype, and symbolic and traced calls agree."""
    eager, symbolic, traced = call(*inputs), _symbolic(call, inputs), _traced(call, inputs)
    assert np.isfinite(ops.convert_to_numpy(eager)).all()
    assert [standardize_dtype(x.dtype) for x in (eager, symbolic, traced)] == [dtype] * 3
    assert tuple(symbolic.shape) == tuple(eager.shape)
    _assert_close(traced, eager, TOLERANCE[dtype])
    return eager


def _check_saved_model(layer, inputs, path):
    """A functional model of unknown sizes is the same after loading, bit for bit."""
    symbols = tree.map_structure(lambda a: keras.Input((None, None, a.shape[3])), inputs)
    model = keras.Model(tree.flatten(symbols), layer(*symbols))
    model.save(path)
    loaded = keras.saving.load_model(path)
    assert loaded.get_layer(layer.name).get_config() == layer.get_config()
    _assert_close(loaded(tree.flatten(inputs)), model(tree.flatten(inputs)), 0)


def _symbolic(call, inputs):
    """The KerasTensor that a layer promises, or that Keras infers of any other function."""
    symbols = tree.map_structure(lambda a: keras.KerasTensor(a.shape, a.dtype), inputs)
    if isinstance(call, keras.layers.Layer):
        return call(*symbols)
    operation = keras.Operation()
    operation.call = call
    return operation(*symbols)


def _traced(call, inputs):
    """The result of a graph that knows of its inputs only the number of channels."""
    import tensorflow as tf

    unknown = (None, None, None)
    specs = tree.map_structure(lambda a: tf.TensorSpec(unknown + a.shape[3:], a.dtype), inputs)
    return tf.function(lambda *arguments: call(*arguments), input_signature=specs)(*inputs)


def _floats_as(dtype, inputs):
    return tree.map_structure(lambda a: ops.cast(a, dtype) if a.ndim == 4 else a, inputs)


def _assert_close(found, expected, tolerance):
    found, expected = (ops.convert_to_numpy(x).astype(np.float64) for x in (found, expected))
    np.testing.assert_allclose(found, expected, tolerance, tolerance, strict=True)
