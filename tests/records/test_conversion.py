"""Whole conversions: complete, the same however they are made, and never half there."""

import dataclasses
import fcntl
import hashlib
import json
import os

import numpy as np
import pytest
import tensorflow as tf

from data_prep.camvid_to_tfrecord import find_files
from dmls_tf.config import ConversionConfig
from dmls_tf.datasets import CAMVID, DatasetInfo
from dmls_tf.errors import UserError
from dmls_tf.records import conversion
from dmls_tf.records.conversion import convert
from dmls_tf.records.samples import SourceFiles
from tests.records.files import content_of, make_camvid, save

ONE_WORKER = ConversionConfig(num_workers=1)
OVERWRITING = dataclasses.replace(ONE_WORKER, overwrite=True)
TWO_SHARDS = ConversionConfig(num_shards=2, num_workers=2)


@pytest.fixture
def camvid(tmp_path, rng):
    return make_camvid(tmp_path / "CamVid", rng, {"train": 8, "val": 3})


def sources_in(root, *splits):
    return {
        split: [SourceFiles(*map(str, paths)) for paths in find_files(root, split)]
        for split in splits or ("train", "val")
    }


def hidden(directory):
    return [path.name for path in directory.iterdir() if path.name.startswith(".")]


def test_records_have_the_schema_of_deeplab(camvid, tmp_path):
    """Read by a plain parser of that schema, as DeepLab's `data_generator` has it."""
    info = convert(tmp_path / "out", CAMVID, sources_in(camvid), TWO_SHARDS)
    assert info == DatasetInfo.load(tmp_path / "out")
    assert [shard.name for shard in info.splits["train"].shards] == [
        "train-00000-of-00002.tfrecord",
        "train-00001-of-00002.tfrecord",
    ]
    text, number = tf.io.FixedLenFeature((), tf.string), tf.io.FixedLenFeature((), tf.int64)
    schema = {
        "image/encoded": text,
        "image/filename": text,
        "image/format": text,
        "image/height": number,
        "image/width": number,
        "image/channels": number,
        "image/segmentation/class/encoded": text,
        "image/segmentation/class/format": text,
    }
    files = [str(tmp_path / "out" / shard.name) for shard in info.splits["train"].shards]
    records = list(tf.data.TFRecordDataset(files).as_numpy_iterator())
    assert len(records) == 8
    for i, record in enumerate(records):
        parsed = tf.io.parse_single_example(record, schema)
        assert parsed["image/filename"] == f"{i:03d}.png".encode()
        assert parsed["image/encoded"] == (camvid / "train" / f"{i:03d}.png").read_bytes()
        assert (parsed["image/format"], parsed["image/segmentation/class/format"]) == (b"png",) * 2
        sizes = [int(parsed[f"image/{key}"]) for key in ("height", "width", "channels")]
        assert sizes == [24, 32, 3]
        label = tf.io.decode_png(parsed["image/segmentation/class/encoded"], channels=1)
        raw = tf.io.decode_png((camvid / "trainannot" / f"{i:03d}.png").read_bytes())
        np.testing.assert_array_equal(label, np.where(raw == 11, 255, raw))


def test_statistics_equal_a_direct_count(tmp_path, rng):
    labels = [rng.integers(0, 12, (5, 7)), np.full((3, 4), 2), np.full((2, 2), 11)]
    sources = []
    for i, label in enumerate(labels):
        image = save(tmp_path / f"{i}.png", rng.integers(0, 256, (*label.shape, 3)))
        sources.append(SourceFiles(str(image), str(save(tmp_path / f"{i}_l.png", label))))
    split = convert(tmp_path / "out", CAMVID, {"val": sources}, TWO_SHARDS).splits["val"]
    assert split.num_images == 3
    for c in range(11):
        present = [label for label in labels if (label == c).any()]
        assert split.class_pixels[c] == sum((label == c).sum() for label in labels)
        assert split.class_images[c] == len(present)
        assert split.class_image_pixels[c] == sum(label.size for label in present)
    assert split.ignored_pixels == sum((label == 11).sum() for label in labels)


def test_the_number_of_workers_changes_nothing(camvid, tmp_path):
    settings = ConversionConfig(num_shards=3)
    for workers in (1, 3):
        given = dataclasses.replace(settings, num_workers=workers)
        convert(tmp_path / str(workers), CAMVID, sources_in(camvid), given)
    one, three = content_of(tmp_path / "1"), content_of(tmp_path / "3")
    assert len(one) == 8
    assert one == three
    assert hidden(tmp_path) == []


def test_a_fault_leaves_nothing_or_what_can_be_gone_on_with(camvid, tmp_path):
    label = camvid / "trainannot" / "007.png"
    good = label.read_bytes()
    save(label, np.full((24, 32), 57))
    two_shards = dataclasses.replace(ONE_WORKER, num_shards=2)
    with pytest.raises(UserError, match="label value 57") as caught:
        convert(tmp_path / "out", CAMVID, sources_in(camvid), two_shards)
    assert str(label) in str(caught.value)
    assert "1 finished shards are kept" in str(caught.value)
    assert not (tmp_path / "out").exists()
    assert hidden(tmp_path) == [".out.partial"]
    with pytest.raises(UserError, match="label value 57"):
        convert(
            tmp_path / "new" / "out", CAMVID, sources_in(camvid), ConversionConfig(num_shards=1)
        )
    assert list((tmp_path / "new").iterdir()) == []

    label.write_bytes(good)
    started = (tmp_path / ".out.partial/records/train-00000-of-00002.tfrecord").stat()
    convert(tmp_path / "out", CAMVID, sources_in(camvid), two_shards)
    assert (tmp_path / "out/train-00000-of-00002.tfrecord").stat().st_ino == started.st_ino
    convert(tmp_path / "direct", CAMVID, sources_in(camvid), two_shards)
    assert content_of(tmp_path / "out") == content_of(tmp_path / "direct")
    assert hidden(tmp_path) == []


def test_a_finished_shard_is_made_again_when_a_source_or_a_setting_has_changed(camvid, tmp_path):
    broken = camvid / "valannot" / "002.png"
    good = broken.read_bytes()
    broken.write_bytes(b"")
    with pytest.raises(UserError, match="kept"):
        convert(tmp_path / "out", CAMVID, sources_in(camvid), TWO_SHARDS)
    broken.write_bytes(good)
    save(camvid / "trainannot" / "000.png", np.full((24, 32), 4))
    smaller = dataclasses.replace(TWO_SHARDS, max_side=16)
    for name, settings in (("out", smaller), ("direct", smaller)):
        info = convert(tmp_path / name, CAMVID, sources_in(camvid), settings)
    assert info.max_side == 16
    assert content_of(tmp_path / "out") == content_of(tmp_path / "direct")


def test_faulty_images_are_skipped_and_listed_when_asked(camvid, tmp_path):
    (camvid / "trainannot" / "001.png").unlink()
    (camvid / "train" / "002.png").write_bytes(b"no image")
    (camvid / "train" / "009.png").write_bytes(b"has no label")
    with pytest.raises(UserError, match="001.png: not found, but needed for .*001.png"):
        convert(tmp_path / "out", CAMVID, sources_in(camvid), TWO_SHARDS)
    skipping = dataclasses.replace(TWO_SHARDS, on_error="skip")
    info = convert(tmp_path / "out", CAMVID, sources_in(camvid), skipping)
    train = info.splits["train"]
    assert (train.num_images, train.num_skipped) == (6, 3)
    lines = (tmp_path / "out" / "skipped.txt").read_text().splitlines()
    assert len(lines) == 3
    for line, name in zip(lines, ("001.png", "002.png", "009.png"), strict=True):
        split, reason = line.split("\t")
        assert split == "train"
        assert name in reason
    for path in (camvid / "val").iterdir():
        path.write_bytes(b"")
    with pytest.raises(UserError, match="'val' holds no image that is not faulty"):
        convert(tmp_path / "none", CAMVID, sources_in(camvid, "val"), skipping)


def test_existing_files_are_not_touched(camvid, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(UserError, match="choose an empty directory"):
            convert(
                out,
                CAMVID,
                sources_in(camvid),
                dataclasses.replace(ONE_WORKER, overwrite=overwrite),
            )
    assert content_of(out) == {"thesis.txt": b"years of work"}
    with pytest.raises(UserError, match="is a file"):
        convert(out / "thesis.txt", CAMVID, sources_in(camvid), ONE_WORKER)
    for inside in ("thesis.txt/records", "thesis.txt/more/records"):
        with pytest.raises(UserError, match="a file is in the way"):
            convert(out / inside, CAMVID, sources_in(camvid), ONE_WORKER)
    with pytest.raises(UserError, match="^/: records need a directory of their own"):
        convert("/", CAMVID, sources_in(camvid), ONE_WORKER)
    assert hidden(tmp_path) == []


def test_records_are_replaced_only_when_asked(camvid, tmp_path):
    out = tmp_path / "out"
    info = convert(out, CAMVID, sources_in(camvid, "train"), ONE_WORKER)
    written = (out / "dataset.json").stat()
    assert convert(out, CAMVID, sources_in(camvid, "train"), ONE_WORKER) == info  # complete already
    assert (out / "dataset.json").stat().st_ino == written.st_ino
    with pytest.raises(UserError, match="pass --overwrite"):
        convert(out, CAMVID, sources_in(camvid, "val"), ONE_WORKER)
    with pytest.raises(UserError, match="no images"):
        convert(out, CAMVID, {"val": []}, OVERWRITING)
    assert list(DatasetInfo.load(out).splits) == ["train"]
    convert(out, CAMVID, sources_in(camvid, "val"), OVERWRITING)
    assert list(DatasetInfo.load(out).splits) == ["val"]
    assert hidden(tmp_path) == []


def test_two_conversions_of_one_target_do_not_mix(camvid, tmp_path):
    staging = tmp_path / ".out.partial"
    staging.mkdir()
    descriptor = os.open(staging, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(UserError, match="out: another conversion is writing it"):
        convert(tmp_path / "out", CAMVID, sources_in(camvid), ONE_WORKER)
    os.close(descriptor)
    convert(tmp_path / "out", CAMVID, sources_in(camvid), ONE_WORKER)


@pytest.mark.parametrize("moment", ["before the old is moved", "before the new is moved", "after"])
def test_a_replacement_that_was_cut_short_is_finished(moment, camvid, tmp_path, monkeypatch):
    out = tmp_path / "out"
    convert(out, CAMVID, sources_in(camvid, "val"), ONE_WORKER)
    killed = KeyboardInterrupt  # what no handler turns into something else

    def publish(staging, target):
        if moment != "before the old is moved":
            target.rename(staging / "old")
        if moment == "after":
            (staging / "records").rename(target)
        raise killed

    with monkeypatch.context() as patch:
        patch.setattr(conversion, "_publish", publish)
        with pytest.raises(killed):
            convert(out, CAMVID, sources_in(camvid), OVERWRITING)
    assert hidden(tmp_path) == [".out.partial"]
    convert(out, CAMVID, sources_in(camvid), OVERWRITING)
    convert(tmp_path / "direct", CAMVID, sources_in(camvid), ONE_WORKER)
    assert content_of(out) == content_of(tmp_path / "direct")
    assert hidden(tmp_path) == []


def test_dataset_json_says_what_the_records_are(camvid, tmp_path):
    convert(tmp_path / "out", CAMVID, sources_in(camvid), TWO_SHARDS)
    content = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert content["tool"].startswith("dmls-tf 0.")
    assert content["spec"]["class_names"][2] == "pole"
    assert content["spec"]["raw_to_class"]["11"] == 255
    shards = content["splits"]["train"]["shards"]
    assert [shard["num_records"] for shard in shards] == [4, 4]
    for shard in shards:
        path = tmp_path / "out" / shard["name"]
        assert path.stat().st_size == shard["num_bytes"]
        assert shard["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
