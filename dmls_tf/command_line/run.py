"""Runs a command and ends it with an exit code.

    0    done, or --help
    1    something the user can mend: a file, a setting, a package, a server
    2    a command line that cannot be read: unknown, missing or malformed flags and arguments
    128 and the number of the signal that ended it: 130 of Ctrl-C, 143 of SIGTERM, 141 when nobody
         reads the output any more

With 1 and 2, the last line on stderr says what is wrong.
"""

import contextlib
import errno
import os
import pathlib
import signal
import sys

from absl import app, flags, logging

from dmls_tf.command_line import setting_flags
from dmls_tf.errors import Stopped, UserError

flags.disclaim_key_flags()


class HelpFlag(app.HelpFlag):
    """-h, for --help."""

    NAME, SHORT_NAME = "h", None


def run(main, options_class, also=(), operands=(), tensorflow=True, rest=False):
    """Runs a command: `main(options, *operands)` after the flags are parsed.

    Args:
        main: a function.
        options_class: a `Settings` class, of the command's own settings.
        also: further `Settings` classes that are flags; main gets them by `command_line.make`.
        operands: names of the arguments that are no flags, all required.
        tensorflow: whether this process uses TensorFlow.
        rest: whether what follows `--` is passed on to main, after the operands.
    """
    logging.set_verbosity(logging.ERROR)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    required = [name for one in (options_class, *also) for name in setting_flags.define(one)]

    def parsed(argv):
        num_passed_on = len(argv) - argv.index("--") - 1 if rest and "--" in argv else 0
        return _parse(argv, required, operands, num_passed_on)

    def guarded(argv):
        _guarded(lambda: main(setting_flags.make(options_class), *argv[1:]), tensorflow)

    try:
        try:
            app.run(guarded, flags_parser=parsed)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # of standard output, whose reader is gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python flushes once more
        sys.exit(128 + signal.SIGPIPE)


def _parse(argv, required, operands, num_passed_on):
    app.define_help_flags()
    flags.DEFINE_flag(HelpFlag())
    try:
        words = flags.FLAGS(with_flag_files(argv))
    except SystemExit:  # by --help, which absl counts as a failure
        sys.exit(0)
    except flags.UnrecognizedFlagError as error:
        renamed = setting_flags.RENAMED.get(error.flagname.removeprefix("no"))
        _fail(f"--{error.flagname} {renamed}" if renamed else error, 2)
    except BrokenPipeError:  # of the output of --help
        raise
    except OSError as error:
        _fail(f"--flagfile={error.filename}: {error.strerror}", 2)
    except UnicodeError as error:
        _fail(f"the file of --flagfile is no text ({error})", 2)
    except (flags.Error, ValueError) as error:  # the latter of --nooverwrite=1
        _fail(f"{error}; --help lists the flags", 2)
    if missing := [f"--{name}" for name in required if flags.FLAGS[name].value in (None, "", ())]:
        _fail(f"{' and '.join(missing)} required; --help lists the flags", 2)
    given = words[1 : len(words) - num_passed_on]
    if len(given) > len(operands):
        _fail(f"unexpected argument {given[len(operands)]!r}; flags look like --name=value", 2)
    if len(given) < len(operands):
        _fail(f"missing argument {operands[len(given)]}; --help has an example", 2)
    return words


def with_flag_files(arguments, folder=None, inside=()):
    """The arguments with the lines of flag files in their places.

    absl reads them too, but finds a file that another one names only in the working directory.

    Raises:
        OSError, UnicodeError: a file cannot be read.
    """
    expanded = []
    for argument in arguments:
        name, _, path = argument.partition("=")
        if name.lstrip("-") != "flagfile" or not path:
            expanded.append(argument)
            continue
        path = pathlib.Path(folder or "", path)
        if path in inside:
            raise OSError(errno.ELOOP, "names itself", str(path))
        lines = [line.strip() for line in path.read_text().splitlines()]
        lines = [line for line in lines if line and not line.startswith(("#", "//"))]
        expanded += with_flag_files(lines, path.parent, (*inside, path))
    return expanded


def _guarded(main, tensorflow):
    try:
        if tensorflow:
            _start_tensorflow()
        main()
    except UserError as error:
        _fail(error, 1)
    except KeyboardInterrupt as error:
        _fail(f"interrupted {error}", 130)
    except OSError as error:
        if "://" not in str(error.filename):
            raise
        _fail(f"{error.filename}: {error.strerror}", 1)
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


def warn(*lines):
    """Prints warnings, each one line, to stderr."""
    for line in lines:
        print(f"warning: {line}", file=sys.stderr)


def _fail(message, code):
    line = " ".join(str(message).split())
    print(f"error: {line}", file=sys.stderr)
    sys.exit(code)
