"""Times the converter against copying and checking the same files, and its growth with their count.

.venv/bin/python -m benchmarks.converter --camvid=CamVid --cityscapes=Cityscapes

The directories are those of the downloads; of either, the split "train" is used. The peer copies
each file by `shutil.copy` and has Pillow decode it. The two take turns in one process; numbers are
medians of the rounds.
"""

import argparse
import contextlib
import dataclasses
import functools
import itertools
import os
import pathlib
import shutil
import statistics
import tempfile
import threading
import time

import numpy as np
from PIL import Image

from benchmarks.timing import measure_in_child, report, table
from data_prep import camvid_to_tfrecord, cityscapes_to_tfrecord, conversion, shards
from data_prep.samples import SourceFiles
from data_prep.synthetic_scenes import SYNTHETIC, draw_scene
from dmls_tf.datasets import CAMVID, CITYSCAPES

ROUNDS = 5
FINE = functools.partial(cityscapes_to_tfrecord.find_files, "gtFine")
DATA_SETS = {"CamVid": (CAMVID, camvid_to_tfrecord.find_files), "Cityscapes": (CITYSCAPES, FINE)}


def sources_of(name, root, count):
    """So many sources of a training split, over and over."""
    found = [SourceFiles(*map(str, paths)) for paths in DATA_SETS[name][1](root, "train")]
    return tuple(itertools.islice(itertools.cycle(found), count))


def copy_and_check(sources, directory):
    """The peer of `shards.write_shard`."""
    for source in sources:
        for path in filter(None, (source.image, source.label, source.instance)):
            Image.open(shutil.copy(path, directory)).load()


def timed(function, *arguments):
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def measure_share(name, root):
    """[images/s, those of the peer, median of the ratios], one process each."""
    sources = sources_of(name, pathlib.Path(root), 367 if name == "CamVid" else 16)
    task = shards.ShardTask("train.tfrecord", sources, DATA_SETS[name][0], None, False)
    ours, peers = [], []
    with tempfile.TemporaryDirectory() as directory:
        timed(
            shards.write_shard, dataclasses.replace(task, sources=sources[:4]), "", *[directory] * 2
        )
        for _ in range(ROUNDS):
            peers.append(len(sources) / timed(copy_and_check, sources, directory))
            ours.append(len(sources) / timed(shards.write_shard, task, "", directory, directory))
    ratios = [one / two for one, two in zip(ours, peers, strict=True)]
    return [statistics.median(values) for values in (ours, peers, ratios)]


def measure_workers(name, root):
    """[images/s with one worker, with two, median of the ratios], after the workers' start."""
    count = 2400 if name == "CamVid" else 64
    sources = list(sources_of(name, pathlib.Path(root), count))
    rates = {1: [], 2: []}
    for workers in [1, *[1, 2] * ROUNDS]:  # the first, which imports TensorFlow, is not counted
        settings = conversion.Settings(num_workers=workers, num_shards=16)
        with tempfile.TemporaryDirectory() as directory:
            seconds = timed(
                conversion.convert,
                f"{directory}/out",
                DATA_SETS[name][0],
                {"train": sources},
                settings,
            )
        rates[workers].append(count / seconds)
    one, two = rates[1][1:], rates[2]
    ratios = [b / a for a, b in zip(one, two, strict=True)]
    return [statistics.median(values) for values in (one, two, ratios)]


def measure_growth(count):
    """[ms an image, peak MiB of this process and its workers together] for so many small pairs."""
    os.setpgrp()  # by which the workers are known
    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory)
        sources = list(_small_pairs(root, int(count)))
        settings = conversion.Settings(num_workers=2)
        conversion.convert(root / "warm", SYNTHETIC, {"train": sources[:10]}, settings)
        peak, done = [], threading.Event()
        threading.Thread(target=_watch_memory, args=(peak, done), daemon=True).start()
        seconds = timed(conversion.convert, root / "out", SYNTHETIC, {"train": sources}, settings)
        done.set()
    return [1e3 * seconds / int(count), max(peak)]


def _watch_memory(peak, done):
    """Appends the resident MiB of this process group four times a second."""
    while not done.wait(0.25):
        total = 0
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.getpgid(int(entry.name)) == os.getpgrp():
                    total += int((entry / "statm").read_text().split()[1]) * 4096 / 2**20
        peak.append(total)


def _small_pairs(root, count):
    scenes = [draw_scene(32, 48, np.random.default_rng(i)) for i in range(50)]
    for i in range(count):
        paths = [str(root / f"{i:06d}{ending}.png") for ending in ("", "_label")]
        for path, array in zip(paths, scenes[i % 50], strict=True):
            Image.fromarray(array).save(path)
        yield SourceFiles(*paths)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--camvid")
    parser.add_argument("--cityscapes")
    parser.add_argument("--part", nargs="+", help="for the child processes")
    options = parser.parse_args()
    if options.part:
        part, *arguments = options.part
        parts = {"share": measure_share, "workers": measure_workers, "growth": measure_growth}
        return report(parts[part](*arguments))
    roots = {"CamVid": options.camvid, "Cityscapes": options.cityscapes}
    for part, title, columns in (
        ("share", "One process", ["images/s", "copy and check", "ratio"]),
        ("workers", "Gain of a second process", ["images/s, 1", "images/s, 2", "ratio"]),
    ):
        rows = [(k, measure_in_child(__file__, "--part", part, k, v)) for k, v in roots.items()]
        table(title, columns, rows)
    counts = (2_000, 20_000)
    rows = [(n, measure_in_child(__file__, "--part", "growth", n)) for n in counts]
    table("Pairs of 32 x 48 pixels, two workers", ["ms an image", "peak MiB, all processes"], rows)


if __name__ == "__main__":
    main()
