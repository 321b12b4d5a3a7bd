"""Exact Euclidean distance transforms in `keras.ops`: any backend, no callback, no custom op.

The squared distance separates: a minimum over parabolas along the columns, then along the rows,

    D(x, y)^2 = min_i [ (x - i)^2 + min_j [ (y - j)^2 + f(i, j) ] ],   f = 0 on zeros, else inf.

When only distances below `max_distance` matter, as in a level set's narrow band, each minimum
runs over a short window of shifts. Otherwise a loop takes one shift after another and stops as
soon as a further shift cannot lower any pixel.

    >>> euclidean_distance_transform([[[0], [1], [1]]])[..., 0]     # one image, 1 x 3 pixels
    [[0., 1., 2.]]
"""

import math

from keras import ops

from dmls_tf.errors import UserError
from dmls_tf.ops.finite_differences import X, Y, trim


def euclidean_distance_transform(mask, max_distance=None):
    """Distance in pixels from each non-zero pixel to the nearest zero pixel of its channel.

    The convention of SciPy, OpenCV and TensorFlow Addons. Masks have no useful derivative: the
    gradient is zero.

    Args:
        mask: `[B, H, W, C]` of bool, integers or floats; zero or not is all that counts.
        max_distance: pixels; larger distances are reported as this value. Much faster.

    Returns:
        float32 `[B, H, W, C]`. A channel without a zero pixel holds `max_distance`, or infinity.

    Raises:
        UserError: a mask that has not four axes, or a `max_distance` that is not positive.
    """
    mask = ops.convert_to_tensor(mask)
    if len(mask.shape) != 4:
        raise UserError(f"mask must have the axes [B, H, W, C], got the shape {mask.shape}")
    if max_distance is not None and not max_distance > 0:
        raise UserError(f"max_distance must be positive, got {max_distance}")
    zero = ops.transpose(ops.equal(mask, ops.cast(0, mask.dtype)), (0, 3, 1, 2))
    return ops.transpose(distance_to(zero, max_distance), (0, 2, 3, 1))


def distance_to(target, max_distance=None):
    """Distance in pixels from every pixel to the nearest true pixel of its plane.

    Args:
        target: bool `[..., H, W]`.
        max_distance: as in `euclidean_distance_transform`.

    Returns:
        float32 `[..., H, W]`, no gradient.
    """
    cost = ops.where(target, 0.0, math.inf if max_distance is None else max_distance**2)
    minimum = (
        _minimum_over_parabolas if max_distance is None else _minimum_over_window(max_distance)
    )
    return ops.stop_gradient(ops.sqrt(minimum(minimum(cost, Y), X)))


def signed_distance(labels, num_classes, band):
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
    """
    phases_first = signed_distance_phases_first(labels, num_classes, band)
    return ops.transpose(phases_first, (0, 2, 3, 1))


def signed_distance_phases_first(labels, num_classes, band):
    """`signed_distance` as `[B, N, H, W]`, the layout of `dmls_tf.ops.level_set`."""
    if not band > 0:
        raise UserError(f"band must be positive, got {band}")
    classes = ops.reshape(ops.arange(num_classes, dtype="int32"), (1, -1, 1, 1))
    inside = ops.equal(ops.expand_dims(ops.cast(labels, "int32"), 1), classes)
    # The inside distance eta(1 - M_i) is the distance to the nearest other class: one transform
    # a class serves both sides.
    outer = distance_to(inside, max_distance=band + 1)
    if num_classes == 1:
        inner = distance_to(ops.logical_not(inside), max_distance=band + 1)
    else:
        inner = minimum_of_others(outer)
    signed = outer - inner + ops.cast(inside, "float32") - 0.5
    return ops.clip(signed, -float(band), float(band))


def minimum_of_others(values):
    """min over j != i of values_j, for every i, from the two smallest values of a pixel.

    Args:
        values: `[B, N, H, W]`, N >= 2.
    """
    lowest, second = _two_smallest(values)
    return ops.where(ops.equal(values, lowest), second, lowest)


def _two_smallest(values):
    """The smallest value over axis 1 and the next one (equal to it where two phases tie)."""
    lowest = ops.min(values, axis=1, keepdims=True)
    at_lowest = ops.equal(values, lowest)
    ties = ops.sum(ops.cast(at_lowest, "float32"), axis=1, keepdims=True) > 1.5
    above = ops.min(ops.where(at_lowest, math.inf, values), axis=1, keepdims=True)
    return lowest, ops.where(ties, lowest, above)


def _minimum_over_window(max_distance):
    """min over |k| < max_distance of cost[x + k] + k^2: shifts that are further cannot matter."""
    radius = math.ceil(max_distance) - 1

    def minimum(cost, axis):
        widths = [[0, 0] for _ in cost.shape]
        widths[axis] = [radius, radius]
        padded = ops.pad(cost, widths, constant_values=float(max_distance**2))
        result = cost
        for shift in range(1, radius + 1):
            for first in (radius - shift, radius + shift):
                shifted = trim(padded, axis, first, 2 * radius - first)
                result = ops.minimum(result, shifted + float(shift * shift))
        return result

    return minimum


def _minimum_over_parabolas(cost, axis):
    """min over all k of cost[x + k] + k^2, one shift at a time, until none can lower a pixel."""
    length = ops.shape(cost)[axis]
    shape = [1] * len(cost.shape)
    shape[axis] = -1
    position = ops.reshape(ops.arange(length, dtype="int32"), shape)

    def may_improve(shift, result):
        squared = ops.cast(shift * shift, "float32")
        return ops.logical_and(shift < length, squared < ops.max(result))

    def improve(shift, result):
        squared = ops.cast(shift * shift, "float32")
        left = ops.where(position >= shift, ops.roll(cost, shift, axis=axis), math.inf)
        right = ops.where(position < length - shift, ops.roll(cost, -shift, axis=axis), math.inf)
        return shift + 1, ops.minimum(result, ops.minimum(left, right) + squared)

    start = ops.convert_to_tensor(1, dtype="int32")
    return ops.while_loop(may_improve, improve, (start, ops.stop_gradient(cost)))[1]
