"""Euclidean distance transforms in `keras.ops`: any backend, no callback, no custom operation.

Exact to float32 rounding, or cut off at `max_distance`, which is much faster: all that a level
set in a narrow band needs. Sizes may be unknown when TensorFlow traces a graph.

    >>> mask = [[[[1], [1], [0], [1], [1]]]]  # one image of 1 x 5 pixels, one channel
    >>> print(np.ravel(euclidean_distance_transform(mask)))
    [2. 1. 0. 1. 2.]
    >>> print(np.ravel(euclidean_distance_transform(mask, sampling=(1, 0.5))))
    [1.  0.5 0.  0.5 1. ]
"""

import math
from collections.abc import Callable, Iterable

from keras import ops

from dmls_tf.errors import UserError
from dmls_tf.ops.parabolas import (
    integer_for,
    lower_envelope,
    lower_envelope_argmin,
    near_envelope,
    near_steps,
    steps_along_first_axis,
)
from dmls_tf.ops.types import Tensor

# Beyond this many shifts a pass is a loop: unrolled, the graph would grow without a gain.
MAX_UNROLLED = 64


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
    mask = ops.convert_to_tensor(mask)
    _check_axes("mask", mask)
    if max_distance is not None and not max_distance > 0:
        raise UserError(f"max_distance must be positive, got {max_distance}")
    spacing = _spacing(sampling)
    target = ops.equal(mask, ops.cast(0, mask.dtype))
    if max_distance is None or max_distance / min(spacing) > MAX_UNROLLED:
        distance = _far_distance(target, spacing)
    else:
        squared = _near_squared(target, max_distance, spacing, axes=(1, 2))
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
        cost: float `[B, H, W, C]`, finite or +infinity.
        sampling: as in `euclidean_distance_transform`.

    Returns:
        `[B, H, W, C]`, float64 for a float64 cost, else float32.

    Raises:
        UserError: a cost that has not four axes or is not float; see also `sampling` there.

    >>> cost = [[[[9.0], [0.0], [9.0], [9.0], [3.0]]]]
    >>> print(np.ravel(generalized_distance_transform(cost)))
    [1. 0. 1. 4. 3.]
    """
    cost = ops.convert_to_tensor(cost)
    _check_axes("cost", cost)
    if "float" not in str(cost.dtype):
        raise UserError(f"cost must be float, got {cost.dtype}")
    if cost.dtype != "float64":
        cost = ops.cast(cost, "float32")
    along_y, along_x = _spacing(sampling)
    columns = ops.swapaxes(_at_minimiser(cost, along_y), 1, 2)
    return ops.swapaxes(_at_minimiser(columns, along_x), 1, 2)


def signed_distance(labels: Tensor, num_classes: int, band: float) -> Tensor:
    """The clipped signed distance functions of a partition (Algorithm 1, line 2).

    phi_i = eta(M_i) - eta(1 - M_i) + M_i - 0.5, where M_i is the mask of class i and eta(M) the
    distance to the nearest pixel of M: negative inside (eq. 4), -0.5 and +0.5 on the two sides
    of an interface.

    Args:
        labels: integers `[B, H, W]` in `[0, num_classes)`; other values belong to no class.
        num_classes: N.
        band: pixels; the result is clipped to `[-band, band]`.

    Returns:
        float32 `[B, H, W, N]`, pixels, no gradient.

    Raises:
        UserError: a band that is not positive.

    >>> phi = signed_distance([[[0, 0, 1, 1]]], num_classes=2, band=8)
    >>> print(np.asarray(phi)[0, 0].T)  # of each class, along the row
    [[-1.5 -0.5  0.5  1.5]
     [ 1.5  0.5 -0.5 -1.5]]
    """
    labels = ops.cast(labels, "int32")
    known = ops.logical_and(labels >= 0, labels < num_classes)
    # Pixels of no class are a class of their own for the distance to the outside.
    labels = ops.where(known, labels, num_classes)
    return _signed_distance(labels, num_classes + 1, band, class_axis=3)[..., :num_classes]


def signed_distance_phases_first(labels: Tensor, num_classes: int, band: float) -> Tensor:
    """`signed_distance` as `[B, N, H, W]`; every label must lie in `[0, num_classes)`, N >= 2."""
    return _signed_distance(labels, num_classes, band, class_axis=1)


def _signed_distance(labels: Tensor, num_classes: int, band: float, class_axis: int) -> Tensor:
    if not band > 0:
        raise UserError(f"band must be positive, got {band}")
    classes = ops.reshape(ops.arange(num_classes, dtype="int32"), [-1] + [1] * (3 - class_axis))
    inside = ops.equal(ops.expand_dims(ops.cast(labels, "int32"), class_axis), classes)
    # What is not inside a class is inside another: its distance to the outside is the smallest
    # of the distances to the others, and one transform a class serves both sides.
    limit = math.ceil(band) + 1
    outer = _near_squared(inside, limit, (1, 1), axes=(1, 2) if class_axis == 3 else (2, 3))
    inside = ops.cast(inside, outer.dtype)
    others = outer + inside * ops.cast(limit**2, outer.dtype)
    inner = ops.min(others, axis=class_axis, keepdims=True)
    distance = ops.sqrt(ops.cast(outer + inside * inner, "float32")) - 0.5
    signed = ops.minimum(distance, float(band)) * ops.cast(1 - 2 * inside, "float32")
    return ops.stop_gradient(signed)


def _near_squared(
    target: Tensor, max_distance: float, spacing: tuple[float, float], axes: tuple[int, int]
) -> Tensor:
    """Squared distances along two axes, exact below `max_distance`^2, elsewhere not below it."""
    limits = [math.ceil(max_distance / along) for along in spacing]
    dtype = integer_for(max(limits))
    present = ops.any(target)
    steps = ops.cast(limits[0], dtype) * ops.cast(ops.logical_not(target), dtype)
    steps = _along(axes[0], lambda a, axis: near_steps(a, axis, limits[0]), steps, present)
    far: float = limits[0] ** 2
    if spacing == (1, 1):
        cost = steps * steps
    else:
        cost, far = ops.square(spacing[0] * ops.cast(steps, "float32")), math.inf
    return _along(
        axes[1],
        lambda a, axis: near_envelope(a, axis, limits[1] - 1, far, spacing[1]),
        cost,
        present,
    )


def _along(
    axis: int, function: Callable[[Tensor, int], Tensor], array: Tensor, present: Tensor
) -> Tensor:
    """Applies a function along an axis, in front if it is not the last one.

    There slices are free in TensorFlow's graph. Without a target there is nothing to do. This
    condition also keeps XLA from merging the two passes, which would evaluate the first one again
    for each shift of the second.
    """
    front = -1 if axis == len(array.shape) - 1 else 0
    array = ops.moveaxis(array, axis, front)
    array = ops.cond(present, lambda: function(array, front), lambda: array)
    return ops.moveaxis(array, front, axis)


def _far_distance(target: Tensor, spacing: tuple[float, float]) -> Tensor:
    """Distances without a limit, infinity where there is no target: `[B, H, W, C]`."""
    steps = steps_along_first_axis(ops.moveaxis(target, 1, 0))
    columns = ops.transpose(ops.square(spacing[0] * steps), (1, 2, 0, 3))
    return ops.sqrt(ops.swapaxes(lower_envelope(columns, spacing[1]), 1, 2))


def _at_minimiser(cost: Tensor, spacing: float) -> Tensor:
    """min_i cost[b, i, m, c] + (spacing (x - i))^2, differentiable: it looks the minimiser up."""
    index = ops.stop_gradient(lower_envelope_argmin(ops.stop_gradient(cost), spacing))
    position = ops.reshape(ops.arange(ops.shape(cost)[1], dtype="int32"), (1, -1, 1, 1))
    shift = spacing * ops.cast(position - index, cost.dtype)
    return ops.take_along_axis(cost, index, axis=1) + shift * shift


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
    return pair
