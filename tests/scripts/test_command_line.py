"""What every command has in common: its flags, its help, its exit codes."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.helpers import failed, succeeded

CONVERTER = "data_prep/camvid_to_tfrecord.py"
COMMANDS = sorted(
    str(path.relative_to(ROOT))
    for folder in ("scripts", "data_prep")
    for path in (ROOT / folder).glob("*.py")
    if "command_line.run(" in path.read_text()
)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], ["--output_dir is missing; --data_dir is missing; --help lists the flags"]),
        (["--output_dir=", "--data_dir=x"], ["--output_dir is empty"]),
        (["--split=val"], ["unknown flag --split, perhaps --splits;"]),
        (["--colour=red"], ["unknown flag --colour; --help lists the flags"]),
        (["--num_workers=two"], ["--num_workers=two: not a whole number;"]),
        (["--num_workers=0"], ["--num_workers=0: 0 is not a positive integer;"]),
        (["--overwrite=maybe"], ["--overwrite=maybe: neither true nor false;"]),
        (["--nooverwrite=1"], ["--nooverwrite=1 does not take an argument;"]),
        (["--on_error=stop"], ["--on_error=stop", "<fail|skip>"]),
        (["--flagfile=gone.flags"], ["--flagfile=gone.flags: No such file or directory;"]),
        (["--flagfile=docs"], ["--flagfile=docs: Is a directory;"]),
        (["--flagfile=docs/demo.png"], ["the file of --flagfile is no text"]),
        (["--output_dir=a", "--data_dir=b", "c"], ["unexpected argument 'c'; flags look like"]),
        (["--output_dir=a", "--data_dir=b", "--splits="], ["--splits", "must be names of splits"]),
        (["--output_dir=a", "--data_dir=b", "--splits=../c"], ["must be names of splits"]),
        (["--output_dir=a", "--data_dir=b", "--splits=c+d"], ["must be names of splits"]),
    ],
)
def test_a_command_line_that_cannot_be_read(flags, words, run_command):
    failed(run_command(CONVERTER, *flags), *words, code=2)


def test_a_number_that_is_none(run_command):
    failed(run_command("scripts/summary.py", "--width_multiplier=wide"), "not a number", code=2)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_the_command_does_and_lists_its_flags_alone(command, run_command):
    text = succeeded(run_command(command, "--help"))
    first, blank, example, *_ = text.splitlines()
    assert first.endswith(".")
    assert not blank
    assert example.strip().startswith(f"python {command} ")
    assert text == succeeded(run_command(command, "-h"))
    assert "flags:" in text
    assert f"{command}:\n" in text
    assert "--verbosity" not in text


def test_help_names_defaults_and_what_is_required(run_command):
    text = succeeded(run_command(CONVERTER, "--help"))
    assert "--data_dir: Directory of the unpacked data set. Required.\n" in text
    assert "--splits: Splits to convert.\n    (default: 'train,val,test')" in text


def test_nobody_reads_the_output():
    """As in `| head`: no traceback, and no success."""
    command = [sys.executable, str(ROOT / "scripts" / "train.py"), "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141
