"""Commands run in this process, and what tests ask of one that is finished."""

import contextlib
import io
import os
import pathlib
import re
import runpy
import subprocess
import sys

import pytest
from absl import app
from absl.testing import flagsaver

ROOT = pathlib.Path(__file__).parent.parent
COMMANDS = sorted(
    str(path.relative_to(ROOT))
    for folder in ("scripts", "data_prep")
    for path in (ROOT / folder).glob("*.py")
    if "command_line.run(" in path.read_text()
)
FAST_XLA = {"XLA_FLAGS": "--xla_backend_optimization_level=0"}  # compiles in half the time
PROGRESS = re.compile(r"\[\d+:\d+[<,]")  # of a tqdm bar

app.define_help_flags()  # once in a process; what is defined later is forgotten after a run


@flagsaver.flagsaver()
def run_here(script, *arguments):
    """What `run_command` returns, without a process that first imports TensorFlow.

    What the script itself imports is not tested by it, nor what C++ code writes to stderr.
    """
    argv = [str(ROOT / script), *map(str, arguments)]
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            run_script(argv)
        except SystemExit as end:
            code = end.code or 0
    return subprocess.CompletedProcess(argv, code, out.getvalue(), err.getvalue())


def run_script(argv, directory=ROOT):
    """Runs the script `argv[0]` as the main program of this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        patch.setattr(sys, "argv", argv)
        patch.setattr(sys, "path", [os.path.dirname(argv[0]), *sys.path])
        runpy.run_path(argv[0], run_name="__main__")


def succeeded(done):
    """The command's standard output, when it succeeded."""
    assert done.returncode == 0, done.stderr
    return done.stdout


def failed(done, *words, code=1):
    """The command stopped with one line of error that holds these words."""
    assert done.returncode == code, done.stderr
    lines = [line for line in done.stderr.splitlines() if line and not PROGRESS.search(line)]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0]
