"""A training that is killed or stopped goes on as if nothing had happened."""

import json
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.helpers import succeeded
from tests.training.runs import FLAGS, assert_same_state, last_state

RUN = (
    *FLAGS,
    "--batch_per_replica=3",
    "--epochs=3",
    "--optimizer=adam",
    "--average=0.9",
    "--checkpoint_steps=3",
    "--jitter=0.5",
)
STEP = re.compile(rb"(\d+)/4 \[")  # of the progress line


def start(work_dir, records):
    command = [sys.executable, "scripts/train.py", f"--records_dir={records}"]
    return subprocess.Popen(
        [*command, f"--work_dir={work_dir}", *RUN],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def await_a_step(process):
    """Reads the progress line until it shows a step, or ends."""
    seen = b""
    while not STEP.search(seen):
        read = process.stderr.read1()
        if not read:
            break
        seen += read


@pytest.fixture(scope="module")
def uninterrupted(synthetic_records, run_command, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp("whole") / "run"
    arguments = (f"--records_dir={synthetic_records}", f"--work_dir={work_dir}", *RUN)
    succeeded(run_command("scripts/train.py", *arguments))
    return work_dir


def finish(work_dir, records, uninterrupted):
    """The same command once more; then all is as in the uninterrupted training."""
    process = start(work_dir, records)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors.decode()
    assert_same_state(last_state(work_dir), last_state(uninterrupted))
    for name in ("log.csv", "model.keras"):
        assert (work_dir / name).is_file()
    assert (work_dir / "log.csv").read_text() == (uninterrupted / "log.csv").read_text()


@pytest.mark.slow
def test_killed_at_five_moments_it_ends_with_the_same_bits(
    synthetic_records, uninterrupted, tmp_path
):
    rng = np.random.default_rng(time.time_ns())
    for delay in rng.uniform(0, 1.5, 5):
        process = start(tmp_path, synthetic_records)
        await_a_step(process)
        time.sleep(delay)
        process.kill()
        process.communicate()
        print(f"killed {delay:.2f} s after a step: {sorted(tmp_path.glob('checkpoints/*'))}")
    finish(tmp_path, synthetic_records, uninterrupted)
    assert not list(tmp_path.glob("checkpoints/.step*")), "half-written files stay behind"


@pytest.mark.slow
def test_a_signal_saves_the_state_and_ends_cleanly(synthetic_records, uninterrupted, tmp_path):
    for number in (signal.SIGTERM, signal.SIGINT):
        process = start(tmp_path, synthetic_records)
        await_a_step(process)
        process.send_signal(number)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 128 + number, errors.decode()
        line = errors.decode().splitlines()[-1]
        found = re.fullmatch(r"stopped: the state after step (\d+) of 12 is saved; .*", line)
        assert found, line
        facts = json.loads(str(last_state(tmp_path)["facts"]))
        assert facts["step"] == int(found[1]) > 0
    finish(tmp_path, synthetic_records, uninterrupted)
