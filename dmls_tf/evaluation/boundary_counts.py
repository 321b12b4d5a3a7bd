"""How good the boundaries of a prediction are, counted image by image.

- Trimap: the confusion matrix of the pixels near true boundaries (Kohli, Ladicky and Torr, *Robust
  higher order potentials for enforcing label consistency*, 2009; as a plot over the width in
  Chen et al., *DeepLab*, 2018). Here within d pixels on each side of a boundary.
- Boundary F1: for each class and image, the precision of the predicted boundary pixels and the
  recall of the true ones, within d pixels (Csurka et al., *What is a good evaluation measure for
  semantic segmentation?*, BMVC 2013; classes averaged over the images, as in Takikawa et al.,
  *Gated-SCNN*, ICCV 2019).

A boundary runs between two labelled pixels of different classes: where labels end in ignored
pixels, nothing is known of it, and nothing counts.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from dmls_tf import IGNORE_LABEL
from dmls_tf.evaluation.summable import Summable
from dmls_tf.ops import boundary_distance, label_changes

DISTANCES = (1, 3, 5, 10)  # pixels
NOTHING = -1


@dataclasses.dataclass(frozen=True)
class BoundaryCounts(Summable):
    """Counts of an image, or of several together: they can be added.

    Attributes:
        trimap: int64 `[D, N, N + 1]`: for each of `DISTANCES`, the confusion matrix of the pixels
            that near to a true boundary; the last column are predictions of no class.
        f1: float64 `[D, N]`: sums of the F1 scores of the images.
        images: int64 `[N]`: images in whose labels or prediction the class has a boundary.
    """

    trimap: np.ndarray
    f1: np.ndarray
    images: np.ndarray


class TrueBoundaries:
    """The boundaries of an image's labels, found once for all predictions.

    Args:
        label: class ids, uint8 `[H, W]`, 255 for ignored.
        num_classes: N.
    """

    def __init__(self, label, num_classes):
        self.num_classes = num_classes
        self.label = label
        self.valid = label != IGNORE_LABEL
        self.boundary = boundary_classes(label, self.valid)
        distance = _distance(label[None])[0].numpy()
        self.near = np.flatnonzero((distance < DISTANCES[-1]) & self.valid)
        # The first of the distances within which a pixel is.
        self.ring = np.searchsorted(DISTANCES, distance.ravel()[self.near], side="right")

    def compare(self, prediction):
        """The `BoundaryCounts` of a prediction, class ids `[H, W]`; others are no class."""
        n = self.num_classes
        predicted = np.minimum(prediction.ravel()[self.near].astype(np.intp), n)
        pairs = (self.ring * n + self.label.ravel()[self.near]) * (n + 1) + predicted
        shape = len(DISTANCES), n, n + 1
        trimap = np.bincount(pairs, minlength=np.prod(shape)).reshape(shape).cumsum(0)
        boundary = boundary_classes(np.minimum(prediction, n), self.valid)
        precision = self._matched(boundary, self.boundary)
        recall = self._matched(self.boundary, boundary)
        absent = np.isnan(precision) & np.isnan(recall)
        # Without a boundary on one side nothing matches on the other.
        precision, recall = np.nan_to_num(precision), np.nan_to_num(recall)
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
        return BoundaryCounts(trimap, f1, (~absent[0]).astype(np.int64))

    def _matched(self, points, targets):
        """Share of each class's `points` with a target of that class within each distance.

        Float64 `[D, N]`, NaN for a class without points.
        """
        classes, distance = nearest_of_its_class(points, targets, DISTANCES[-1])
        counts = np.bincount(classes, minlength=self.num_classes)[: self.num_classes]
        shares = []
        for limit in DISTANCES:
            hits = np.bincount(classes[distance <= limit], minlength=self.num_classes)
            with np.errstate(invalid="ignore"):
                shares.append(hits[: self.num_classes] / counts)
        return np.array(shares)


def boundary_classes(classes, valid):
    """Each pixel's class where a neighbour has another one, `NOTHING` elsewhere: int16 `[H, W]`.

    Args:
        classes: integers `[H, W]`.
        valid: bool `[H, W]`; only valid pixels have, and are, such neighbours.
    """
    classes = np.where(valid, classes.astype(np.int16), NOTHING)
    return np.where(_changes(classes[None])[0], classes, NOTHING)


def nearest_of_its_class(points, targets, max_distance):
    """The distance from each boundary pixel to the nearest target of the same class.

    Boundaries are thin, so each pixel looks around itself, nearest offsets first, until it finds
    one.

    Args:
        points, targets: results of `boundary_classes`.
        max_distance: pixels; what is farther away has the distance infinity.

    Returns:
        The classes of the points and their distances, `[points]`.
    """
    padded = np.pad(targets, max_distance, constant_values=NOTHING)
    rows, columns = np.nonzero(points != NOTHING)
    classes = points[rows, columns]
    distance = np.full(len(classes), np.inf, np.float32)
    left, wanted = np.arange(len(classes)), classes
    place = (rows + max_distance) * padded.shape[1] + columns + max_distance
    for squared, offset in _offsets(max_distance, padded.shape[1]):
        found = padded.ravel().take(place + offset) == wanted
        distance[left[found]] = np.sqrt(squared)
        left, wanted, place = left[~found], wanted[~found], place[~found]
    return classes, distance


def _offsets(radius, stride):
    """(squared length, offset in a flat array) of all shifts within a disk, the shortest first."""
    shifts = range(-radius, radius + 1)
    pairs = [(y * y + x * x, y * stride + x) for y in shifts for x in shifts]
    return sorted(pair for pair in pairs if pair[0] <= radius**2)


@tf.function(autograph=False, input_signature=[tf.TensorSpec([1, None, None], tf.int16)])
def _changes(classes):
    return label_changes(classes, NOTHING)


@tf.function(autograph=False, input_signature=[tf.TensorSpec([1, None, None], tf.uint8)])
def _distance(labels):
    return boundary_distance(labels, DISTANCES[-1])
