"""Finite differences on the pixel grid, spacing 1, with replicated (Neumann) borders.

Every function works along the last two axes, `[..., H, W]`, so that a batch of level-set
functions is held phases-first, `[B, N, H, W]`: the long inner loops then run over one
contiguous plane, which took 0.6 of the time of the channels-last layout on a CPU.
Cell values live on pixels, fluxes on the faces between two of them.

    >>> phi = np.array([[0.0, 1.0, 3.0, 3.0]])
    >>> print(np.asarray(forward_difference(phi, X)))
    [[1. 2. 0.]]
    >>> print(np.asarray(central_difference(phi, X)))
    [[0.5 1.5 1.  0. ]]
"""

from keras import ops

from dmls_tf.ops.types import Tensor

X, Y = -1, -2


def trim(array: Tensor, axis: int, first: int | Tensor, last: int | Tensor) -> Tensor:
    """The array without its `first` and `last` elements along an axis.

    `ops.slice`, whose gradient is a padding: three times faster in TensorFlow than indexing.
    """
    start, size = [0] * len(array.shape), list(ops.shape(array))
    start[axis] = first
    size[axis] = size[axis] - first - last
    return ops.slice(array, start, size)


def pad(
    array: Tensor, axis: int, first: int | Tensor, last: int | Tensor, value: float = 0
) -> Tensor:
    """The array with `first` and `last` elements more along an axis, all of one value."""
    widths = [[0, 0] for _ in array.shape]
    widths[axis] = [first, last]
    return ops.pad(array, widths, constant_values=value)


def forward_difference(phi: Tensor, axis: int) -> Tensor:
    """phi[x+1] - phi[x] on the inner faces: one element shorter along `axis`."""
    return trim(phi, axis, 1, 0) - trim(phi, axis, 0, 1)


def one_sided_differences(phi: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Returns (phi[x] - phi[x-1], phi[x+1] - phi[x]), both of the shape of `phi`."""
    # Replicating the border makes the difference across it zero.
    faces = pad(forward_difference(phi, axis), axis, 1, 1)
    return trim(faces, axis, 0, 1), trim(faces, axis, 1, 0)


def central_difference(phi: Tensor, axis: int) -> Tensor:
    """(phi[x+1] - phi[x-1]) / 2, of the shape of `phi`."""
    backward, forward = one_sided_differences(phi, axis)
    return 0.5 * (backward + forward)


def face_average(values: Tensor, axis: int) -> Tensor:
    """(values[x] + values[x+1]) / 2 on the inner faces: one element shorter along `axis`."""
    return 0.5 * (trim(values, axis, 1, 0) + trim(values, axis, 0, 1))


def divergence(flux_x: Tensor, flux_y: Tensor) -> Tensor:
    """Divergence of fluxes on the inner faces; nothing flows through the image border.

    Args:
        flux_x: `[..., H, W-1]`, through the faces between horizontal neighbours.
        flux_y: `[..., H-1, W]`, through the faces between vertical neighbours.

    Returns:
        `[..., H, W]`.
    """
    out_x = forward_difference(pad(flux_x, X, 1, 1), X)
    out_y = forward_difference(pad(flux_y, Y, 1, 1), Y)
    return out_x + out_y


def central_norm(phi: Tensor) -> Tensor:
    """|grad phi| by central differences, of the shape of `phi`."""
    dx, dy = central_difference(phi, X), central_difference(phi, Y)
    return _root(dx * dx + dy * dy)


def upwind_norm(phi: Tensor, speed: Tensor) -> Tensor:
    """|grad phi| by Godunov's upwind scheme for phi_t + speed |grad phi| = 0.

    Differences are taken from the side the front comes from, so an expanding front neither
    oscillates nor leaks (Osher and Sethian, 1988).

    Args:
        phi: `[..., H, W]`.
        speed: `[..., H, W]`, only its sign matters.
    """
    sign = ops.cast(ops.where(speed > 0, 1.0, -1.0), phi.dtype)
    total = 0.0
    for axis in (X, Y):
        backward, forward = one_sided_differences(phi, axis)
        upwind = ops.relu(ops.maximum(sign * backward, -sign * forward))
        total = total + upwind * upwind
    return _root(total)


def _root(squared: Tensor) -> Tensor:
    """The square root, with a derivative at 0; exactly 0 there, so that what is flat stays."""
    smoothing = 2.0**-20
    return ops.sqrt(squared + smoothing**2) - smoothing
