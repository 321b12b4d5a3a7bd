"""Times the distance transforms against SciPy, OpenCV, `edt` and tensorflow-addons.

.venv/bin/python -m pip install -e ".[bench]"
.venv/bin/python -m benchmarks.distance_transform

The masks are those of a partition: "not class i" for each of N smooth regions. All run in turn, in
rounds of a minute of which the median counts, tensorflow-addons in `.venv-addons` (scripts/test.sh
makes it). Ratios are to its op called with one channel after another, as its documentation shows,
and with all of them as one batch of images, which runs on every core.
"""

import argparse
import sys
import tempfile

import numpy as np

from benchmarks.timing import ROOT, measure_in_child, median_ms, medians, report, table, time_ways

ADDONS = ROOT / ".venv-addons/bin/python"
ADDONS_SCRIPT = ROOT / "benchmarks/addons_transform.py"


def partition(size, num_classes):
    """Labels of smooth regions, int32 `[1, size, size]`."""
    from scipy import ndimage

    noise = np.random.default_rng(0).normal(size=(num_classes, size, size))
    smooth = ndimage.gaussian_filter(noise, (0, size / 16, size / 16))
    return smooth.argmax(0).astype(np.int32)[None]


def ours(labels, num_classes):
    """{function and way of compiling: ms} on the backend of this process."""
    from keras import ops

    from dmls_tf.ops import euclidean_distance_transform, signed_distance
    from dmls_tf.ops.distance_transform import signed_distance_phases_first

    mask = ops.convert_to_tensor(labels[..., None] != np.arange(num_classes))
    labels = ops.convert_to_tensor(labels)
    functions = {
        "exact": (euclidean_distance_transform, mask),
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


def libraries(mask):
    """{library: ms} of the loop over all channels, or None where it is not installed."""
    from scipy import ndimage

    planes = np.ascontiguousarray(np.moveaxis(mask[0], -1, 0).astype(np.uint8))
    numbers = {"SciPy": median_ms(lambda: [ndimage.distance_transform_edt(p) for p in planes], 3)}
    try:
        import cv2

        exact = (cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        numbers["OpenCV"] = median_ms(lambda: [cv2.distanceTransform(p, *exact) for p in planes])
    except ImportError:
        numbers["OpenCV"] = None
    try:
        import edt

        numbers["edt"] = median_ms(lambda: [edt.edt(p, parallel=0) for p in planes])
    except ImportError:
        numbers["edt"] = None
    return numbers


def largest_error(mask):
    """Of the exact transform against SciPy, in pixels."""
    from scipy import ndimage

    from dmls_tf.ops import euclidean_distance_transform

    found = np.asarray(euclidean_distance_transform(mask))[0]
    planes = np.moveaxis(mask[0], -1, 0)
    expected = np.stack([ndimage.distance_transform_edt(p) for p in planes], axis=-1)
    return float(np.abs(found - expected).max())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--num_classes", type=int, default=19)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--part", choices=["all", "ours", "error"], default="all")
    options = parser.parse_args()
    if not ADDONS.exists():
        sys.exit("error: no .venv-addons with tensorflow-addons; scripts/test.sh makes it")
    labels = partition(options.size, options.num_classes)
    mask = labels[..., None] != np.arange(options.num_classes)
    if options.part == "ours":
        return report(ours(labels, options.num_classes))
    if options.part == "error":
        return report(largest_error(mask))

    given = [f"--size={options.size}", f"--num_classes={options.num_classes}"]
    rounds = []
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file.name, mask.astype(np.uint8))
        for _ in range(options.rounds):
            numbers = {"addons": measure_in_child(ADDONS_SCRIPT, file.name, python=ADDONS)}
            for backend in ("tensorflow", "jax"):
                numbers |= measure_in_child(__file__, *given, "--part=ours", backend=backend)
            rounds.append(numbers | {"libraries": libraries(mask)})
    found = medians(rounds)
    addons, peers = found.pop("addons"), found.pop("libraries")
    one, batch = addons["one by one"], addons["one batch"]
    peers = {f"tensorflow-addons, {name}": ms for name, ms in addons.items()} | peers
    rows = [
        (name, [ms, ms / one, ms / batch] if ms else ["not installed"] + 2 * ["not measured"])
        for name, ms in peers.items()
    ]
    shape = f"1 x {options.size} x {options.size} x {options.num_classes}"
    columns = ["ms", "to one by one", "to one batch"]
    table(f"Exact transforms of {shape} by others", columns, rows)
    rows = []
    for name, ms in found.items():
        calls = 2 if name.startswith("signed") else 1
        rows.append((name, [ms, ms / (calls * one), ms / (calls * batch)]))
    table(f"dmls_tf.ops, {shape}; signed ones against 2N transforms", columns, rows)
    error = measure_in_child(__file__, *given, "--part=error")
    print(f"\nLargest difference of the exact transform from SciPy: {error:.1e} pixels")


if __name__ == "__main__":
    main()
