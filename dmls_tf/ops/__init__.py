"""Pure functions in `keras.ops`: distance transforms, finite differences, level sets."""

from dmls_tf.ops.distance_transform import euclidean_distance_transform, signed_distance
from dmls_tf.ops.level_set import assign, curvature, evolve, region_force

__all__ = [
    "assign",
    "curvature",
    "euclidean_distance_transform",
    "evolve",
    "region_force",
    "signed_distance",
]
