"""A served model under load: 8 clients, good and damaged images, for as long as it takes.

    python -m benchmarks.serving_load --export_dir=exports/camvid

The server is that of the tests, on loopback, in a process of its own. One request in five has a
damaged image. Every response is checked: labels against those of the first round, damaged images
for an error. Memory is that of the server's process.
"""

import collections
import concurrent.futures
import json
import subprocess
import sys
import time

import numpy as np

from benchmarks.options import run
from benchmarks.processes import ROOT
from benchmarks.timing import memory_mib, table
from dmls_tf.client import grpc
from dmls_tf.client.connection import Server
from dmls_tf.client.segmentation import segmenter
from dmls_tf.datasets.synthetic_scenes import draw_scene
from dmls_tf.errors import DamagedFile
from dmls_tf.images.photos import Photo
from tests.image_files import damaged, encoded

CLIENTS = 8
PARTS = 10
COLUMNS = ["labels", "errors reported", "wrong", "requests/s", "median ms", "99 % ms", "MiB"]


def main(export_dir: str, requests: int = 10_000):
    command = [sys.executable, "-m", "tests.prediction_servers", export_dir]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    address = json.loads(process.stdout.readline())["grpc"]
    segment = segmenter(grpc.connect(Server(address)))
    photos = make_photos()
    expected = [segment(photo).labels if good else None for photo, good in photos]
    rows, count = [], requests // PARTS
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        for part in range(1, PARTS + 1):
            choices = np.random.default_rng(part).integers(len(photos), size=count)
            start = time.perf_counter()
            found = pool.map(lambda i: ask(segment, photos[i][0], expected[i]), choices)
            results, seconds = zip(*found, strict=True)
            rate = count / (time.perf_counter() - start)
            number = collections.Counter(results)
            times = 1e3 * np.percentile(seconds, [50, 99])
            kinds = [number[kind] for kind in ("labels", "error", "wrong")]
            memory = round(memory_mib("VmRSS", process.pid))
            rows.append((f"{part * count}", [*kinds, rate, *times, memory]))
    process.stdin.close()
    if process.wait(timeout=30):
        sys.exit(f"the server ended with {process.returncode}")
    table(f"{CLIENTS} clients, grpc; requests so far", COLUMNS, rows)


def make_photos():
    """[(Photo, whether it is good)]: 32 drawn scenes of several sizes, 8 damaged files."""
    rng = np.random.default_rng(0)
    photos = []
    for number in range(32):
        image, _ = draw_scene(*rng.integers(100, 500, 2), rng)
        photos.append((Photo(image, encoded(image, ("jpeg", "png")[number % 2])), True))
    photos += [(Photo(image, damaged(rng, image[:100, :100])), False) for _ in range(8)]
    return photos


def ask(segment, photo, expected):
    """The result of a request, and its seconds."""
    start = time.perf_counter()
    try:
        same = np.array_equal(segment(photo).labels, expected)
        kind = "labels" if same else "wrong"
    except DamagedFile:
        kind = "error" if expected is None else "wrong"
    return kind, time.perf_counter() - start


if __name__ == "__main__":
    run(main, tensorflow=True)
