import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from dmls_tf.config import DataConfig, ModelConfig, TrainConfig
from dmls_tf.data.pipeline import training_batches
from dmls_tf.dataset_info import DatasetInfo
from dmls_tf.errors import UserError
from dmls_tf.models import build_dmls, load_dmls
from dmls_tf.training.trainer import compile_model, decay_kernels, make_optimizer, train

MODEL = ModelConfig(
    num_classes=8,
    backbone="mobilenetv2",
    width=0.25,
    decoder_channels=32,
    num_steps=2,
    batch_norm_momentum=0.9,
)
DATA = DataConfig(image_size=(48, 64), crop_size=(40, 48), batch_size=4)
ADAM = TrainConfig(epochs=2, optimizer="adam", learning_rate=3e-3, weight_decay=0)


def train_in(records, work_dir, config=ADAM, data=DATA):
    strategy = tf.distribute.get_strategy()
    return train(records, ("train", "val"), MODEL, data, config, work_dir, strategy)


@pytest.fixture(scope="module")
def trained(synthetic_records, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp("run")
    train_in(synthetic_records, work_dir)
    return work_dir


@pytest.mark.slow
def test_a_run_leaves_what_it_promises(trained, synthetic_records):
    model = load_dmls(trained / "model.keras")
    info = DatasetInfo.load(synthetic_records)
    assert model.config == MODEL
    assert model.metadata["classes"] == list(info.class_names)
    assert [tuple(color) for color in model.metadata["palette"]] == list(info.palette)
    assert model.metadata["image_size"] == [48, 64]
    for name in ("best", "last"):
        assert load_dmls(trained / f"checkpoints/{name}.keras").config == MODEL
    header, *rows = (trained / "log.csv").read_text().splitlines()
    assert len(rows) == 2
    for column in ("loss", "val_evolved_2_mean_iou", "val_evolved_2_accuracy", "coarse_1_loss"):
        assert column in header.split(",")


@pytest.mark.slow
def test_the_seed_decides_the_run(trained, synthetic_records, tmp_path):
    again = load_dmls(train_in(synthetic_records, tmp_path))
    first = load_dmls(trained / "model.keras")
    for one, two in zip(first.weights, again.weights, strict=True):
        np.testing.assert_array_equal(one, two, err_msg=one.path)


@pytest.mark.slow
def test_it_learns(synthetic_records):
    """Two hundred steps on four scenes: three quarters of their pixels come out right."""
    keras.utils.set_random_seed(0)
    data = DataConfig(image_size=(48, 64), flip=False, batch_size=4)
    image, label = next(iter(training_batches(synthetic_records, "train", data, 0)))
    model = build_dmls(MODEL)
    config = TrainConfig(epochs=1, optimizer="adam", learning_rate=3e-3, schedule="constant")
    compile_model(model, config, None, steps_per_epoch=1)
    truth = {key: label for key in model.output_keys}
    before = model.evaluate(image, truth, verbose=0, return_dict=True)
    repeated = tf.data.Dataset.from_tensors((image, truth)).repeat()
    model.fit(repeated, steps_per_epoch=200, shuffle=False, verbose=0)
    after = model.evaluate(image, truth, verbose=0, return_dict=True)
    assert after["loss"] < 0.5 * before["loss"]
    assert after["evolved_2_accuracy"] > 0.75


def test_every_output_has_its_loss_and_weight(rng):
    model = build_dmls(MODEL)
    config = TrainConfig(coarse_weight=1, evolved_weight=0.5, head_weight=0.25, weight_decay=0)
    compile_model(model, config, [1.0] * 8, steps_per_epoch=1)
    image = rng.uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    label = rng.integers(0, 8, (2, 32, 32))
    truth = {key: label for key in model.output_keys}
    logs = model.evaluate(image, truth, verbose=0, return_dict=True)
    expected = sum(
        weight * logs[f"{kind}_{k}_loss"] / 2
        for kind, weight in (("coarse", 1), ("evolved", 0.5), ("likelihood", 0.25))
        for k in (1, 2)
    )
    assert logs["loss"] == pytest.approx(expected, rel=1e-4)


def test_kernels_decay_and_nothing_else():
    model = build_dmls(MODEL)
    decay_kernels(model, 0.1)
    kernels = [v for v in model.trainable_variables if v.name.endswith("kernel")]
    assert 20 < len(kernels) < len(model.trainable_variables)
    expected = sum(0.05 * np.sum(np.square(kernel)) for kernel in kernels)
    np.testing.assert_allclose(float(sum(model.losses)), expected, rtol=1e-4)


def test_schedules():
    def rates(schedule):
        config = TrainConfig(epochs=10, learning_rate=1.0, schedule=schedule)
        rate = make_optimizer(config, steps_per_epoch=10)._learning_rate
        return [float(rate(step) if callable(rate) else rate) for step in (0, 50, 51, 100)]

    assert rates("constant") == [1, 1, 1, 1]
    assert rates("step") == pytest.approx([1, 1, 0.1, 0.1])
    assert rates("polynomial") == pytest.approx(
        [1, 0.005 + 0.995 * 0.5**0.9, 0.53, 0.005], abs=0.01
    )


@pytest.mark.slow
def test_a_loss_that_explodes_is_told(synthetic_records, tmp_path):
    config = TrainConfig(epochs=1, optimizer="sgd", learning_rate=1e30, weight_decay=0)
    with pytest.raises(UserError, match="lower the learning rate"):
        train_in(synthetic_records, tmp_path, config)
    assert not (tmp_path / "model.keras").exists()


TWO_REPLICAS = """
import sys
import tensorflow as tf
from dmls_tf.config import TrainConfig
from dmls_tf.training.trainer import train
from tests.training.test_trainer import DATA, MODEL

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
config = TrainConfig(epochs=1, optimizer="adam", learning_rate=1e-3)
train(sys.argv[1], ("train", "val"), MODEL, DATA, config, sys.argv[2], strategy)
"""


@pytest.mark.multi_device
@pytest.mark.slow
def test_two_replicas_train(synthetic_records, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(pathlib.Path(__file__).parents[2])}
    command = [sys.executable, "-c", TWO_REPLICAS, str(synthetic_records), str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert load_dmls(tmp_path / "model.keras").config == MODEL
