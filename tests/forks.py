"""Commands as processes that are forked where TensorFlow and Keras are imported already.

    start_fork("scripts/train.py", "--flagfile=a.flags", log="train.log").join()

    with forking_python(directory) as environment:  # whose PATH begins with such a `python`
        subprocess.run("python scripts/train.py --flagfile=a.flags", shell=True, env=environment)

What the script itself imports is not tested by them.
"""

import contextlib
import json
import multiprocessing
import multiprocessing.forkserver
import os
import socket
import socketserver
import sys
import threading
from multiprocessing import reduction

from tests.helpers import ROOT, run_script

PRELOAD = ["dmls_tf.records.preload", "dmls_tf.training.trainer"]
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


def start_fork(script, *arguments, log=os.devnull, environment=None):
    """A process like one of `run_command`, which prints to the file `log`."""
    argv = [str(ROOT / script), *map(str, arguments)]
    with open(log, "w") as file:
        files = [0, file.fileno(), file.fileno()]
        return _start(argv, ROOT, os.environ | (environment or {}), files)


@contextlib.contextmanager
def forking_python(directory):
    """An environment in which `python SCRIPT ...` is a fork; the directory receives `python`."""
    address, python = directory / "socket", directory / "python"
    python.write_text(PYTHON.format(executable=sys.executable, address=address))
    python.chmod(0o755)
    with socketserver.ThreadingUnixStreamServer(str(address), _Forking) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield os.environ | {"PATH": f"{directory}:{os.environ['PATH']}"}
        server.shutdown()


class _Forking(socketserver.BaseRequestHandler):
    """Starts what the `python` of `forking_python` asks for, and answers its exit code."""

    def handle(self):
        size, files, *_ = socket.recv_fds(self.request, 8, 3)
        request = self.request.makefile("rb").read(int.from_bytes(size, "big"))
        process = _start(*json.loads(request), files)
        for file in files:
            os.close(file)
        process.join()
        self.request.sendall(str(process.exitcode).encode())


class _Descriptor:
    """The number of an open file, which is another one in another process."""

    def __init__(self, number):
        self.number = number

    def __getstate__(self):
        return reduction.DupFd(self.number)

    def __setstate__(self, state):
        self.number = state.detach()


def _start(argv, directory, environment, files):
    """A process with these files as stdin, stdout and stderr."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    arguments = (argv, directory, dict(environment), list(map(_Descriptor, files)))
    process = context.Process(target=_run, args=arguments)
    process.start()
    return process


def _run(argv, directory, environment, files):
    server = multiprocessing.forkserver
    server.ensure_running = server._forkserver.ensure_running = lambda: None  # its workers, too
    for number, file in enumerate(files):
        os.dup2(file.number, number)
    os.environ.clear()
    os.environ.update(environment)
    run_script(argv, directory)
