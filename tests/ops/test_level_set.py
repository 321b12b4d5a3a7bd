import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from dmls_tf.ops.banded_distance import signed_distance_phases_first
from dmls_tf.ops.level_set import assign, curvature, evolve, largest_two, region_force
from tests.ops.fields import circle, smooth_labels


def radius_of(phi):
    """Radius of the disk phi < 0, from its area with sub-pixel edges."""
    return np.sqrt(np.clip(0.5 - ops.convert_to_numpy(phi), 0, 1).sum() / np.pi)


def test_force_is_the_margin_to_the_strongest_other_phase():
    log_f = np.array([-0.2, -0.5, -3.0], np.float32).reshape(1, 3, 1, 1)
    found = ops.convert_to_numpy(region_force(log_f)).ravel()
    np.testing.assert_allclose(found, [0.3, -0.3, -1.0], rtol=1e-5)


def test_force_with_the_papers_threshold_is_negative_everywhere():
    log_f = np.log(np.array([0.7, 0.2, 0.1], np.float32)).reshape(1, 3, 1, 1)
    found = ops.convert_to_numpy(region_force(log_f, rho=0.5, scale=0.1)).ravel()
    np.testing.assert_allclose(found, 0.1 * (log_f.ravel() - 0.5), rtol=1e-5)


def test_force_is_bounded_and_lets_tied_phases_stand():
    log_f = np.array([[-40.0, -1.0], [0.0, -1.0]], np.float32).reshape(1, 2, 1, 2)
    found = ops.convert_to_numpy(region_force(log_f))
    assert found[0, :, 0, 0].tolist() == [-1, 1]
    assert found[0, :, 0, 1].tolist() == [0, 0]


@pytest.mark.parametrize("count", [1, 2, 3, 8, 13])
def test_largest_two_are_those_of_a_sort(count, rng):
    values = rng.integers(0, 6, (2, count, 5, 7)).astype(np.float32)  # with many ties
    padded = np.concatenate([np.full((2, 1, 5, 7), -np.inf), values], axis=1)
    expected = np.sort(padded, axis=1)[:, :-3:-1]
    found = np.concatenate(largest_two(ops.convert_to_tensor(values)), axis=1)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("radius", [6, 10, 15])
def test_curvature_of_a_circle(radius):
    phi = circle(64, radius)
    found = ops.convert_to_numpy(curvature(phi))
    near = np.abs(phi) < 1
    np.testing.assert_allclose(found[near].mean(), 1 / radius, rtol=0.03)


def test_curvature_of_two_complementary_phases_is_that_of_one():
    phi = circle(48, 10)
    alone = ops.convert_to_numpy(curvature(phi))
    both = ops.convert_to_numpy(curvature(np.concatenate([phi, -phi], axis=1)))
    np.testing.assert_allclose(both[:, :1], alone, atol=1e-6)
    np.testing.assert_allclose(both[:, 1:], -alone, atol=1e-6)


def test_the_curvature_is_a_mean_over_all_phases():
    phi = circle(48, 10)
    absent = np.full((1, 6, 48, 48), 8, np.float32)
    many = np.concatenate([phi, -phi, absent], axis=1)
    alone = ops.convert_to_numpy(curvature(phi))
    near = np.abs(phi) < 1
    of_many = ops.convert_to_numpy(curvature(many))[:, :1]
    of_some = ops.convert_to_numpy(curvature(many[:, :2], num_phases=8))[:, :1]
    np.testing.assert_allclose(of_many[near], alone[near] / 4, atol=1e-4)
    np.testing.assert_allclose(of_some[near], alone[near] / 4, atol=1e-4)


@pytest.mark.parametrize("speed", [1.0, -1.0, 0.5])
def test_a_circle_under_constant_force_grows_at_that_speed(speed):
    phi = circle(80, 20)
    time = 6.0
    moved = evolve(phi, np.full_like(phi, speed), evolution_steps=15, dt=0.4, epsilon=0)
    np.testing.assert_allclose(radius_of(moved), 20 + speed * time, atol=0.2)


def test_a_circle_under_curvature_shrinks_as_the_root_of_time():
    phi = circle(64, 15)
    moved = evolve(phi, np.zeros_like(phi), evolution_steps=100, dt=0.4)
    np.testing.assert_allclose(radius_of(moved), np.sqrt(15**2 - 2 * 40), rtol=0.01)


def test_neither_term_moves_a_straight_interface_without_force():
    x = np.broadcast_to(np.arange(20, dtype=np.float32) - 9.5, (1, 1, 20, 20))
    moved = ops.convert_to_numpy(evolve(x, np.zeros_like(x), evolution_steps=5, dt=0.4))
    inner = slice(4, -4)  # Neumann borders flatten phi beside them
    np.testing.assert_allclose(moved[..., inner], x[..., inner], atol=1e-3)


def test_permuted_phases_give_permuted_results(rng):
    labels = smooth_labels(rng, 4, 40)
    order = np.array([2, 0, 3, 1])
    force = rng.uniform(-1, 1, (1, 4, 40, 40)).astype(np.float32)
    phi = ops.convert_to_numpy(signed_distance_phases_first(labels, 4, 8))
    once = ops.convert_to_numpy(evolve(phi, force, 4, 0.4))
    permuted = ops.convert_to_numpy(evolve(phi[:, order], force[:, order], 4, 0.4))
    np.testing.assert_allclose(permuted, once[:, order], atol=1e-5)


def test_true_labels_as_force_recover_a_shifted_partition(rng):
    truth = smooth_labels(rng, 4, 64)
    start = np.roll(truth, 3, axis=2)
    phi = signed_distance_phases_first(start, 4, 8)
    force = region_force(np.eye(4, dtype=np.float32)[truth].transpose(0, 3, 1, 2))
    labels = ops.convert_to_numpy(assign(evolve(phi, force, evolution_steps=12, dt=0.4, epsilon=0)))
    inner = (slice(None), slice(None), slice(8, -8))
    before, after = (start == truth)[inner].mean(), (labels == truth)[inner].mean()
    assert before < 0.93
    assert after > 0.99


def test_gradient_through_twenty_steps_is_finite_and_bounded(rng):
    phi = tf.constant(signed_distance_phases_first(smooth_labels(rng, 3, 32), 4, 8))
    force = tf.constant(rng.uniform(-1, 1, phi.shape), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch([phi, force])
        total = tf.reduce_mean(evolve(phi, force, evolution_steps=20, dt=0.4) ** 2)
    for gradient in tape.gradient(total, [phi, force]):
        assert np.isfinite(gradient).all()
        assert np.abs(gradient).max() < 10


def test_gradients_do_not_grow_over_the_steps(rng):
    # A stable step by the force is monotone and keeps constants: the rows of its Jacobian are not
    # negative and sum up to 1, so that back-propagation cannot increase the sum of |gradient|.
    phi, force = 30 * rng.normal(size=(1, 2, 16, 16)), rng.uniform(-1, 1, (1, 2, 16, 16))
    phi, seed = tf.constant(phi, tf.float64), rng.normal(size=phi.shape)
    with tf.GradientTape() as tape:
        tape.watch(phi)
        total = tf.reduce_sum(seed * evolve(phi, force, evolution_steps=100, dt=0.7, epsilon=0))
    gradient = tape.gradient(total, phi)
    assert gradient.dtype == tf.float64
    assert np.abs(gradient).sum() <= np.abs(seed).sum() * (1 + 1e-12)
    np.testing.assert_allclose(np.sum(gradient), np.sum(seed), rtol=1e-9)


def test_flat_level_sets_stay_and_have_finite_gradients():
    phi = tf.fill((1, 3, 8, 8), 8.0)
    with tf.GradientTape() as tape:
        tape.watch(phi)
        moved = evolve(phi, tf.ones_like(phi), evolution_steps=3, dt=0.4)
    np.testing.assert_allclose(moved, phi, atol=1e-5)
    assert np.isfinite(tape.gradient(moved, phi)).all()
