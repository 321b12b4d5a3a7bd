"""JAX as the Keras backend, in a process without TensorFlow, must agree with TensorFlow."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from dmls_tf.config import LevelSetConfig, ModelConfig
from dmls_tf.layers import MultiphaseLevelSet
from dmls_tf.losses import BoundaryCrossEntropy, WeightedCrossEntropy
from dmls_tf.metrics import confusion_counts
from dmls_tf.models import build_dmls
from dmls_tf.ops import (
    euclidean_distance_transform,
    evolve,
    generalized_distance_transform,
    signed_distance,
)
from tests.helpers import FAST_XLA, ROOT

pytest.importorskip("jax")
pytestmark = pytest.mark.slow

CONFIG = ModelConfig(
    num_classes=4,
    backbone="vgg16",
    width_multiplier=0.125,
    output_stride=8,
    decoder_channels=16,
    recurrent_steps=2,
    level_set=LevelSetConfig(evolution_steps=3),
)
FEW = LevelSetConfig(max_phases=2, evolution_steps=3)
MARGINS = LevelSetConfig("margin", max_phases=2, evolution_steps=3)

CHILD = """
import sys
sys.modules["tensorflow"] = None  # importing it fails
import jax, numpy as np
from dmls_tf.layers import MultiphaseLevelSet
from dmls_tf.losses import BoundaryCrossEntropy, WeightedCrossEntropy
from dmls_tf.metrics import ConfusionMatrix
from dmls_tf.models import build_dmls
from dmls_tf.ops import *
from tests.test_jax import CONFIG, FEW, MARGINS, after_a_step

directory = sys.argv[1]
given = np.load(directory + "/given.npz")
model = build_dmls(CONFIG)
model.load_weights(directory + "/model.weights.h5")
found = {k: np.asarray(v) for k, v in jax.jit(model)(given["images"]).items()}
trained = after_a_step(given, directory)
metric = ConfusionMatrix(4)
many = np.full((2, 17), 2**24 - 1, np.int32)  # of each kind, far beyond 32 bits
many[:, -1] = 0
words, = jax.jit(metric.stateless_update_state)([many], given["labels"], given["logits"])
metric.words.assign(words)

def total_evolved(phi):
    return (given["force"] * evolve(phi, given["force"], 3, 0.4)).sum()

def total_general(cost):
    return (given["logits"] * generalized_distance_transform(cost)).sum()

np.savez(
    directory + "/found.npz",
    exact=jax.jit(euclidean_distance_transform)(given["mask"]),
    near=jax.jit(lambda m: euclidean_distance_transform(m, 4))(given["mask"]),
    far=jax.jit(lambda m: euclidean_distance_transform(m, 90, (1, 0.5)))(given["mask"]),
    signed=jax.jit(lambda labels: signed_distance(labels, 4, 8))(given["labels"]),
    few_phases=jax.jit(MultiphaseLevelSet(FEW))(given["logits"]),
    margins=jax.jit(MultiphaseLevelSet(MARGINS))(given["logits"], given["log_f"]),
    general=jax.jit(generalized_distance_transform)(given["logits"]),
    general_gradient=jax.jit(jax.grad(total_general))(given["logits"]),
    gradient=jax.jit(jax.grad(total_evolved))(given["phi"]),
    weighted=WeightedCrossEntropy([1, 2, 3, 4])(given["labels"], given["logits"]),
    boundary=BoundaryCrossEntropy()(given["labels"], given["logits"]),
    trained=trained,
    counted=metric.result() - (2**24 - 1) * (2**24 + 1),
    **found,
)
"""


def after_a_step(given, directory):
    """All weights after a training step by Keras, with every loss, in one vector."""
    model = build_dmls(CONFIG)
    model.load_weights(directory + "/model.weights.h5")
    losses = {"coarse": WeightedCrossEntropy([1, 2, 3, 4]), "likelihood": BoundaryCrossEntropy()}
    losses["evolved"] = losses["coarse"]
    model.compile(
        keras.optimizers.SGD(1e-3, 0.9),
        loss={output.name: losses[output.kind] for output in model.step_outputs},
        jit_compile=keras.config.backend() == "jax",  # op by op, JAX compiles each
    )
    truth = {output.name: given["truth"] for output in model.step_outputs}
    model.train_on_batch(given["images"], truth)
    return np.concatenate([np.asarray(weight).ravel() for weight in model.weights])


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What TensorFlow gives, here, and what JAX gives, from the other process."""
    import tensorflow as tf

    directory = tmp_path_factory.mktemp("jax")
    rng = np.random.default_rng(0)
    coarse = rng.normal(size=(1, 5, 6, 4)).astype(np.float32)
    given = {
        "images": rng.uniform(0, 255, (1, 32, 40, 3)).astype(np.float32),
        "truth": rng.integers(0, 4, (1, 32, 40)).astype(np.int32),
        "mask": rng.random((2, 30, 41, 3)) > 0.02,
        "logits": tf.image.resize(coarse, (30, 40)).numpy(),
        "labels": rng.integers(0, 4, (1, 30, 40)).astype(np.int32),
        "log_f": rng.normal(size=(1, 30, 40, 4)).astype(np.float32),
        "phi": rng.normal(size=(1, 4, 20, 30)).astype(np.float32),
        "force": rng.uniform(-1, 1, (1, 4, 20, 30)).astype(np.float32),
    }
    np.savez(directory / "given.npz", **given)
    model = build_dmls(CONFIG)
    for weight in model.trainable_weights:
        weight.assign(weight + 0.05 * rng.normal(size=weight.shape))
    model.save_weights(directory / "model.weights.h5")
    here = {key: value.numpy() for key, value in model(given["images"]).items()}
    here["trained"] = after_a_step(given, str(directory))
    logits, phi = tf.constant(given["logits"]), tf.constant(given["phi"])
    with tf.GradientTape() as tape:
        tape.watch(phi)
        total = tf.reduce_sum(given["force"] * evolve(phi, given["force"], 3, 0.4))
    with tf.GradientTape() as general_tape:
        general_tape.watch(logits)
        general = generalized_distance_transform(logits)
        general_total = tf.reduce_sum(logits.numpy() * general)
    here |= {
        "far": euclidean_distance_transform(given["mask"], 90, (1, 0.5)).numpy(),
        "signed": signed_distance(given["labels"], 4, 8).numpy(),
        "few_phases": MultiphaseLevelSet(FEW)(logits).numpy(),
        "margins": MultiphaseLevelSet(MARGINS)(logits, given["log_f"]).numpy(),
        "general": general.numpy(),
        "general_gradient": general_tape.gradient(general_total, logits).numpy(),
        "counted": confusion_counts(given["labels"], tf.argmax(logits, -1), 4).numpy(),
        "exact": euclidean_distance_transform(given["mask"]).numpy(),
        "near": euclidean_distance_transform(given["mask"], 4).numpy(),
        "gradient": tape.gradient(total, phi).numpy(),
        "weighted": WeightedCrossEntropy([1, 2, 3, 4])(given["labels"], logits).numpy(),
        "boundary": BoundaryCrossEntropy()(given["labels"], logits).numpy(),
    }
    environment = os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)} | FAST_XLA
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(directory)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return here, dict(np.load(directory / "found.npz"))


KINDS = ("coarse", "likelihood", "evolved")
FUNCTIONS = [
    "few_phases",
    "margins",
    "exact",
    "near",
    "far",
    "signed",
    "general",
    "general_gradient",
    "gradient",
]


@pytest.mark.parametrize("name", [*FUNCTIONS, "weighted", "boundary", "counted"])
def test_functions_agree(both, name):
    here, there = both
    np.testing.assert_allclose(there[name], here[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("key", [f"{kind}_{k}" for k in (1, 2) for kind in KINDS] + ["trained"])
def test_the_network_and_a_training_step_agree(both, key):
    here, there = both
    scale = max(1, np.abs(here[key]).max())
    np.testing.assert_allclose(there[key], here[key], atol=1e-4 * scale)
