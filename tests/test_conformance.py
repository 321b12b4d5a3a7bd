"""Every public layer, loss and metric keeps the contract of `tests.conformance`.

Exempt is `DenseLoss`, the abstract base of the losses: it cannot be called.
"""

import importlib
import inspect
import os
import pkgutil
import subprocess
import sys

import keras
import numpy as np
import pytest

from dmls_tf import layers, losses, metrics
from tests.conformance import CASES, arguments_of, check_layer, check_loss, check_metric
from tests.helpers import FAST_XLA, ROOT

CHILD = """
import sys
sys.modules["tensorflow"] = None  # importing it fails
import numpy as np
from tests.conformance import CASES
np.savez(sys.argv[1], **{name: np.asarray(c.build()(*c.inputs)) for name, c in CASES.items()})
"""


def cases_of(base):
    return [pytest.param(c, id=name) for name, c in CASES.items() if issubclass(c.cls, base)]


def public_classes():
    """The layers, losses and metrics that the package defines, but for the abstract one."""
    names = [module.name for module in pkgutil.iter_modules(layers.__path__, "dmls_tf.layers.")]
    modules = [losses, metrics, layers, *map(importlib.import_module, names)]
    bases = (keras.layers.Layer, keras.losses.Loss, keras.metrics.Metric)
    members = [m for module in modules for m in inspect.getmembers(module, inspect.isclass)]
    found = {cls for name, cls in members if issubclass(cls, bases) and name[0] != "_"}
    return {cls for cls in found if cls.__module__.startswith("dmls_tf.")} - {losses.DenseLoss}


@pytest.mark.parametrize("case", cases_of(keras.layers.Layer))
def test_every_layer_conforms(case, tmp_path):
    check_layer(case.build(), case.inputs, tmp_path, case.dtype)


@pytest.mark.parametrize("case", cases_of(keras.losses.Loss))
def test_every_loss_conforms(case):
    check_loss(case.build(), case.inputs)


@pytest.mark.parametrize("case", cases_of(keras.metrics.Metric))
def test_every_metric_conforms(case):
    check_metric(case.build(), case.inputs, case.dtype)


def test_no_public_class_lacks_a_case():
    assert {case.cls for case in CASES.values()} == public_classes()
    assert {getattr(layers, name) for name in layers.__all__} <= public_classes()


def test_every_argument_is_given_in_some_case_and_kept_in_the_config():
    for case in CASES.values():
        config = case.build().get_config()
        assert all(np.array_equal(config[key], case.arguments[key]) for key in case.arguments)
    for cls in public_classes():
        given = [case.arguments for case in CASES.values() if case.cls is cls]
        assert set().union(*given) == arguments_of(cls), cls


@pytest.mark.slow
def test_jax_without_tensorflow_gives_the_same_numbers(tmp_path):
    pytest.importorskip("jax")
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path / "found.npz")],
        env=os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)} | FAST_XLA,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    found = dict(np.load(tmp_path / "found.npz"))
    for name, case in CASES.items():
        here = keras.ops.convert_to_numpy(case.build()(*case.inputs))
        assert found[name].shape == here.shape
        np.testing.assert_allclose(found[name], here, rtol=1e-4, atol=1e-4, err_msg=name)
