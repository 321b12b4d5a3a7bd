"""Times one step of the evolution against `phi + F`, and the layer with few of many phases.

.venv/bin/python -m benchmarks.level_set_step

512 x 512 pixels. "24 of 150" evolves the 24 classes that the image holds of 150. Memory is the
rise of the process's peak over what it held before, TF graph.
"""

import argparse
import resource

import numpy as np

from benchmarks.distance_transform import partition
from benchmarks.timing import measure_in_child, report, table, time_ways

SIZE = 512


def inputs(num_classes, present):
    """phi and F `[1, N, H, W]` of a partition of which `present` classes have pixels."""
    from keras import ops

    from dmls_tf.ops.distance_transform import signed_distance_phases_first

    labels = partition(SIZE, present)
    phi = signed_distance_phases_first(labels, num_classes, 8)
    force = np.random.default_rng(1).uniform(-1, 1, phi.shape).astype(np.float32)
    return ops.convert_to_tensor(labels), phi, ops.convert_to_tensor(force)


def step(phi, force):
    from dmls_tf.ops import evolve

    return evolve(phi, force, num_steps=1, dt=0.4)


def step_of_largest(labels, phi, force, count=24):
    """A step of the `count` largest phases, chosen among all and not put back."""
    from dmls_tf.ops import evolve
    from dmls_tf.ops.phases import largest_phases, select

    num_classes = phi.shape[1]
    phases = largest_phases(labels, num_classes, count)
    return evolve(select(phi, phases), select(force, phases), 1, 0.4, curvature_mean=num_classes)


def times():
    _, phi, force = inputs(19, 19)
    numbers = {"phi + F, N = 19": time_ways(lambda a, b: a + b, phi, force)}
    numbers["step, N = 19"] = time_ways(step, phi, force)
    labels, phi, force = inputs(24, 24)
    numbers["step, N = 24"] = time_ways(step, phi, force)
    numbers["layer, N = 24, 3 steps"] = time_ways(layer(None), phi_last(phi), phi_last(force))
    labels, phi, force = inputs(150, 24)
    numbers["step, 24 of N = 150"] = time_ways(step_of_largest, labels, phi, force)
    few = time_ways(layer(24), phi_last(phi), phi_last(force))
    numbers["layer, 24 of N = 150, 3 steps"] = few
    return numbers


def layer(max_phases):
    from dmls_tf.layers import MultiphaseLevelSet

    return MultiphaseLevelSet(max_phases=max_phases)


def phi_last(planes):
    """Level sets as scores `[1, H, W, N]`, the largest inside."""
    from keras import ops

    return -ops.transpose(planes, (0, 2, 3, 1))


def memory():
    """Peak MiB of a step with its gradient, and of phi alone."""
    import tensorflow as tf

    _, phi, force = inputs(19, 19)

    @tf.function
    def gradient(phi, force):
        with tf.GradientTape() as tape:
            tape.watch([phi, force])
            total = tf.reduce_sum(step(phi, force) ** 2)
        return tape.gradient(total, [phi, force])

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    gradient(phi, force)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"MiB": (after - before) / 1024, "MiB of phi": 4 * np.prod(phi.shape) / 2**20}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=["all", "times", "memory"], default="all")
    part = parser.parse_args().part
    if part != "all":
        return report(times() if part == "times" else memory())
    found = measure_in_child(__file__, "--part=times")
    for name, ways in measure_in_child(__file__, "--part=times", backend="jax").items():
        found[name] |= ways
    base = found["phi + F, N = 19"]
    rows = [
        (f"{name}, {way}", [ms, ms / base[way]])
        for name, ways in found.items()
        for way, ms in ways.items()
    ]
    table(f"One image of {SIZE} x {SIZE}", ["ms", "ratio to phi + F, N = 19"], rows)
    rows = []
    for kind, tail in (("step", ""), ("layer", ", 3 steps")):
        few, all_of_24 = found[f"{kind}, 24 of N = 150{tail}"], found[f"{kind}, N = 24{tail}"]
        rows.append((kind, [few[way] / all_of_24[way] for way in base]))
    table("24 present phases of N = 150, ratio to N = 24", list(base), rows)
    peak = measure_in_child(__file__, "--part=memory")
    print(
        f"\nA step with its gradient, N = 19: {peak['MiB']:.0f} MiB more, "
        f"{peak['MiB'] / peak['MiB of phi']:.1f} times phi"
    )


if __name__ == "__main__":
    main()
