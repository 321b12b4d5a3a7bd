"""Times one step of the evolution against `phi + F`, and the layer with few of many phases.

.venv/bin/python -m benchmarks.level_set_step

512 x 512 pixels. "24 of 150" evolves the 24 classes that the image holds of 150. Memory is the
rise of the process's peak over what it held before, TF graph.
"""

import numpy as np

from benchmarks.distance_transform import partition
from benchmarks.options import run
from benchmarks.processes import in_child
from benchmarks.timing import memory_mib, table, time_ways


def main(size: int = 512):
    found = in_child(times, size)
    for name, ways in in_child(times, size, backend="jax").items():
        found[name] |= ways
    base = found["phi + F, N = 19"]
    rows = [
        (f"{name}, {way}", [ms, ms / base[way]])
        for name, ways in found.items()
        for way, ms in ways.items()
    ]
    table(f"One image of {size} x {size}", ["ms", "ratio to phi + F, N = 19"], rows)
    rows = []
    for kind, tail in (("step", ""), ("layer", ", 3 steps")):
        few, all_of_24 = found[f"{kind}, 24 of N = 150{tail}"], found[f"{kind}, N = 24{tail}"]
        rows.append((kind, [few[way] / all_of_24[way] for way in base]))
    table("24 present phases of N = 150, ratio to N = 24", list(base), rows)
    more, phi = in_child(memory, size)
    print(f"\nA step with its gradient, N = 19: {more:.0f} MiB more, {more / phi:.1f} times phi")


def inputs(size, num_classes, present):
    """Labels `[1, H, W]` of which `present` classes have pixels, phi and F `[1, N, H, W]`."""
    from keras import ops

    from dmls_tf.ops.banded_distance import signed_distance_phases_first

    labels = partition(size, present)
    phi = signed_distance_phases_first(labels, num_classes, 8)
    force = np.random.default_rng(1).uniform(-1, 1, phi.shape).astype(np.float32)
    return ops.convert_to_tensor(labels), phi, ops.convert_to_tensor(force)


def times(size):
    """{what: {way of compiling: ms}} on the backend of this process."""
    from dmls_tf.config import LevelSetConfig
    from dmls_tf.layers import MultiphaseLevelSet

    _, phi, force = inputs(size, 19, 19)
    numbers = {"phi + F, N = 19": time_ways(lambda a, b: a + b, phi, force)}
    numbers["step, N = 19"] = time_ways(step, phi, force)
    for start in ("distance", "margin"):
        config = LevelSetConfig(start, evolution_steps=5)
        ways = time_ways(MultiphaseLevelSet(config), as_logits(phi), as_logits(force))
        numbers[f"layer from {start}s, N = 19, 5 steps, no curvature"] = ways
    labels, phi, force = inputs(size, 24, 24)
    numbers["step, N = 24"] = time_ways(step, phi, force)
    numbers["layer, N = 24, 3 steps"] = time_ways(layer(None), as_logits(phi), as_logits(force))
    labels, phi, force = inputs(size, 150, 24)
    numbers["step, 24 of N = 150"] = time_ways(step_of_largest, labels, phi, force)
    few = time_ways(layer(24), as_logits(phi), as_logits(force))
    return numbers | {"layer, 24 of N = 150, 3 steps": few}


def step(phi, force):
    from dmls_tf.ops import evolve

    return evolve(phi, force, evolution_steps=1, dt=0.4)


def step_of_largest(labels, phi, force, count=24):
    """A step of the `count` largest phases, chosen among all and not put back."""
    from dmls_tf.ops import evolve
    from dmls_tf.ops.phases import largest_phases, select

    num_classes = phi.shape[1]
    phases = largest_phases(labels, num_classes, count)
    return evolve(select(phi, phases), select(force, phases), 1, 0.4, num_phases=num_classes)


def layer(max_phases):
    """The layer with curvature."""
    from dmls_tf.config import LevelSetConfig
    from dmls_tf.layers import MultiphaseLevelSet

    config = LevelSetConfig(evolution_steps=3, dt=0.4, epsilon=1.0, max_phases=max_phases)
    return MultiphaseLevelSet(config)


def as_logits(planes):
    """Level sets as logits `[1, H, W, N]`, the largest inside."""
    from keras import ops

    return -ops.transpose(planes, (0, 2, 3, 1))


def memory(size):
    """MiB by which a step with its gradient raises the peak, and MiB of phi."""
    import tensorflow as tf

    _, phi, force = inputs(size, 19, 19)

    @tf.function
    def gradient(phi, force):
        with tf.GradientTape() as tape:
            tape.watch([phi, force])
            total = tf.reduce_sum(step(phi, force) ** 2)
        return tape.gradient(total, [phi, force])

    before = memory_mib()
    gradient(phi, force)
    return memory_mib() - before, float(4 * np.prod(phi.shape) / 2**20)


if __name__ == "__main__":
    run(main)
