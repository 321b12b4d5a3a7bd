"""Records to batches: read, shuffle, parse, augment, batch.

    shards -> records -> {image, label, filename} -> (image float32 [B,H,W,3], label int32 [B,H,W])

The order is a function of the seed and the number of the pass, the augmentation of the seed and
the position of a record in the stream of all passes. So the same seed gives the same batches,
however many threads or workers share the work, and training can go on from any step.
"""

import dataclasses

import tensorflow as tf

from dmls_tf import IGNORE_LABEL
from dmls_tf.datasets import DatasetInfo
from dmls_tf.errors import UserError
from dmls_tf.input_pipeline.augment import augment, resize
from dmls_tf.records.reading import interleaved, shard_paths
from dmls_tf.records.schema import parse_name, parse_record

ORDER, AUGMENTATION = range(2)  # uses of the seed


@dataclasses.dataclass(frozen=True)
class Share:
    """A worker's share of every global batch.

    Attributes:
        index, count: of the worker, of the workers.
        replicas: of this worker; its share comes in as many batches, one a replica.
    """

    index: int = 0
    count: int = 1
    replicas: int = 1

    def part(self, batch_size):
        """Images in a replica's batch."""
        parts = self.count * self.replicas
        if batch_size % parts:
            raise UserError(f"batch_size {batch_size} is no multiple of {parts} replicas")
        return batch_size // parts


def steps_per_pass(records_dir, split, config):
    """Batches in a pass over a split; the last one is left out or padded if it is incomplete.

    Raises:
        UserError: see `read_split`; fewer images than a batch.
    """
    num_images = DatasetInfo.load(records_dir).split(split).num_images
    if config.pad_last_batch:
        return -(-num_images // config.batch_size)
    if num_images < config.batch_size:
        raise UserError(
            f"batch_size {config.batch_size} exceeds the {num_images} images of {split}"
        )
    return num_images // config.batch_size


def training_batches(records_dir, split, config, seed, start_step=0, share=Share()):  # noqa: B008
    """Endless shuffled and augmented batches of one shape.

    Args:
        records_dir: a directory with `dataset.json`.
        split: its name, or several: "train+val".
        config: a `DataConfig` with an `image_size` or a `crop_size`.
        seed: of the order and the augmentation.
        start_step: number of the first batch; what comes before is not decoded.
        share: this worker's of every global batch.

    Returns:
        A `tf.data.Dataset` of (image float32 `[B, H, W, 3]`, label int32 `[B, H, W]`).

    Raises:
        UserError: see `read_split`; no size given; a batch that the images do not fill or the
            replicas cannot share.
    """
    if not (config.image_size or config.crop_size):
        raise UserError("training needs image_size or crop_size: images of a batch share one size")
    part = share.part(config.batch_size)
    num_images = DatasetInfo.load(records_dir).split(split).num_images
    records_per_pass = steps_per_pass(records_dir, split, config) * config.batch_size
    shuffled = _shuffled_passes(records_dir, split, config, seed, _image_and_label)

    def example(position, record):
        image, label = record if config.cache else _image_and_label(record)
        image, label = augment(image, label, config, _seeds(seed, AUGMENTATION, position))
        if config.pad_last_batch:
            label = _ignored_if(position % records_per_pass >= num_images, label)
        return image, label

    return (
        _stream(shuffled, records_per_pass, start_step * config.batch_size)
        .shard(share.count, share.index)
        .map(example, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(part, drop_remainder=True)
        .map(_as_model_input, num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
    )


def training_names(records_dir, split, config, seed, step):
    """The names of the records in the global batch of a step of `training_batches`, a list."""
    records_per_pass = steps_per_pass(records_dir, split, config) * config.batch_size
    shuffled = _shuffled_passes(records_dir, split, config, seed, parse_name)
    names = _stream(shuffled, records_per_pass, step * config.batch_size)
    if not config.cache:
        names = names.map(lambda position, record: (position, parse_name(record)))
    return [name.decode() for _, name in names.take(config.batch_size).as_numpy_iterator()]


def _stream(shuffled, records_per_pass, start):
    """(position, record) of all passes, from a position on.

    Args:
        shuffled: number of a pass -> its records.
        records_per_pass: if the pass has fewer, its first ones fill it up.
        start: position of the first record.
    """
    first_pass, offset = divmod(start, records_per_pass)

    def one_pass(number):
        records = shuffled(number).repeat().take(records_per_pass)
        return records.enumerate(number * records_per_pass)

    return tf.data.Dataset.range(first_pass, tf.int64.max).flat_map(one_pass).skip(offset)


def evaluation_batches(records_dir, split, config, share=Share()):  # noqa: B008
    """One pass over a split at `config.image_size`, in order.

    The last batch is smaller if it is incomplete, or with `config.pad_last_batch` filled up with
    images whose labels are ignored. Without an `image_size`, images keep their own size and a
    batch pads the smaller ones with ignored pixels.

    Args:
        records_dir, split, share: see `training_batches`.
        config: a `DataConfig`.
    """
    num_images = DatasetInfo.load(records_dir).split(split).num_images
    part, total = share.part(config.batch_size), num_images
    if config.pad_last_batch:
        total = -(-num_images // config.batch_size) * config.batch_size
    num_batches = -(-len(range(share.index, total, share.count)) // part)

    def example(position, record):
        image, label = _image_and_label(record)
        if config.image_size:
            image, label = resize(image, label, config.image_size)
        if config.pad_last_batch:
            label = _ignored_if(position >= num_images, label)
        return image, label

    dataset = (
        interleaved(shard_paths(records_dir, split), records_dir)
        .repeat()
        .take(total)
        .enumerate()
        .shard(share.count, share.index)
        .map(example, num_parallel_calls=tf.data.AUTOTUNE)
    )
    image_type = dataset.element_spec[0].dtype
    padding = (tf.constant(0, image_type), tf.constant(IGNORE_LABEL, tf.uint8))
    return (
        dataset.padded_batch(part, padding_values=padding)
        .map(_as_model_input, num_parallel_calls=tf.data.AUTOTUNE)
        .apply(tf.data.experimental.assert_cardinality(num_batches))
        .prefetch(tf.data.AUTOTUNE)
    )


def _shuffled_passes(records_dir, split, config, seed, decode):
    """A function from the number of a pass to its records, in an order of its own.

    They are serialised, or, with `config.cache`, already decoded.
    """
    paths = shard_paths(records_dir, split)
    if config.cache:
        decoded = interleaved(paths, records_dir).map(decode, num_parallel_calls=tf.data.AUTOTUNE)
        decoded = decoded.cache()
        num_images = DatasetInfo.load(records_dir).split(split).num_images
        return lambda number: _shuffled(decoded, num_images, _seeds(seed, ORDER, number))

    def shuffled(number):
        seeds = _seeds(seed, ORDER, number)
        shards = tf.random.experimental.stateless_shuffle(tf.constant(paths), seeds)
        return _shuffled(interleaved(shards, records_dir), config.shuffle_buffer, seeds)

    return shuffled


def _shuffled(dataset, buffer_size, seeds):
    """`dataset.shuffle`, which takes no seed that is a tensor when a global seed is set."""
    spec = dataset.element_spec
    components = tf.nest.flatten(spec)
    shuffled = tf.raw_ops.ShuffleDataset(
        input_dataset=tf.data.experimental.to_variant(dataset),
        buffer_size=tf.cast(buffer_size, tf.int64),
        seed=seeds[0],
        seed2=seeds[1],
        reshuffle_each_iteration=False,
        output_types=[component.dtype for component in components],
        output_shapes=[component.shape for component in components],
    )
    return tf.data.experimental.from_variant(shuffled, spec)


def _seeds(seed, use, number):
    """Two int64 seeds of their own for each use and number."""
    return tf.random.experimental.stateless_fold_in(tf.constant([seed, use], tf.int64), number)


def _image_and_label(serialized):
    example = parse_record(serialized)
    return example["image"], example["label"]


def _ignored_if(condition, label):
    return tf.where(condition, tf.constant(IGNORE_LABEL, tf.uint8), label)


def _as_model_input(image, label):
    return tf.cast(image, tf.float32), tf.cast(label, tf.int32)
