"""What every command does before and after its main: flags in, one line and an exit code out.

No flag is defined or read here; only the scripts' mains do.
"""

import contextlib
import os
import sys
import tempfile

from absl import app, flags, logging

from dmls_tf.errors import UserError


def run(main):
    """Runs a command: `main()` after the flags are parsed.

    Exit codes: 0 done; 1 something the user can mend, told in one line; 2 wrong usage.
    """
    logging.set_verbosity(logging.ERROR)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    app.run(lambda _: _guarded(main), flags_parser=_parse)


def _parse(argv):
    app.define_help_flags()
    try:
        rest = flags.FLAGS(argv)
    except flags.Error as error:
        _fail(error, 2)
    except OSError as error:
        _fail(error, 1)
    if len(rest) > 1:
        _fail(f"unexpected argument {rest[1]!r}; flags look like --name=value", 2)
    return rest


def _guarded(main):
    try:
        _start_tensorflow()
        main()
    except UserError as error:
        _fail(error, 1)
    except KeyboardInterrupt:
        _fail("interrupted", 130)


def _start_tensorflow():
    """Imports TensorFlow and finds the GPUs without the notices its C++ code writes to stderr.

    They come before its logging can be configured, and would bury the one line that matters.
    """
    with tempfile.TemporaryFile() as notices, _stderr_to(notices):
        import tensorflow as tf

        tf.config.list_physical_devices()


@contextlib.contextmanager
def _stderr_to(file):
    sys.stderr.flush()
    saved = os.dup(2)
    os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def _fail(message, code):
    line = " ".join(str(message).split())
    print(f"error: {line}", file=sys.stderr)
    sys.exit(code)
