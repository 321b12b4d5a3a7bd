"""Threads, and copies of a network; a CPU that is divided in two stands for two GPUs."""

import subprocess
import sys
import time

import pytest

from dmls_tf.inference.parallel import in_order
from tests.helpers import ROOT

TWO_DEVICES = """
import sys, threading
import numpy as np, tensorflow as tf
from dmls_tf.config import InferenceConfig
from dmls_tf.evaluation.scoring import evaluate, model_predictor
from dmls_tf.inference.parallel import on_all_devices
from dmls_tf.models import load_dmls
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
model, records = sys.argv[1:]

both = threading.Barrier(2)
seen = []
def predictor(network):
    predict = model_predictor([network], records, InferenceConfig())
    def call(example):
        here = tf.ones(1).device
        assert all(variable.value.device == here for variable in network.variables), here
        seen.append(here[-5:])
        both.wait(timeout=60)  # until the other device works, too
        return predict(example)
    return call

predict, copies = on_all_devices(lambda: load_dmls(model), predictor, ["CPU:0", "CPU:1"])
assert len(copies) == 2
two = evaluate(records, "val", predict, num_threads=4)
assert sorted(seen) == ["CPU:0"] * 2 + ["CPU:1"] * 2, seen
one = evaluate(records, "val", model_predictor([load_dmls(model)], records, InferenceConfig()))
assert two.scores == one.scores and two.images == one.images
np.testing.assert_array_equal(two.confusion, one.confusion)
print("equal")
"""


def test_threads_keep_the_order_and_bound_what_waits():
    started = []

    def slow_at_first(number):
        started.append(number)
        time.sleep(0.2 if number == 0 else 0.0)
        return number * number

    found = in_order(slow_at_first, iter(range(40)), workers=3)
    assert next(found) == 0
    assert len(started) <= 7
    assert list(found) == [number * number for number in range(1, 40)]


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
