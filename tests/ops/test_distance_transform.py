import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from scipy import ndimage

from dmls_tf.errors import UserError
from dmls_tf.ops import (
    euclidean_distance_transform,
    generalized_distance_transform,
    signed_distance,
)

TRANSFORMS = (euclidean_distance_transform, generalized_distance_transform)


def scipy_transform(mask, sampling=None):
    """SciPy's transform of every channel; infinity where a channel has no zero pixel."""
    result = np.full(mask.shape, np.inf, np.float32)
    for b, c in np.ndindex(mask.shape[0], mask.shape[3]):
        plane = mask[b, ..., c] != 0
        if not plane.all():
            result[b, ..., c] = ndimage.distance_transform_edt(plane, sampling)
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
    "one zero in one channel": lambda rng: np.arange(9 * 8 * 3).reshape(1, 9, 8, 3) != 100,
    "lines": lambda rng: np.add.outer(np.arange(140), 3 * np.arange(150))[None, ..., None] % 71 > 0,
    "corner": lambda rng: np.arange(150 * 40).reshape(1, 150, 40, 1) > 0,
}


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("max_distance", [None, 3, 7.5, 100])
def test_equals_scipy(name, max_distance, rng):
    mask = MASKS[name](rng)
    expected = scipy_transform(mask)
    if max_distance is not None:
        expected = np.minimum(expected, max_distance)
    found = ops.convert_to_numpy(euclidean_distance_transform(mask, max_distance))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_equals_scipy_on_random_masks(seed):
    """Random sizes, densities and limits: the first mask that differs is printed."""
    rng = np.random.default_rng(seed)
    for _ in range(20):
        shape = [*rng.integers(1, (3, 40, 40)), rng.integers(1, 4)]
        mask = rng.random(shape) > rng.choice([0.0005, 0.01, 0.1, 0.5, 0.95])
        limit = rng.choice([None, 1, 2.5, 9, 70])
        sampling = rng.choice([None, 0.5, 3.0])
        expected = np.minimum(scipy_transform(mask, sampling), limit or np.inf)
        found = euclidean_distance_transform(mask, limit, sampling)
        message = f"shape {shape}, limit {limit}, sampling {sampling}\n{mask.astype(int)}"
        np.testing.assert_allclose(found, expected, rtol=1e-6, err_msg=message)


@pytest.mark.parametrize("sampling", [2, 0.25, (1, 3), np.array([2.5, 0.5])])
@pytest.mark.parametrize("max_distance", [None, 5])
def test_sampling_is_that_of_scipy(sampling, max_distance, rng):
    mask = rng.random((2, 31, 45, 2)) > 0.01
    expected = np.minimum(scipy_transform(mask, sampling), max_distance or np.inf)
    found = euclidean_distance_transform(mask, max_distance, sampling)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("max_distance", [None, 20])
def test_equals_scipy_at_full_size(max_distance, rng):
    noise = ndimage.gaussian_filter(rng.normal(size=(500, 515, 3)), (12, 12, 0))
    mask = (noise.argmax(-1)[..., None] != np.arange(3))[None]
    expected = np.minimum(scipy_transform(mask), max_distance or np.inf)
    found = euclidean_distance_transform(mask, max_distance)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "float16", "float32"])
def test_only_zero_or_not_counts(dtype):
    mask = np.array([[0, 1, 1, 1]], dtype).reshape(1, 1, 4, 1)
    found = ops.convert_to_numpy(euclidean_distance_transform(mask))
    assert found.ravel().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_generalized_transform_in_a_graph_of_unknown_size(jit_compile, rng):
    mask = rng.random((2, 17, 31, 2)) > 0.1
    function = tf.function(
        generalized_distance_transform,
        input_signature=[tf.TensorSpec([None, None, None, None], tf.float32)],
        jit_compile=jit_compile,
    )
    cost = np.where(mask, np.inf, 0).astype(np.float32)
    np.testing.assert_allclose(np.sqrt(function(cost)), scipy_transform(mask), rtol=1e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("max_distance", [None, 5, 100])
def test_runs_in_a_graph_of_unknown_size(max_distance, jit_compile, rng):
    mask = rng.random((2, 17, 31, 2)) > 0.1
    signature = [tf.TensorSpec([None, None, None, None], tf.bool)]
    function = tf.function(
        lambda m: euclidean_distance_transform(m, max_distance),
        input_signature=signature,
        jit_compile=jit_compile,
    )
    expected = np.minimum(scipy_transform(mask), max_distance or np.inf)
    np.testing.assert_allclose(function(mask), expected, rtol=1e-6)


def test_runs_in_a_data_pipeline_and_a_served_model(rng, tmp_path):
    mask = rng.random((3, 20, 25, 1)) > 0.05
    pipeline = tf.data.Dataset.from_tensor_slices(mask)
    pipeline = pipeline.map(lambda m: euclidean_distance_transform(m[None])[0])
    np.testing.assert_allclose(list(pipeline), scipy_transform(mask), rtol=1e-6)

    module = tf.Module()
    signature = [tf.TensorSpec([None, None, None, 1], tf.bool)]
    module.transform = tf.function(euclidean_distance_transform, input_signature=signature)
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path)).transform
    np.testing.assert_allclose(loaded(mask), scipy_transform(mask), rtol=1e-6)
    definition = loaded.concrete_functions[0].graph.as_graph_def()
    nodes = list(definition.node) + [n for f in definition.library.function for n in f.node_def]
    assert not [node.op for node in nodes if "PyFunc" in node.op]


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


def test_signed_distance_counts_unlabelled_pixels_as_outside():
    labels = np.array([[[0, 0, 0, 255, 1, 1, -1]]])
    found = ops.convert_to_numpy(signed_distance(labels, 2, band=3))[0, 0]
    assert found[:, 0].tolist() == [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3]
    assert found[:, 1].tolist() == [3, 2.5, 1.5, 0.5, -0.5, -0.5, 0.5]


def test_signed_distance_of_one_class():
    labels = np.full((1, 9, 9), 7)
    labels[0, 3:6, 3:6] = 0
    found = ops.convert_to_numpy(signed_distance(labels, 1, band=4))[0, ..., 0]
    assert found[4, 4] == -1.5
    assert found[4, 0] == 2.5


def by_brute_force(cost, sampling=(1, 1)):
    """D(x) = min_q |x - q|^2 + cost(q), all pairs of pixels of one plane."""
    y, x = np.indices(cost.shape).reshape(2, -1, 1) * np.reshape(sampling, (2, 1, 1))
    pairs = (y - y.T) ** 2 + (x - x.T) ** 2 + cost.reshape(1, -1)
    return pairs.min(1).reshape(cost.shape)


@pytest.mark.parametrize("shape", [(13, 17), (1, 40), (40, 1), (30, 20), (1, 1)])
@pytest.mark.parametrize("scale", [0.1, 10, 1000])
def test_generalized_transform_by_brute_force(shape, scale, rng):
    cost = scale * rng.normal(size=(2, *shape, 2))
    cost[rng.random(cost.shape) < 0.2] = np.inf
    for sampling in ((1, 1), (0.5, 3)):
        found = ops.convert_to_numpy(generalized_distance_transform(cost, sampling))
        for b, c in np.ndindex(2, 2):
            expected = by_brute_force(cost[b, ..., c], sampling)
            np.testing.assert_allclose(found[b, ..., c], expected, rtol=1e-6, atol=1e-6 * scale)


def test_generalized_transform_of_a_mask_is_the_squared_distance(rng):
    mask = rng.random((2, 60, 70, 2)) > 0.001
    mask[0, ..., 0] = True
    found = generalized_distance_transform(np.where(mask, np.inf, 0).astype(np.float32))
    np.testing.assert_allclose(np.sqrt(found), scipy_transform(mask), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_generalized_transform_computes_at_least_in_float32(dtype):
    length = 270  # whose square is beyond float16
    cost = ops.cast(np.where(np.arange(length) == 0, 0, np.inf).reshape(1, 1, -1, 1), dtype)
    found = generalized_distance_transform(cost)
    assert found.dtype == ("float64" if dtype == "float64" else "float32")
    assert ops.convert_to_numpy(found).ravel().tolist() == (np.arange(length) ** 2).tolist()


@pytest.mark.parametrize("jit_compile", [None, False, True])
def test_generalized_transform_has_the_gradient_of_its_minimiser(jit_compile, rng):
    cost = tf.constant(5 * rng.normal(size=(1, 5, 7, 2)))
    weights = tf.constant(rng.normal(size=(1, 5, 7, 2)))

    def total(cost):
        return tf.reduce_sum(weights * generalized_distance_transform(cost))

    if jit_compile is not None:
        total = tf.function(total, jit_compile=jit_compile)
    with tf.GradientTape() as tape:
        tape.watch(cost)
        value = total(cost)
    found = tape.gradient(value, cost)
    assert found.dtype == tf.float64
    step = 1e-6
    numeric = np.empty(cost.shape)
    for index in np.ndindex(*cost.shape):
        moved = np.zeros(cost.shape)
        moved[index] = step
        numeric[index] = (total(cost + moved) - total(cost - moved)) / (2 * step)
    np.testing.assert_allclose(found, numeric, atol=1e-6)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_no_loop_runs_in_python(transform, rng, monkeypatch):
    def in_a_graph(loop):
        def call(*arguments, **options):
            assert not tf.executing_eagerly()
            return loop(*arguments, **options)

        return call

    for name in ("while_loop", "scan", "map"):
        monkeypatch.setattr(ops, name, in_a_graph(getattr(ops, name)))
    transform(rng.random((1, 9, 11, 1)))


@pytest.mark.parametrize("shape", [(0, 4, 4, 1), (1, 0, 4, 1), (1, 4, 0, 2), (2, 3, 4, 0)])
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_nothing_gives_nothing(transform, shape):
    found = transform(np.zeros(shape, np.float32))
    assert (tuple(found.shape), found.dtype) == (shape, "float32")


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_symbolic_tensors_of_keras(transform):
    found = transform(keras.KerasTensor((2, 8, 9, 1)))
    assert (found.shape, found.dtype) == ((2, 8, 9, 1), "float32")


def test_arguments_are_checked():
    with pytest.raises(UserError, match="axes"):
        euclidean_distance_transform(np.zeros((4, 4)))
    with pytest.raises(UserError, match="max_distance must be positive, got -1"):
        euclidean_distance_transform(np.zeros((1, 4, 4, 1)), max_distance=-1)
    with pytest.raises(UserError, match="sampling must be a positive number or a pair"):
        euclidean_distance_transform(np.zeros((1, 4, 4, 1)), sampling=(1, 2, 3))
    with pytest.raises(UserError, match="cost must be float, got"):
        generalized_distance_transform(np.zeros((1, 4, 4, 1), np.int32))
    with pytest.raises(UserError, match="band must be positive, got 0"):
        signed_distance(np.zeros((1, 4, 4)), 2, band=0)
