"""Functions, losses, metrics and networks take variables, arrays and lists as they take tensors."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dmls_tf import ops
from dmls_tf.config import ModelConfig
from dmls_tf.models import build_dmls
from tests.conformance import CASES

_rng = np.random.default_rng(0)
LABELS = _rng.integers(0, 3, (1, 6, 7)).astype(np.int32)
MAPS = _rng.normal(size=(1, 6, 7, 2)).astype(np.float32)
PHI = _rng.normal(size=(1, 3, 6, 7)).astype(np.float32)
CALLS = {
    "assign": (ops.assign, PHI),
    "boundary_distance": (lambda labels: ops.boundary_distance(labels, 3), LABELS),
    "curvature": (ops.curvature, PHI),
    "euclidean_distance_transform": (ops.euclidean_distance_transform, MAPS.round()),
    "evolve": (lambda phi, force: ops.evolve(phi, force, 1, 0.4), PHI, PHI.clip(-1, 1)),
    "gaussian_log_likelihood": (ops.gaussian_log_likelihood, PHI, abs(PHI)),
    "generalized_distance_transform": (ops.generalized_distance_transform, MAPS),
    "label_changes": (ops.label_changes, LABELS),
    "region_force": (lambda log_f: ops.region_force(log_f, rho=-1.0), PHI),
    "resize_bilinear": (lambda maps: ops.resize_bilinear(maps, 9, 8), MAPS),
    "signed_distance": (lambda labels: ops.signed_distance(labels, 3, 4), LABELS),
}
VARIABLES = {
    "tf": tf.Variable,
    "keras": lambda array: keras.Variable(array, dtype=str(array.dtype)),
}


def check_equal(call, arrays, make):
    inputs = keras.tree.map_structure(make, arrays)
    expected, found = call(*arrays), call(*inputs)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ops.__all__)
@pytest.mark.parametrize("make", [*VARIABLES.values(), np.ndarray.tolist], ids=[*VARIABLES, "list"])
def test_functions(name, make):
    call, *arrays = CALLS[name]
    check_equal(call, arrays, make)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("make", VARIABLES.values(), ids=VARIABLES)
def test_layers_losses_and_metrics(case, make):
    check_equal(lambda *inputs: case.build()(*inputs), case.inputs, make)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_network(dtype):
    model = build_dmls(ModelConfig(num_classes=2, backbone="vgg16", width_multiplier=0.0625))
    images = _rng.integers(0, 256, (1, 32, 32, 3)).astype(dtype)
    check_equal(lambda images: model(images)[model.final_output], [images], tf.Variable)


def test_a_variable_gets_its_gradient():
    cost = tf.Variable(MAPS)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(ops.generalized_distance_transform(cost))
    assert tf.reduce_sum(tape.gradient(total, cost)) == MAPS.size
