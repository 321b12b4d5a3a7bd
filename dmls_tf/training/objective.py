"""What training minimises: the weighted losses of the outputs (eqs 11, 12, deep supervision).

    loss = 1/K sum over steps k and kinds of  weight(kind) * loss(kind)(labels, output of step k)

Without deep supervision only the last step counts, and K is 1 here.
"""

import dataclasses

from dmls_tf.errors import UserError
from dmls_tf.losses import DenseLoss, WeightedCrossEntropy
from dmls_tf.models.outputs import Output


@dataclasses.dataclass(frozen=True)
class Objective:
    """The losses of the kinds of outputs, and the weight of each output.

    Attributes:
        losses: {kind: loss}, the kinds being the fields of `StepOutputs`.
        weights: {output: weight of its loss}; outputs that are not here have none.
    """

    losses: dict[str, DenseLoss]
    weights: dict[Output, float]

    def label_weights(self, labels):
        """{kind: weights `[B, ...]`} and {kind: how many units count}, for the kinds in use."""
        weights, counts, known = {}, {}, {}
        for kind in sorted({output.kind for output in self.weights}):
            loss = self.losses[kind]
            # Coarse and evolved outputs share a loss, whose weights are computed once.
            if id(loss) not in known:
                known[id(loss)] = loss.weights(labels)
            weights[kind], counts[kind] = known[id(loss)]
        return weights, counts

    def __call__(self, labels, results, label_weights, counts):
        """`loss`, the weighted sum, and `OUTPUT/loss` of each output, float32 scalars.

        Args:
            labels: int32 `[B, H, W]`.
            results: {name of an output: logits}.
            label_weights: of `label_weights`, for these labels.
            counts: units that count, in the global batch.
        """
        losses = {"loss": 0.0}
        for output, weight in self.weights.items():
            mean = self.losses[output.kind].mean(
                labels, results[output.name], label_weights[output.kind], counts[output.kind]
            )
            losses[f"{output.name}/loss"] = mean
            losses["loss"] += weight * mean
        return losses


def make_objective(model, config, class_weights):
    """The objective of a `DMLS` as a `TrainConfig` says.

    Args:
        model: a `DMLS`.
        config: a `TrainConfig`.
        class_weights: N numbers or None.

    Raises:
        UserError: a likelihood that no loss reaches.
    """
    check_likelihood_learns(model, config)
    supervised = supervised_loss(config, class_weights)
    losses = {"coarse": supervised, "evolved": supervised}
    if model.likelihood and model.likelihood.supervised:
        losses["likelihood"] = model.likelihood.loss(config.likelihood_band)
    scale = {
        "coarse": config.coarse_weight if config.train_only == "all" else 0.0,
        "likelihood": config.likelihood_weight,
        "evolved": config.evolved_weight,
    }
    first = 1 if config.deep_supervision else model.config.recurrent_steps
    outputs = [output for output in model.step_outputs if output.step >= first]
    count = model.config.recurrent_steps - first + 1
    weights = {output: scale[output.kind] / count for output in outputs}
    return Objective(losses, {output: weight for output, weight in weights.items() if weight})


def supervised_loss(config, class_weights):
    """The loss of the coarse and the evolved outputs. Another `DenseLoss` is chosen here."""
    return WeightedCrossEntropy(class_weights, config.boundary_weight)


def check_likelihood_learns(model, config):
    """Raises a `UserError` if the likelihood has weights that no loss of a `TrainConfig` reaches.

    An unsupervised one learns through the evolved prediction: by its loss, or, with
    `prior_gradient`, by the coarse loss of the next step.
    """
    likelihood, name = model.likelihood, model.config.likelihood
    if not (likelihood and likelihood.trainable_variables):
        return
    through_prior = model.config.prior_gradient and model.config.recurrent_steps > 1
    through_prior = through_prior and config.coarse_weight and config.train_only == "all"
    own = likelihood.supervised and config.likelihood_weight
    if not (own or config.evolved_weight or through_prior):
        wanted = (
            "likelihood_weight or evolved_weight" if likelihood.supervised else "evolved_weight"
        )
        raise UserError(f"no loss reaches the likelihood {name!r}: set {wanted} above 0")
