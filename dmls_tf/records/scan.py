"""Reads whole shards and says what is wrong in them, record by record.

`data_prep/verify_records.py` and `index_records.py` are made of it; it also names the record when
training or evaluation meets a damaged one.
"""

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from dmls_tf import IGNORE_LABEL
from dmls_tf.datasets.info import ShardInfo, count_shard
from dmls_tf.errors import UserError
from dmls_tf.files import as_path, local_copy, sha256_of
from dmls_tf.records import schema as records

EIGHT_BITS_GREY = b"\x08\x00"  # in the header of a PNG


def scan_shard(path, num_classes, on_record=lambda: None):
    """Reads and decodes every record of a shard.

    Args:
        path: of the shard.
        num_classes: N; labels must be below it, or 255.
        on_record: called after each record.

    Returns:
        (faults, split): lines that name the file, the record (counted from 0) and what is wrong
        with it, and a `SplitInfo` of what the sound records hold. What follows a record of a wrong
        checksum cannot be read.
    """
    path = as_path(path)
    if not path.is_file():
        return [f"{path}: missing shard"], None
    with local_copy(path) as file:
        return _scan(path, file, num_classes, on_record)


def _scan(path, file, num_classes, on_record):
    faults, pixels, number = [], [], 0
    try:
        for serialized in tf.data.TFRecordDataset(str(file)):
            try:
                pixels.append(label_pixels(serialized.numpy(), num_classes))
            except UserError as error:
                faults.append(f"{path}: record {number}: {error}")
            number += 1
            on_record()
    except tf.errors.DataLossError:
        faults.append(f"{path}: record {number}: truncated, or its checksum is wrong")
    except tf.errors.OpError as error:
        faults.append(f"{path}: cannot be read ({_first_line(error)})")
        return faults, None
    shard = ShardInfo(path.name, number, file.stat().st_size, sha256_of(file))
    return faults, count_shard(shard, pixels, num_classes)


def label_pixels(serialized, num_classes):
    """Decodes a record and counts the values in its label, int64 `[256]`.

    Args:
        serialized: bytes.
        num_classes: N; labels must be below it, or 255.

    Raises:
        UserError: what is wrong with it.
    """
    try:
        features = tf.train.Example.FromString(serialized).features.feature
    except DecodeError as error:
        raise UserError("is no tf.train.Example") from error
    try:
        example = records.parse_record(serialized, instances=records.INSTANCE in features)
    except tf.errors.OpError as error:
        raise UserError(f"cannot be decoded ({_first_line(error)})") from error
    name = example.pop("filename").numpy().decode(errors="replace")
    if features[records.LABEL].bytes_list.value[0][24:26] != EIGHT_BITS_GREY:
        raise UserError(f"{name}: its label is no 8-bit grey PNG")
    sizes = {key: tuple(array.shape[:2]) for key, array in example.items()}
    if records.HEIGHT in features and records.WIDTH in features:
        sizes["size"] = tuple(
            next(iter(features[key].int64_list.value), None)
            for key in (records.HEIGHT, records.WIDTH)
        )
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{key} {size}" for key, size in sizes.items())
        raise UserError(f"{name}: sizes (height, width) differ: {listed}")
    pixels = np.bincount(example["label"].numpy().ravel(), minlength=IGNORE_LABEL + 1)
    unknown = num_classes + np.flatnonzero(pixels[num_classes:IGNORE_LABEL])
    if unknown.size:
        raise UserError(f"{name}: label {unknown[0]} is out of range 0..{num_classes - 1}")
    return pixels


def _first_line(error):
    return error.message.splitlines()[0]
