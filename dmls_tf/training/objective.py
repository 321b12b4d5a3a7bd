"""What training minimises: the weighted losses of the outputs (eqs 11, 12, deep supervision)."""

import dataclasses

import tensorflow as tf

from dmls_tf.losses import BoundaryCrossEntropy, PixelLoss, WeightedCrossEntropy


@dataclasses.dataclass(frozen=True)
class Objective:
    """Losses of the kinds of outputs, and the weight of each output.

    Attributes:
        losses: {kind: loss}, the kinds being "coarse", "likelihood" and "evolved".
        weights: {output: weight of its loss}; outputs that are not here have none.
    """

    losses: dict[str, PixelLoss]
    weights: dict[str, float]

    def pixel_weights(self, labels):
        """Of each kind in use: weights `[B, H, W]`, and how many pixels count."""
        weights, counts, known = {}, {}, {}
        for kind in sorted({_kind(key) for key in self.weights}):
            loss = self.losses[kind]
            # Coarse and evolved outputs share a loss, whose weights are computed once.
            if id(loss) not in known:
                known[id(loss)] = loss.pixel_weights(labels)
            weights[kind], counts[kind] = known[id(loss)]
        return weights, counts

    def __call__(self, labels, outputs, pixel_weights, counts):
        """`loss`, the weighted sum, and `OUTPUT/loss` of each output, float32 scalars.

        Args:
            labels: int32 `[B, H, W]`.
            outputs: {output: logits}.
            pixel_weights: of `pixel_weights`, for these labels.
            counts: pixels that count, in the global batch.
        """
        losses = {"loss": 0.0}
        for key, weight in self.weights.items():
            kind = _kind(key)
            total = self.losses[kind].weighted_sum(labels, outputs[key], pixel_weights[kind])
            losses[f"{key}/loss"] = total / tf.maximum(counts[kind], 1.0)
            losses["loss"] += weight * losses[f"{key}/loss"]
        return losses


def make_objective(model, config, class_weights):
    """The objective of a `DMLS` as a `TrainConfig` says.

    Args:
        model: a `DMLS`.
        config: a `TrainConfig`.
        class_weights: N numbers or None.
    """
    supervised = WeightedCrossEntropy(class_weights, config.boundary_weight)
    losses = {
        "coarse": supervised,
        "evolved": supervised,
        "likelihood": BoundaryCrossEntropy(config.head_band)
        if config.head_band
        else WeightedCrossEntropy(boundary_weight=0),
    }
    scale = {
        "coarse": config.coarse_weight if config.train_only == "all" else 0.0,
        "likelihood": config.head_weight,
        "evolved": config.evolved_weight,
    }
    last = model.config.num_steps
    steps = range(1 if config.deep_supervision else last, last + 1)
    weights = {
        key: scale[_kind(key)] / len(steps) for key in model.output_keys if _step(key) in steps
    }
    return Objective(losses, {key: weight for key, weight in weights.items() if weight})


def _kind(key):
    return key.split("_")[0]


def _step(key):
    return int(key.split("_")[1])
