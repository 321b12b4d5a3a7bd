"""Losses over label maps in which one value means "ignore this pixel"."""

import keras
from keras import ops

from dmls_tf import IGNORE_LABEL
from dmls_tf.ops.boundaries import boundary_distance, label_changes


def cross_entropy(labels, logits, ignore_label=IGNORE_LABEL):
    """-log softmax(logits)[label] a pixel, float32 `[B, H, W]`; of class 0 on ignored pixels."""
    labels = ops.where(ops.equal(labels, ignore_label), 0, labels)
    return ops.sparse_categorical_crossentropy(
        labels, ops.cast(logits, "float32"), from_logits=True
    )


class DenseLoss(keras.losses.Loss):
    """A sum over units of a batch, pixels or images, divided by the number of units that count.

    Weights and number are known from the labels alone, so that a batch may be spread over devices
    and still be divided by its total. A subclass defines `weights` and `total`; Dice, say, has
    images as units.

    Call arguments:
        y_true: integer labels `[B, H, W]`.
        y_pred: logits `[B, H, W, N]`.

    Returns:
        A float32 scalar, 0 if no unit counts.
    """

    def __init__(self, ignore_label=IGNORE_LABEL, **kwargs):
        super().__init__(**kwargs | {"dtype": "float32"})  # whatever the precision of the logits
        self.ignore_label = ignore_label

    def weights(self, labels):
        """Weights, float32 `[B, ...]`, and how many units count, a float32 scalar."""
        raise NotImplementedError

    def total(self, labels, logits, weights):
        """The weighted sum over the units, a float32 scalar; here of pixels' cross-entropies."""
        return ops.sum(weights * cross_entropy(labels, logits, self.ignore_label))

    def mean(self, labels, logits, weights, count):
        """`total` by the number of units that count in the whole batch."""
        return self.total(labels, logits, weights) / ops.maximum(count, 1.0)

    def call(self, y_true, y_pred):
        labels = ops.cast(y_true, "int32")
        return self.mean(labels, y_pred, *self.weights(labels))

    def get_config(self):
        return super().get_config() | {"ignore_label": self.ignore_label}


@keras.saving.register_keras_serializable(package="dmls")
class WeightedCrossEntropy(DenseLoss):
    """Cross-entropy weighted by class and at boundaries (eqs 11, 12).

    A valid pixel of class y weighs `class_weights[y] + boundary_weight * [the label changes
    within its 4-neighbourhood]`. The sum is divided by the number of valid pixels.

    Args:
        class_weights: N numbers, None for ones; see `DatasetInfo.class_weights`.
        boundary_weight: 0 leaves boundaries as they are.
        ignore_label: the label of ignored pixels.

    Call arguments and result: as for `DenseLoss`.

    >>> labels, logits = np.array([[[0, 0, 1, 255]]]), np.zeros((1, 1, 4, 2))
    >>> loss = WeightedCrossEntropy(class_weights=[1, 2])
    >>> weights, count = loss.weights(labels)
    >>> print(np.asarray(weights), float(count))
    [[[1. 2. 3. 0.]]] 3.0
    >>> round(float(loss(labels, logits)), 3)  # (1 + 2 + 3) log 2 / 3
    1.386
    """

    def __init__(
        self,
        class_weights=None,
        boundary_weight=1.0,
        ignore_label=IGNORE_LABEL,
        name="weighted_cross_entropy",
        **kwargs,
    ):
        super().__init__(ignore_label, name=name, **kwargs)
        self.class_weights = None if class_weights is None else [float(w) for w in class_weights]
        self.boundary_weight = boundary_weight

    def weights(self, labels):
        valid = ops.cast(ops.not_equal(labels, self.ignore_label), "float32")
        weights = valid
        if self.class_weights is not None:
            table = ops.convert_to_tensor(self.class_weights, dtype="float32")
            weights = valid * ops.take(table, ops.where(valid > 0, labels, 0))
        if self.boundary_weight:
            edges = ops.cast(label_changes(labels, self.ignore_label), "float32")
            weights = weights + self.boundary_weight * edges
        return weights, ops.sum(valid)

    def get_config(self):
        return super().get_config() | {
            "class_weights": self.class_weights,
            "boundary_weight": self.boundary_weight,
        }


@keras.saving.register_keras_serializable(package="dmls")
class BoundaryCrossEntropy(DenseLoss):
    """Unweighted cross-entropy over the valid pixels near a true boundary.

    This is where a level set moves its contours, so it trains the likelihood they compete with.

    Args:
        width: pixels; the largest distance from a pixel beside a boundary.
        ignore_label: the label of ignored pixels.

    Call arguments and result: as for `DenseLoss`.

    >>> weights, count = BoundaryCrossEntropy(width=1).weights(np.array([[[0, 0, 0, 1, 1]]]))
    >>> print(np.asarray(weights), float(count))
    [[[0. 1. 1. 1. 1.]]] 4.0
    """

    def __init__(self, width=4, ignore_label=IGNORE_LABEL, name="boundary_cross_entropy", **kwargs):
        super().__init__(ignore_label, name=name, **kwargs)
        self.width = width

    def weights(self, labels):
        distance = boundary_distance(labels, self.width + 1, self.ignore_label)
        near = ops.logical_and(distance <= self.width, ops.not_equal(labels, self.ignore_label))
        near = ops.cast(near, "float32")
        return near, ops.sum(near)

    def get_config(self):
        return super().get_config() | {"width": self.width}
