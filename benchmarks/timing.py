"""Medians, child processes and tables for the benchmarks. Imports no framework."""

import functools
import json
import os
import pathlib
import statistics
import subprocess
import sys
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
    environment = os.environ | {
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
    }
    arguments = [str(argument) for argument in arguments]
    command = [str(python), str(script), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"error: {pathlib.Path(script).name} {' '.join(arguments)}: {done.stderr[-400:]}")
    return json.loads(done.stdout.splitlines()[-1])


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
    print(json.dumps(numbers))


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
        cells = [f"{v:.3g}" if isinstance(v, float) else str(v) for v in values]
        print(f"| {name} | {' | '.join(cells)} |")
