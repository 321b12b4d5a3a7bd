"""Times the converter against copying and checking the same files, and its growth with their count.

.venv/bin/python -m benchmarks.converter --camvid=CamVid --cityscapes=Cityscapes

The directories are those of the downloads; of either, the split "train" is used. The peer copies
each file by `shutil.copy` and has Pillow decode it. The two take turns in one process; numbers are
medians of the rounds.
"""

import contextlib
import dataclasses
import functools
import itertools
import os
import pathlib
import shutil
import tempfile
import threading

import numpy as np
from PIL import Image

from benchmarks.options import run
from benchmarks.processes import in_child
from benchmarks.timing import memory_mib, seconds_of, side_by_side, table
from data_prep import camvid_to_tfrecord, cityscapes_to_tfrecord
from dmls_tf.config import ConversionConfig
from dmls_tf.datasets import CAMVID, CITYSCAPES
from dmls_tf.datasets.synthetic_scenes import SYNTHETIC, draw_scene
from dmls_tf.records import shards
from dmls_tf.records.conversion import convert
from dmls_tf.records.samples import SourceFiles

FINE = functools.partial(cityscapes_to_tfrecord.find_files, "gtFine")
DATA_SETS = {"CamVid": (CAMVID, camvid_to_tfrecord.find_files), "Cityscapes": (CITYSCAPES, FINE)}


def main(camvid: str, cityscapes: str, rounds: int = 5):
    roots = {"CamVid": camvid, "Cityscapes": cityscapes}
    for measure, title, columns in (
        (measure_share, "One process", ["images/s", "copy and check", "ratio"]),
        (measure_workers, "Gain of a second process", ["images/s, 1", "images/s, 2", "ratio"]),
    ):
        given = {name: (name, root, rounds) for name, root in roots.items()}
        table(title, columns, [(name, in_child(measure, *some)) for name, some in given.items()])
    rows = [(count, in_child(measure_growth, count)) for count in (2_000, 20_000)]
    table("Pairs of 32 x 48 pixels, two workers", ["ms per image", "peak MiB, all processes"], rows)


def sources_of(name, root, count):
    """That many sources of a training split, over and over."""
    paths = DATA_SETS[name][1](pathlib.Path(root), "train")
    found = [SourceFiles(*map(str, some)) for some in paths]
    return tuple(itertools.islice(itertools.cycle(found), count))


def measure_share(name, root, rounds):
    """[images/s, those of the peer, median of the ratios], one process each."""
    sources = sources_of(name, root, 367 if name == "CamVid" else 16)
    task = shards.ShardTask("train.tfrecord", sources, DATA_SETS[name][0], None, "upright", False)
    with tempfile.TemporaryDirectory() as directory:

        def write(task=task):
            return len(sources) / seconds_of(shards.write_shard, task, "", directory, directory)

        write(dataclasses.replace(task, sources=sources[:4]))  # imports TensorFlow
        peer = functools.partial(seconds_of, copy_and_check, sources, directory)
        return side_by_side(write, lambda: len(sources) / peer(), rounds)


def copy_and_check(sources, directory):
    """The peer of `shards.write_shard`."""
    for source in sources:
        for path in filter(None, (source.image, source.label, source.instance)):
            Image.open(shutil.copy(path, directory)).load()


def measure_workers(name, root, rounds):
    """[images/s with one worker, with two, median of the ratios], after the workers' start."""
    sources = sources_of(name, root, 2400 if name == "CamVid" else 64)

    def rate(num_workers):
        config = ConversionConfig(num_workers=num_workers, num_shards=16)
        splits = {"train": sources}
        with tempfile.TemporaryDirectory() as directory:
            spec = DATA_SETS[name][0]
            return len(sources) / seconds_of(convert, f"{directory}/out", spec, splits, config)

    rate(1)  # imports TensorFlow
    two, one, ratio = side_by_side(lambda: rate(2), lambda: rate(1), rounds)
    return [one, two, ratio]


def measure_growth(count):
    """[ms per image, peak MiB of this process and its workers] for that many small pairs."""
    os.setpgrp()  # by which the workers are known
    with tempfile.TemporaryDirectory() as directory:
        root, config = pathlib.Path(directory), ConversionConfig(num_workers=2)
        sources = list(_small_pairs(root, count))
        convert(root / "warm", SYNTHETIC, {"train": sources[:10]}, config)
        peak, done = [], threading.Event()
        threading.Thread(target=_watch_memory, args=(peak, done), daemon=True).start()
        seconds = seconds_of(convert, root / "out", SYNTHETIC, {"train": sources}, config)
        done.set()
    return [1e3 * seconds / count, max(peak)]


def _watch_memory(peak, done):
    """Appends the resident MiB of this process group four times a second."""
    while not done.wait(0.25):
        total = 0
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, ValueError):  # ended meanwhile
                if os.getpgid(int(entry.name)) == os.getpgrp():
                    total += memory_mib("VmRSS", entry.name)
        peak.append(total)


def _small_pairs(root, count):
    scenes = [draw_scene(32, 48, np.random.default_rng(i)) for i in range(50)]
    for i in range(count):
        paths = [str(root / f"{i:06d}{ending}.png") for ending in ("", "_label")]
        for path, array in zip(paths, scenes[i % 50], strict=True):
            Image.fromarray(array).save(path)
        yield SourceFiles(*paths)


if __name__ == "__main__":
    run(main)
