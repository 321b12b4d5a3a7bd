"""Times the input pipeline against decoding the same records, and watches its memory.

.venv/bin/python -m benchmarks.input_pipeline --camvid=CamVid --cityscapes=Cityscapes

The directories are those of the downloads; of either, the split "train" is used (of Cityscapes its
first frames, over and over). The peer reads and decodes the records in one parallel `tf.data` map
and does nothing else. The two take turns in one process; numbers are medians of the rounds.
"""

import pathlib
import tempfile

from benchmarks.converter import DATA_SETS, sources_of
from benchmarks.options import run
from benchmarks.processes import in_child
from benchmarks.timing import memory_mib, seconds_of, side_by_side, table
from dmls_tf.config import ConversionConfig, DataConfig
from dmls_tf.records.conversion import convert

NUM_SOURCES = {"CamVid": 367, "Cityscapes": 64}
NUM_IMAGES = {"CamVid": 800, "Cityscapes": 96}  # that are timed
SCALE = {"scale_range": (0.5, 2.0)}
FEW = {"shuffle_buffer": 32}
SETTINGS = {
    ("CamVid", "own size, flip"): {"crop_size": (360, 480)},
    ("CamVid", "to 120 x 160, crop, flip"): {"image_size": (120, 160), "crop_size": (96, 128)},
    ("CamVid", "scale 0.5 to 2, crop 360 x 480, flip"): {"crop_size": (360, 480), **SCALE},
    ("CamVid", "to 512 x 512, flip (camvid)"): {"image_size": (512, 512)},
    ("Cityscapes", "to 512 x 512, flip (cityscapes)"): {"image_size": (512, 512), **FEW},
    ("Cityscapes", "scale 0.5 to 2, crop 512 x 1024, flip"): {
        "crop_size": (512, 1024),
        **SCALE,
        **FEW,
    },
}


def main(camvid: str, cityscapes: str, rounds: int = 5):
    with tempfile.TemporaryDirectory() as directory:
        for name, root in (("CamVid", camvid), ("Cityscapes", cityscapes)):
            splits = {"train": sources_of(name, root, NUM_SOURCES[name])}
            config = ConversionConfig(num_workers=2, num_shards=8)
            convert(f"{directory}/{name}", DATA_SETS[name][0], splits, config)
        rates = in_child(measure_rates, directory, rounds)
        memory = in_child(measure_memory, directory)
    columns = ["images/s", "read and decode alone", "ratio"]
    table("Training batches of 8", columns, rates.items())
    columns = [f"{2000 * (i + 1)} records" for i in range(len(memory))]
    table("Resident memory, CamVid at its own size", columns, [("MiB", memory)])


def measure_rates(directory, rounds):
    """{settings: [images/s, those of the peer, median of the ratios]}."""
    numbers = {}
    for (name, title), settings in SETTINGS.items():

        def ours(name=name, settings=settings):
            return rate(batches(f"{directory}/{name}", **settings), 8, NUM_IMAGES[name])

        def peer(name=name):
            return rate(decoded(f"{directory}/{name}"), 1, NUM_IMAGES[name])

        numbers[f"{name}, {title}"] = side_by_side(ours, peer, rounds)
    return numbers


def batches(records_dir, batch_size=8, **settings):
    """Training batches."""
    from dmls_tf.input_pipeline.batches import training_batches

    return training_batches(
        records_dir, "train", DataConfig(batch_size=batch_size, **settings), seed=0
    )


def decoded(records_dir):
    """The peer: records read and decoded, nothing else."""
    import tensorflow as tf

    from dmls_tf.records.schema import parse_record

    paths = sorted(map(str, pathlib.Path(records_dir).glob("*.tfrecord")))
    records = tf.data.TFRecordDataset(paths).repeat()
    return records.map(parse_record, num_parallel_calls=tf.data.AUTOTUNE)


def rate(dataset, images_per_element, num_images):
    """Images per second, after a quarter of them that are not counted."""
    elements, count = iter(dataset), num_images // images_per_element

    def read(count):
        for _ in range(count):
            next(elements)

    read(count // 4)
    return num_images / seconds_of(read, count)


def measure_memory(directory, num_records=10_000, step=2_000):
    """Resident MiB of the process after every `step` records of CamVid."""
    elements = iter(batches(f"{directory}/CamVid", crop_size=(360, 480)))
    resident = []
    for _ in range(0, num_records, step):
        for _ in range(step // 8):
            next(elements)
        resident.append(memory_mib("VmRSS"))
    return resident


if __name__ == "__main__":
    run(main)
