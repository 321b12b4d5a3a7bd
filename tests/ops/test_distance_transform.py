import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from scipy import ndimage

from dmls_tf.errors import UserError
from dmls_tf.ops import euclidean_distance_transform, signed_distance


def scipy_transform(mask):
    """SciPy's transform of every channel; infinity where a channel has no zero pixel."""
    result = np.empty(mask.shape, np.float32)
    for b, c in np.ndindex(mask.shape[0], mask.shape[3]):
        plane = mask[b, ..., c] != 0
        result[b, ..., c] = np.inf if plane.all() else ndimage.distance_transform_edt(plane)
    return result


MASKS = {
    "noise": lambda rng: rng.random((2, 23, 41, 3)) > 0.05,
    "sparse": lambda rng: rng.random((1, 60, 50, 2)) > 0.001,
    "tall": lambda rng: rng.random((1, 64, 1, 2)) > 0.1,
    "wide": lambda rng: rng.random((1, 1, 64, 2)) > 0.1,
    "blobs": lambda rng: ndimage.gaussian_filter(rng.normal(size=(1, 40, 47, 2)), (0, 4, 4, 0)) > 0,
    "empty": lambda rng: np.zeros((1, 8, 9, 1), bool),
    "full": lambda rng: np.ones((1, 8, 9, 1), bool),
    "one": lambda rng: np.arange(1, 101).reshape(1, 10, 10, 1) != 37,
}


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("max_distance", [None, 3, 7.5])
def test_equals_scipy(name, max_distance, rng):
    mask = MASKS[name](rng)
    expected = scipy_transform(mask)
    if max_distance is not None:
        expected = np.minimum(expected, max_distance)
    found = ops.convert_to_numpy(euclidean_distance_transform(mask, max_distance))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "float32"])
def test_only_zero_or_not_counts(dtype):
    mask = np.array([[0, 1, 1, 1]], dtype).reshape(1, 1, 4, 1)
    found = ops.convert_to_numpy(euclidean_distance_transform(mask))
    assert found.ravel().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("max_distance", [None, 5])
def test_runs_in_a_graph_of_unknown_size(max_distance, jit_compile, rng):
    mask = rng.random((2, 17, 31, 2)) > 0.1
    signature = [tf.TensorSpec([None, None, None, 2], tf.bool)]
    function = tf.function(
        lambda m: euclidean_distance_transform(m, max_distance),
        input_signature=signature,
        jit_compile=jit_compile,
    )
    expected = np.minimum(scipy_transform(mask), max_distance or np.inf)
    np.testing.assert_allclose(function(mask), expected, rtol=1e-6)


def test_a_mask_has_no_gradient(rng):
    mask = tf.constant(rng.random((1, 6, 6, 1)) > 0.5, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(mask)
        total = tf.reduce_sum(euclidean_distance_transform(mask))
    assert tape.gradient(total, mask) is None


def test_signed_distance_of_a_straight_interface():
    labels = np.array([[[0, 0, 0, 1, 1, 1, 1]]])
    found = ops.convert_to_numpy(signed_distance(labels, 3, band=3))[0, 0]
    assert found[:, 0].tolist() == [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3]
    assert found[:, 1].tolist() == [2.5, 1.5, 0.5, -0.5, -1.5, -2.5, -3]
    assert found[:, 2].tolist() == [3] * 7  # a class that is absent: outside everywhere


def test_signed_distance_equals_the_definition_by_scipy(rng):
    smooth = ndimage.gaussian_filter(rng.normal(size=(5, 61, 47)), (0, 5, 5))
    labels = smooth.argmax(0)[None]
    found = ops.convert_to_numpy(signed_distance(labels, 6, band=8))[0]
    for c in range(5):
        mask = labels[0] == c
        expected = ndimage.distance_transform_edt(~mask) - ndimage.distance_transform_edt(mask)
        np.testing.assert_allclose(found[..., c], np.clip(expected + mask - 0.5, -8, 8), atol=1e-5)


def test_signed_distance_of_one_class():
    labels = np.full((1, 9, 9), 7)
    labels[0, 3:6, 3:6] = 0
    found = ops.convert_to_numpy(signed_distance(labels, 1, band=4))[0, ..., 0]
    assert found[4, 4] == -1.5
    assert found[4, 0] == 2.5


def test_arguments_are_checked():
    with pytest.raises(UserError, match="axes"):
        euclidean_distance_transform(np.zeros((4, 4)))
    with pytest.raises(UserError, match="max_distance must be positive, got -1"):
        euclidean_distance_transform(np.zeros((1, 4, 4, 1)), max_distance=-1)
    with pytest.raises(UserError, match="band must be positive, got 0"):
        signed_distance(np.zeros((1, 4, 4)), 2, band=0)
