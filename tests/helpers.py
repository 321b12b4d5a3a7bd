"""What tests of commands ask of a finished process."""

import re

PROGRESS = re.compile(r"\[\d+:\d+[<,]")  # of a tqdm bar


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
