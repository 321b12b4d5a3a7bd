"""One confusion matrix over a whole split, and the scores that are read off it.

A split has more pixels than an int32 counts, and not every backend has int64 (JAX, by default), so
the metrics keep each count in two int32 words.
"""

import dataclasses

import keras
import numpy as np
from keras import ops

from dmls_tf import IGNORE_LABEL
from dmls_tf.errors import UserError
from dmls_tf.ops.types import as_tensor

WORD = 2**24  # of the lower words; so many replicas' words can be added: 2**31 / WORD


def pair_counts(labels, predictions, num_classes, ignore_label=IGNORE_LABEL):
    """Counts of (true class, predicted class) over the pixels that are not ignored, and the rest.

    Args:
        labels: integers `[...]` in `[0, num_classes)`, or `ignore_label`.
        predictions: integers of the same shape, in `[0, num_classes)` where not ignored.
        num_classes: N.
        ignore_label: the label of pixels that count nothing.

    Returns:
        int32 `[N * N + 1]`: the matrix row by row (row true, column predicted), and how many pixels
        are out of range.
    """
    labels = ops.reshape(ops.cast(labels, "int32"), (-1,))
    predictions = ops.reshape(ops.cast(predictions, "int32"), (-1,))
    inside = ops.logical_and(_in_range(labels, num_classes), _in_range(predictions, num_classes))
    pairs = ops.where(inside, num_classes * labels + predictions, num_classes**2)
    pairs = ops.where(labels == ignore_label, num_classes**2 + 1, pairs)
    # Not bincount, which neither JAX nor XLA can compile.
    counts = ops.segment_sum(ops.ones_like(pairs), pairs, num_segments=num_classes**2 + 2)
    return counts[: num_classes**2 + 1]


def confusion_counts(labels, predictions, num_classes, ignore_label=IGNORE_LABEL):
    """int32 `[N, N]`, row true, column predicted; see `pair_counts`."""
    counts = pair_counts(labels, predictions, num_classes, ignore_label)
    return ops.reshape(counts[:-1], (num_classes, num_classes))


def _in_range(ids, num_classes):
    return ops.logical_and(ids >= 0, ids < num_classes)


@keras.saving.register_keras_serializable(package="dmls")
class ConfusionMatrix(keras.metrics.Metric):
    """Streaming confusion matrix; `result()` is the int64 matrix, row true, column predicted.

    Exact up to 10^16 pixels, on every backend and under every distribution strategy. Where the
    backend has no int64 (JAX, by default), the result is a NumPy array; while a function is traced
    there, int32.

    Args:
        num_classes: N.
        ignore_label: the label of pixels that count nothing.

    Update arguments:
        y_true: integer labels `[B, H, W]`.
        y_pred: logits or scores `[B, H, W, N]`, or class ids `[B, H, W]`.

    Raises:
        UserError: by `result()`: a label or a prediction that is not ignored was out of range.
            In a function that is being traced nothing can be raised; all counts are -1 there.

    >>> matrix = ConfusionMatrix(num_classes=2)
    >>> matrix.update_state(np.array([[[0, 0, 0, 1, 255]]]), np.array([[[0, 0, 1, 1, 1]]]))
    >>> print(np.asarray(matrix.result()))
    [[2 1]
     [0 1]]
    """

    def __init__(self, num_classes, ignore_label=IGNORE_LABEL, name="confusion_matrix", **kwargs):
        super().__init__(name=name, dtype="int64", **kwargs)
        self.num_classes = num_classes
        self.ignore_label = ignore_label
        self.words = self.add_weight(
            shape=(2, num_classes**2 + 1), initializer="zeros", dtype="int32", name="words"
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        if sample_weight is not None:
            raise UserError(f"{self.name}: pixels are counted, not weighted")
        y_true, y_pred = as_tensor(y_true), as_tensor(y_pred)
        if len(y_pred.shape) > len(y_true.shape):
            y_pred = ops.argmax(y_pred, axis=-1)
        words = ops.convert_to_tensor(self.words)
        low = words[0] + pair_counts(y_true, y_pred, self.num_classes, self.ignore_label)
        self.words.assign(ops.stack([low % WORD, words[1] + low // WORD]))

    def result(self):
        words = ops.convert_to_tensor(self.words)
        values = _value_of(words)
        if values is not None:
            counts = self._square(values[0] + WORD * values[1].astype(np.int64))
            tensor = ops.convert_to_tensor(counts)
            return tensor if keras.backend.standardize_dtype(tensor.dtype) == "int64" else counts
        counts = words if keras.config.backend() == "jax" else ops.cast(words, "int64")
        counts = counts[0] + WORD * counts[1]
        matrix = ops.reshape(counts[:-1], (self.num_classes, self.num_classes))
        return ops.where(counts[-1] > 0, -1, matrix)

    def _square(self, counts):
        if counts[-1]:
            raise UserError(
                f"{self.name}: {counts[-1]} pixels whose label or prediction is not in "
                f"0..{self.num_classes - 1}, nor the label {self.ignore_label} (ignored)"
            )
        return counts[:-1].reshape(self.num_classes, self.num_classes)

    def get_config(self):
        return {
            "num_classes": self.num_classes,
            "ignore_label": self.ignore_label,
            "name": self.name,
        }


def _value_of(tensor):
    """The tensor as a NumPy array, None while a function is traced."""
    try:
        return ops.convert_to_numpy(tensor)
    except (AttributeError, NotImplementedError, TypeError, ValueError):
        return None


@dataclasses.dataclass(frozen=True)
class Scores:
    """What a confusion matrix says: shares in [0, 1], NaN where there is nothing to divide by.

    Attributes:
        pixel_accuracy: right pixels of all that are not ignored.
        mean_accuracy: mean of the classes' accuracies.
        mean_iou: mean of the classes' IoUs.
        frequency_weighted_iou: their mean, weighted by the true pixels of each class.
        class_accuracy: right pixels of the true ones of each class.
        class_iou: intersection over union of true and predicted pixels of each class.
    """

    pixel_accuracy: float
    mean_accuracy: float
    mean_iou: float
    frequency_weighted_iou: float
    class_accuracy: tuple[float, ...]
    class_iou: tuple[float, ...]


def scores_of(matrix, absent_iou=None):
    """The scores of a confusion matrix.

    Args:
        matrix: counts `[N, M]`, NumPy, row true, column predicted; columns from N on are
            predictions of no class, which are wrong.
        absent_iou: IoU of a class that neither labels nor predictions contain; None leaves it out
            of the mean.

    >>> scores = scores_of([[2, 1], [0, 1]])
    >>> scores.pixel_accuracy, [round(iou, 3) for iou in scores.class_iou]
    (0.75, [0.667, 0.5])
    """
    matrix = np.asarray(matrix, np.int64)
    hits, truth = np.diagonal(matrix), matrix.sum(1)
    union = truth + matrix[:, : len(matrix)].sum(0) - hits
    accuracy, iou = ratio(hits, truth), ratio(hits, union)
    if absent_iou is not None:
        iou = np.where(union > 0, iou, absent_iou)
    return Scores(
        pixel_accuracy=float(ratio(hits.sum(), truth.sum())),
        mean_accuracy=mean_of(accuracy),
        mean_iou=mean_of(iou),
        frequency_weighted_iou=float(ratio((truth[truth > 0] * iou[truth > 0]).sum(), truth.sum())),
        class_accuracy=tuple(accuracy.tolist()),
        class_iou=tuple(iou.tolist()),
    )


def ratio(part, whole):
    """float64 quotient, NaN where `whole` is 0."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole != 0)


def mean_of(values):
    """Mean of the values that are no NaN, NaN if there is none."""
    values = np.asarray(values, np.float64)
    return float(values[~np.isnan(values)].mean()) if np.any(~np.isnan(values)) else float("nan")
