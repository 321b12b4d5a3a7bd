import dataclasses
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from dmls_tf.config import ConversionConfig, DataConfig
from dmls_tf.datasets import CAMVID
from dmls_tf.errors import UserError
from dmls_tf.input_pipeline.batches import (
    Share,
    evaluation_batches,
    steps_per_pass,
    training_batches,
    training_names,
)
from dmls_tf.records.conversion import convert
from dmls_tf.records.reading import faults_named, read_split
from dmls_tf.records.samples import SourceFiles
from tests.records.files import save

CONFIG = DataConfig(image_size=(40, 52), crop_size=(32, 48), batch_size=3)


def batches_of(records, config=CONFIG, seed=0, count=6, **position):
    dataset = training_batches(records, "train", config, seed, **position).take(count)
    return [(image.numpy(), label.numpy()) for image, label in dataset]


def assert_same(batches, others):
    for one, two in zip(batches, others, strict=True):
        np.testing.assert_array_equal(one[0], two[0])
        np.testing.assert_array_equal(one[1], two[1])


def test_batches_have_one_shape_and_type(synthetic_records):
    for image, label in batches_of(synthetic_records):
        assert image.shape == (3, 32, 48, 3)
        assert label.shape == (3, 32, 48)
        assert (image.dtype, label.dtype) == (np.float32, np.int32)
        assert image.min() >= 0
        assert 50 < image.max() <= 255
        assert set(np.unique(label)) <= {*range(8), 255}


def test_a_seed_gives_the_same_batches_and_another_gives_others(synthetic_records):
    first = batches_of(synthetic_records)
    keras.utils.set_random_seed(5)  # has no part in it
    assert_same(first, batches_of(synthetic_records))
    other = batches_of(synthetic_records, seed=1)
    assert any((one[0] != two[0]).any() for one, two in zip(first, other, strict=True))


def test_an_epoch_sees_every_image_once_and_the_next_in_another_order(synthetic_records):
    plain = DataConfig(image_size=(48, 64), random_flip=False, batch_size=1)
    images = [image.tobytes() for image, _ in batches_of(synthetic_records, plain, count=24)]
    assert len(set(images[:12])) == 12
    assert set(images[:12]) == set(images[12:])
    assert images[:12] != images[12:]


@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        dataclasses.replace(CONFIG, cache=True, jitter=0.5),
        dataclasses.replace(CONFIG, batch_size=5),
        dataclasses.replace(CONFIG, batch_size=5, pad_last_batch=True),
        dataclasses.replace(CONFIG, image_size=None, scale_range=(0.5, 2.0), shuffle_buffer=2),
    ],
)
def test_training_goes_on_from_any_step(config, synthetic_records):
    whole = batches_of(synthetic_records, config, count=10)
    assert len({image.tobytes() for image, _ in whole}) == 10
    for step in (1, 3, 4, 7):
        rest = batches_of(synthetic_records, config, count=10 - step, start_step=step)
        assert_same(whole[step:], rest)


def test_a_cache_changes_no_more_than_the_order(synthetic_records):
    plain = DataConfig(image_size=(48, 64), random_flip=False, batch_size=1)
    cached = dataclasses.replace(plain, cache=True)
    for first in (0, 12):
        images = [
            {
                image.tobytes()
                for image, _ in batches_of(synthetic_records, config, count=24)[first:]
            }
            for config in (plain, cached)
        ]
        assert images[0] == images[1]
        assert len(images[1]) == 12


def test_workers_share_every_global_batch(synthetic_records):
    config = dataclasses.replace(CONFIG, batch_size=4)
    whole = batches_of(synthetic_records, config)
    shares = [batches_of(synthetic_records, config, share=Share(index, 2)) for index in range(2)]
    for batch, *parts in zip(whole, *shares, strict=True):
        for everything, one, two in zip(batch, *parts, strict=True):
            np.testing.assert_array_equal(everything[0::2], one)
            np.testing.assert_array_equal(everything[1::2], two)
    small = DataConfig(image_size=(24, 32), batch_size=2)
    labels = [
        [label.numpy() for _, label in evaluation_batches(synthetic_records, "val", small, share)]
        for share in (Share(), Share(0, 2), Share(1, 2))
    ]
    assert [len(some) for some in labels] == [2, 2, 2]
    pairs = zip(*labels[1:], strict=True)
    np.testing.assert_array_equal(labels[0], [np.concatenate(pair) for pair in pairs])
    with pytest.raises(UserError, match="batch_size 4 is no multiple of 3 replicas"):
        batches_of(synthetic_records, config, share=Share(0, 3))


@pytest.mark.parametrize("cache", [False, True])
def test_the_records_of_a_step_can_be_named(cache, synthetic_records):
    config = DataConfig(image_size=(48, 64), random_flip=False, batch_size=5, cache=cache)
    by_image = {
        example["image"].numpy().tobytes(): example["filename"].numpy().decode()
        for example in read_split(synthetic_records, "train")
    }
    for step, (images, _) in enumerate(batches_of(synthetic_records, config, count=5)):
        names = [by_image[image.astype(np.uint8).tobytes()] for image in images]
        assert training_names(synthetic_records, "train", config, 0, step) == names


def test_the_last_batch_is_left_out_or_padded_with_ignored_images(synthetic_records):
    dropping = DataConfig(image_size=(48, 64), random_flip=False, batch_size=5)
    padding = dataclasses.replace(dropping, pad_last_batch=True)
    assert steps_per_pass(synthetic_records, "train", dropping) == 2
    assert steps_per_pass(synthetic_records, "train", padding) == 3
    passes = [batches_of(synthetic_records, padding, count=6)[first:][:3] for first in (0, 3)]
    for batches in passes:
        images = np.concatenate([image for image, _ in batches])
        labels = np.concatenate([label for _, label in batches])
        assert len({image.tobytes() for image in images[:12]}) == 12
        assert (labels[12:] == 255).all()
        assert not (labels[:12] == 255).all((1, 2)).any()
    dropped = batches_of(synthetic_records, dropping, count=2)
    assert len({image.tobytes() for images, _ in dropped for image in images}) == 10


def test_evaluation_batches_may_be_padded_too(synthetic_records):
    config = DataConfig(image_size=(24, 32), batch_size=3)
    plain = list(evaluation_batches(synthetic_records, "val", config))
    padded = list(
        evaluation_batches(
            synthetic_records, "val", dataclasses.replace(config, pad_last_batch=True)
        )
    )
    assert [len(label) for _, label in padded] == [3, 3]
    np.testing.assert_array_equal(padded[1][1][:1], plain[1][1])
    assert (padded[1][1].numpy()[1:] == 255).all()


def test_images_of_many_sizes_are_padded_to_the_largest_of_their_batch(tmp_path, rng):
    sources, sizes = [], [(5, 9), (8, 4), (6, 6)]
    for i, size in enumerate(sizes):
        image = save(tmp_path / f"{i}.png", np.full((*size, 3), 100 + i))
        sources.append(SourceFiles(str(image), str(save(tmp_path / f"l{i}.png", np.full(size, i)))))
    convert(tmp_path / "out", CAMVID, {"val": sources}, ConversionConfig(num_shards=1))
    config = DataConfig(batch_size=2)
    (images, labels), (last, _) = evaluation_batches(tmp_path / "out", "val", config)
    assert images.shape == (2, 8, 9, 3)
    assert last.shape == (1, 6, 6, 3)
    for i, (height, width) in enumerate(sizes[:2]):
        assert (images[i].numpy()[:height, :width] == 100 + i).all()
        assert (labels[i].numpy()[:height, :width] == i).all()
        assert (labels[i].numpy() == 255).sum() == 72 - height * width


def test_evaluation_keeps_every_image_and_the_order(synthetic_records):
    config = DataConfig(image_size=(24, 32), batch_size=3)
    labels = [label.numpy() for _, label in evaluation_batches(synthetic_records, "val", config)]
    assert [len(label) for label in labels] == [3, 1]
    again = [label.numpy() for _, label in evaluation_batches(synthetic_records, "val", config)]
    for one, two in zip(labels, again, strict=True):
        np.testing.assert_array_equal(one, two)


def test_what_is_missing_is_said(synthetic_records, tmp_path):
    with pytest.raises(UserError, match="no records directory"):
        read_split(tmp_path, "train")
    with pytest.raises(UserError, match="no split 'test'"):
        read_split(synthetic_records, "test")
    (tmp_path / "dataset.json").write_text((synthetic_records / "dataset.json").read_text())
    with pytest.raises(UserError, match=r"train-00000-of-00002.tfrecord: missing shard"):
        read_split(tmp_path, "train")
    shard = "train-00000-of-00002.tfrecord"
    (tmp_path / shard).write_bytes((synthetic_records / shard).read_bytes()[:-7])
    with pytest.raises(UserError, match=f"{shard}: .* bytes instead of .* truncated"):
        training_batches(tmp_path, "train", CONFIG, 0)
    with pytest.raises(UserError, match="needs image_size or crop_size"):
        training_batches(synthetic_records, "train", DataConfig(), 0)
    with pytest.raises(UserError, match="batch_size 13 exceeds the 12 images of train"):
        training_batches(
            synthetic_records, "train", DataConfig(image_size=(9, 9), batch_size=13), 0
        )


@pytest.mark.parametrize("read", ["training", "evaluation"])
def test_a_damaged_record_is_named(read, synthetic_records, tmp_path):
    """A bit in the middle of the fifth record of a shard is flipped; its size stays."""
    shutil.copytree(synthetic_records, tmp_path / "records")
    path = tmp_path / "records" / "train-00001-of-00002.tfrecord"
    lengths = [len(r.numpy()) + 16 for r in tf.data.TFRecordDataset(str(path))]
    content = bytearray(path.read_bytes())
    content[sum(lengths[:4]) + lengths[4] // 2] ^= 4
    path.write_bytes(content)
    message = f"{path.name}: record 4: truncated, or its checksum is wrong; .*verify_records"
    records = tmp_path / "records"
    batches = {
        "training": lambda: training_batches(records, "train", CONFIG, 0).take(9),
        "evaluation": lambda: evaluation_batches(records, "train", CONFIG),
    }
    with pytest.raises(UserError, match=message), faults_named(records, "val", "train"):
        list(batches[read]())
