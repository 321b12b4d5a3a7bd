import numpy as np
import pytest

from dmls_tf.config import DataConfig
from dmls_tf.data.pipeline import evaluation_batches, read_split, training_batches
from dmls_tf.datasets import DatasetInfo
from dmls_tf.errors import UserError

CONFIG = DataConfig(image_size=(40, 52), crop_size=(32, 48), batch_size=3)


def batches_of(records, config=CONFIG, seed=0, count=6):
    dataset = training_batches(records, "train", config, seed).take(count)
    return [(image.numpy(), label.numpy()) for image, label in dataset]


def test_batches_have_one_shape_and_type(synthetic_records):
    for image, label in batches_of(synthetic_records):
        assert image.shape == (3, 32, 48, 3)
        assert label.shape == (3, 32, 48)
        assert (image.dtype, label.dtype) == (np.float32, np.int32)
        assert image.min() >= 0
        assert 50 < image.max() <= 255
        assert set(np.unique(label)) <= {*range(8), 255}


def test_a_seed_gives_the_same_batches_and_another_gives_others(synthetic_records):
    first, again = batches_of(synthetic_records), batches_of(synthetic_records)
    other = batches_of(synthetic_records, seed=1)
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one[0], two[0])
        np.testing.assert_array_equal(one[1], two[1])
    assert any((one[0] != two[0]).any() for one, two in zip(first, other, strict=True))


def test_an_epoch_sees_every_image_once_and_the_next_in_another_order(synthetic_records):
    plain = DataConfig(image_size=(48, 64), flip=False, batch_size=1)
    images = [image.tobytes() for image, _ in batches_of(synthetic_records, plain, count=24)]
    assert len(set(images[:12])) == 12
    assert set(images[:12]) == set(images[12:])
    assert images[:12] != images[12:]


def test_evaluation_keeps_every_image_and_the_order(synthetic_records):
    config = DataConfig(image_size=(24, 32), batch_size=3)
    labels = [label.numpy() for _, label in evaluation_batches(synthetic_records, "val", config)]
    assert [len(label) for label in labels] == [3, 1]
    again = [label.numpy() for _, label in evaluation_batches(synthetic_records, "val", config)]
    for one, two in zip(labels, again, strict=True):
        np.testing.assert_array_equal(one, two)


def test_records_hold_the_labels_that_were_counted(synthetic_records):
    counts = np.zeros(256, int)
    for example in read_split(synthetic_records, "train"):
        assert example["image"].shape == (48, 64, 3)
        counts += np.bincount(example["label"].numpy().ravel(), minlength=256)
    split = DatasetInfo.load(synthetic_records).split("train")
    assert tuple(counts[:8]) == split.class_pixels
    assert counts[255] == split.ignored_pixels


def test_what_is_missing_is_said(synthetic_records, tmp_path):
    with pytest.raises(UserError, match="no records directory"):
        read_split(tmp_path, "train")
    with pytest.raises(UserError, match="no split 'test'"):
        read_split(synthetic_records, "test")
    (tmp_path / "dataset.json").write_text((synthetic_records / "dataset.json").read_text())
    with pytest.raises(UserError, match=r"train-00000-of-00002.tfrecord: missing shard"):
        read_split(tmp_path, "train")
    with pytest.raises(UserError, match="needs image_size or crop_size"):
        training_batches(synthetic_records, "train", DataConfig(), 0)
    with pytest.raises(UserError, match="batch_size 13 exceeds the 12 images of train"):
        training_batches(
            synthetic_records, "train", DataConfig(image_size=(9, 9), batch_size=13), 0
        )
