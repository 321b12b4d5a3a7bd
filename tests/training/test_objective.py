import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from dmls_tf.config import ModelConfig, TrainConfig
from dmls_tf.errors import UserError
from dmls_tf.losses import BoundaryCrossEntropy, DenseLoss, WeightedCrossEntropy
from dmls_tf.models import build_dmls
from dmls_tf.training.objective import make_objective

WEIGHTS = [1.0, 2.0, 0.5]


SMALL = ModelConfig(
    num_classes=3,
    backbone="vgg16",
    width_multiplier=0.125,
    decoder_channels=16,
    recurrent_steps=2,
)


@pytest.fixture(scope="module")
def model():
    return build_dmls(SMALL)


def batch(rng, model):
    labels = rng.integers(0, 3, (4, 6, 8)).repeat(3, 1).repeat(3, 2).astype(np.int32)
    labels[0] = 255
    labels[1, :9] = 255
    results = {
        output.name: tf.constant(rng.normal(size=(*labels.shape, 3)), tf.float32)
        for output in model.step_outputs
    }
    return tf.constant(labels), results


def value(objective, labels, outputs, counts=None):
    weights, own = objective.label_weights(labels)
    return objective(labels, outputs, weights, counts or own)


def test_it_is_the_weighted_sum_of_every_outputs_loss(model, rng):
    config = TrainConfig(
        coarse_weight=1, evolved_weight=0.5, likelihood_weight=0.25, boundary_weight=2
    )
    labels, outputs = batch(rng, model)
    losses = value(make_objective(model, config, WEIGHTS), labels, outputs)
    supervised = WeightedCrossEntropy(WEIGHTS, 2)
    kinds = {
        "coarse": (supervised, 1),
        "evolved": (supervised, 0.5),
        "likelihood": (BoundaryCrossEntropy(), 0.25),
    }
    expected = 0
    for output in model.step_outputs:
        loss, weight = kinds[output.kind]
        single = float(loss(labels, outputs[output.name]))
        assert float(losses[f"{output.name}/loss"]) == pytest.approx(single, rel=1e-5)
        expected += weight * single / 2  # K = 2
    assert float(losses["loss"]) == pytest.approx(expected, rel=1e-5)


def test_the_likelihood_may_learn_from_all_pixels(model, rng):
    labels, outputs = batch(rng, model)
    losses = value(
        make_objective(model, TrainConfig(likelihood_band=None), WEIGHTS), labels, outputs
    )
    valid = labels.numpy() != 255
    log_scores = tf.nn.log_softmax(outputs["likelihood_2"]).numpy()[valid]
    expected = -np.take_along_axis(log_scores, labels.numpy()[valid][:, None], 1).mean()
    assert float(losses["likelihood_2/loss"]) == pytest.approx(expected, rel=1e-5)


def test_parts_of_a_batch_add_up_to_the_whole_however_uneven(model, rng):
    objective = make_objective(model, TrainConfig(), WEIGHTS)
    labels, outputs = batch(rng, model)
    whole = value(objective, labels, outputs)
    _, counts = objective.label_weights(labels)
    parts = [
        value(objective, labels[i : i + 1], {k: v[i : i + 1] for k, v in outputs.items()}, counts)
        for i in range(4)
    ]
    for key, expected in whole.items():
        total = sum(float(part[key]) for part in parts)
        assert total == pytest.approx(float(expected), rel=1e-4)
    assert float(parts[0]["loss"]) == 0


def test_without_deep_supervision_only_the_last_step_has_losses(model):
    weights = make_objective(model, TrainConfig(deep_supervision=False), None).weights
    names = {output.name: weight for output, weight in weights.items()}
    assert names == {"coarse_2": 1.0, "likelihood_2": 1.0, "evolved_2": 1.0}


def test_outputs_of_no_weight_have_no_loss(model):
    config = TrainConfig(evolved_weight=0)
    weights = make_objective(model, config, None).weights
    names = {output.name for output in weights}
    assert names == {"coarse_1", "likelihood_1", "coarse_2", "likelihood_2"}
    weights = make_objective(model, TrainConfig(train_only="likelihood"), None).weights
    assert not any(output.kind == "coarse" for output in weights)


UNREACHED = [
    ({"likelihood": "gaussian"}, {"evolved_weight": 0}),
    ({"likelihood": "adaptive"}, {"evolved_weight": 0}),
    (
        {"likelihood": "adaptive", "prior_gradient": True, "recurrent_steps": 1},
        {"evolved_weight": 0},
    ),
    ({"likelihood": "gaussian", "prior_gradient": True}, {"evolved_weight": 0, "coarse_weight": 0}),
    ({"likelihood": "learned"}, {"evolved_weight": 0, "likelihood_weight": 0}),
]
REACHED = [
    ({"likelihood": "gaussian"}, {}),
    ({"likelihood": "scores+adaptive", "prior_gradient": True}, {"evolved_weight": 0}),
    ({"likelihood": "scores"}, {"evolved_weight": 0}),  # has nothing to learn
    ({"likelihood": "learned"}, {"evolved_weight": 0}),
    ({"likelihood": "learned"}, {"likelihood_weight": 0}),
    ({"level_set": None}, {"evolved_weight": 0}),
]


def gradients_of(model, config, rng):
    """How each weight of the likelihood changes the loss."""
    objective = make_objective(model, config, WEIGHTS)
    labels = tf.constant(rng.integers(0, 3, (1, 24, 32)), tf.int32)
    images = rng.uniform(0, 255, (1, 24, 32, 3)).astype(np.float32)
    (kernel,) = model.dfcn.prior_convolution.weights
    kernel.assign(rng.normal(size=kernel.shape))
    with tf.GradientTape() as tape:
        loss = value(objective, labels, model(images, training=True))["loss"]
    weights = [v.value for v in model.likelihood.trainable_variables] if model.likelihood else []
    return tape.gradient(loss, weights)


@pytest.mark.parametrize(("settings", "training"), UNREACHED)
def test_a_likelihood_that_no_loss_reaches_is_refused(settings, training):
    model = build_dmls(dataclasses.replace(SMALL, **settings))
    with pytest.raises(
        UserError, match=f"no loss reaches the likelihood '{settings['likelihood']}"
    ):
        make_objective(model, TrainConfig(**training), None)


@pytest.mark.parametrize(("settings", "training"), REACHED)
def test_a_likelihood_that_is_not_refused_learns(settings, training, rng):
    model = build_dmls(dataclasses.replace(SMALL, **settings))
    for gradient in gradients_of(model, TrainConfig(**training), rng):
        assert gradient is not None


class Dice(DenseLoss):
    """One minus the mean Dice coefficient of the classes in an image; its units are images."""

    def weights(self, labels):
        valid = tf.cast(labels != self.ignore_label, tf.float32)
        return valid, tf.reduce_sum(tf.reduce_max(valid, axis=(1, 2)))

    def total(self, labels, logits, weights):
        truth = tf.one_hot(labels, logits.shape[-1]) * weights[..., None]
        found = tf.nn.softmax(logits) * weights[..., None]
        both, either = (tf.reduce_sum(x, axis=(1, 2)) for x in (truth * found, truth + found))
        present = tf.reduce_max(truth, axis=(1, 2))
        dice = tf.reduce_sum(present * 2 * both / tf.maximum(either, 1e-6), axis=-1)
        counts = tf.reduce_sum(present, axis=-1)
        return tf.reduce_sum(tf.where(counts > 0, 1 - dice / tf.maximum(counts, 1), 0.0))


def test_a_loss_that_is_no_sum_over_pixels_fits(model, rng):
    objective = make_objective(model, TrainConfig(), None)
    objective = dataclasses.replace(objective, losses={kind: Dice() for kind in objective.losses})
    labels, results = batch(rng, model)
    whole = value(objective, labels, results)
    truth, found = np.array(labels), tf.nn.softmax(results["evolved_2"]).numpy()
    losses = []
    for image, shares in zip(truth[1:], found[1:], strict=True):  # the first has no valid pixel
        inside = [(image == c)[image != 255] for c in np.unique(image[image != 255])]
        shares = shares[image != 255].T[np.unique(image[image != 255])]
        dice = [
            2 * (m * s).sum() / (m.sum() + s.sum()) for m, s in zip(inside, shares, strict=True)
        ]
        losses.append(1 - np.mean(dice))
    assert float(whole["evolved_2/loss"]) == pytest.approx(np.mean(losses), rel=1e-5)
    _, counts = objective.label_weights(labels)
    parts = [
        value(objective, labels[i : i + 1], {k: v[i : i + 1] for k, v in results.items()}, counts)
        for i in range(4)
    ]
    assert sum(float(part["loss"]) for part in parts) == pytest.approx(
        float(whole["loss"]), rel=1e-4
    )
