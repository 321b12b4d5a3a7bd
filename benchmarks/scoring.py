"""Times the scoring of predictions against the official script of Cityscapes.

.venv/bin/python -m benchmarks.scoring --cityscapes=Cityscapes

Needs pip install --no-deps -r requirements/cityscapes.txt. The frames of the split "train" are
scored over and over, from memory: shifted labels as predictions, also with noise. The official
script (its Python code, without the Cython part) and ours take turns in one process; numbers are
medians of the rounds. Ours counts in as many threads as there are cores, as scripts/evaluate.py
--predictions does.
"""

import argparse
import importlib
import itertools
import os
import pathlib
import resource
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import numpy as np
from PIL import Image

from benchmarks.timing import median_ms, table
from dmls_tf.datasets import CITYSCAPES, IGNORE_LABEL
from dmls_tf.evaluation.boundary_counts import TrueBoundaries
from dmls_tf.evaluation.pixel_counts import PixelCounter, columns_of
from dmls_tf.evaluation.scores import benchmark_scores

OFFICIAL = "cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling"
ROUNDS, IMAGES, OFFICIAL_IMAGES = 5, 500, 40
np.in1d = lambda a, b: np.isin(a, b).ravel()  # which the official script needs and NumPy dropped


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
    """Runs the official script on so many images, which it opens from memory."""
    script = importlib.import_module(OFFICIAL)
    names = [f"{i}_labelIds" for i in range(len(triples))]
    files = {}
    for name, (label, prediction, instances) in zip(names, triples, strict=True):
        files[name], files[f"p{name}"] = Image.fromarray(label), Image.fromarray(prediction)
        files[name.replace("labelIds", "instanceIds")] = Image.fromarray(instances)
    script.args.quiet, script.args.JSONOutput = True, False
    with mock.patch.object(script.Image, "open", files.get):
        return script.evaluateImgLists([f"p{name}" for name in names], names, script.args)


def ours(triples):
    """Counts and scores the same images."""
    columns, counter = columns_of(CITYSCAPES).astype(np.uint8), PixelCounter(CITYSCAPES)
    class_of = np.where(columns < CITYSCAPES.num_classes, columns, IGNORE_LABEL).astype(np.uint8)
    inputs = [(class_of[t], columns[p], i) for t, p, i in triples[:4]]
    start, total = time.perf_counter(), None
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        repeated = itertools.islice(itertools.cycle(inputs), len(triples))
        for counts in pool.map(lambda given: counter.count(*given), repeated):
            total = counts if total is None else total + counts
    scores = benchmark_scores(total, CITYSCAPES)
    return scores, (time.perf_counter() - start) / len(triples)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cityscapes", required=True)
    root, rows = pathlib.Path(parser.parse_args().cityscapes), []
    for noise in (0.02, 0.0):
        images = list(frames(root, noise))
        triples = list(itertools.islice(itertools.cycle(images), OFFICIAL_IMAGES))
        many = list(itertools.islice(itertools.cycle(images), IMAGES))
        theirs_s, ours_s, memory = [], [], []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            expected = official(triples)
            theirs_s.append((time.perf_counter() - start) / len(triples))
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            found, seconds = ours(many)
            memory.append((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
            ours_s.append(seconds)
            assert abs(found["mean_iou"] - expected["averageScoreClasses"]) < 1e-9
        ratio = statistics.median(a / b for a, b in zip(theirs_s, ours_s, strict=True))
        milliseconds = [1e3 * statistics.median(s) for s in (theirs_s, ours_s)]
        rows.append((f"{noise:.0%} noise", (*milliseconds, ratio, max(memory))))
    columns = ["official, ms an image", "ours", "times faster", f"MiB more after {IMAGES}"]
    table("Scores of Cityscapes, 1024 x 2048, metric part", columns, rows)
    label, prediction, _ = images[0]
    boundaries = median_ms(lambda: TrueBoundaries(label, 34).compare(prediction))
    print(f"\nboundary measures, ms an image: {boundaries:.0f}")


if __name__ == "__main__":
    main()
