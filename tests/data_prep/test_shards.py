import functools

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from data_prep import shards
from dmls_tf.data.records import parse_record
from dmls_tf.datasets import CAMVID, DatasetInfo
from dmls_tf.errors import UserError


def save(path, array):
    Image.fromarray(np.asarray(array, np.uint8)).save(path)
    return path


@pytest.fixture
def pair(tmp_path, rng):
    image = save(tmp_path / "a.png", rng.integers(0, 256, (6, 8, 3)))
    label = save(tmp_path / "a_label.png", np.arange(48).reshape(6, 8) % 12)
    return image, label


def maker(pair):
    return functools.partial(shards.load_sample, *pair, CAMVID)


def test_bytes_are_copied_and_labels_remapped(pair, tmp_path):
    out = tmp_path / "records"
    info = shards.write_dataset(out, CAMVID, {"train": [maker(pair)] * 5}, num_shards=2)
    assert info == DatasetInfo.load(out)
    assert info.splits["train"].shards == (
        "train-00000-of-00002.tfrecord",
        "train-00001-of-00002.tfrecord",
    )
    files = [str(out / name) for name in info.splits["train"].shards]
    records = list(tf.data.TFRecordDataset(files))
    assert len(records) == 5
    example = tf.train.Example.FromString(records[0].numpy()).features.feature
    assert example["image/encoded"].bytes_list.value[0] == pair[0].read_bytes()
    assert example["image/format"].bytes_list.value[0] == b"png"
    assert example["image/filename"].bytes_list.value[0] == b"a.png"
    sizes = [example[f"image/{key}"].int64_list.value[0] for key in ("height", "width", "channels")]
    assert sizes == [6, 8, 3]
    raw = np.asarray(Image.open(pair[1]))
    expected = np.where(raw == 11, 255, raw)
    np.testing.assert_array_equal(parse_record(records[0])["label"], expected)


def test_statistics_equal_a_direct_count(tmp_path, rng):
    labels = [rng.integers(0, 12, (5, 7)), np.full((3, 4), 2), np.full((2, 2), 11)]
    makers = []
    for i, label in enumerate(labels):
        image = save(tmp_path / f"{i}.png", rng.integers(0, 256, (*label.shape, 3)))
        makers.append(maker((image, save(tmp_path / f"{i}_l.png", label))))
    split = shards.write_dataset(tmp_path / "out", CAMVID, {"val": makers}).splits["val"]
    for c in range(11):
        present = [label for label in labels if (label == c).any()]
        assert split.class_pixels[c] == sum((label == c).sum() for label in labels)
        assert split.class_images[c] == len(present)
        assert split.class_image_pixels[c] == sum(label.size for label in present)
    assert split.ignored_pixels == sum((label == 11).sum() for label in labels)


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (np.zeros((5, 8)), r"label is 8x5 \(width x height\), its image .* is 8x6"),
        (np.full((6, 8), 57), "label value 57 is out of range; camvid has 0..11"),
        (np.zeros((6, 8, 3)), "must have one channel, this one is RGB"),
    ],
)
def test_faulty_labels_are_named_and_nothing_is_left(label, message, pair, tmp_path):
    wrong = save(tmp_path / "wrong.png", label)
    out = tmp_path / "made" / "records"
    with pytest.raises(UserError, match=message) as caught:
        shards.write_dataset(out, CAMVID, {"train": [maker(pair), maker((pair[0], wrong))]})
    assert str(wrong) in str(caught.value)
    assert not any(out.parent.iterdir())


def test_damaged_images_are_named(pair, tmp_path):
    truncated = tmp_path / "cut.png"
    truncated.write_bytes(pair[0].read_bytes()[:80])
    for image in (truncated, pair[1].with_suffix(".gone")):
        with pytest.raises(UserError, match=image.name):
            shards.load_sample(image, pair[1], CAMVID)


def test_existing_files_are_not_touched(pair, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(UserError, match="choose an empty directory"):
            shards.write_dataset(out, CAMVID, {"train": [maker(pair)]}, overwrite=overwrite)
    assert (out / "thesis.txt").read_text() == "years of work"


def test_records_are_replaced_only_when_asked(pair, tmp_path):
    out = tmp_path / "out"
    shards.write_dataset(out, CAMVID, {"train": [maker(pair)]})
    with pytest.raises(UserError, match="pass --overwrite"):
        shards.write_dataset(out, CAMVID, {"val": [maker(pair)]})
    with pytest.raises(UserError, match="no images"):
        shards.write_dataset(out, CAMVID, {"val": []}, overwrite=True)
    assert list(DatasetInfo.load(out).splits) == ["train"]
    shards.write_dataset(out, CAMVID, {"val": [maker(pair)]}, overwrite=True)
    assert list(DatasetInfo.load(out).splits) == ["val"]


def test_pairs_are_complete_or_named(tmp_path, rng):
    images, labels = tmp_path / "images", tmp_path / "labels"
    with pytest.raises(UserError, match=r"images: no such directory"):
        shards.pair_files(images, labels)
    images.mkdir()
    labels.mkdir()
    with pytest.raises(UserError, match="no images"):
        shards.pair_files(images, labels)
    for stem in "ba":
        save(images / f"{stem}.png", rng.integers(0, 256, (2, 2, 3)))
    save(labels / "a.png", np.zeros((2, 2)))
    with pytest.raises(UserError, match=r"b.png: has no label .*labels/b.png \(1 such images\)"):
        shards.pair_files(images, labels)
    save(labels / "b.png", np.zeros((2, 2)))
    pairs = shards.pair_files(images, labels)
    assert [(image.name, label.name) for image, label in pairs] == [("a.png",) * 2, ("b.png",) * 2]
