"""Damaged files of every kind: a clear line or a skip, and never a record that is wrong."""

import io
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dmls_tf.config import ConversionConfig, DataConfig
from dmls_tf.datasets import CITYSCAPES, DatasetInfo
from dmls_tf.errors import UserError
from dmls_tf.input_pipeline.batches import training_batches
from dmls_tf.records.conversion import convert
from dmls_tf.records.reading import faults_named, read_split
from dmls_tf.records.samples import SourceFiles
from dmls_tf.records.scan import scan_shard
from dmls_tf.records.schema import decode_image

OTHER_FILES = (b"", b"\x00" * 100, b"GIF89a" + b"\x01" * 60, b"<html></html>", b"\x89PNG\r\n\x1a\n")


def damaged(content, rng):
    """The content truncated, with flipped bits, with a stretch overwritten, or another file."""
    kind = rng.integers(0, 10)
    content = bytearray(content)
    if kind < 3:
        return bytes(content[: rng.integers(0, len(content))])
    if kind < 6:
        for position in rng.integers(0, len(content), rng.integers(1, 6)):
            content[position] ^= 1 << rng.integers(0, 8)
        return bytes(content)
    if kind < 7:  # in the header
        content[rng.integers(0, min(64, len(content)))] ^= 1 << rng.integers(0, 8)
        return bytes(content)
    if kind < 9:
        start = rng.integers(0, len(content))
        stretch = rng.integers(0, 256, rng.integers(1, 50), np.uint8).tobytes()
        return bytes(content[:start]) + stretch + bytes(content[start + len(stretch) :])
    return OTHER_FILES[rng.integers(0, len(OTHER_FILES))]


def outcome(function, *arguments):
    """(result, None), or (None, message) of a `UserError`, which must be one line."""
    try:
        return function(*arguments), None
    except UserError as error:
        message = str(error)
    assert len(message.splitlines()) == 1
    return None, message


def encoded(array, image_format, **options):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, image_format, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def sound():
    """{name: content} of a JPEG, a PNG, a label and an instance map that fit together."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:40, :56]
    smooth = np.stack([4 * y, 4 * x, 2 * (x + y)], -1).astype(np.uint8)
    raw = rng.integers(0, 34, (5, 7), np.uint8).repeat(8, 0).repeat(8, 1)
    exif = Image.Exif()
    exif[0x0112] = 6
    return {
        "image.jpg": encoded(smooth, "JPEG", exif=exif),
        "image.png": encoded(smooth, "PNG"),
        "label.png": encoded(raw, "PNG"),
        "instance.png": encoded(raw * np.uint16(1000), "PNG"),
    }


@pytest.mark.parametrize("name", ["image.jpg", "image.png", "label.png", "instance.png"])
def test_damaged_sources_make_no_wrong_sample(name, sound, tmp_path):
    """600 of them, counted over the four files."""
    for other, content in sound.items():
        (tmp_path / other).write_bytes(content)
    image = name if name.startswith("image") else "image.png"
    paths = [str(tmp_path / other) for other in (image, "label.png", "instance.png")]
    whole = SourceFiles(*paths).read(CITYSCAPES)
    rng, refused = np.random.default_rng(1), 0
    for _ in range(150):
        content = damaged(sound[name], rng)
        (tmp_path / name).write_bytes(content)
        sample, message = outcome(SourceFiles(*paths).read, CITYSCAPES, rng.choice([None, 50]))
        if message:
            refused += 1
            assert str(tmp_path) in message
            continue
        # A JPEG has no checksums: other pixels may come of it, but they can be decoded.
        size = decode_image(sample.image_bytes).shape[:2]
        assert tuple(size) == sample.shape[:2]
        assert sample.image_format == whole.image_format
        label = tf.io.decode_png(sample.label_png)[..., 0]
        instance = tf.io.decode_png(sample.instance_png, dtype=tf.uint16)[..., 0]
        assert label.shape == instance.shape == size
        if size == (40, 56) and name != "image.jpg":
            assert sample.label_png == whole.label_png
            np.testing.assert_array_equal(
                instance, tf.io.decode_png(whole.instance_png, dtype=tf.uint16)[..., 0]
            )
            if name == "image.png":
                np.testing.assert_array_equal(
                    decode_image(sample.image_bytes), decode_image(whole.image_bytes)
                )
    assert refused > (60 if name == "image.jpg" else 100)


def test_a_conversion_skips_the_damaged_and_keeps_the_sound(sound, tmp_path):
    """100 pairs, of which some 60 have a damaged file; the records are those of the sound ones."""
    rng, sources, intact = np.random.default_rng(2), [], set()
    for i in range(100):
        paths = [
            tmp_path / f"{i:03d}_{name}" for name in ("image.png", "label.png", "instance.png")
        ]
        for path in paths:
            path.write_bytes(sound[path.name[4:]])
        if i % 5 < 3:
            victim = paths[i % 3]
            victim.write_bytes(damaged(sound[victim.name[4:]], rng))
        else:
            intact.add(paths[0].name)
        sources.append(SourceFiles(*map(str, paths)))
    settings = ConversionConfig(num_shards=3, num_workers=2, on_error="skip")
    split = convert(tmp_path / "out", CITYSCAPES, {"train": sources}, settings).splits["train"]
    assert split.num_images + split.num_skipped == 100
    assert split.num_skipped > 40
    lines = (tmp_path / "out" / "skipped.txt").read_text().splitlines()
    assert len(lines) == split.num_skipped
    expected = tf.io.decode_png(sources[-1].read(CITYSCAPES).label_png)
    for example in read_split(tmp_path / "out", "train", instances=True):
        intact.discard(example["filename"].numpy().decode())
        np.testing.assert_array_equal(example["label"], expected[..., 0])
    assert not intact


def test_damaged_shards_are_told_by_scan_and_pipeline(synthetic_records, tmp_path):
    """150 damaged shards: what is read is what was written, or one line says where it is not."""
    records = shutil.copytree(synthetic_records, tmp_path / "records")
    path = records / "train-00000-of-00002.tfrecord"
    content = path.read_bytes()
    info = DatasetInfo.load(records)
    expected = _pixels(records)
    rng, told = np.random.default_rng(3), 0
    for i in range(150):
        path.write_bytes(damaged(content, rng))
        faults, split = scan_shard(path, info.num_classes)
        assert all(fault.startswith(f"{path}: record ") for fault in faults)
        assert faults or split.shards[0] != info.splits["train"].shards[0]
        if i % 5 == 0:  # the pipeline takes longer
            read, message = outcome(_pixels, records)
            assert message is None or str(path) in message
            assert read is None or read <= expected
            told += message is not None
    assert told > 20


def _pixels(records):
    """The images of a pass of training."""
    config = DataConfig(image_size=(48, 64), random_flip=False, batch_size=1)
    with faults_named(records, "train"):
        batches = training_batches(records, "train", config, 0).take(12)
        return {image.numpy().tobytes() for image, _ in batches}


def test_a_damaged_description_is_told(synthetic_records, tmp_path):
    """150 of them; a changed number or letter is left to `verify_records.py`."""
    content = (synthetic_records / "dataset.json").read_bytes()
    rng, told = np.random.default_rng(4), 0
    for _ in range(150):
        (tmp_path / "dataset.json").write_bytes(damaged(content, rng))
        read, message = outcome(DatasetInfo.load, tmp_path)
        assert message is None or str(tmp_path) in message
        told += message is not None
    assert told > 75
