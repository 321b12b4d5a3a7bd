"""Commands as processes that are forked where TensorFlow and Keras are imported already.

    exit_code, output = outcome(start_fork("scripts/train.py", "--flagfile=a.flags", log="a.log"))

    with forking_python(directory) as environment:  # its PATH begins with such a `python`
        subprocess.run("python scripts/train.py --flagfile=a.flags", shell=True, env=environment)

What the script itself imports is not tested by them.
"""

import contextlib
import json
import multiprocessing
import multiprocessing.forkserver
import os
import pathlib
import socket
import socketserver
import sys
import threading
from multiprocessing import reduction

from tests.helpers import ROOT, run_script
from tests.training.runs import eagerly

PRELOAD = ["dmls_tf.records.preload", "dmls_tf.training.trainer"]
EAGER = ("train.py", "evaluate.py")
PYTHON = """\
#!{executable} -SE
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect("{address}")
request = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(server, [len(request).to_bytes(8, "big")], [0, 1, 2])
server.sendall(request)
sys.exit(int(server.makefile().read()))
"""


def start_fork(script, *arguments, log=os.devnull, environment=None, eager=False):
    """Starts a command of the repository; its output goes to the file `log`.

    Args:
        script: its path in the repository.
        arguments: of the command.
        log: path of the file.
        environment: variables added to those of this process.
        eager: run what `tf.function` would compile; for a few steps it is faster.

    Returns:
        A `multiprocessing.Process` with an attribute `log`.
    """
    argv = [str(ROOT / script), *map(str, arguments)]
    with open(log, "w") as file:
        files = [0, file.fileno(), file.fileno()]
        process = _start(argv, ROOT, os.environ | (environment or {}), files, eager)
    process.log = pathlib.Path(log)
    return process


def outcome(process, seconds=300):
    """Waits for the end of a process of `start_fork`; returns its exit code and its output."""
    process.join(seconds)
    return process.exitcode, process.log.read_text()


@contextlib.contextmanager
def forking_python(directory):
    """An environment in which `python SCRIPT ...` is a fork; the directory receives `python`.

    What takes a few steps only, `EAGER`, is not compiled.
    """
    address, python = directory / "socket", directory / "python"
    python.write_text(PYTHON.format(executable=sys.executable, address=address))
    python.chmod(0o755)
    with socketserver.ThreadingUnixStreamServer(str(address), _Forking) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield os.environ | {"PATH": f"{directory}:{os.environ['PATH']}"}
        server.shutdown()


class _Forking(socketserver.BaseRequestHandler):
    """Runs the script that `python` was called with, and replies with its exit code."""

    def handle(self):
        size, files, *_ = socket.recv_fds(self.request, 8, 3)
        request = self.request.makefile("rb").read(int.from_bytes(size, "big"))
        argv, directory, environment = json.loads(request)
        eager = pathlib.Path(argv[0]).name in EAGER
        process = _start(argv, directory, environment, files, eager)
        for file in files:
            os.close(file)
        process.join()
        self.request.sendall(str(process.exitcode).encode())


class _Descriptor:
    """An open file that can be sent to another process, where its number differs."""

    def __init__(self, number):
        self.number = number

    def __getstate__(self):
        return reduction.DupFd(self.number)

    def __setstate__(self, state):
        self.number = state.detach()


def _start(argv, directory, environment, files, eager=False):
    """Starts a process with these files as stdin, stdout and stderr."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    arguments = (argv, directory, dict(environment), list(map(_Descriptor, files)), eager)
    process = context.Process(target=_run, args=arguments)
    process.start()
    return process


def _run(argv, directory, environment, files, eager):
    server = multiprocessing.forkserver
    server.ensure_running = server._forkserver.ensure_running = lambda: None  # its workers, too
    for number, file in enumerate(files):
        os.dup2(file.number, number)
    os.environ.clear()
    os.environ.update(environment)
    with eagerly() if eager else contextlib.nullcontext():
        run_script(argv, directory)
