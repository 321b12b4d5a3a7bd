"""However many devices and workers share a batch, the training is the same."""

import re
import signal

import numpy as np
import pytest

from tests.forks import outcome, start_fork
from tests.helpers import run_here, succeeded
from tests.records.files import save
from tests.training.runs import FLAGS, assert_same_state, last_state
from tests.training.workers import await_checkpoint, outcomes, start_workers

pytestmark = [pytest.mark.slow, pytest.mark.multi_device]

# Ten images in batches of four: the last batch is half empty.
RUN = (*FLAGS, "--pad_last_batch", "--epochs=2", "--learning_rate=1e-3")

MIRRORED = """
import runpy
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
mirrored = tf.distribute.MirroredStrategy
tf.distribute.MirroredStrategy = lambda: mirrored(["CPU:0", "CPU:1"])
runpy.run_path("scripts/train.py", run_name="__main__")
"""


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Images with ever more ignored pixels, the last ones with nothing else."""
    root = tmp_path_factory.mktemp("uneven")
    rng = np.random.default_rng(0)
    for split, count in (("train", 10), ("val", 3)):
        for i in range(count):
            label = rng.integers(0, 11, (6, 8)).repeat(4, 0).repeat(4, 1)
            label[rng.random(label.shape) < i / 8] = 11
            save(root / "png" / split / f"{i}.png", rng.integers(0, 256, (24, 32, 3)))
            save(root / "png" / f"{split}annot" / f"{i}.png", label)
    done = run_here(
        "data_prep/camvid_to_tfrecord.py",
        f"--data_dir={root / 'png'}",
        f"--output_dir={root / 'records'}",
        "--splits=train,val",
    )
    succeeded(done)
    return root / "records"


@pytest.fixture(scope="module")
def one_device(records, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp("one") / "run"
    arguments = (f"--records_dir={records}", f"--work_dir={work_dir}", *RUN)
    succeeded(run_here("scripts/train.py", *arguments, "--batch_per_replica=4"))
    return last_state(work_dir)


def two_per_replica(records, work_dir, *flags):
    """Arguments of a training with two images per replica."""
    where = (f"--records_dir={records}", f"--work_dir={work_dir}")
    return (*where, *RUN, "--batch_per_replica=2", *flags)


def start(records, work_dir, *flags, eager=False):
    arguments = two_per_replica(records, work_dir, *flags)
    return start_workers(work_dir.parent, *arguments, eager=eager)


def test_two_replicas_train_as_one_device(records, one_device, tmp_path):
    work_dir, script = tmp_path / "run", tmp_path / "mirrored.py"
    script.write_text(MIRRORED)
    arguments = two_per_replica(records, work_dir, "--strategy=mirrored")
    code, output = outcome(start_fork(script, *arguments, log=tmp_path / "mirrored.log"))
    assert code == 0, output
    assert_same_state(last_state(work_dir), one_device, tolerance=1e-6)


def test_two_workers_train_as_one_device(records, one_device, tmp_path):
    work_dir = tmp_path / "run"
    codes, texts = outcomes(start(records, work_dir))
    assert codes == [0, 0], "\n".join(texts)
    assert_same_state(last_state(work_dir), one_device, tolerance=1e-6)
    assert [("wrote" in text) for text in texts] == [True, False]


def test_a_killed_worker_is_told_and_the_job_goes_on(records, one_device, tmp_path):
    work_dir = tmp_path / "run"
    processes = start(records, work_dir, "--checkpoint_steps=1", eager=True)
    await_checkpoint(work_dir, processes)
    processes[1].kill()
    codes, texts = outcomes(processes)
    assert codes == [1, -signal.SIGKILL], texts[0]
    (line,) = [line for line in texts[0].splitlines() if line.startswith("error: ")]
    assert re.search(
        r"a worker stopped answering; the same command on all workers goes on from .*step-0", line
    )
    codes, texts = outcomes(start(records, work_dir, eager=True))
    assert codes == [0, 0], "\n".join(texts)
    assert_same_state(last_state(work_dir), one_device, tolerance=1e-6)


def test_a_signal_to_one_worker_ends_all_of_them_with_the_state_saved(records, tmp_path):
    work_dir = tmp_path / "run"
    processes = start(records, work_dir, "--checkpoint_steps=1", eager=True)
    await_checkpoint(work_dir, processes)
    processes[1].terminate()
    codes, texts = outcomes(processes)
    assert codes == [128 + signal.SIGTERM] * 2, "\n".join(texts)
    assert all("stopped: the state after step" in text for text in texts)
