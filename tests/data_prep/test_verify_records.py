import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dmls_tf.datasets import DatasetInfo
from dmls_tf.records import schema as records
from tests.helpers import failed, run_here, succeeded

VERIFY = "data_prep/verify_records.py"
SHARD = "train-00001-of-00002.tfrecord"


@pytest.fixture
def copied(synthetic_records, tmp_path):
    return shutil.copytree(synthetic_records, tmp_path / "records")


def faults_of(directory):
    """The faults that the command prints, in a failure of one line."""
    done = run_here(VERIFY, directory)
    lines = done.stdout.splitlines()
    failed(done, f"{len(lines)} faults; convert the data set again")
    return lines


def rewrite(path, change):
    """Writes a shard again with `change(number, features)` applied to every record."""
    serialized = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
    with tf.io.TFRecordWriter(str(path)) as writer:
        for number, record in enumerate(serialized):
            example = tf.train.Example.FromString(record)
            change(number, example.features.feature)
            writer.write(example.SerializeToString(deterministic=True))


def set_bytes(feature, content):
    feature.bytes_list.value[:] = [content]


def test_sound_records(synthetic_records):
    text = succeeded(run_here(VERIFY, synthetic_records))
    assert "all 16 records are sound" in text


def test_a_missing_and_a_truncated_shard(copied):
    (copied / "val-00000-of-00002.tfrecord").unlink()
    path = copied / SHARD
    path.write_bytes(path.read_bytes()[:-100])
    truncated, missing = faults_of(copied)
    assert truncated == f"{path}: record 5: truncated, or its checksum is wrong"
    assert missing == f"{copied}/val-00000-of-00002.tfrecord: missing shard"


def test_every_bad_record_is_named(copied):
    def change(number, features):
        if number == 0:
            set_bytes(features[records.IMAGE], b"no image")
        if number == 1:
            label = np.full((48, 64, 1), 8, np.uint8)  # the first id that no class has
            set_bytes(features[records.LABEL], tf.io.encode_png(label).numpy())
        if number == 2:
            label = np.zeros((48, 63, 1), np.uint8)
            set_bytes(features[records.LABEL], tf.io.encode_png(label).numpy())
        if number == 3:
            features[records.HEIGHT].int64_list.value[:] = [47]
        if number == 4:
            del features[records.LABEL]
        if number == 5:
            label = np.zeros((48, 64, 1), np.uint16)
            set_bytes(features[records.LABEL], tf.io.encode_png(label).numpy())

    rewrite(copied / SHARD, change)
    lines = faults_of(copied)
    expected = [
        "cannot be decoded",
        "train_000007.png: label 8 is out of range 0..7",
        "sizes (height, width) differ: image (48, 64), label (48, 63), size (48, 64)",
        "sizes (height, width) differ: image (48, 64), label (48, 64), size (47, 64)",
        "image/segmentation/class/encoded",
        "train_000011.png: its label is no 8-bit grey PNG",
    ]
    assert len(lines) == 6
    for number, (line, words) in enumerate(zip(lines, expected, strict=True)):
        assert line.startswith(f"{copied / SHARD}: record {number}: ")
        assert words in line


def test_records_that_are_not_those_that_were_counted(copied):
    rewrite(
        copied / SHARD,
        lambda number, features: set_bytes(
            features[records.LABEL], tf.io.encode_png(np.zeros((48, 64, 1), np.uint8)).numpy()
        ),
    )
    shard, *counts = faults_of(copied)
    assert shard.startswith(f"{copied / SHARD}: 6 records, ")
    assert "dataset.json says 6 records" in shard
    assert f"{copied}/dataset.json: train: class_pixels are not those of the records" in counts


def test_what_is_no_records_directory(tmp_path):
    failed(run_here(VERIFY, tmp_path), "is no records directory")
    failed(run_here(VERIFY), "missing argument RECORDS_DIR", code=2)
    (tmp_path / "dataset.json").write_text(json.dumps({"format_version": 1}))
    failed(run_here(VERIFY, tmp_path), "format 1, convert again")


def test_inspection_draws_samples_and_frequencies(synthetic_records, tmp_path):
    command = ("data_prep/inspect_records.py", synthetic_records, f"--output_dir={tmp_path}")
    text = succeeded(run_here(*command, "--num_samples=4", "--sample_height=48"))
    sheet = np.asarray(Image.open(tmp_path / "train_samples.png").convert("RGB"))
    # The first sample, unscaled, below its caption, and its labels beside it.
    info = DatasetInfo.load(synthetic_records)
    counts = info.split("train")
    total = sum(counts.class_pixels) + counts.ignored_pixels
    shares = [f"{100 * n / total:9.3f}" for n in (*counts.class_pixels, counts.ignored_pixels)]
    rows = text.splitlines()[1:-1]
    assert [row[:9] for row in rows] == shares
    assert [row[21:] for row in rows] == [*info.class_names, "(ignored)"]
    png = synthetic_records / "png" / "train" / "train_000000.png"
    np.testing.assert_array_equal(sheet[14:62, :64], np.asarray(Image.open(png)))
    assert (sheet[14:62, 64:128] != sheet[14:62, :64]).any()
    for color in info.palette[:2]:  # the legend, of sky and ground at least
        assert (sheet[62:] == color).all(-1).any()
    plot = np.asarray(Image.open(tmp_path / "train_classes.png").convert("RGB"))
    for color in info.palette:
        assert (np.abs(plot.astype(int) - color).max(-1) <= 1).any()
    failed(run_here(*command, "--split=test"), "no split 'test'")
