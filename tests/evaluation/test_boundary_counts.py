"""Trimaps and boundary F1 against their definitions, by SciPy."""

import numpy as np
import pytest
from scipy import ndimage

from dmls_tf.evaluation.boundary_counts import DISTANCES, TrueBoundaries
from dmls_tf.evaluation.scores import boundary_scores
from dmls_tf.metrics import confusion_counts, scores_of

CROSS = ndimage.generate_binary_structure(2, 1)
N = 4


def scene(rng, shape=(60, 80)):
    """Regions of four classes with ragged borders, and an ignored corner."""
    noise = rng.normal(size=(N, *shape))
    label = np.argmax([ndimage.gaussian_filter(plane, 6) for plane in noise], 0).astype(np.uint8)
    label[:15, :20] = 255
    return label


def near_other_class(label, distance):
    """Labelled pixels that are nearer than `distance` to one beside another labelled class."""
    beside = np.zeros(label.shape, bool)
    for c in np.unique(label[label != 255]):
        others = (label != c) & (label != 255)
        beside |= (label == c) & ndimage.binary_dilation(others, CROSS)
    return (ndimage.distance_transform_edt(~beside) < distance) & (label != 255)


def boundary_of(classes, c, valid):
    others = (classes != c) & valid
    return (classes == c) & valid & ndimage.binary_dilation(others, CROSS)


def f1_of(label, prediction, c, tolerance):
    """Csurka et al.: shares of boundary pixels near the other boundary; None without any."""
    valid = label != 255
    truth, found = boundary_of(label, c, valid), boundary_of(prediction, c, valid)
    if not truth.any() and not found.any():
        return None
    if not truth.any() or not found.any():
        return 0.0
    precision = (ndimage.distance_transform_edt(~truth)[found] <= tolerance).mean()
    recall = (ndimage.distance_transform_edt(~found)[truth] <= tolerance).mean()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def test_trimaps_are_confusion_matrices_of_the_pixels_near_boundaries(rng):
    label, prediction = scene(rng), scene(rng) % N
    trimap = TrueBoundaries(label, N).compare(prediction).trimap
    for matrix, distance in zip(trimap, DISTANCES, strict=True):
        near = near_other_class(label, distance)
        assert 0 < near.mean() < 1
        expected = confusion_counts(np.where(near, label, 255), prediction, N)
        np.testing.assert_array_equal(matrix[:, :N], expected)
        assert not matrix[:, N].any()


def test_no_class_is_predicted_at_a_boundary(rng):
    label = scene(rng)
    trimap = TrueBoundaries(label, N).compare(np.full_like(label, N + 3)).trimap
    assert not trimap[:, :, :N].any()
    assert trimap[0, :, N].sum() == near_other_class(label, 1).sum()


def test_f1_is_the_mean_over_images_of_its_definition(rng):
    pairs = []
    for shift in ((0, 1), (2, 1), (4, 4)):
        label = scene(rng)
        moved = np.roll(label, shift, (0, 1))
        pairs.append((label, np.where(moved == 255, 0, moved)))
    pairs[1][0][pairs[1][0] == 3] = 255  # a class that only the prediction has
    pairs[2] = np.minimum(pairs[2][0] | (pairs[2][0] == 255) * 255, 255), pairs[2][1] % 3
    counts = [TrueBoundaries(a, N).compare(b) for a, b in pairs]
    counts = sum(counts[1:], counts[0])
    for i, distance in enumerate(DISTANCES):
        for c in range(N):
            values = [f1_of(a, b, c, distance) for a, b in pairs]
            values = [value for value in values if value is not None]
            assert counts.images[c] == len(values)
            assert counts.f1[i, c] == pytest.approx(sum(values), rel=1e-6)
    found = boundary_scores(counts)
    assert 0 < found["1"]["f1"] < found["3"]["f1"] < found["10"]["f1"] < 1
    assert found["3"]["accuracy"] == scores_of(counts.trimap[1]).pixel_accuracy


def test_the_truth_is_perfect(rng):
    label = scene(rng)
    found = boundary_scores(TrueBoundaries(label, N).compare(np.where(label == 255, 0, label)))
    for scores in found.values():
        assert scores == {"accuracy": 1, "mean_iou": 1, "f1": 1}


def test_without_boundaries_nothing_is_defined():
    label = np.zeros((5, 6), np.uint8)
    found = boundary_scores(TrueBoundaries(label, N).compare(label))
    assert np.isnan([value for scores in found.values() for value in scores.values()]).all()
