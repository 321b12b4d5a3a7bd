"""A served model under load: 8 clients, good and damaged images, for as long as it takes.

    python -m benchmarks.serving_load --export_dir=exports/camvid

The server is that of the tests, on loopback, in a process of its own. One request in five has a
damaged image. Every answer is checked: labels against those of the first round, errors for being
told. Memory is that of the server's process.
"""

import collections
import concurrent.futures
import json
import subprocess
import sys
import time

import numpy as np
from absl import app, flags

from benchmarks.timing import ROOT, table

FLAGS = flags.FLAGS

flags.DEFINE_string("export_dir", None, "An exported model.", required=True)
flags.DEFINE_integer("requests", 10_000, "In all.")
flags.DEFINE_integer("clients", 8, "At a time.")
flags.DEFINE_enum("protocol", "grpc", ["grpc", "rest"], "Of the requests.")

PARTS = 10


def main(_):
    from dmls_tf.client import grpc, rest
    from dmls_tf.client.connection import Server
    from dmls_tf.client.segmentation import segmenter

    command = [sys.executable, "-m", "tests.prediction_servers", FLAGS.export_dir]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    address = json.loads(process.stdout.readline())[FLAGS.protocol]
    client = {"grpc": grpc, "rest": rest}[FLAGS.protocol]
    segment = segmenter(client.connect(Server(address)))
    photos = make_photos()
    expected = [segment(photo).labels if good else None for photo, good in photos]
    rows = []
    with concurrent.futures.ThreadPoolExecutor(FLAGS.clients) as pool:
        for part in range(1, PARTS + 1):
            count = FLAGS.requests // PARTS
            start = time.perf_counter()
            choices = np.random.default_rng(part).integers(len(photos), size=count)
            answers = list(pool.map(lambda i: ask(segment, photos[i][0], expected[i]), choices))
            seconds = time.perf_counter() - start
            found = collections.Counter(kind for kind, _ in answers)
            slow = 1e3 * np.percentile([latency for _, latency in answers], [50, 99])
            rows.append(
                (
                    f"{part * count}",
                    [found["labels"], found["error"], found["wrong"], count / seconds, *slow]
                    + [memory(process.pid)],
                )
            )
    process.stdin.close()
    if process.wait(timeout=30):
        sys.exit(f"the server ended with {process.returncode}")
    columns = ["labels", "errors told", "wrong", "requests/s", "median ms", "99 % ms", "MiB"]
    table(f"{FLAGS.clients} clients, {FLAGS.protocol}; requests so far", columns, rows)


def make_photos():
    """[(Photo, whether it is good)]: 32 drawn scenes of several sizes, 8 damaged files."""
    from dmls_tf.photos import Photo
    from tests.image_files import damaged, encoded

    rng = np.random.default_rng(0)
    photos = []
    for number in range(32):
        height, width = rng.integers(100, 500, 2)
        ramps = np.add.outer(np.arange(height), np.arange(width))[..., None] * rng.integers(1, 5, 3)
        image = (ramps % 256).astype(np.uint8)
        photos.append((Photo(image, encoded(image, ("jpeg", "png")[number % 2])), True))
    photos += [(Photo(image, damaged(rng, image[:100, :100])), False) for _ in range(8)]
    return photos


def ask(segment, photo, expected):
    """What came of a request, and its seconds."""
    from dmls_tf.errors import DamagedFile

    start = time.perf_counter()
    try:
        same = np.array_equal(segment(photo).labels, expected)
        kind = "labels" if same else "wrong"
    except DamagedFile:
        kind = "error" if expected is None else "wrong"
    return kind, time.perf_counter() - start


def memory(process_id):
    """Resident MiB of a process."""
    with open(f"/proc/{process_id}/status") as file:
        (line,) = [line for line in file if line.startswith("VmRSS")]
    return int(line.split()[1]) // 1024


if __name__ == "__main__":
    app.run(main)
