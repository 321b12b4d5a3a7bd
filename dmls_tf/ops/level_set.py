"""Multiphase level sets: force, curvature, evolution and assignment.

N phases share an image, each with a level-set function that is negative inside its region
(eq. 4). Arrays are phases-first, `[B, N, H, W]`, float32. phi is a distance in pixels, with unit
slope inside its band, or minus a margin of logits. One step of the evolution is

    phi <- phi - dt (F |grad phi|_upwind - epsilon K |grad phi|_central)          (eq. 7)

with a force F that is bounded to [-1, 1]: a contour moves by at most one pixel per unit time.
Both terms together are stable up to dt = 0.4, the force alone up to 0.7. Two phases, of which the
left one grows for a unit of time:

    >>> left = np.array([-1.5, -0.5, 0.5, 1.5], "float32")
    >>> phi = np.stack([left, -left]).reshape(1, 2, 1, 4)
    >>> force = np.array([1.0, -1.0], "float32").reshape(1, 2, 1, 1)
    >>> print(np.asarray(assign(phi)), np.asarray(assign(evolve(phi, force, 2, dt=0.5, epsilon=0))))
    [[[0 0 1 1]]] [[[0 0 0 1]]]

Tried, and not faster on a CPU: one replicated border instead of zero fluxes through it, T at the
pixels averaged to the faces, sums over the phases written out, conditions between the stages.
"""

import math

from keras import ops

from dmls_tf.backend import repeat
from dmls_tf.ops.finite_differences import (
    X,
    Y,
    central_difference,
    central_norm,
    divergence,
    face_average,
    forward_difference,
    upwind_norm,
)
from dmls_tf.ops.types import Tensor, as_tensor

# Added to |grad phi|^2 of a unit-slope phi: with 1e-8 the gradient of twenty steps reaches 1e20.
NORMAL_SMOOTHING = 1e-2


def region_force(log_likelihood: Tensor, rho: float | None = None, scale: float = 1.0) -> Tensor:
    """The competition of regions, F_i = log f_i - max(rho, max_{j != i} log f_j) (eqs 9, 10).

    Positive where the pixel belongs to phase i, which then grows.

    Args:
        log_likelihood: log f, `[B, N, H, W]`, N >= 2.
        rho: threshold of eq. 10, or None for none. The paper's 0.5 lies above every
            log-probability, which leaves only negative forces.
        scale: factor before the force is clipped to [-1, 1].

    Returns:
        `[B, N, H, W]` in [-1, 1].

    >>> log_likelihood = np.array([[2.0, 0.0], [1.5, 3.0]]).reshape(1, 2, 1, 2)
    >>> print(np.asarray(region_force(log_likelihood))[0, :, 0])  # one row per phase
    [[ 0.5 -1. ]
     [-0.5  1. ]]
    """
    return force_of_some(log_likelihood, largest_two(log_likelihood), rho, scale)


def force_of_some(
    log_likelihood: Tensor, strongest: tuple[Tensor, Tensor], rho: float | None, scale: float
) -> Tensor:
    """`region_force` of some of the phases.

    Args:
        log_likelihood: of these phases, `[B, M, H, W]`.
        strongest: `largest_two` of all phases.
        rho, scale: see `region_force`.

    Returns:
        `[B, M, H, W]` in [-1, 1].
    """
    return ops.clip(scale * margin(log_likelihood, strongest, rho), -1.0, 1.0)


def margin(
    values: Tensor, strongest: tuple[Tensor, Tensor], at_least: float | None = None
) -> Tensor:
    """v_i - max(at_least, max_{j != i} v_j): by how much phase i leads, negative where it does not.

    Args:
        values: of some of the phases, `[B, M, H, W]`.
        strongest: `largest_two` of all phases.
        at_least: see the formula; None for no limit.

    Returns:
        `[B, M, H, W]`.

    >>> logits = np.array([5.0, 3.0, 1.0]).reshape(1, 3, 1, 1)
    >>> print(np.asarray(margin(logits, largest_two(logits))).ravel())
    [ 2. -2. -4.]
    """
    largest, second = strongest
    strongest_other = ops.where(ops.equal(values, largest), second, largest)
    if at_least is not None:
        strongest_other = ops.maximum(strongest_other, at_least)
    return values - strongest_other


def logits_with(margins: Tensor) -> Tensor:
    """The logits that have these margins, up to a constant per pixel: the inverse of `margin`.

    The leading phase is ahead of the second by the mean of what both margins say: that is the same
    for the margins of any logits, but not after an evolution. The argmax is that of the margins.

    Args:
        margins: of all phases, `[B, N, H, W]`.

    Returns:
        `[B, N, H, W]`; the largest is 0 where the margins are those of logits.

    >>> print(np.asarray(logits_with(np.array([2.0, -2.0, -4.0]).reshape(1, 3, 1, 1))).ravel())
    [ 0. -2. -4.]
    """
    largest, second = largest_two(margins)
    return ops.where(ops.equal(margins, largest), 0.5 * (largest + second), margins)


def largest_two(values: Tensor) -> tuple[Tensor, Tensor]:
    """The two largest values of each pixel, equal in a tie: two arrays `[B, 1, H, W]`.

    Plane by plane: a fifth of the time of masking the maximum of all and looking again.
    """
    first, *others = ops.unstack(values, axis=1)
    largest, second = first, ops.full_like(first, -math.inf)
    for plane in others:
        second = ops.maximum(second, ops.minimum(largest, plane))
        largest = ops.maximum(largest, plane)
    return largest[:, None], second[:, None]


def curvature(phi: Tensor, num_phases: float | None = None) -> Tensor:
    """K_i = div(T n_i), n_i = grad phi_i / |grad phi_i|, T = mean_j n_j n_j^T (eqs 7, 8).

    T is a 2 x 2 matrix per pixel, evaluated with the normals on the faces between pixels.

    Args:
        phi: `[B, N, H, W]`.
        num_phases: what the mean divides by, if phi holds only some of the N phases; N by default.

    Returns:
        `[B, N, H, W]`, 1 / pixels; 1/r on a circle of radius r when N = 1.
    """
    phi = as_tensor(phi)
    count = float(num_phases or phi.shape[1])
    flux_x = _tensor_flux(*_normal_at_faces(phi, X, Y), count)
    flux_y = _tensor_flux(*_normal_at_faces(phi, Y, X), count)
    return divergence(flux_x, flux_y)


def _normal_at_faces(phi: Tensor, axis: int, other_axis: int) -> tuple[Tensor, Tensor]:
    """Unit normal on the faces along `axis`: (component across the face, component along it)."""
    across = forward_difference(phi, axis)
    along = face_average(central_difference(phi, other_axis), axis)
    length = ops.rsqrt(across * across + along * along + NORMAL_SMOOTHING)
    return across * length, along * length


def _tensor_flux(across: Tensor, along: Tensor, count: float) -> Tensor:
    """The component across the face of T n_i: sum_j (n_j . n_i) n_j,across / number of phases."""
    t_across = ops.sum(across * across, axis=1, keepdims=True) / count
    t_along = ops.sum(across * along, axis=1, keepdims=True) / count
    return t_across * across + t_along * along


def evolve(
    phi: Tensor,
    force: Tensor,
    evolution_steps: int,
    dt: float,
    epsilon: float = 1.0,
    num_phases: float | None = None,
) -> Tensor:
    """Moves the level-set functions for a time of `evolution_steps * dt` (eq. 7).

    Args:
        phi: `[B, N, H, W]`, pixels or any other unit.
        force: `[B, N, H, W]` in [-1, 1], constant in time; positive lets a phase grow.
        evolution_steps: number of explicit steps.
        dt: time step.
        epsilon: weight of the curvature; 0 leaves it out.
        num_phases: see `curvature`.

    Returns:
        `[B, N, H, W]`, in the unit of `phi`.
    """
    phi, force = as_tensor(phi), as_tensor(force)

    def step(phi: Tensor) -> Tensor:
        change = force * upwind_norm(phi, force)
        if epsilon:
            change = change - epsilon * curvature(phi, num_phases) * central_norm(phi)
        return phi - dt * change

    return repeat(step, evolution_steps, phi)


def assign(phi: Tensor) -> Tensor:
    """The phase of each pixel, argmin_i phi_i (eq. 6): int32 `[B, H, W]`, no overlap, no void."""
    return ops.cast(ops.argmin(as_tensor(phi), axis=1), "int32")
