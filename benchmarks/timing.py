"""Medians, child processes and tables for the benchmarks. Imports no framework."""

import contextlib
import datetime
import functools
import importlib.metadata
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parent.parent


def median_ms(function, repeats=9):
    """Median wall-clock time of a call in milliseconds, after two that are not counted."""
    times = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        function()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[2:])


def in_turn(runs, rounds):
    """{name: median seconds} of functions that take turns, after a round that is not counted."""
    times = []
    for _ in range(rounds + 1):
        times.append({})
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[-1][name] = time.perf_counter() - start
    return medians(times[1:])


def measure_in_child(script, *arguments, python=sys.executable, backend="tensorflow"):
    """Runs a script that ends by `report`, with a Keras backend of its own; returns its numbers."""
    command = _command(python, script, arguments)
    done = subprocess.run(command, env=_environment(backend), capture_output=True, text=True)
    if done.returncode:
        _fail(command, done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


class Child:
    """A process that waits for requests, so that several, of other environments too, take turns.

    Args:
        script: ends by `answer`, and prints nothing else.
        arguments: of the script.
        python: the interpreter of its environment.
    """

    def __init__(self, script, *arguments, python=sys.executable):
        self._command = _command(python, script, arguments)
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed on exit)
        self._process = subprocess.Popen(
            self._command,
            env=_environment("tensorflow"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def ask(self, request):
        """The answer to one word; exits where the process has failed."""
        with contextlib.suppress(BrokenPipeError):
            print(request, file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            _fail(self._command, self._errors.read())
        return json.loads(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._errors.close()


def answer(functions):
    """The other side of `Child`: {request: function of no arguments}, until the parent ends."""
    for line in sys.stdin:
        report(functions[line.strip()]())


def _command(python, script, arguments):
    return [str(python), str(script), *map(str, arguments)]


def _environment(backend):
    return os.environ | {
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
    }


def _fail(command, errors):
    _, script, *arguments = command
    sys.exit(f"error: {pathlib.Path(script).name} {' '.join(arguments)}: {errors[-400:]}")


def memory_mib(field="VmHWM"):
    """Memory of this process, MiB: its peak, or with "VmRSS" what it has now.

    `ru_maxrss` starts from that of the parent.
    """
    status = pathlib.Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024


def hardware():
    """A line of Markdown: what the numbers below it were measured on."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    models = (line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    cores = len(os.sched_getaffinity(0))
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("tensorflow", "keras")]
    return ", ".join(
        [
            next(models, platform.machine()),
            f"{cores} cores",
            f"Python {platform.python_version()}",
            *versions,
            datetime.date.today().isoformat(),
        ]
    )


def compilers():
    """Every way that the Keras backend compiles a function: {name: function -> function}."""
    import keras

    if keras.config.backend() == "jax":
        import jax

        def jit(function):
            compiled = jax.jit(function)
            return lambda *given: jax.block_until_ready(compiled(*given))

        return {"JAX": jit}
    import tensorflow as tf

    return {"TF graph": tf.function, "TF XLA": lambda f: tf.function(f, jit_compile=True)}


def time_ways(function, *given):
    """{way of compiling: median milliseconds} of a function."""
    numbers = {}
    for way, compiled in compilers().items():
        run = compiled(function)
        numbers[way] = median_ms(functools.partial(run, *given))
    return numbers


def report(numbers):
    print(json.dumps(numbers), flush=True)


def medians(rounds):
    """Of the numbers in dicts of the same keys; None where they were not measured."""
    first = rounds[0]
    if isinstance(first, dict):
        return {key: medians([numbers[key] for numbers in rounds]) for key in first}
    return None if first is None else statistics.median(rounds)


def table(title, columns, rows):
    """Prints a Markdown table; numbers with three significant digits."""
    print(f"\n{title}\n\n| | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for name, values in rows:
        cells = [f"{float(f'{v:.3g}'):g}" if isinstance(v, float) else str(v) for v in values]
        print(f"| {name} | {' | '.join(cells)} |")
