"""Copies of a network on several devices; a CPU that is divided in two stands for two GPUs."""

import subprocess
import sys

import pytest

from tests.helpers import ROOT

TWO_DEVICES = """
import sys, threading
import numpy as np, tensorflow as tf
from dmls_tf.config import InferenceConfig
from dmls_tf.evaluation.scoring import evaluate, model_predictor
from dmls_tf.inference.devices import on_a_free_device, on_each_device
from dmls_tf.models import load_dmls
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
model, records = sys.argv[1:]

copies = on_each_device(lambda: load_dmls(model), ["CPU:0", "CPU:1"])
for device, network in copies.items():
    assert all(variable.value.device.endswith(device) for variable in network.variables), device

both = threading.Barrier(2)
seen = []
def predictor(device, network):
    predict = model_predictor([network], records, InferenceConfig())
    def call(example):
        seen.append(tf.ones(1).device[-5:] == device)
        both.wait(timeout=60)  # until the other device works, too
        return predict(example)
    return call

predict = on_a_free_device({device: predictor(device, one) for device, one in copies.items()})
two = evaluate(records, "val", predict, num_threads=4)
assert seen == [True] * 4, seen
one = evaluate(records, "val", model_predictor([load_dmls(model)], records, InferenceConfig()))
assert two.scores == one.scores and two.images == one.images
np.testing.assert_array_equal(two.confusion, one.confusion)
print("equal")
"""


@pytest.mark.slow
@pytest.mark.multi_device
def test_two_devices_count_what_one_does(trained, synthetic_records):
    done = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES, trained, synthetic_records],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout.strip() == "equal", done.stderr
