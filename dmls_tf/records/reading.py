"""The records of a split, in one order that is always the same, and what is wrong with them."""

import contextlib
import pathlib

import tensorflow as tf

from dmls_tf.datasets import DatasetInfo
from dmls_tf.errors import UserError
from dmls_tf.records.scan import scan_shard
from dmls_tf.records.schema import parse_record

INTERLEAVED_SHARDS = 8


def read_split(records_dir, split, instances=False):
    """The parsed records of a split, in one order that is always the same.

    Args:
        records_dir: a directory with `dataset.json`.
        split: its name, or several: "train+val".
        instances: whether to decode instance maps.

    Returns:
        A `tf.data.Dataset` of `dmls_tf.records.schema.parse_record` dicts.

    Raises:
        UserError: no `dataset.json`, no such split, a missing or truncated shard.
    """
    return interleaved(shard_paths(records_dir, split)).map(
        lambda serialized: parse_record(serialized, instances), num_parallel_calls=tf.data.AUTOTUNE
    )


def shard_paths(records_dir, split):
    """The paths of the shards of a split, which exist and have the size they should have.

    Raises:
        UserError: see `read_split`.
    """
    paths = []
    for shard in DatasetInfo.load(records_dir).split(split).shards:
        path = pathlib.Path(records_dir) / shard.name
        if not path.is_file():
            raise UserError(f"{path}: missing shard; convert the data set again")
        if path.stat().st_size != shard.num_bytes:
            raise UserError(
                f"{path}: {path.stat().st_size} bytes instead of {shard.num_bytes}, truncated or "
                "replaced; data_prep/verify_records.py names the record"
            )
        paths.append(str(path))
    return paths


def name_of(example):
    """The file name of an example's image, of NumPy values."""
    return example["filename"].decode(errors="replace")


def interleaved(paths):
    """Serialised records, in turn from several shards."""
    return tf.data.Dataset.from_tensor_slices(paths).interleave(
        tf.data.TFRecordDataset,
        cycle_length=INTERLEAVED_SHARDS,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )


@contextlib.contextmanager
def faults_named(records_dir, *splits):
    """Turns what TensorFlow says of a damaged record, while it is read, into one clear line.

    The shards are read again to find the record.

    Raises:
        UserError: the first damaged record of these splits, its shard and what is wrong with it.
    """
    try:
        yield
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
        num_classes = DatasetInfo.load(records_dir).num_classes
        for split in splits:
            for path in shard_paths(records_dir, split):
                faults, _ = scan_shard(path, num_classes)
                if faults:
                    raise UserError(
                        f"{faults[0]}; check all with data_prep/verify_records.py, convert again"
                    ) from error
        raise
