"""What the labels of each data set mean, and `dataset.json`, which travels with its records."""

from dmls_tf.datasets.benchmarks import CAMVID, CITYSCAPES, ade20k, mapillary
from dmls_tf.datasets.info import INFO_FILE, DatasetInfo, ShardInfo, SplitInfo, doubts
from dmls_tf.datasets.spec import DatasetSpec, Scoring, SubmissionFormat, color_wheel

__all__ = [
    "CAMVID",
    "CITYSCAPES",
    "INFO_FILE",
    "DatasetInfo",
    "DatasetSpec",
    "Scoring",
    "ShardInfo",
    "SplitInfo",
    "SubmissionFormat",
    "ade20k",
    "color_wheel",
    "doubts",
    "mapillary",
]
