"""Times the input pipeline against decoding the same records, and watches its memory.

.venv/bin/python -m benchmarks.input_pipeline --camvid=CamVid --cityscapes=Cityscapes

The directories are those of the downloads; of either, the split "train" is used (of Cityscapes its
first frames, over and over). The peer reads and decodes the records in one parallel `tf.data` map
and does nothing else. The two take turns in one process; numbers are medians of the rounds.
"""

import argparse
import functools
import itertools
import pathlib
import statistics
import tempfile
import time

from benchmarks.timing import measure_in_child, report, table
from data_prep import camvid_to_tfrecord, cityscapes_to_tfrecord, conversion
from data_prep.samples import SourceFiles
from dmls_tf.config import DataConfig
from dmls_tf.datasets import CAMVID, CITYSCAPES

ROUNDS = 5
NUM_CITYSCAPES = 64
SETTINGS = {
    "CamVid, own size, flip": ("camvid", 800, DataConfig(crop_size=(360, 480), batch_size=8)),
    "CamVid, to 120 x 160, crop, flip": (
        "camvid",
        800,
        DataConfig(image_size=(120, 160), crop_size=(96, 128), batch_size=8),
    ),
    "CamVid, scale 0.5 to 2, crop 360 x 480, flip": (
        "camvid",
        800,
        DataConfig(crop_size=(360, 480), scale_range=(0.5, 2.0), batch_size=8),
    ),
    "CamVid, to 512 x 512, flip (camvid)": (
        "camvid",
        400,
        DataConfig(image_size=(512, 512), batch_size=8),
    ),
    "Cityscapes, to 512 x 512, flip (cityscapes)": (
        "cityscapes",
        96,
        DataConfig(image_size=(512, 512), batch_size=8, shuffle_buffer=32),
    ),
    "Cityscapes, scale 0.5 to 2, crop 512 x 1024, flip": (
        "cityscapes",
        96,
        DataConfig(crop_size=(512, 1024), scale_range=(0.5, 2.0), batch_size=8, shuffle_buffer=32),
    ),
}


def make_records(camvid, cityscapes, directory):
    """Converts the training splits to `directory/camvid` and `directory/cityscapes`."""
    find_fine = functools.partial(cityscapes_to_tfrecord.find_files, "gtFine")
    for name, spec, root, find_files in (
        ("camvid", CAMVID, camvid, camvid_to_tfrecord.find_files),
        ("cityscapes", CITYSCAPES, cityscapes, find_fine),
    ):
        sources = [SourceFiles(*map(str, paths)) for paths in find_files(root, "train")]
        if name == "cityscapes":
            sources = list(itertools.islice(itertools.cycle(sources), NUM_CITYSCAPES))
        settings = conversion.Settings(num_workers=2, num_shards=8)
        conversion.convert(directory / name, spec, {"train": sources}, settings)


def bare(records_dir):
    """The peer: records read and decoded, nothing else."""
    import tensorflow as tf

    from dmls_tf.data.records import parse_record

    paths = sorted(map(str, records_dir.glob("*.tfrecord")))
    records = tf.data.TFRecordDataset(paths).repeat()
    return records.map(parse_record, num_parallel_calls=tf.data.AUTOTUNE)


def rate(dataset, images_an_element, num_images):
    """Images a second, after a quarter of them that are not counted."""
    elements = iter(dataset)
    for _ in range(num_images // 4 // images_an_element):
        next(elements)
    start = time.perf_counter()
    for _ in range(num_images // images_an_element):
        next(elements)
    return num_images / (time.perf_counter() - start)


def measure_rates(directory):
    """{settings: [images/s, those of the peer, median of the ratios]}."""
    from dmls_tf.data.pipeline import training_batches

    numbers = {}
    for title, (name, num_images, config) in SETTINGS.items():
        full, limit = [], []
        for _ in range(ROUNDS):
            limit.append(rate(bare(directory / name), 1, num_images))
            batches = training_batches(directory / name, "train", config, seed=0)
            full.append(rate(batches, config.batch_size, num_images))
        ratios = [one / two for one, two in zip(full, limit, strict=True)]
        numbers[title] = [statistics.median(values) for values in (full, limit, ratios)]
    return numbers


def measure_memory(directory, num_records=10_000, step=2_000):
    """Resident MiB of the process after every `step` records of CamVid."""
    from dmls_tf.data.pipeline import training_batches

    config = DataConfig(crop_size=(360, 480), batch_size=8)
    batches = iter(training_batches(directory / "camvid", "train", config, seed=0))
    resident = []
    for _ in range(0, num_records, step):
        for _ in range(step // config.batch_size):
            next(batches)
        pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
        resident.append(pages * 4096 / 2**20)
    return resident


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--camvid", type=pathlib.Path)
    parser.add_argument("--cityscapes", type=pathlib.Path)
    parser.add_argument("--part", nargs=2, help="for the child processes")
    options = parser.parse_args()
    if options.part:
        part, directory = options.part
        parts = {"rates": measure_rates, "memory": measure_memory}
        return report(parts[part](pathlib.Path(directory)))
    with tempfile.TemporaryDirectory() as directory:
        make_records(options.camvid, options.cityscapes, pathlib.Path(directory))
        rates = measure_in_child(__file__, "--part", "rates", directory)
        memory = measure_in_child(__file__, "--part", "memory", directory)
    columns = ["images/s", "read and decode alone", "ratio"]
    table("Training batches of 8", columns, rates.items())
    columns = [f"{2000 * (i + 1)} records" for i in range(len(memory))]
    table("Resident memory, CamVid at its own size", columns, [("MiB", memory)])


if __name__ == "__main__":
    main()
