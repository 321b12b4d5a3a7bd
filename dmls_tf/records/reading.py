"""The records of a split, in one order that is always the same, and what is wrong with them."""

import contextlib

import tensorflow as tf

from dmls_tf.datasets import DatasetInfo
from dmls_tf.errors import UserError
from dmls_tf.files import as_path, is_local, sizes_in
from dmls_tf.records.scan import scan_shard
from dmls_tf.records.schema import parse_record
from dmls_tf.records.shard_cache import cached_shard

INTERLEAVED_SHARDS = 8
FAULTS = (tf.errors.DataLossError, tf.errors.InvalidArgumentError, tf.errors.UnknownError)


def read_split(records_dir, split, instances=False, worker=(0, 1)):
    """The parsed records of a split, in one order that is always the same.

    Args:
        records_dir: a directory with `dataset.json`.
        split: its name, or several: "train+val".
        instances: whether to decode instance maps.
        worker: (index, count): only every count-th record, from this index on.

    Returns:
        A `tf.data.Dataset` of `dmls_tf.records.schema.parse_record` dicts.

    Raises:
        UserError: no `dataset.json`, no such split, a missing or truncated shard.
    """
    index, count = worker
    records = interleaved(shard_paths(records_dir, split), records_dir).shard(count, index)
    return records.map(
        lambda serialized: parse_record(serialized, instances), num_parallel_calls=tf.data.AUTOTUNE
    )


def shard_paths(records_dir, split):
    """The paths of the shards of a split, which exist and have the size they should have.

    Raises:
        UserError: see `read_split`.
    """
    paths, directory = [], as_path(records_dir)
    shards, sizes = DatasetInfo.load(directory).split(split).shards, sizes_in(directory)
    for shard in shards:
        path = directory / shard.name
        if shard.name not in sizes:
            raise UserError(f"{path}: missing shard; convert the data set again")
        if sizes[shard.name] != shard.num_bytes:
            raise UserError(
                f"{path}: {sizes[shard.name]} bytes instead of {shard.num_bytes}, truncated or "
                "replaced; data_prep/verify_records.py names the record"
            )
        paths.append(str(path))
    return paths


def name_of(example):
    """The file name of an example's image, of NumPy values."""
    return example["filename"].decode(errors="replace")


def interleaved(paths, records_dir):
    """Serialised records, in turn from several shards of a directory.

    Those of an object store are fetched into the cache, several at a time, and read from there.
    """
    local = is_local(as_path(records_dir))
    return tf.data.Dataset.from_tensor_slices(paths).interleave(
        tf.data.TFRecordDataset if local else _cached_records,
        cycle_length=INTERLEAVED_SHARDS,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )


def _cached_records(path):
    return tf.data.TFRecordDataset(tf.numpy_function(_cached, [path], tf.string))


def _cached(path):
    """The path of a shard of an object store in the cache, where it is put if it is not there."""
    directory, _, name = path.decode().rpartition("/")
    return str(cached_shard(directory, name))


@contextlib.contextmanager
def faults_named(records_dir, *splits):
    """Turns what TensorFlow says of a damaged record, while it is read, into one clear line.

    The shards are read again to find the record.

    Raises:
        UserError: the first damaged record of these splits, its shard and what is wrong with it.
    """
    try:
        yield
    except FAULTS as error:
        if isinstance(error, tf.errors.UnknownError) and is_local(as_path(records_dir)):
            raise  # it is how Python's errors come out of a store's pipeline
        num_classes = DatasetInfo.load(records_dir).num_classes
        for split in splits:
            for path in shard_paths(records_dir, split):
                if not is_local(as_path(path)):
                    _cached(path.encode())  # says what is wrong
                faults, _ = scan_shard(path, num_classes)
                if faults:
                    raise UserError(
                        f"{faults[0]}; check all with data_prep/verify_records.py, convert again"
                    ) from error
        raise
