"""Whole splits; what is said of missing and damaged shards is in tests/input_pipeline."""

import numpy as np
import pytest
import tensorflow as tf

from dmls_tf.datasets import DatasetInfo
from dmls_tf.errors import UserError
from dmls_tf.records.reading import faults_named, read_split


def test_several_splits_are_one(synthetic_records):
    both = DatasetInfo.load(synthetic_records).split("train+val")
    assert both.num_images == 16
    names = [e["filename"].numpy() for e in read_split(synthetic_records, "train+val")]
    assert len(set(names)) == 16
    assert sum(name.startswith(b"val") for name in names) == 4
    with pytest.raises(UserError, match="no split 'test'"):
        read_split(synthetic_records, "train+test")


def test_records_hold_the_labels_that_were_counted(synthetic_records):
    counts = np.zeros(256, int)
    for example in read_split(synthetic_records, "train"):
        assert example["image"].shape == (48, 64, 3)
        counts += np.bincount(example["label"].numpy().ravel(), minlength=256)
    split = DatasetInfo.load(synthetic_records).split("train")
    assert tuple(counts[:8]) == split.class_pixels
    assert counts[255] == split.ignored_pixels


def test_other_errors_stay_what_they_are(synthetic_records):
    error = tf.errors.InvalidArgumentError
    with pytest.raises(error), faults_named(synthetic_records, "train"):
        tf.io.decode_image(b"no record")
