import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from dmls_tf.config import LevelSetConfig
from dmls_tf.errors import UserError
from dmls_tf.layers import MultiphaseLevelSet
from dmls_tf.layers.level_set import evolve_margins
from dmls_tf.ops import resize_bilinear, signed_distance

CURVED = {"dt": 0.4, "epsilon": 1.0}
from_both = pytest.mark.parametrize("start", ["distance", "margin"])


def logits_of(rng, size=24, phases=4):
    coarse = rng.normal(size=(2, 4, 4, phases)).astype(np.float32) * 3
    return tf.image.resize(coarse, (size, size + 6))


def test_without_evolution_it_returns_the_scaled_signed_distance(rng):
    logits = logits_of(rng)
    layer = MultiphaseLevelSet(LevelSetConfig(band=8, evolution_steps=0, temperature=0.1))
    expected = -signed_distance(np.argmax(logits, -1), 4, 8) / (2 * 8) / 0.1
    np.testing.assert_allclose(layer(logits), expected, atol=1e-5)


def test_without_evolution_margins_leave_the_logits(rng):
    logits = logits_of(rng)
    layer = MultiphaseLevelSet(LevelSetConfig(initial_phi="margin", evolution_steps=0))
    np.testing.assert_allclose(layer(logits), logits, atol=1e-5)


@pytest.mark.parametrize("slope", [0.01, 1.0, 100.0])
def test_a_contour_moves_by_the_force_whatever_the_slope_of_the_logits(slope):
    # phi_t + F |grad phi| = 0: a straight contour moves by F pixels per unit time.
    x = np.arange(40, dtype=np.float32)
    logits = np.stack([slope * (15.25 - x), 0 * x], -1) * np.ones((1, 5, 1, 1), np.float32)
    likelihood = np.broadcast_to(np.array([0.6, 0.0], np.float32), logits.shape)
    config = LevelSetConfig(initial_phi="margin", evolution_steps=20, dt=0.5)
    lead = np.asarray(MultiphaseLevelSet(config)(logits, likelihood))[0, 2] @ [1, -1]
    (last,) = np.flatnonzero((lead[:-1] > 0) & (lead[1:] <= 0))
    contour = last + lead[last] / (lead[last] - lead[last + 1])
    assert contour == pytest.approx(15.25 + 0.6 * 20 * 0.5, abs=1e-3)


@pytest.mark.parametrize("b_leads_elsewhere", [False, True])
@pytest.mark.parametrize("gap", [0.5, 3.0])
def test_the_second_class_of_a_pixel_gains_nothing_when_a_third_one_takes_it(
    gap, b_leads_elsewhere
):
    # c advances by 8 pixels into a, whose runner-up is b.
    x = np.arange(40, dtype=np.float32)
    a, c = np.minimum(20 - x, 5), np.minimum(x - 20, 5)
    b = np.where(b_leads_elsewhere & (x < 3), 9, a - gap)
    truth = np.where(x >= 12, 2, np.where(b_leads_elsewhere & (x < 3), 1, 0))
    logits = np.stack([a, b, c], -1).astype(np.float32) * np.ones((1, 3, 1, 1), np.float32)
    likelihood = 4 * np.eye(3, dtype=np.float32)[truth] * np.ones((1, 3, 1, 1), np.float32)
    layer = MultiphaseLevelSet(LevelSetConfig("margin", evolution_steps=12))
    np.testing.assert_array_equal(np.argmax(layer(logits, likelihood), -1)[0, 1], truth)


def test_the_gradient_through_margins_is_that_of_differences(rng):
    logits, log_f, seed = 0.3 * rng.normal(size=(3, 1, 3, 4, 5))
    config = LevelSetConfig(initial_phi="margin", evolution_steps=4, dt=0.4, epsilon=1.0)

    @tf.function
    def function(logits, log_f):
        return tf.reduce_sum(seed * evolve_margins(logits, log_f, config))

    by_theory, by_differences = tf.test.compute_gradient(function, [logits, log_f], delta=1e-7)
    for one, other in zip(by_theory, by_differences, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5 * np.abs(other).max())


def test_a_phase_without_a_contour_stands_still(rng):
    logits = logits_of(rng)
    logits = np.concatenate([logits, np.min(logits, -1, keepdims=True) - 1], -1)  # leads nowhere
    likelihood = tf.constant(rng.normal(size=logits.shape), tf.float32)
    layer = MultiphaseLevelSet(LevelSetConfig(initial_phi="margin", evolution_steps=3))
    evolved = layer(logits, likelihood)
    moved = np.abs(evolved - logits).max((1, 2)) > 1e-5
    assert moved.tolist() == 2 * [[True] * 4 + [False]]


@from_both
def test_the_assignment_follows_the_likelihood(start):
    labels = np.zeros((1, 20, 30), int)
    labels[..., 15:] = 1
    logits = ops.one_hot(labels, 2) * 4.0
    layer = MultiphaseLevelSet(LevelSetConfig(initial_phi=start, evolution_steps=10, **CURVED))
    # Every pixel of the first three columns right of the border belongs to phase 0.
    truth = np.where(np.arange(30) < 18, 0, 1) * np.ones_like(labels)
    evolved = layer(logits, ops.one_hot(truth, 2) * 4.0)
    assert (ops.convert_to_numpy(ops.argmax(evolved, -1)) == truth).all()


def test_a_contour_found_at_half_resolution_lies_between_its_pixels():
    # A square grows or shrinks to the disk that the likelihood knows; both at half the size.
    y, x = np.mgrid[:48, :48] - 23.5
    disk = np.clip(15.15 - np.hypot(y, x), -1, 1)
    likelihood = np.stack([disk, -disk], -1)[None].astype(np.float32)
    square = np.maximum(np.abs(y), np.abs(x)) < 14
    scores = np.stack([square, ~square], -1)[None].astype(np.float32)
    layer = MultiphaseLevelSet(
        LevelSetConfig(evolution_steps=20, dt=0.7, epsilon=0, force_scale=4.0)
    )
    evolved = resize_bilinear(layer(scores, likelihood), 96, 96)
    area = np.sum(np.argmax(evolved, -1) == 0)
    assert np.sqrt(area / np.pi) == pytest.approx(30.3, abs=0.15)


def test_scores_alone_do_not_move_a_straight_contour():
    labels = (np.arange(24) >= 12) * np.ones((1, 24, 24), int)
    layer = MultiphaseLevelSet(LevelSetConfig(evolution_steps=5, **CURVED))
    evolved = layer(ops.one_hot(labels, 2) * 2.0)
    assert (ops.convert_to_numpy(ops.argmax(evolved, -1)) == labels).all()


@pytest.mark.parametrize("slope", [1.0, 1 / 16])
def test_straight_through_gradient_has_the_slope_it_says(rng, slope):
    logits = tf.constant(logits_of(rng))
    seed = rng.normal(size=logits.shape).astype(np.float32)
    layer = MultiphaseLevelSet(
        LevelSetConfig(evolution_steps=0, temperature=1.0, straight_through=slope)
    )
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(logits)
        through_layer = tf.reduce_sum(seed * layer(logits))
        through_scores = tf.reduce_sum(seed * tf.nn.softmax(logits))
    expected = slope * tape.gradient(through_scores, logits)
    np.testing.assert_allclose(tape.gradient(through_layer, logits), expected, atol=1e-5)


@from_both
@pytest.mark.parametrize("logits", [np.zeros((1, 8, 8, 3)), np.eye(3)[np.zeros((1, 8, 8), int)]])
def test_degenerate_scores_have_finite_values_and_gradients(logits, start):
    logits = tf.constant(logits, tf.float32)
    layer = MultiphaseLevelSet(LevelSetConfig(initial_phi=start, evolution_steps=5, **CURVED))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        evolved = layer(logits)
    assert np.isfinite(evolved).all()
    assert np.isfinite(tape.gradient(evolved, logits)).all()


@from_both
@pytest.mark.parametrize("max_phases", [4, 7])
def test_as_many_phases_as_the_image_holds_give_the_full_evolution(max_phases, start, rng):
    # Nine classes, of which the scores of an image show up to four, not the same in each.
    logits = np.full((2, 24, 30, 9), -4, np.float32)
    logits[0][..., [8, 0, 3, 5]] = logits_of(rng)[0]
    logits[1][..., [1, 2, 7, 4]] = logits_of(rng)[1]
    logits = tf.constant(logits + 0.1 * rng.normal(size=logits.shape).astype(np.float32))
    likelihood = tf.constant(rng.normal(size=logits.shape).astype(np.float32))
    seed = rng.normal(size=logits.shape).astype(np.float32)
    results, gradients = [], []
    for count in (None, max_phases):
        config = LevelSetConfig(start, max_phases=count, evolution_steps=6, **CURVED)
        layer = MultiphaseLevelSet(config)
        with tf.GradientTape() as tape:
            tape.watch([logits, likelihood])
            results.append(layer(logits, likelihood))
            total = tf.reduce_sum(seed * results[-1])
        gradients.append(tape.gradient(total, [logits, likelihood]))
    np.testing.assert_allclose(results[1], results[0], atol=1e-5)
    for few, full in zip(*gradients[::-1], strict=True):
        np.testing.assert_allclose(few, full, atol=1e-4)


@from_both
def test_further_phases_stand_still_and_lose_no_pixel_to_nobody(start, rng):
    logits = logits_of(rng)
    labels = np.argmax(logits, -1)
    layer = MultiphaseLevelSet(LevelSetConfig(start, max_phases=2, evolution_steps=0))
    assert (np.argmax(layer(logits), -1) == labels).all()
    layer = MultiphaseLevelSet(LevelSetConfig(start, max_phases=2, evolution_steps=3, **CURVED))
    evolved = np.argmax(layer(logits, tf.constant(rng.normal(size=logits.shape), tf.float32)), -1)
    for image, moved in zip(labels, evolved, strict=True):
        largest = np.argsort(-np.bincount(image.ravel(), minlength=4), kind="stable")[:2]
        came = moved[moved != image]
        assert len(came) > 0
        still = (~np.isin(image, largest)) & np.isin(moved, largest, invert=True)
        assert (image[still] == moved[still]).all()


@from_both
def test_max_phases_of_a_graph_with_unknown_sizes(start, rng):
    logits = logits_of(rng)
    layer = MultiphaseLevelSet(LevelSetConfig(start, max_phases=3, evolution_steps=3, **CURVED))
    signature = [tf.TensorSpec([None, None, None, 4])]
    for jit_compile in (False, True):
        function = tf.function(layer, input_signature=signature, jit_compile=jit_compile)
        np.testing.assert_allclose(function(logits), layer(logits), atol=1e-5)


@from_both
def test_it_computes_in_float32_under_mixed_precision(start, rng):
    layer = MultiphaseLevelSet(LevelSetConfig(start), dtype="mixed_float16")
    assert layer(tf.cast(logits_of(rng), tf.float16)).dtype == tf.float32


def test_config_round_trip():
    layer = MultiphaseLevelSet(LevelSetConfig(band=5, evolution_steps=2, rho=0.5, dt=0.2))
    again = MultiphaseLevelSet.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


def test_symbolic_shape():
    inputs = keras.Input((None, None, 5))
    assert MultiphaseLevelSet()(inputs).shape == (None, None, None, 5)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("initial_phi", "slope"),
        ("band", 0),
        ("dt", -0.1),
        ("temperature", 0),
        ("evolution_steps", -1),
        ("max_phases", 0),
        ("dt", 0.8),
    ],
)
def test_arguments_are_checked(argument, value):
    with pytest.raises(UserError, match=argument):
        MultiphaseLevelSet(LevelSetConfig(**{argument: value}))
