"""What every command has in common: its flags, its help, its exit codes."""

import subprocess
import sys

import pytest

from tests.helpers import COMMANDS, ROOT, failed, run_here, succeeded

CONVERTER = "data_prep/camvid_to_tfrecord.py"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--output_dir="], ["--output_dir=: must be a path; --help lists the flags"]),
        (["--split=val"], ["Unknown command line flag 'split'. Did you mean: splits ?"]),
        (["--colour=red"], ["Unknown command line flag 'colour'"]),
        (["--num_workers=two"], ["--num_workers=two: must be a whole number;"]),
        (["--num_workers=0"], ["--num_workers=0: must be positive;"]),
        (["--overwrite=maybe"], ["--overwrite=maybe: must be true or false;"]),
        (["--nooverwrite=1"], ["--nooverwrite=1 does not take an argument;"]),
        (["--on_error=stop"], ["--on_error=stop: must be fail or skip;"]),
        (["--flagfile=gone.flags"], ["--flagfile=gone.flags: No such file or directory"]),
        (["--flagfile=docs"], ["--flagfile=docs: Is a directory"]),
        (["--flagfile=docs/demo.png"], ["the file of --flagfile is no text"]),
        (["--output_dir=a", "--data_dir=b", "c"], ["unexpected argument 'c'; flags look like"]),
        (["--output_dir=a", "--data_dir=b", "--splits="], ["--splits", "must be names of splits"]),
        (["--output_dir=a", "--data_dir=b", "--splits=../c"], ["must be names of splits"]),
        (["--output_dir=a", "--data_dir=b", "--splits=c+d"], ["must be names of splits"]),
    ],
)
def test_a_command_line_that_cannot_be_read(flags, words):
    failed(run_here(CONVERTER, *flags), *words, code=2)


def test_flags_that_are_required():
    script = "data_prep/folder_to_tfrecord.py"
    failed(run_here(script), "--name and --images and --labels required; --help lists", code=2)
    failed(run_here(script, "--name=a", "--images=", "--labels=b"), "--images required", code=2)


def test_a_number_that_is_none():
    done = run_here("scripts/summary.py", "--width_multiplier=wide")
    failed(done, "=wide: must be a number;", code=2)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_the_command_does_and_lists_its_flags_alone(command, run_command):
    text = succeeded(run_command(command, "--help"))
    first, blank, example, *_ = text.splitlines()
    assert first.endswith(".")
    assert not blank
    assert example.strip().startswith(f"python {command}")
    assert text == succeeded(run_here(command, "-h"))
    assert "flags:" in text
    assert f"{command}:\n" in text
    assert "--verbosity" not in text


def test_help_names_defaults_and_what_is_required():
    text = succeeded(run_here(CONVERTER, "--help"))
    assert "--data_dir: Directory of the unpacked data set.\n    (default: 'data/camvid')" in text
    assert "--splits: Splits to convert.\n    (default: 'train,val,test')" in text


def test_nobody_reads_the_output():
    """As in `| head`: no traceback, and no success."""
    command = [sys.executable, str(ROOT / "scripts" / "train.py"), "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141
