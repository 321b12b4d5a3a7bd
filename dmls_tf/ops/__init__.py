"""Pure functions in `keras.ops`: distance transforms, level sets, resizing."""

from dmls_tf.ops.banded_distance import signed_distance
from dmls_tf.ops.boundaries import boundary_distance, label_changes
from dmls_tf.ops.distance_transform import (
    euclidean_distance_transform,
    generalized_distance_transform,
)
from dmls_tf.ops.level_set import assign, curvature, evolve, region_force
from dmls_tf.ops.region_statistics import gaussian_log_likelihood
from dmls_tf.ops.resize import resize_bilinear

__all__ = [
    "assign",
    "boundary_distance",
    "curvature",
    "euclidean_distance_transform",
    "evolve",
    "gaussian_log_likelihood",
    "generalized_distance_transform",
    "label_changes",
    "region_force",
    "resize_bilinear",
    "signed_distance",
]
