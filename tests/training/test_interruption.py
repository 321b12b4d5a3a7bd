"""A training that is killed or stopped goes on as if nothing had happened."""

import contextlib
import json
import os
import re
import signal
import time

import numpy as np
import pytest

from tests.forks import outcome, start_fork
from tests.helpers import run_here, succeeded
from tests.training.runs import FLAGS, assert_same_state, eagerly, last_state

RUN = (
    *FLAGS,
    "--batch_per_replica=3",
    "--epochs=3",
    "--optimizer=adam",
    "--average=0.9",
    "--checkpoint_steps=3",
    "--jitter=0.5",
)
STEP = re.compile(r"(\d+)/4 \[")  # of the progress line


def start(work_dir, records, eager=False):
    """Starts a training in a process of its own."""
    arguments = (f"--records_dir={records}", f"--work_dir={work_dir}", *RUN)
    return start_fork("scripts/train.py", *arguments, log=work_dir.with_suffix(".log"), eager=eager)


def await_a_step(process):
    """Waits until the progress line shows a step, or the process ends."""
    while process.is_alive() and not STEP.search(process.log.read_text()):
        time.sleep(0.01)


def finish(work_dir, records, eager=False):
    """The same command once more; then all is as in an uninterrupted training."""
    uninterrupted = work_dir.with_name("whole")
    arguments = (f"--records_dir={records}", f"--work_dir={uninterrupted}", *RUN)
    with eagerly() if eager else contextlib.nullcontext():
        succeeded(run_here("scripts/train.py", *arguments))
    code, output = outcome(start(work_dir, records, eager))
    assert code == 0, output
    assert_same_state(last_state(work_dir), last_state(uninterrupted))
    for name in ("log.csv", "model.keras"):
        assert (work_dir / name).is_file()
    assert (work_dir / "log.csv").read_text() == (uninterrupted / "log.csv").read_text()


@pytest.mark.slow
def test_killed_at_five_moments_it_ends_with_the_same_bits(synthetic_records, tmp_path):
    work_dir, rng = tmp_path / "run", np.random.default_rng(time.time_ns())
    for delay in rng.uniform(0, 1.5, 5):
        process = start(work_dir, synthetic_records, eager=True)
        await_a_step(process)
        time.sleep(delay)
        process.kill()
        process.join()
        print(f"killed {delay:.2f} s after a step: {sorted(work_dir.glob('checkpoints/*'))}")
    finish(work_dir, synthetic_records, eager=True)
    assert not list(work_dir.glob("checkpoints/.step*")), "half-written files stay behind"


@pytest.mark.slow
def test_a_signal_saves_the_state_and_ends_cleanly(synthetic_records, tmp_path):
    work_dir = tmp_path / "run"
    for number in (signal.SIGTERM, signal.SIGINT):
        process = start(work_dir, synthetic_records)
        await_a_step(process)
        os.kill(process.pid, number)
        code, output = outcome(process)
        assert code == 128 + number, output
        line = output.splitlines()[-1]
        found = re.fullmatch(r"stopped: the state after step (\d+) of 12 is saved; .*", line)
        assert found, line
        facts = json.loads(str(last_state(work_dir)["facts"]))
        assert facts["step"] == int(found[1]) > 0
    finish(work_dir, synthetic_records)
