"""One confusion matrix over a whole split, and the scores that are read off it."""

import dataclasses

import keras
import numpy as np
from keras import ops

from dmls_tf.datasets import IGNORE_LABEL


def confusion_counts(labels, predictions, num_classes, ignore_label=IGNORE_LABEL):
    """Counts of (true class, predicted class) over the pixels that are not ignored.

    Args:
        labels: integers `[...]` in `[0, num_classes)`, or `ignore_label`.
        predictions: integers of the same shape, in `[0, num_classes)`.
        num_classes: N.
        ignore_label: the label of pixels that count nothing.

    Returns:
        int32 `[N, N]`: row true, column predicted.
    """
    labels = ops.reshape(ops.cast(labels, "int32"), (-1,))
    predictions = ops.reshape(ops.cast(predictions, "int32"), (-1,))
    # Ignored pixels fall into one bin beyond the matrix.
    pairs = ops.where(labels == ignore_label, num_classes**2, num_classes * labels + predictions)
    counts = ops.bincount(pairs, minlength=num_classes**2 + 1)[: num_classes**2]
    return ops.reshape(ops.cast(counts, "int32"), (num_classes, num_classes))


@keras.saving.register_keras_serializable(package="dmls")
class ConfusionMatrix(keras.metrics.Metric):
    """Streaming confusion matrix; `result()` is the int64 matrix, row true, column predicted.

    Args:
        num_classes: N.
        ignore_label: the label of pixels that count nothing.

    Update arguments:
        y_true: integer labels `[B, H, W]`.
        y_pred: logits or scores `[B, H, W, N]`, or class ids `[B, H, W]`.
    """

    default_name = "confusion_matrix"

    def __init__(self, num_classes, ignore_label=IGNORE_LABEL, name=None, **kwargs):
        super().__init__(name=name or self.default_name, dtype="int64", **kwargs)
        self.num_classes = num_classes
        self.ignore_label = ignore_label
        self.matrix = self.add_weight(
            shape=(num_classes, num_classes), initializer="zeros", dtype="int64", name="matrix"
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        if len(y_pred.shape) > len(y_true.shape):
            y_pred = ops.argmax(y_pred, axis=-1)
        counts = confusion_counts(y_true, y_pred, self.num_classes, self.ignore_label)
        self.matrix.assign_add(ops.cast(counts, self.matrix.dtype))

    def result(self):
        return ops.convert_to_tensor(self.matrix)

    def get_config(self):
        return {
            "num_classes": self.num_classes,
            "ignore_label": self.ignore_label,
            "name": self.name,
        }


@keras.saving.register_keras_serializable(package="dmls")
class PixelAccuracy(ConfusionMatrix):
    """Share of the valid pixels whose class is right, 0 before the first of them."""

    default_name = "accuracy"

    def result(self):
        matrix = ops.cast(self.matrix, "float32")
        return ops.sum(ops.diagonal(matrix)) / ops.maximum(ops.sum(matrix), 1.0)


@keras.saving.register_keras_serializable(package="dmls")
class MeanIoU(ConfusionMatrix):
    """Mean intersection over union of the classes that occur in labels or predictions so far."""

    default_name = "mean_iou"

    def result(self):
        matrix = ops.cast(self.matrix, "float32")
        hits = ops.diagonal(matrix)
        union = ops.sum(matrix, axis=0) + ops.sum(matrix, axis=1) - hits
        occurs = ops.cast(union > 0, "float32")
        return ops.sum(hits / ops.maximum(union, 1.0)) / ops.maximum(ops.sum(occurs), 1.0)


@dataclasses.dataclass(frozen=True)
class Scores:
    """What a confusion matrix says: shares in [0, 1], NaN where a class never occurs."""

    pixel_accuracy: float
    mean_iou: float
    class_iou: tuple[float, ...]


def scores_of(matrix):
    """Pixel accuracy, mean IoU over the classes that occur, and IoU of each class.

    Args:
        matrix: counts `[N, N]`, row true, column predicted, as a NumPy array.
    """
    matrix = np.asarray(matrix, np.float64)
    hits = np.diag(matrix)
    union = matrix.sum(0) + matrix.sum(1) - hits
    iou = np.where(union > 0, hits / np.maximum(union, 1), np.nan)
    accuracy = hits.sum() / matrix.sum() if matrix.sum() else float("nan")
    mean = float(np.nanmean(iou)) if np.any(union > 0) else float("nan")
    return Scores(float(accuracy), mean, tuple(float(value) for value in iou))
