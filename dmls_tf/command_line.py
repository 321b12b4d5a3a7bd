"""What every command does before and after its main: flags in, one line and an exit code out.

    0    done, or --help
    1    something the user can mend: a file, a setting, a package, a server
    2    a command line that cannot be read: unknown, missing or malformed flags and arguments
    128 and the number of the signal that ended it: 130 of Ctrl-C, 143 of SIGTERM, 141 where nobody
         reads the output any more

With 1 and 2, the last line on stderr says what is wrong. No flag of a command is defined or read
here; only the scripts' mains do.
"""

import contextlib
import os
import re
import signal
import sys

from absl import app, flags, logging

from dmls_tf.errors import Stopped, UserError

PLAIN_WORDS = (  # for what absl says of flags
    (r"flag (--\w+)=None: Flag \S+ must have a value other than None\.", r"\1 is missing;"),
    (
        r"Unknown command line flag '(.*)'\. Did you mean: (.*) \?",
        r"unknown flag --\1, perhaps --\2",
    ),
    (r"Unknown command line flag '(.*)'", r"unknown flag --\1"),
    (r"ERROR:: Unable to open flagfile: \[Errno \d+\] (.*): '(.*)'", r"--flagfile=\2: \1"),
    (r"invalid literal for int\(\).*", "not a whole number"),
    (r"could not convert string to float.*", "not a number"),
    (r"\('Non-boolean argument to boolean flag', .*\)", "neither true nor false"),
)


class HelpFlag(app.HelpFlag):
    """-h, for --help."""

    NAME, SHORT_NAME = "h", None


def run(main, operands=(), tensorflow=True):
    """Runs a command: `main(*operands)` after the flags are parsed.

    Args:
        main: a function.
        operands: names of the arguments that are no flags, all required.
        tensorflow: whether this process uses TensorFlow.
    """
    logging.set_verbosity(logging.ERROR)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        try:
            app.run(
                lambda argv: _guarded(main, argv[1:], tensorflow),
                flags_parser=lambda argv: _parse(argv, operands),
            )
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # of standard output, whose reader is gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python flushes once more
        sys.exit(128 + signal.SIGPIPE)


def _parse(argv, operands):
    app.define_help_flags()
    flags.DEFINE_flag(HelpFlag())
    required = [flags.FLAGS[name] for name in flags.FLAGS if _is_required(flags.FLAGS[name])]
    for flag in required:
        flag.help += " Required."
    try:
        rest = flags.FLAGS(argv)
    except SystemExit:  # by --help, which absl counts as a failure
        sys.exit(0)
    except flags.Error as error:
        _fail(_plain(error), 2)
    except UnicodeError as error:
        _fail(f"the file of --flagfile is no text ({error})", 2)
    except ValueError as error:  # --noflip=1
        _fail(_plain(error), 2)
    for flag in required:
        if not flag.value:  # as of --name=$VARIABLE
            _fail(f"--{flag.name} is empty", 2)
    given = rest[1:]
    if len(given) > len(operands):
        _fail(f"unexpected argument {given[len(operands)]!r}; flags look like --name=value", 2)
    if len(given) < len(operands):
        _fail(f"missing argument {operands[len(given)]}; --help has an example", 2)
    return rest


def _is_required(flag):
    return any("must have a value" in validator.message for validator in flag.validators)


def _plain(error):
    """What absl says of flags, in this project's words."""
    message = str(error)
    for theirs, ours in PLAIN_WORDS:
        message = re.sub(theirs, ours, message)
    return f"{message.rstrip(';.')}; --help lists the flags"


def _guarded(main, operands, tensorflow):
    try:
        if tensorflow:
            _start_tensorflow()
        main(*operands)
    except UserError as error:
        _fail(error, 1)
    except KeyboardInterrupt as error:
        _fail(f"interrupted {error}", 130)
    except Stopped as stop:
        print(f"stopped: {stop}", file=sys.stderr)
        sys.exit(128 + stop.signal)


def _start_tensorflow():
    """Imports TensorFlow and finds the GPUs without the notices its C++ code writes to stderr.

    They come before its logging can be configured, and would bury the one line that matters.
    """
    with quiet_stderr():
        import tensorflow as tf

        tf.config.list_physical_devices()


@contextlib.contextmanager
def quiet_stderr():
    """Drops what this process, C++ code included, writes to stderr meanwhile."""
    sys.stderr.flush()
    saved = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def _fail(message, code):
    line = " ".join(str(message).split())
    print(f"error: {line}", file=sys.stderr)
    sys.exit(code)
