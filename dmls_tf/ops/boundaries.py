"""Where a label map changes, and how far away that is."""

from keras import ops

from dmls_tf import IGNORE_LABEL
from dmls_tf.ops.distance_transform import euclidean_distance_transform
from dmls_tf.ops.finite_differences import pad, trim
from dmls_tf.ops.types import Tensor, as_tensor


def label_changes(labels: Tensor, ignore_label: int = IGNORE_LABEL) -> Tensor:
    """Pixels with another valid label in their 4-neighbourhood: bool `[B, H, W]`.

    Args:
        labels: integers `[B, H, W]`.
        ignore_label: of pixels that are not valid: no boundary runs along them.

    >>> print(np.asarray(label_changes(np.array([[[3, 3, 3, 5, 5, 255, 7]]]))))
    [[[False False  True  True False False False]]]
    """
    labels = as_tensor(labels)
    valid = ops.not_equal(labels, ignore_label)
    changes = ops.zeros_like(valid)
    for axis in (1, 2):
        differs = ops.logical_and(
            ops.not_equal(trim(labels, axis, 0, 1), trim(labels, axis, 1, 0)),
            ops.logical_and(trim(valid, axis, 0, 1), trim(valid, axis, 1, 0)),
        )
        for sides in ((0, 1), (1, 0)):
            changes = ops.logical_or(changes, pad(differs, axis, *sides, value=False))
    return changes


def boundary_distance(
    labels: Tensor, max_distance: int, ignore_label: int = IGNORE_LABEL
) -> Tensor:
    """Pixels to the nearest pixel beside a boundary, 0 there, at most `max_distance`.

    Args:
        labels: integers `[B, H, W]`.
        max_distance: positive.
        ignore_label: see `label_changes`.

    Returns:
        float32 `[B, H, W]`.

    >>> print(np.asarray(boundary_distance(np.array([[[3, 3, 3, 5, 5, 5, 5]]]), max_distance=2)))
    [[[2. 1. 0. 0. 1. 2. 2.]]]
    """
    elsewhere = ops.logical_not(label_changes(labels, ignore_label))[..., None]
    return euclidean_distance_transform(elsewhere, max_distance)[..., 0]
