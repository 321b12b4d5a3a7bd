"""Whether a SavedModel can be served, found out in a process without this package.

That process loads it by TensorFlow's Python loader, on the CPU, and answers the warm-up requests;
see `clean_process.py`. It is not TF Serving: its binary is not run here.
"""

import os
import pathlib
import pickle
import re
import subprocess
import sys

PROGRAM = pathlib.Path(__file__).with_name("clean_process.py")
ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
FATAL = re.compile(r"F\d{4} |\S+ \S+: F ")  # what TensorFlow logs before it aborts


class Unservable(RuntimeError):  # noqa: N818
    """The model cannot be served; says why."""


def accept(directory, requests):
    """Checks a SavedModel; `clean_process.py` lists what must hold.

    Args:
        directory: of a version.
        requests: [(signature, input name, array)] that it must answer.

    Raises:
        Unservable: something does not hold, or the process died.
    """
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(directory)],
        input=pickle.dumps(requests),
        env=os.environ | ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    if done.returncode:
        raise Unservable(_reason(done))


def _reason(done):
    lines = done.stderr.decode(errors="replace").splitlines()
    if done.returncode == 1 and lines:  # of sys.exit, or of an exception
        return lines[-1]
    fatal = [line for line in lines if FATAL.match(line)] or [f"exit code {done.returncode}"]
    return f"TensorFlow ended the process: {fatal[-1]}"
