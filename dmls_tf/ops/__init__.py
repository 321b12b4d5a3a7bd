"""Pure functions in `keras.ops`: distance transforms, level sets, resizing."""

from dmls_tf.ops.distance_transform import (
    euclidean_distance_transform,
    generalized_distance_transform,
    signed_distance,
)
from dmls_tf.ops.level_set import assign, curvature, evolve, region_force
from dmls_tf.ops.region_statistics import gaussian_log_likelihood
from dmls_tf.ops.resize import resize_bilinear

__all__ = [
    "assign",
    "curvature",
    "euclidean_distance_transform",
    "evolve",
    "gaussian_log_likelihood",
    "generalized_distance_transform",
    "region_force",
    "resize_bilinear",
    "signed_distance",
]
