"""Times the distance transforms against SciPy, OpenCV, `edt` and tensorflow-addons.

.venv/bin/python -m pip install -e ".[bench]"
.venv/bin/python -m benchmarks.distance_transform

The masks are those of a partition: "not class i" for each of N smooth regions. All run in turn, in
rounds of a minute of which the median counts, tensorflow-addons in `.venv-addons` (scripts/test.sh
makes it). Ratios are to its op called with one channel after another, as its documentation shows,
and with all of them as one batch of images, which runs on every core.

Last come growing images with one zero pixel, in a corner: the largest distances there are.
"""

import contextlib
import functools
import importlib
import tempfile

import numpy as np

from benchmarks import addons_transform
from benchmarks.options import run
from benchmarks.processes import ROOT, in_child
from benchmarks.timing import median_ms, medians, memory_mib, table, time_ways
from dmls_tf.errors import UserError

ADDONS = ROOT / ".venv-addons/bin/python"
LIBRARIES = {
    "SciPy": ("scipy.ndimage", lambda ndimage, plane: ndimage.distance_transform_edt(plane)),
    "OpenCV": (
        "cv2",
        lambda cv2, plane: cv2.distanceTransform(plane, cv2.DIST_L2, cv2.DIST_MASK_PRECISE),
    ),
    "edt": ("edt", lambda edt, plane: edt.edt(plane, parallel=0)),
}


def main(size: int = 512, num_classes: int = 19, rounds: int = 3):
    if not ADDONS.exists():
        raise UserError("no .venv-addons with tensorflow-addons; scripts/test.sh makes it")
    mask = masks(size, num_classes)
    measured = []
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file.name, mask.astype(np.uint8))
        for _ in range(rounds):
            numbers = {"addons": in_child(addons_transform.times, file.name, python=str(ADDONS))}
            for backend in ("tensorflow", "jax"):
                numbers |= in_child(ours, size, num_classes, backend=backend)
            measured.append(numbers | {"libraries": libraries(mask)})
    found = medians(measured)
    addons, peers = found.pop("addons"), found.pop("libraries")

    def row(name, ms, transforms=1):
        """Beside that many transforms by tensorflow-addons."""
        ratios = [ms / transforms / addons[way] for way in ("one by one", "one batch")]
        return name, [ms, *ratios]

    shape, columns = f"1 x {size} x {size} x {num_classes}", ["ms", "to one by one", "to one batch"]
    rows = [row(f"tensorflow-addons, {way}", ms) for way, ms in addons.items()]
    for name in LIBRARIES:
        missing = (name, ["not installed", *2 * ["not measured"]])
        rows.append(row(name, peers[name]) if name in peers else missing)
    table(f"Exact transforms of {shape} by others", columns, rows)
    rows = [row(name, ms, 2 if name.startswith("signed") else 1) for name, ms in found.items()]
    table(f"dmls_tf.ops, {shape}; signed ones against 2N transforms", columns, rows)
    error = in_child(largest_error, size, num_classes)
    print(f"\nLargest difference of the exact transform from SciPy: {error:.1e} pixels")
    columns = ["SciPy, ms", "TF graph", "TF XLA", "JAX", "memory of TF, MiB", "of JAX"]
    rows = [(f"{n} x {n}", corner_row(n)) for n in (256, 512, 1024, 2048, 4096)]
    table("Exact transforms of one zero pixel in a corner, beside SciPy", columns, rows)


def corner_row(size):
    """SciPy's ms, the multiples of it, and the peaks of memory."""
    tensorflow = in_child(corner, size, backend="tensorflow")
    jax = in_child(corner, size, backend="jax")
    ways = [tensorflow[way] / tensorflow["SciPy"] for way in ("TF graph", "TF XLA")]
    return [
        tensorflow["SciPy"],
        *ways,
        jax["JAX"] / jax["SciPy"],
        tensorflow["memory"],
        jax["memory"],
    ]


def corner(size):
    """{"SciPy" and ways of compiling: ms, "memory": MiB} on the backend of this process."""
    from keras import ops
    from scipy import ndimage

    from dmls_tf.ops import euclidean_distance_transform

    mask = np.arange(size * size).reshape(1, size, size, 1) > 0
    ways = time_ways(euclidean_distance_transform, ops.convert_to_tensor(mask))
    memory = memory_mib()
    peer = median_ms(lambda: ndimage.distance_transform_edt(mask[0, ..., 0]))
    return ways | {"memory": memory, "SciPy": peer}


def partition(size, num_classes):
    """Labels of smooth regions, int32 `[1, size, size]`."""
    from scipy import ndimage

    noise = np.random.default_rng(0).normal(size=(num_classes, size, size))
    smooth = ndimage.gaussian_filter(noise, (0, size / 16, size / 16))
    return smooth.argmax(0).astype(np.int32)[None]


def masks(size, num_classes):
    """Of the partition, "not class i": bool `[1, size, size, N]`."""
    return partition(size, num_classes)[..., None] != np.arange(num_classes)


def ours(size, num_classes):
    """{function and way of compiling: ms} on the backend of this process."""
    from keras import ops

    from dmls_tf.ops import (
        euclidean_distance_transform,
        generalized_distance_transform,
        signed_distance,
    )
    from dmls_tf.ops.banded_distance import signed_distance_phases_first

    mask = ops.convert_to_tensor(masks(size, num_classes))
    labels = ops.convert_to_tensor(partition(size, num_classes))
    cost = np.random.default_rng(0).uniform(0, size**2, mask.shape).astype(np.float32)
    functions = {
        "exact": (euclidean_distance_transform, mask),
        "generalized": (generalized_distance_transform, ops.convert_to_tensor(cost)),
        "up to 8": (lambda m: euclidean_distance_transform(m, 8), mask),
        "up to 16": (lambda m: euclidean_distance_transform(m, 16), mask),
        "signed, band 8": (lambda x: signed_distance(x, num_classes, 8), labels),
        "signed, band 8, phases first": (
            lambda x: signed_distance_phases_first(x, num_classes, 8),
            labels,
        ),
    }
    return {
        f"{name}, {way}": ms
        for name, (function, given) in functions.items()
        for way, ms in time_ways(function, given).items()
    }


def planes_of(mask):
    """The channels of a mask, `[N, H, W]`, each contiguous."""
    return np.ascontiguousarray(np.moveaxis(mask[0], -1, 0).astype(np.uint8))


def libraries(mask):
    """{library: ms} of the loop over all channels, for those that are installed."""

    def loop(transform, library):
        return [transform(library, plane) for plane in planes]

    planes, numbers = planes_of(mask), {}
    for name, (module, transform) in LIBRARIES.items():
        with contextlib.suppress(ImportError):
            library = importlib.import_module(module)
            numbers[name] = median_ms(functools.partial(loop, transform, library))
    return numbers


def largest_error(size, num_classes):
    """Of the exact transform against SciPy, in pixels."""
    from scipy import ndimage

    from dmls_tf.ops import euclidean_distance_transform

    mask = masks(size, num_classes)
    found = np.asarray(euclidean_distance_transform(mask))[0]
    expected = [ndimage.distance_transform_edt(plane) for plane in planes_of(mask)]
    return float(np.abs(found - np.stack(expected, axis=-1)).max())


if __name__ == "__main__":
    run(main)
