"""Times the scoring of predictions against the official script of Cityscapes.

.venv/bin/python -m benchmarks.scoring --cityscapes=Cityscapes

Needs pip install --no-deps -r requirements/cityscapes.txt. The first frames of the split "train"
are scored over and over, from memory: shifted labels as predictions, also with noise. The official
script (its Python code, without the Cython part) and ours take turns in one process; numbers are
medians of the rounds. Ours counts in as many threads as there are cores, as scripts/evaluate.py
--predictions does.
"""

import functools
import importlib
import itertools
import operator
import os
import pathlib
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import numpy as np
from PIL import Image

from benchmarks.options import run
from benchmarks.timing import median_ms, memory_mib, seconds_of, side_by_side, table
from dmls_tf import IGNORE_LABEL
from dmls_tf.datasets import CITYSCAPES
from dmls_tf.evaluation.boundary_counts import TrueBoundaries
from dmls_tf.evaluation.pixel_counts import PixelCounter, columns_of
from dmls_tf.evaluation.scores import benchmark_scores

OFFICIAL = "cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling"
FRAMES, IMAGES, OFFICIAL_IMAGES = 4, 500, 40
np.in1d = lambda a, b: np.isin(a, b).ravel()  # which the official script needs and NumPy dropped


def main(cityscapes: str, rounds: int = 5):
    rows = []
    for noise in (0.02, 0.0):
        images = list(itertools.islice(frames(pathlib.Path(cityscapes), noise), FRAMES))
        few = images * (OFFICIAL_IMAGES // len(images))
        many = [as_columns(*image) for image in images] * (IMAGES // len(images))
        expected = official(few)["averageScoreClasses"]
        before = memory_mib()
        found = ours(many)["mean_iou"]
        more = memory_mib() - before
        assert abs(found - expected) < 1e-9
        runs = (
            functools.partial(ms_per_image, official, few),
            functools.partial(ms_per_image, ours, many),
        )
        rows.append((f"{noise:.0%} noise", [*side_by_side(*runs, rounds), more]))
    columns = ["official, ms per image", "ours", "times faster", f"MiB more after {IMAGES}"]
    table("Scores of Cityscapes, 1024 x 2048, metric part", columns, rows)
    label, prediction, _ = images[0]
    boundaries = median_ms(lambda: TrueBoundaries(label, 34).compare(prediction))
    print(f"\nboundary measures, ms per image: {boundaries:.0f}")


def ms_per_image(score, triples):
    return 1e3 * seconds_of(score, triples) / len(triples)


def frames(root, noise):
    """(label ids, predicted label ids, instance ids) of each frame."""
    rng = np.random.default_rng(0)
    for path in sorted(root.rglob("train/*/*_gtFine_labelIds.png")):
        label = np.asarray(Image.open(path))
        instances = Image.open(str(path).replace("labelIds", "instanceIds"))
        prediction = np.roll(label, (5, 9), (0, 1))
        wrong = rng.random(label.shape) < noise
        prediction[wrong] = rng.choice(CITYSCAPES.class_to_raw, wrong.sum())
        yield label, prediction, np.asarray(instances).astype(np.uint16)


def official(triples):
    """Scores by the official script, which opens the images from memory."""
    script = importlib.import_module(OFFICIAL)
    names = [f"{i}_labelIds" for i in range(len(triples))]
    files = {}
    for name, (label, prediction, instances) in zip(names, triples, strict=True):
        files[name], files[f"p{name}"] = Image.fromarray(label), Image.fromarray(prediction)
        files[name.replace("labelIds", "instanceIds")] = Image.fromarray(instances)
    script.args.quiet, script.args.JSONOutput = True, False
    with mock.patch.object(script.Image, "open", files.get):
        return script.evaluateImgLists([f"p{name}" for name in names], names, script.args)


def as_columns(label, prediction, instances):
    """Class ids of the labels, columns of the confusion counts for the prediction."""
    columns = columns_of(CITYSCAPES).astype(np.uint8)
    class_of = np.where(columns < CITYSCAPES.num_classes, columns, IGNORE_LABEL).astype(np.uint8)
    return class_of[label], columns[prediction], instances


def ours(triples):
    """Scores of the same images."""
    counter = PixelCounter(CITYSCAPES)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = pool.map(lambda triple: counter.count(*triple), triples)
        return benchmark_scores(functools.reduce(operator.add, counts), CITYSCAPES)


if __name__ == "__main__":
    run(main, tensorflow=True)
