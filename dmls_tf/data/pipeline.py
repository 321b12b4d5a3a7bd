"""Records to batches: read, shuffle, parse, resize, augment, batch.

    shards -> records -> {image, label, filename} -> (image float32 [B,H,W,3], label int32 [B,H,W])

The same seed gives the same batches in the same order, however many threads work on them: every
record of a pass gets its own pair of seeds for the augmentation.
"""

import pathlib

import tensorflow as tf

from dmls_tf.data import augment
from dmls_tf.data.records import parse_record
from dmls_tf.datasets import IGNORE_LABEL, DatasetInfo
from dmls_tf.errors import UserError


def read_split(records_dir, split, seed=None):
    """The parsed records of a split.

    Args:
        records_dir: a directory with `dataset.json`.
        split: its name.
        seed: shuffles the shards anew in every pass; None keeps the order on disk.

    Returns:
        A `tf.data.Dataset` of `dmls_tf.data.records.parse_record` dicts.

    Raises:
        UserError: no `dataset.json`, no such split, or a missing shard.
    """
    return _serialized(records_dir, split, seed).map(
        parse_record, num_parallel_calls=tf.data.AUTOTUNE
    )


def training_batches(records_dir, split, config, seed):
    """Endless shuffled and augmented batches of one shape; incomplete batches are left out.

    Args:
        records_dir: a directory with `dataset.json`.
        split: its name.
        config: a `DataConfig` with an `image_size` or a `crop_size`.
        seed: of the order and the augmentation.

    Returns:
        A `tf.data.Dataset` of (image float32 `[B, H, W, 3]`, label int32 `[B, H, W]`).

    Raises:
        UserError: see `read_split`; no size given; fewer images than a batch.
    """
    if not (config.image_size or config.crop_size):
        raise UserError("training needs image_size or crop_size: images of a batch share one size")
    num_images = DatasetInfo.load(records_dir).split(split).num_images
    if num_images < config.batch_size:
        raise UserError(
            f"batch_size {config.batch_size} exceeds the {num_images} images of {split}"
        )

    def augmented(serialized, seeds):
        image, label = _image_and_label(parse_record(serialized), config)
        if config.flip:
            image, label = augment.random_flip(image, label, seeds[0])
        if config.crop_size:
            image, label = augment.random_crop(image, label, config.crop_size, seeds[1])
        return image, label

    records = _serialized(records_dir, split, seed).shuffle(config.shuffle_buffer, seed)
    seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(4)
    seeds = seeds.map(lambda values: tf.reshape(values, (2, 2)))
    return (
        tf.data.Dataset.zip(records.repeat(), seeds)
        .map(augmented, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(config.batch_size, drop_remainder=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def evaluation_batches(records_dir, split, config):
    """One pass over a split at `config.image_size`, in order; the last batch may be smaller.

    Without an `image_size`, images keep their own size and a batch pads the smaller ones with
    ignored pixels.
    """
    num_images = DatasetInfo.load(records_dir).split(split).num_images
    num_batches = -(-num_images // config.batch_size)
    padding = (tf.constant(0.0), tf.constant(IGNORE_LABEL, tf.int32))
    return (
        read_split(records_dir, split)
        .map(lambda e: _image_and_label(e, config), num_parallel_calls=tf.data.AUTOTUNE)
        .padded_batch(config.batch_size, padding_values=padding)
        .apply(tf.data.experimental.assert_cardinality(num_batches))
        .prefetch(tf.data.AUTOTUNE)
    )


def _image_and_label(example, config):
    """A parsed record as (float32 image, label), at `config.image_size` where there is one."""
    image, label = tf.cast(example["image"], tf.float32), example["label"]
    if config.image_size:
        image, label = augment.resize(image, label, config.image_size)
    return image, label


def _serialized(records_dir, split, seed):
    info = DatasetInfo.load(records_dir).split(split)
    paths = [str(pathlib.Path(records_dir) / shard) for shard in info.shards]
    for path in paths:
        if not pathlib.Path(path).is_file():
            raise UserError(f"{path}: missing shard; convert the data set again")
    files = tf.data.Dataset.from_tensor_slices(paths)
    if seed is not None:
        files = files.shuffle(len(paths), seed)
    return files.interleave(
        tf.data.TFRecordDataset,
        cycle_length=min(8, len(paths)),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
