"""Threads, and copies of a network; a CPU that is divided in two stands for two GPUs."""

import json
import subprocess
import sys
import time

import pytest

from dmls_tf.datasets import DatasetInfo
from dmls_tf.evaluation.submissions import write_submission
from dmls_tf.inference.parallel import in_order
from dmls_tf.records.reading import name_of, read_split
from tests.forks import outcome, start_fork
from tests.helpers import ROOT
from tests.training.workers import outcomes, start_workers

TWO_DEVICES = """
import sys, threading
import numpy as np, tensorflow as tf
from dmls_tf.config import InferenceConfig
from dmls_tf.evaluation.scoring import evaluate, model_predictor
from dmls_tf.inference.parallel import on_all_devices
from dmls_tf.models import load_dmls
from dmls_tf.training.strategy import _gather_bytes
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

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert _gather_bytes(strategy, b"some bytes") == [b"some bytes"] * 2
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


def evaluate_by_two(output_dir, *arguments):
    """Exit codes and outputs of two workers of evaluate.py."""
    script, where = "scripts/evaluate.py", f"--output_dir={output_dir}"
    log_dir = output_dir.parent
    return outcomes(start_workers(log_dir, where, *arguments, script=script))


@pytest.mark.slow
@pytest.mark.multi_device
def test_two_workers_write_what_one_does(trained, synthetic_records, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    where = (f"--model={trained}", f"--records_dir={synthetic_records}", "--report", "--examples=2")
    codes, texts = evaluate_by_two(two, *where)
    assert codes == [0, 0], "\n".join(texts)
    assert [("wrote" in text) for text in texts] == [True, False]
    alone = start_fork("scripts/evaluate.py", *where, f"--output_dir={one}", log=tmp_path / "log")
    assert outcome(alone)[0] == 0, alone.log.read_text()
    names = {path.name for path in two.iterdir()}
    assert names == {"metrics.json", "images.csv", "report.html"}
    for name in names - {"metrics.json"}:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name
    ours, theirs = (json.loads((path / "metrics.json").read_text()) for path in (one, two))
    assert ours["confusion_matrix"] == theirs["confusion_matrix"]
    for output, scores in theirs["outputs"].items():
        near = scores.pop("boundary")["3"]  # whose F1 is a mean over images, summed in any order
        assert near == pytest.approx(ours["outputs"][output].pop("boundary")["3"], rel=1e-12)
    assert ours["outputs"] == theirs["outputs"]


@pytest.mark.slow
@pytest.mark.multi_device
def test_a_worker_that_fails_ends_all(synthetic_records, tmp_path):
    info, path = DatasetInfo.load(synthetic_records), tmp_path / "predictions.zip"
    examples = list(read_split(synthetic_records, "val").as_numpy_iterator())[:3]
    write_submission(path, ((name_of(one), one["label"]) for one in examples), info.spec)
    where = (f"--predictions={path}", f"--records_dir={synthetic_records}")
    codes, texts = evaluate_by_two(tmp_path / "scores", *where)
    assert codes == [1, 1]
    assert "a worker stopped answering; the same command on all workers starts again" in texts[0]
    assert f"error: {path}: " in texts[1]
    assert not list((tmp_path / "scores").iterdir())
