"""Clocks, memory and tables of the benchmarks. Imports no framework."""

import datetime
import functools
import importlib.metadata
import os
import pathlib
import platform
import statistics
import time


def seconds_of(function, *given):
    """Wall-clock time of one call."""
    start = time.perf_counter()
    function(*given)
    return time.perf_counter() - start


def median_ms(function, repeats=9):
    """Median wall-clock time of a call in milliseconds, after two that are not counted."""
    times = [1e3 * seconds_of(function) for _ in range(repeats + 2)]
    return statistics.median(times[2:])


def in_turn(runs, rounds):
    """{name: median milliseconds} of functions that take turns, after one uncounted round."""
    times = [{name: 1e3 * seconds_of(run) for name, run in runs.items()} for _ in range(rounds + 1)]
    return medians(times[1:])


def side_by_side(one, two, rounds):
    """Medians of the numbers that two functions return, in turn, and of their ratios."""
    pairs = [(one(), two()) for _ in range(rounds)]
    rows = [(first, second, first / second) for first, second in pairs]
    return [statistics.median(column) for column in zip(*rows, strict=True)]


def medians(rounds):
    """Of the numbers in nested dicts of the same keys."""
    first = rounds[0]
    if isinstance(first, dict):
        return {key: medians([numbers[key] for numbers in rounds]) for key in first}
    return statistics.median(rounds)


def time_ways(function, *given):
    """{way of compiling: median milliseconds} of a function, on the Keras backend in use."""
    import keras

    if keras.config.backend() == "jax":
        import jax

        compiled = jax.jit(function)
        return {"JAX": median_ms(lambda: jax.block_until_ready(compiled(*given)))}
    import tensorflow as tf

    ways = {"TF graph": tf.function(function), "TF XLA": tf.function(function, jit_compile=True)}
    return {way: median_ms(functools.partial(run, *given)) for way, run in ways.items()}


def memory_mib(field="VmHWM", process="self"):
    """Memory of a process, MiB: its peak, or with "VmRSS" what it has now.

    `ru_maxrss` starts from that of the parent.
    """
    status = pathlib.Path(f"/proc/{process}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024


def hardware():
    """A line of Markdown: what the numbers below it were measured on."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    cores = f"{len(os.sched_getaffinity(0))} cores"
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("tensorflow", "keras")]
    words = [*(models or [platform.machine()])[:1], cores, f"Python {platform.python_version()}"]
    return ", ".join([*words, *versions, datetime.date.today().isoformat()])


def table(title, columns, rows):
    """Prints a Markdown table; numbers with three significant digits."""
    print(f"\n{title}\n\n| | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for name, values in rows:
        cells = [f"{float(f'{v:.3g}'):g}" if isinstance(v, float) else str(v) for v in values]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
