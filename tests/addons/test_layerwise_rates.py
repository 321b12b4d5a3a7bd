"""Our optimisers' rate factors against TensorFlow Addons' one optimiser a layer."""

import os
import pathlib
import subprocess

import keras
import numpy as np
import pytest

from dmls_tf.training import optimizers

ROOT = pathlib.Path(__file__).parents[2]
PYTHON = pathlib.Path(os.environ.get("DMLS_ADDONS_PYTHON", ROOT / ".venv-addons/bin/python"))
RATE, FACTOR, STEPS, BATCH = 0.01, 10, 12, 8
ARGUMENTS = {"SGD": {"momentum": 0.9}, "Adam": {}}

# Both Keras versions keep the rate in the velocity: v = momentum v - rate gradient, w = w + v. The
# legacy optimisers run too, but their Adam rounds 1 - beta_2 in float32: weights differ by 3e-6.
CHILD = f"""
import sys
import numpy as np
import tensorflow as tf
import tensorflow_addons as tfa

given, found = np.load(sys.argv[1]), {{}}
for name, arguments in {ARGUMENTS}.items():
    first, second = tf.keras.layers.Dense(4, "tanh"), tf.keras.layers.Dense(3)
    model = tf.keras.Sequential([first, second])
    model.build((None, 5))
    model.set_weights([given[str(i)] for i in range(4)])
    pairs = []
    for layer, rate in (first, {RATE}), (second, {RATE * FACTOR}):
        rates = [rate, 0.1 * rate]
        schedule = tf.keras.optimizers.schedules.PiecewiseConstantDecay([{STEPS // 2}], rates)
        pairs.append((getattr(tf.keras.optimizers, name)(schedule, **arguments), layer))
    model.compile(tfa.optimizers.MultiOptimizer(pairs), "mse")
    model.fit(given["x"], given["y"], {BATCH}, shuffle=False, verbose=0)
    found.update({{f"{{name}}{{i}}": weight for i, weight in enumerate(model.get_weights())}})
np.savez(sys.argv[2], **found)
"""


@pytest.mark.addons
def test_factors_are_optimizers_of_their_own(rng, tmp_path):
    if not PYTHON.is_file():
        pytest.skip(f"no environment of requirements/addons.txt at {PYTHON}")
    shapes = [(5, 4), (4,), (4, 3), (3,)]
    weights = [rng.normal(size=shape).astype("float32") for shape in shapes]
    x, y = (rng.normal(size=(STEPS * BATCH, n)).astype("float32") for n in (5, 3))
    given, answer = tmp_path / "given.npz", tmp_path / "answer.npz"
    np.savez(given, x=x, y=y, **{str(i): weight for i, weight in enumerate(weights)})
    command = [str(PYTHON), "-W", "ignore", "-c", CHILD, str(given), str(answer)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    theirs = np.load(answer)
    for name, arguments in ARGUMENTS.items():
        layers = keras.layers.Dense(4, "tanh"), keras.layers.Dense(3)
        model = keras.Sequential([keras.Input((5,)), *layers])
        model.set_weights(weights)
        rates = [RATE, 0.1 * RATE]
        schedule = keras.optimizers.schedules.PiecewiseConstantDecay([STEPS // 2], rates)
        optimizer = getattr(optimizers, name)(schedule, **arguments)
        optimizer.set_rate_factors(model.trainable_variables, [1, 1, FACTOR, FACTOR])
        model.compile(optimizer, "mse", jit_compile=False)
        model.fit(x, y, BATCH, shuffle=False, verbose=0)
        assert optimizer.iterations == STEPS
        for i, weight in enumerate(model.get_weights()):
            np.testing.assert_allclose(
                weight, theirs[f"{name}{i}"], rtol=1e-5, atol=1e-6, err_msg=f"{name}, weight {i}"
            )
