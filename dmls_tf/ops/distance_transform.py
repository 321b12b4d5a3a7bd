"""Euclidean distance transforms in `keras.ops`: any backend, no callback, no custom operation.

Exact to float32 rounding, or cut off at `max_distance`, which is much faster up to 64 pixels: all
that a level set in a narrow band needs. Sizes may be unknown when TensorFlow traces a graph.

    >>> mask = [[[[1], [1], [0], [1], [1]]]]  # one image of 1 x 5 pixels, one channel
    >>> print(np.ravel(euclidean_distance_transform(mask)))
    [2. 1. 0. 1. 2.]
    >>> print(np.ravel(euclidean_distance_transform(mask, sampling=(1, 0.5))))
    [1.  0.5 0.  0.5 1. ]
"""

import math
from collections.abc import Iterable

from keras import ops

from dmls_tf.backend import compiled
from dmls_tf.errors import UserError
from dmls_tf.ops.banded_distance import near_squared
from dmls_tf.ops.parabolas import (
    FAR,
    lower_envelope,
    lower_envelope_argmin,
    steps_along_first_axis,
)
from dmls_tf.ops.types import Tensor, as_tensor

# Limits up to this many pixels compare shifts; above it the time does not depend on the limit.
MAX_SHIFTS = 64


def euclidean_distance_transform(
    mask: Tensor,
    max_distance: float | None = None,
    sampling: float | tuple[float, float] | None = None,
) -> Tensor:
    """Distance from each non-zero pixel to the nearest zero pixel of its channel.

    The convention of SciPy, OpenCV and TensorFlow Addons. A mask has no useful derivative: the
    gradient is zero.

    Args:
        mask: `[B, H, W, C]` of bool, integers or floats; zero or not is all that counts.
        max_distance: larger distances are reported as this value.
        sampling: spacing of the pixels, a number or a pair (along H, along W); 1 by default.

    Returns:
        float32 `[B, H, W, C]`, in the unit of `sampling`, pixels by default. A channel without
        a zero pixel holds `max_distance`, or infinity.

    Raises:
        UserError: a mask that has not four axes; a `max_distance` or `sampling` that is not
            positive, or is not one number or a pair.
    """
    mask = as_tensor(mask)
    _check_axes("mask", mask)
    if max_distance is not None and not max_distance > 0:
        raise UserError(f"max_distance must be positive, got {max_distance}")
    spacing = _spacing(sampling)
    if 0 in mask.shape:
        return ops.zeros_like(mask, dtype="float32")
    target = ops.equal(mask, ops.cast(0, mask.dtype))
    if max_distance is None or max_distance / min(spacing) > MAX_SHIFTS:
        distance = _far_distance(target, spacing)
    else:
        squared = near_squared(target, max_distance, spacing, axes=(1, 2))
        distance = ops.sqrt(ops.cast(squared, "float32"))
    if max_distance is not None:
        distance = ops.minimum(distance, float(max_distance))
    return ops.stop_gradient(distance)


def generalized_distance_transform(
    cost: Tensor, sampling: float | tuple[float, float] | None = None
) -> Tensor:
    """The squared distance transform of a real function, D(x) = min_q |x - q|^2 + cost(q).

    (Felzenszwalb and Huttenlocher, "Distance Transforms of Sampled Functions", 2012.) Of 0 on
    zeros and infinity elsewhere it is the squared Euclidean distance transform. The derivative
    with respect to the cost goes to the minimiser q: dD(x) / dcost(q) = 1. Where several attain
    the minimum one of them gets it, a subgradient.

    Args:
        cost: float `[B, H, W, C]`, below 1e38 or +infinity.
        sampling: as in `euclidean_distance_transform`.

    Returns:
        `[B, H, W, C]`, float64 for a float64 cost, else float32.

    Raises:
        UserError: a cost that has not four axes or is not float; see also `sampling` there.

    >>> cost = [[[[9.0], [0.0], [9.0], [9.0], [3.0]]]]
    >>> print(np.ravel(generalized_distance_transform(cost)))
    [1. 0. 1. 4. 3.]
    """
    cost = as_tensor(cost)
    _check_axes("cost", cost)
    if "float" not in str(cost.dtype):
        raise UserError(f"cost must be float, got {cost.dtype}")
    if cost.dtype != "float64":
        cost = ops.cast(cost, "float32")
    spacing = _spacing(sampling)
    return cost if 0 in cost.shape else _squared(cost, spacing)


@compiled
def _far_distance(target: Tensor, spacing: tuple[float, float]) -> Tensor:
    """Distances to the nearest true pixel, or infinity: `[B, H, W, C]`."""
    steps = steps_along_first_axis(ops.moveaxis(target, 1, 0))
    rows = ops.transpose(ops.square(spacing[0] * steps), (1, 0, 3, 2))
    squared = lower_envelope(rows, spacing[1])
    squared = ops.where(squared < FAR, squared, math.inf)
    return ops.sqrt(ops.transpose(squared, (0, 1, 3, 2)))


def _squared(cost: Tensor, spacing: tuple[float, float]) -> Tensor:
    """min_q |x - q|^2 + cost(q), `[B, H, W, C]`: the columns, then the rows of their minima."""
    columns = _at_minimiser(ops.transpose(cost, (0, 3, 2, 1)), spacing[0])
    rows = _at_minimiser(ops.swapaxes(columns, 2, 3), spacing[1])
    return ops.transpose(rows, (0, 2, 3, 1))


def _at_minimiser(cost: Tensor, spacing: float) -> Tensor:
    """min_i cost[..., i] + (spacing (x - i))^2, differentiable: it looks the minimiser up."""
    index = ops.stop_gradient(lower_envelope_argmin(ops.stop_gradient(cost), spacing))
    position = ops.arange(ops.shape(cost)[-1], dtype="int32")
    shift = spacing * ops.cast(position - index, cost.dtype)
    return ops.take_along_axis(cost, index, axis=-1) + shift * shift


def _check_axes(name: str, array: Tensor) -> None:
    if len(array.shape) != 4:
        raise UserError(f"{name} must have the axes [B, H, W, C], got the shape {array.shape}")


def _spacing(sampling: float | tuple[float, float] | None) -> tuple[float, float]:
    """The spacing along H and along W."""
    if sampling is None:
        return 1, 1
    pair = tuple(sampling) if isinstance(sampling, Iterable) else (sampling, sampling)
    if len(pair) != 2 or not all(along > 0 for along in pair):
        raise UserError(f"sampling must be a positive number or a pair of them, got {sampling}")
    return float(pair[0]), float(pair[1])
