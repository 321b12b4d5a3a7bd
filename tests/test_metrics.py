import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from skimage.metrics import contingency_table

from dmls_tf.errors import UserError
from dmls_tf.metrics import ConfusionMatrix, confusion_counts, scores_of
from tests.conftest import ROOT


def labels_and_predictions(rng, shape=(3, 20, 30), classes=4):
    labels = rng.integers(0, classes, shape)
    labels[rng.random(shape) < 0.1] = 255
    return labels, rng.integers(0, classes, shape)


def test_counts_equal_scikit_image(rng):
    labels, predictions = labels_and_predictions(rng)
    table = contingency_table(labels, predictions, ignore_labels=[255])
    expected = np.asarray(table.todense())[:4, :4]
    np.testing.assert_array_equal(confusion_counts(labels, predictions, 4), expected)


def test_streaming_in_parts_equals_the_whole(rng):
    labels, predictions = labels_and_predictions(rng)
    metric = ConfusionMatrix(4)
    for label, prediction in zip(labels, predictions, strict=True):
        metric.update_state(label[None], np.eye(4)[prediction][None])
    np.testing.assert_array_equal(metric.result(), confusion_counts(labels, predictions, 4))
    metric.reset_state()
    assert not np.any(metric.result())


def test_scores_by_hand():
    # Class 0: 3 right, 1 taken for class 1; class 1: 2 right; class 2 never occurs.
    scores = scores_of([[3, 1, 0], [0, 2, 0], [0, 0, 0]])
    assert scores.pixel_accuracy == pytest.approx(5 / 6)
    assert scores.class_iou[:2] == pytest.approx((3 / 4, 2 / 3))
    assert np.isnan(scores.class_iou[2])
    assert scores.mean_iou == pytest.approx((3 / 4 + 2 / 3) / 2)


def test_mean_iou_is_of_the_set_not_of_the_images(rng):
    labels, predictions = labels_and_predictions(rng)
    metric = ConfusionMatrix(4)
    for part in range(3):
        metric.update_state(labels[part : part + 1], predictions[part : part + 1])
    found, valid = scores_of(metric.result()), labels != 255
    both = [((labels == c) & (predictions == c)).sum() for c in range(4)]
    either = [(((labels == c) | (predictions == c)) & valid).sum() for c in range(4)]
    assert found.pixel_accuracy == pytest.approx((labels == predictions)[valid].mean())
    assert found.mean_iou == pytest.approx(np.divide(both, either).mean())


def test_nothing_but_ignored_pixels():
    metric = ConfusionMatrix(3)
    metric.update_state(np.full((1, 2, 2), 255), np.zeros((1, 2, 2), int))
    assert np.isnan(scores_of(metric.result()).mean_iou)


def test_counts_beyond_32_bits_are_exact():
    metric = ConfusionMatrix(2)
    low, high = 2**24 - 3, 2**31 - 2
    metric.words.assign(np.array([[low] * 5, [high] * 5]) * [1, 1, 1, 1, 0])
    metric.update_state(np.zeros((1, 5, 2)), np.ones((1, 5, 2)))
    before = low + 2**24 * high
    assert before > 2**54
    assert np.asarray(metric.result()).tolist() == [[before, before + 10], [before, before]]


@pytest.mark.parametrize("pair", [(4, 0), (-1, 0), (0, 4), (0, -1), (254, 3)])
def test_ids_out_of_range_are_an_error(pair):
    label, prediction = (np.full((1, 1, 2), value) for value in pair)
    metric = ConfusionMatrix(4, name="counts")
    metric.update_state(label, prediction)
    with pytest.raises(UserError, match="counts: 2 pixels whose label or prediction"):
        metric.result()
    metric.reset_state()
    metric.update_state(np.full((1, 1, 2), 255), prediction)  # ignored, whatever is predicted
    metric.result()


def test_ids_out_of_range_are_marked_where_a_graph_cannot_raise():
    matrix = ConfusionMatrix(2)
    counts_of = tf.function(lambda label: matrix(label, tf.zeros_like(label)))
    assert counts_of(tf.constant([[[0, 1, 1]]])).numpy().tolist() == [[1, 0], [2, 0]]
    assert (counts_of(tf.constant([[[0, 1, 2]]])).numpy() == -1).all()


def test_xla_counts_the_same(rng):
    labels, predictions = labels_and_predictions(rng)
    compiled = tf.function(lambda *pair: confusion_counts(*pair, 4), jit_compile=True)
    found = compiled(tf.constant(labels), tf.constant(predictions))
    np.testing.assert_array_equal(found, confusion_counts(labels, predictions, 4))


def test_pixels_are_not_weighted():
    with pytest.raises(UserError, match="counted, not weighted"):
        ConfusionMatrix(2).update_state(np.zeros((1, 1)), np.zeros((1, 1)), np.ones((1, 1)))


def test_accuracies_and_the_weighted_iou_by_class(rng):
    labels, predictions = labels_and_predictions(rng)
    valid = labels != 255
    found = scores_of(confusion_counts(labels, predictions, 4))
    accuracy = [(predictions[labels == c] == c).mean() for c in range(4)]
    frequency = [(labels == c).sum() / valid.sum() for c in range(4)]
    assert found.class_accuracy == pytest.approx(accuracy)
    assert found.mean_accuracy == pytest.approx(np.mean(accuracy))
    weighted = np.dot(frequency, found.class_iou)
    assert found.frequency_weighted_iou == pytest.approx(weighted)


def test_absent_classes_and_predictions_of_no_class():
    matrix = [[3, 0, 1], [0, 0, 0]]  # class 1 is absent; a pixel of class 0 is predicted as none
    assert scores_of(matrix).mean_iou == 3 / 4
    assert scores_of(matrix, absent_iou=0.0).mean_iou == 3 / 8
    assert scores_of(matrix).pixel_accuracy == 3 / 4


REPLICAS = """
import numpy as np, tensorflow as tf
from dmls_tf.metrics import ConfusionMatrix
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
rng = np.random.default_rng(0)
labels = rng.integers(0, 5, (7, 40, 50))
labels[rng.random(labels.shape) < 0.1] = 255
logits = rng.normal(size=(7, 40, 50, 5)).astype(np.float32)

def results(strategy):
    with strategy.scope():
        metric = ConfusionMatrix(5)
    dataset = tf.data.Dataset.from_tensor_slices((labels, logits)).batch(4)

    @tf.function
    def step(*batch):
        strategy.run(lambda *pair: metric.update_state(*pair), batch)

    for batch in strategy.experimental_distribute_dataset(dataset):
        step(*batch)
    return np.asarray(metric.result())

one = results(tf.distribute.OneDeviceStrategy("CPU:0"))
two = results(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
np.testing.assert_array_equal(one, two, strict=True)
assert one.dtype == np.int64 and one.sum() == (labels != 255).sum()
print("equal")
"""


@pytest.mark.slow
@pytest.mark.multi_device
def test_two_replicas_count_what_one_does():
    """Seven images in batches of four, so that the last one is not full."""
    done = subprocess.run(
        [sys.executable, "-c", REPLICAS], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.stdout.strip() == "equal", done.stderr
