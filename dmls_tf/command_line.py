"""What every command does before and after its main: flags in, one line and an exit code out.

No flag is defined or read here; only the scripts' mains do.
"""

import contextlib
import os
import sys

from absl import app, flags, logging

from dmls_tf.errors import Stopped, UserError


def run(main, operands=(), tensorflow=True):
    """Runs a command: `main(*operands)` after the flags are parsed.

    Exit codes: 0 done; 1 something the user can mend, told in one line; 2 wrong usage; 128 and
    the signal's number where one ended it.

    Args:
        main: a function.
        operands: names of the arguments that are no flags, all required.
        tensorflow: whether this process uses TensorFlow.
    """
    logging.set_verbosity(logging.ERROR)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    app.run(
        lambda argv: _guarded(main, argv[1:], tensorflow),
        flags_parser=lambda argv: _parse(argv, operands),
    )


def _parse(argv, operands):
    app.define_help_flags()
    try:
        rest = flags.FLAGS(argv)
    except flags.Error as error:
        _fail(error, 2)
    except OSError as error:
        _fail(error, 1)
    given = rest[1:]
    if len(given) > len(operands):
        _fail(f"unexpected argument {given[len(operands)]!r}; flags look like --name=value", 2)
    if len(given) < len(operands):
        _fail(f"missing argument {operands[len(given)]}", 2)
    return rest


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
