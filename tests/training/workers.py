"""Trainings of two worker processes."""

import json
import socket
import time

from dmls_tf.training.checkpoints import find_checkpoints
from tests.forks import outcome, start_fork


def start_workers(log_dir, *arguments, script="scripts/train.py", eager=False):
    """Starts two processes of a script on loopback; the first is the chief."""
    sockets = [socket.socket() for _ in range(2)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    workers = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    processes = []
    for index in range(2):
        task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        process = start_fork(
            script,
            *arguments,
            log=log_dir / f"worker{index}.log",
            environment={"TF_CONFIG": json.dumps(task)},
            eager=eager,
        )
        processes.append(process)
    return processes


def outcomes(processes):
    """Waits for the end of the processes; returns their exit codes and their outputs."""
    return map(list, zip(*map(outcome, processes), strict=True))


def await_checkpoint(work_dir, processes):
    """Waits until a training has saved its state."""
    while not find_checkpoints(work_dir / "checkpoints"):
        assert all(process.is_alive() for process in processes)
        time.sleep(0.01)
