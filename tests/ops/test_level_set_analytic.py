"""The evolution against solutions that are known: circles, junctions, stability, derivatives."""

import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from skimage import measure

from dmls_tf.config import CURVATURE_LIMIT, FORCE_LIMIT
from dmls_tf.ops import level_set
from dmls_tf.ops.banded_distance import signed_distance_phases_first
from dmls_tf.ops.level_set import assign, curvature, evolve
from tests.ops.fields import circle, smooth_labels


def radii_of(phi):
    """Distances of the zero contour's points from the centre of the image."""
    plane = ops.convert_to_numpy(phi)[0, 0]
    (contour,) = measure.find_contours(plane, 0)
    return np.hypot(*(contour - (np.array(plane.shape) - 1) / 2).T)


def evolved(phi, force, num_steps, dt, epsilon=1.0):
    step = tf.function(lambda phi: evolve(phi, force, 1, dt, epsilon), jit_compile=True)
    for _ in range(num_steps):
        phi = step(phi)
    return phi


def orders(errors):
    """Of convergence, from the errors on grids of which each is twice as fine."""
    return np.log2(np.array(errors[:-1]) / np.array(errors[1:]))


@pytest.mark.parametrize("speed", [1.0, -1.0])
def test_a_circle_under_a_constant_force_converges_at_first_order(speed):
    errors = []
    for size in (32, 64, 128):  # radius and way in proportion to the image
        phi = circle(size, 0.25 * size)
        phi = evolved(phi, np.full_like(phi, speed), round(0.1 * size / 0.4), 0.4, epsilon=0)
        way = 0.4 * round(0.1 * size / 0.4)
        errors.append(np.abs(radii_of(phi) - 0.25 * size - speed * way).max() / size)
    assert (orders(errors) > 0.8).all(), errors
    assert errors[-1] * size < 0.2  # pixels


def test_a_circle_under_curvature_converges_at_second_order(monkeypatch):
    # The smoothing of the normals does not shrink with the grid: without it.
    monkeypatch.setattr(level_set, "NORMAL_SMOOTHING", 1e-8)
    errors = []
    for size in (24, 48, 96):
        radius = 0.3 * size
        num_steps = round(0.2 * radius**2 / 0.4)
        phi = circle(size, radius)
        phi = evolved(phi, np.zeros_like(phi), num_steps, 0.4)
        expected = np.sqrt(radius**2 - 2 * 0.4 * num_steps)
        errors.append(np.abs(radii_of(phi).mean() - expected) / size)
    # 0.008 pixels on the coarsest grid: single errors are as small as the contour's rounding.
    assert orders(errors).mean() > 1.5, errors
    assert errors[-1] * size < 0.01  # pixels


@pytest.mark.parametrize("radius", [8, 16, 32])
def test_the_curvature_of_a_circle_is_one_over_its_radius(radius):
    phi = circle(3 * radius + 9, radius)
    near = np.abs(phi) < 0.5
    found = ops.convert_to_numpy(curvature(phi))[near].mean()
    smoothed = (1 + level_set.NORMAL_SMOOTHING) ** -1.5  # |n| < 1 enters three times
    np.testing.assert_allclose(found, smoothed / radius, rtol=0.005)


def sectors(size, turn=0.0):
    """Three sectors of 120 degrees that meet in the centre."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return (np.floor((np.arctan2(y, x) + turn) / (2 * np.pi / 3)) % 3).astype(np.int32)[None]


def test_a_triple_junction_treats_its_phases_alike():
    labels = sectors(41, turn=1.0)
    order = np.array([1, 2, 0])  # phase i of the second is phase order[i] of the first
    renamed = np.argsort(order)[labels]
    force = np.zeros((1, 3, 41, 41), np.float32)
    first = evolved(signed_distance_phases_first(labels, 3, 8), force, 30, 0.4)
    second = evolved(signed_distance_phases_first(renamed, 3, 8), force, 30, 0.4)
    np.testing.assert_allclose(second, first.numpy()[:, order], atol=1e-4)


def test_a_mirrored_junction_evolves_to_the_mirror_image():
    labels = sectors(41)
    force = np.zeros((1, 3, 41, 41), np.float32)
    first = evolved(signed_distance_phases_first(labels, 3, 8), force, 30, 0.4)
    mirrored = evolved(signed_distance_phases_first(labels[..., ::-1], 3, 8), force, 30, 0.4)
    np.testing.assert_allclose(mirrored, first.numpy()[..., ::-1], atol=1e-4)


def test_a_symmetric_junction_stays_where_it_is():
    size = 61
    labels = sectors(size)
    force = np.zeros((1, 3, size, size), np.float32)
    phi = evolved(signed_distance_phases_first(labels, 3, 8), force, 100, 0.4)
    inner = (slice(None), slice(12, -12), slice(12, -12))
    kept = (ops.convert_to_numpy(assign(phi)) == labels)[inner].mean()
    assert kept > 0.97


@pytest.mark.parametrize(("dt", "epsilon"), [(FORCE_LIMIT, 0.0), (CURVATURE_LIMIT, 1.0)])
def test_two_hundred_steps_are_stable_at_the_limits_of_the_settings(dt, epsilon, rng):
    labels = smooth_labels(rng, 5, 48, cells=12)
    phi = signed_distance_phases_first(labels, 6, 8)
    force = rng.uniform(-1, 1, phi.shape).astype(np.float32)
    phi = evolved(phi, force, 200, dt, epsilon).numpy()
    # A pixel's phi moves by at most |F| |grad phi| + curvature: bounded by the way of a front.
    assert np.isfinite(phi).all()
    assert np.abs(phi).max() < 8 + 200 * dt
    steepest = max(np.abs(np.diff(phi, axis=axis)).max() for axis in (2, 3))
    assert steepest < 200 * dt / 8
    quiet = evolved(signed_distance_phases_first(labels, 6, 8), 0 * force, 200, dt, epsilon).numpy()
    assert np.abs(quiet).max() <= 8.001  # curvature alone creates no new extremum


def test_the_presets_single_step_beyond_the_limit_moves_contours_by_two_pixels_at_most(rng):
    labels = smooth_labels(rng, 5, 48, cells=12)
    phi = signed_distance_phases_first(labels, 5, 8)
    force = rng.uniform(-1, 1, phi.shape).astype(np.float32)
    found = ops.convert_to_numpy(assign(evolved(phi, force, 1, dt=1.0, epsilon=1.0)))
    from_contour = np.sort(ops.convert_to_numpy(phi), axis=1)[:, 1]  # of the second phase
    moved = found != labels
    assert moved.any()
    assert from_contour[moved].max() <= 2


def test_where_level_sets_overlap_or_leave_a_void_each_pixel_gets_the_deepest_phase(rng):
    labels = smooth_labels(rng, 5, 48, cells=12)
    phi = signed_distance_phases_first(labels, 5, 8)
    force = rng.uniform(-1, 1, phi.shape).astype(np.float32)
    phi = evolved(phi, force, 20, 0.4)
    found, phi = ops.convert_to_numpy(assign(phi)), ops.convert_to_numpy(phi)
    inside = (phi < 0).sum(1)
    assert (inside == 0).any()
    assert (inside > 1).any()
    own = np.take_along_axis(phi, found[:, None], axis=1)
    assert (own <= phi).all()
    assert (own[:, 0][inside == 1] < 0).all()


def test_gradients_are_those_of_finite_differences_in_float64(rng):
    phi = tf.constant(2 * rng.normal(size=(1, 3, 6, 7)))
    force = tf.constant(rng.uniform(-1, 1, size=phi.shape))
    weights = rng.normal(size=phi.shape)

    @tf.function
    def total(phi, force):
        return tf.reduce_sum(weights * evolve(phi, force, 3, 0.1))

    with tf.GradientTape() as tape:
        tape.watch([phi, force])
        value = total(phi, force)
    assert value.dtype == tf.float64
    by_phi, by_force = tape.gradient(value, [phi, force])
    step = 1e-6
    for index in np.ndindex(*phi.shape):
        moved = np.zeros(phi.shape)
        moved[index] = step
        numeric = (total(phi + moved, force) - total(phi - moved, force)) / (2 * step)
        np.testing.assert_allclose(by_phi[index], numeric, rtol=1e-4, atol=1e-6)
        numeric = (total(phi, force + moved) - total(phi, force - moved)) / (2 * step)
        np.testing.assert_allclose(by_force[index], numeric, rtol=1e-4, atol=1e-6)
