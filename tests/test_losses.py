import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage
from scipy.special import log_softmax

from dmls_tf.losses import BoundaryCrossEntropy, WeightedCrossEntropy
from dmls_tf.ops import label_changes

LABELS = np.array([[[0, 0, 1], [0, 255, 1], [2, 2, 255]]], np.int32)
CHANGES = np.array([[[0, 1, 1], [1, 0, 0], [1, 0, 0]]], bool)


def logits_like(labels, rng, classes=3):
    return rng.normal(size=(*labels.shape, classes)).astype(np.float32)


def entropies(labels, logits):
    """-log softmax of the true class of each pixel, by SciPy; 0 on ignored pixels."""
    scores = log_softmax(logits.astype(np.float64), axis=-1)
    safe = np.where(labels == 255, 0, labels)
    return np.where(labels == 255, 0, -np.take_along_axis(scores, safe[..., None], -1)[..., 0])


def test_changes_are_between_valid_neighbours():
    np.testing.assert_array_equal(label_changes(LABELS), CHANGES)


def test_equations_11_and_12_by_hand(rng):
    logits = logits_like(LABELS, rng)
    weights = np.array([0.5, 1.0, 4.0])
    loss = WeightedCrossEntropy(weights, boundary_weight=1.0)(LABELS, logits)
    pixel_weights = np.where(LABELS == 255, 0, weights[LABELS % 255]) + CHANGES
    expected = (pixel_weights * entropies(LABELS, logits)).sum() / 7
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_without_weights_it_is_the_mean_cross_entropy(rng):
    logits = logits_like(LABELS, rng)
    loss = WeightedCrossEntropy(boundary_weight=0)(LABELS, logits)
    np.testing.assert_allclose(loss, entropies(LABELS, logits).sum() / 7, rtol=1e-5)


@pytest.mark.parametrize("loss", [WeightedCrossEntropy([1, 2, 3]), BoundaryCrossEntropy()])
def test_only_ignored_pixels_cost_nothing(loss, rng):
    labels = np.full((2, 4, 4), 255, np.int32)
    logits = tf.constant(logits_like(labels, rng))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = loss(labels, logits)
    assert value == 0
    assert not np.any(tape.gradient(value, logits))


def test_boundary_loss_counts_the_pixels_within_its_width(rng):
    labels = np.zeros((1, 40, 40), np.int32)
    labels[:, 10:25, 5:30] = 1
    labels[:, 20:, 20:] = 2
    labels[:, :3] = 255
    logits = logits_like(labels, rng)
    edges = label_changes(labels).numpy()[0]
    near = (ndimage.distance_transform_edt(~edges) <= 4) & (labels[0] != 255)
    assert 0.1 < near.mean() < 0.9
    expected = entropies(labels, logits)[0][near].mean()
    np.testing.assert_allclose(BoundaryCrossEntropy(4)(labels, logits), expected, rtol=1e-5)


@pytest.mark.parametrize("loss", [WeightedCrossEntropy([1, 2, 3], 0.5), BoundaryCrossEntropy(2)])
def test_half_precision_logits_are_summed_in_float32(loss, rng):
    labels = rng.integers(0, 3, (1, 300, 300)).astype(np.int32)
    logits = 20 * logits_like(labels, rng)
    value = loss(labels, tf.constant(logits, tf.float16))
    assert value.dtype == tf.float32
    np.testing.assert_allclose(value, loss(labels, logits), rtol=1e-2)


@pytest.mark.parametrize("loss", [WeightedCrossEntropy([1, 2, 3], 0.5), BoundaryCrossEntropy(2)])
def test_config_round_trip(loss):
    assert type(loss).from_config(loss.get_config()).get_config() == loss.get_config()
