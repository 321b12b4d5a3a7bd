"""Distances up to a band: all that a level set needs, and what the network calls.

A squared distance separates into two passes, each along one axis; within a band both compare every
shift, in small integers:

    D(x, y)^2 = min_i [ (x - i)^2 + min_j [ (y - j)^2 + f(i, j) ] ],   |x - i|, |y - j| < r.

Tried, and not kept, on a CPU: float16 instead of int16 (0.7 of the time in TensorFlow's graph,
twice the time under XLA).
"""

import math
from collections.abc import Callable

from keras import ops

from dmls_tf.errors import UserError
from dmls_tf.ops.finite_differences import pad, trim
from dmls_tf.ops.types import Tensor


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


def signed_distance_phases_first(
    labels: Tensor, num_classes: int, band: float, portable: bool = False
) -> Tensor:
    """`signed_distance` as `[B, N, H, W]`; every label must lie in `[0, num_classes)`, N >= 2.

    `portable` keeps to operations that ONNX and LiteRT have, with the same result.
    """
    return _signed_distance(labels, num_classes, band, 1, portable)


def _signed_distance(
    labels: Tensor, num_classes: int, band: float, class_axis: int, portable: bool = False
) -> Tensor:
    if not band > 0:
        raise UserError(f"band must be positive, got {band}")
    classes = ops.reshape(ops.arange(num_classes, dtype="int32"), [-1] + [1] * (3 - class_axis))
    inside = ops.equal(ops.expand_dims(ops.cast(labels, "int32"), class_axis), classes)
    # What is not inside a class is inside another: its distance to the outside is the smallest
    # of the distances to the others, and one transform a class serves both sides.
    limit = math.ceil(band) + 1
    axes = (1, 2) if class_axis == 3 else (2, 3)
    outer = near_squared(inside, limit, (1, 1), axes, portable)
    inside = ops.cast(inside, outer.dtype)
    others = outer + inside * ops.cast(limit**2, outer.dtype)
    inner = ops.min(others, axis=class_axis, keepdims=True)
    distance = ops.sqrt(ops.cast(outer + inside * inner, "float32")) - 0.5
    signed = ops.minimum(distance, float(band)) * ops.cast(1 - 2 * inside, "float32")
    return ops.stop_gradient(signed)


def near_squared(
    target: Tensor,
    max_distance: float,
    spacing: tuple[float, float],
    axes: tuple[int, int],
    portable: bool = False,
) -> Tensor:
    """Squared distances along two axes, exact below `max_distance`^2, elsewhere not below it.

    Args:
        target: bool; distances are to its true elements.
        max_distance: in the unit of `spacing`.
        spacing: of the elements along the two axes.
        axes: of `target`.
        portable: compute in float32 instead of small integers, which LiteRT does not add and
            tf2onnx does not pad, and whether or not there is a target.
    """
    limits = [math.ceil(max_distance / along) for along in spacing]
    dtype = "float32" if portable else integer_for(max(limits))
    present = None if portable else ops.any(target)
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


def near_steps(steps: Tensor, axis: int, limit: int) -> Tensor:
    """Steps along an axis to the nearest zero of `steps`, which is `limit` elsewhere."""
    padded = pad(steps, axis, limit - 1, limit - 1, limit)
    reach, step = limit - 1, 1
    while reach > 0:  # 1, 2, 4, ...: every distance below `limit` is a sum of some of them
        step = min(step, reach)
        sides = ops.minimum(trim(padded, axis, 0, 2 * step), trim(padded, axis, 2 * step, 0))
        padded = ops.minimum(trim(padded, axis, step, step), sides + ops.cast(step, sides.dtype))
        reach, step = reach - step, 2 * step
    return padded


def near_envelope(cost: Tensor, axis: int, reach: int, far: float, spacing: float = 1) -> Tensor:
    """min over |k| <= reach of cost[x + k] + (spacing k)^2; beyond the border the cost is `far`."""
    padded = pad(cost, axis, reach, reach, far)
    envelope = cost
    for k in range(1, reach + 1):
        left = trim(padded, axis, reach - k, reach + k)
        right = trim(padded, axis, reach + k, reach - k)
        raised = ops.minimum(left, right) + ops.cast((spacing * k) ** 2, cost.dtype)
        envelope = ops.minimum(envelope, raised)
    return envelope


def integer_for(limit: int) -> str:
    """The integer type that holds a sum of two squares up to limit^2 each."""
    return "int16" if 2 * limit**2 < 2**15 else "int32"


def _along(
    axis: int, function: Callable[[Tensor, int], Tensor], array: Tensor, present: Tensor | None
) -> Tensor:
    """Applies a function along an axis, in front if it is not the last one.

    There slices are free in TensorFlow's graph. Without a target there is nothing to do. This
    condition also keeps XLA from merging the two passes, which would evaluate the first one again
    for each shift of the second. With None it is left out, and so is the transposition, whose shape
    tf2onnx gets wrong.
    """
    if present is None:
        return function(array, axis)
    front = -1 if axis == len(array.shape) - 1 else 0
    array = ops.moveaxis(array, axis, front)
    array = ops.cond(present, lambda: function(array, front), lambda: array)
    return ops.moveaxis(array, front, axis)
