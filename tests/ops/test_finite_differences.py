import numpy as np
from keras import ops

from dmls_tf.ops import finite_differences as fd


def grid(height, width):
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return y[None, None], x[None, None]


def test_differences_of_a_plane_are_its_slopes():
    y, x = grid(6, 7)
    plane = 2 * x - 3 * y
    assert np.all(ops.convert_to_numpy(fd.central_difference(plane, fd.X))[..., 1:-1] == 2)
    assert np.all(ops.convert_to_numpy(fd.central_difference(plane, fd.Y))[..., 1:-1, :] == -3)


def test_borders_are_replicated():
    row = np.array([[[[1.0, 4.0, 9.0]]]], np.float32)
    backward, forward = fd.one_sided_differences(row, fd.X)
    assert ops.convert_to_numpy(backward).ravel().tolist() == [0, 3, 5]
    assert ops.convert_to_numpy(forward).ravel().tolist() == [3, 5, 0]


def test_divergence_keeps_what_it_moves(rng):
    flux_x = rng.normal(size=(2, 3, 8, 8)).astype(np.float32)
    flux_y = rng.normal(size=(2, 3, 7, 9)).astype(np.float32)
    total = ops.convert_to_numpy(fd.divergence(flux_x, flux_y)).sum(axis=(2, 3))
    np.testing.assert_allclose(total, 0, atol=1e-5)


def test_divergence_by_hand():
    flux_x = np.array([[[[2.0, 5.0]]]], np.float32)
    flux_y = np.zeros((1, 1, 0, 3), np.float32)
    found = ops.convert_to_numpy(fd.divergence(flux_x, flux_y)).ravel()
    assert found.tolist() == [2, 3, -5]


def test_upwind_norm_looks_where_the_front_comes_from():
    # A corner: slope 1 on the left, 3 on the right, pixel 2 between them.
    row = np.array([[[[0.0, 1.0, 2.0, 5.0, 8.0]]]], np.float32)
    ones = np.ones_like(row)
    expanding = ops.convert_to_numpy(fd.upwind_norm(row, ones)).ravel()
    shrinking = ops.convert_to_numpy(fd.upwind_norm(row, -ones)).ravel()
    np.testing.assert_allclose(expanding[2], 1, atol=1e-5)
    np.testing.assert_allclose(shrinking[2], 3, atol=1e-5)


def test_upwind_norm_of_a_valley_and_a_ridge():
    valley = np.array([[[[1.0, 0.0, 1.0]]]], np.float32)
    one = np.ones_like(valley)
    # A front that lowers phi cannot deepen a minimum; one that raises it fills it from one side.
    np.testing.assert_allclose(fd.upwind_norm(valley, one)[0, 0, 0, 1], 0, atol=1e-5)
    np.testing.assert_allclose(fd.upwind_norm(valley, -one)[0, 0, 0, 1], 1, atol=1e-5)


def test_central_norm_is_one_on_a_distance_function():
    y, x = grid(41, 41)
    distance = np.hypot(x - 20, y - 20) - 10
    norm = ops.convert_to_numpy(fd.central_norm(distance))[0, 0]
    far = np.abs(distance[0, 0]) < 5
    np.testing.assert_allclose(norm[far], 1, atol=0.02)
