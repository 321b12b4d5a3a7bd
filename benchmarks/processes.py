"""Functions in processes of their own: for another Keras backend, interpreter or memory.

    in_child(times, 19, backend="jax")    # what times(19) returns there

Functions are those of a module of `benchmarks`; arguments and results are JSON types. A function
that returns {request: function} makes a process that waits for requests, so that several, also of
other environments, take turns. Imports no framework.
"""

import contextlib
import functools
import importlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from benchmarks.timing import in_turn

ROOT = pathlib.Path(__file__).parent.parent


class Child:
    """A process that calls a function.

    Args:
        function: of a module.
        arguments, settings: of the function.
        python: the interpreter of its environment.
        backend: of Keras.
    """

    def __init__(
        self, function, *arguments, python=sys.executable, backend="tensorflow", **settings
    ):
        main = sys.modules["__main__"]
        module = main.__spec__.name if function.__module__ == "__main__" else function.__module__
        self._call = [module, function.__name__, json.dumps([arguments, settings])]
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed on exit)
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.processes", *self._call],
            env=os.environ
            | {
                "KERAS_BACKEND": backend,
                "TF_CPP_MIN_LOG_LEVEL": "3",
                "PYTHONPATH": str(ROOT),
                "PYTHONWARNINGS": "ignore",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def ask(self, request):
        """The response to one word; exits if the process has failed."""
        with contextlib.suppress(BrokenPipeError):
            print(request, file=self._process.stdin, flush=True)
        return self.read()

    def read(self):
        """What the function returned; exits if the process has failed."""
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            sys.exit(f"error: {' '.join(self._call)}: {self._errors.read()[-400:]}")
        return json.loads(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._errors.close()


def in_child(function, *arguments, **settings):
    """What a function returns in a process of its own; see `Child`."""
    with Child(function, *arguments, **settings) as child:
        return child.read()


def time_in_turn(children, rounds, *requests):
    """Times the request "call" of {name: `Child`}, in turn.

    Returns:
        {name: [median milliseconds, response to each of the further requests]}.
    """
    with contextlib.ExitStack() as stack:
        for child in children.values():
            stack.enter_context(child)
        calls = {name: functools.partial(child.ask, "call") for name, child in children.items()}
        ms = in_turn(calls, rounds)
        return {name: [ms[name], *map(child.ask, requests)] for name, child in children.items()}


def main(module, name, given):
    """The other side of `Child`, whose function may print: that goes to stderr."""
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    arguments, settings = json.loads(given)
    result = getattr(importlib.import_module(module), name)(*arguments, **settings)
    waits = isinstance(result, dict) and all(map(callable, result.values()))
    for response in (result[line.strip()]() for line in sys.stdin) if waits else [result]:
        print(json.dumps(response), file=output, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
