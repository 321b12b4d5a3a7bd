import numpy as np
import pytest
from skimage.metrics import contingency_table

from dmls_tf.metrics import ConfusionMatrix, MeanIoU, PixelAccuracy, confusion_counts, scores_of


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
    expected = scores_of(confusion_counts(labels, predictions, 4))
    accuracy, iou = PixelAccuracy(4), MeanIoU(4)
    for part in range(3):
        accuracy.update_state(labels[part : part + 1], predictions[part : part + 1])
        iou.update_state(labels[part : part + 1], predictions[part : part + 1])
    assert float(accuracy.result()) == pytest.approx(expected.pixel_accuracy, rel=1e-5)
    assert float(iou.result()) == pytest.approx(expected.mean_iou, rel=1e-5)


def test_nothing_but_ignored_pixels():
    metric = MeanIoU(3)
    metric.update_state(np.full((1, 2, 2), 255), np.zeros((1, 2, 2), int))
    assert float(metric.result()) == 0
