"""Times a step of the evolution and the whole layer against `phi + F` and a ResNet-50.

.venv/bin/python -m benchmarks.level_set_step

512 x 512 pixels. "24 of 150" evolves the 24 classes that the image holds of 150. Memory is the
rise of the process's peak over what it held before, TF graph. Takes a quarter of an hour, most of
it under XLA.
"""

import functools

import numpy as np

from benchmarks.distance_transform import partition
from benchmarks.options import run
from benchmarks.processes import in_child
from benchmarks.timing import median_ms, memory_mib, table, time_ways

STARTS = ("distance", "margin")
CLASSES = {"N = 19": (19, 19), "N = 24": (24, 24), "24 of N = 150": (150, 24)}


def main(size: int = 512):
    found = in_child(times, size)
    for name, ways in in_child(times, size, backend="jax").items():
        found[name] |= ways
    one, network = found["phi + F, N = 19"], found["ResNet-50"]["TF graph"]
    rows = [
        (f"{name}, {way}", [ms, ms / one[way], 100 * ms / network])
        for name, ways in found.items()
        for way, ms in ways.items()
    ]
    table(f"One image of {size} x {size}", ["ms", "to phi + F", "% of ResNet-50"], rows)
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
    import keras

    _, phi, force = inputs(size, 19, 19)
    numbers = {"phi + F, N = 19": time_ways(lambda a, b: a + b, phi, force)}
    if keras.backend.backend() == "tensorflow":
        numbers["ResNet-50"] = {"TF graph": resnet50_ms(size)}
    numbers["step, N = 19, no curvature"] = time_ways(
        functools.partial(step, epsilon=0), phi, force
    )
    numbers["step, N = 19"] = time_ways(step, phi, force)
    layers = {f"8 steps from {start}s, no curvature": layer(start) for start in STARTS}
    layers["3 steps"] = layer("distance", evolution_steps=3, dt=0.4, epsilon=1.0)
    for title, classes in CLASSES.items():
        labels, phi, force = inputs(size, *classes)
        for name, one in layers.items():
            ways = time_ways(one, as_logits(phi), as_logits(force))
            numbers[f"layer, {title}, {name}"] = ways
        if classes[0] > 19:
            numbers[f"step, {title}"] = time_ways(step_of_largest, labels, phi, force)
    return numbers


def resnet50_ms(size):
    """Inference of an encoder without dilation, without its classifier."""
    import keras
    import tensorflow as tf

    network = keras.applications.ResNet50(include_top=False, weights=None)
    call = tf.function(functools.partial(network, training=False), autograph=False)
    image = tf.zeros((1, size, size, 3))
    return median_ms(lambda: call(image))


def step(phi, force, epsilon=1.0):
    from dmls_tf.ops import evolve

    return evolve(phi, force, evolution_steps=1, dt=0.4, epsilon=epsilon)


def step_of_largest(labels, phi, force, count=24):
    """A step of the `count` largest phases, chosen from all and not put back."""
    from dmls_tf.ops import evolve
    from dmls_tf.ops.phases import largest_phases, select

    num_classes = phi.shape[1]
    phases = largest_phases(labels, num_classes, count)
    return evolve(select(phi, phases), select(force, phases), 1, 0.4, num_phases=num_classes)


def layer(start, evolution_steps=8, **settings):
    from dmls_tf.config import LevelSetConfig
    from dmls_tf.layers import MultiphaseLevelSet

    return MultiphaseLevelSet(LevelSetConfig(start, evolution_steps=evolution_steps, **settings))


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
