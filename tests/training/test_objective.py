import numpy as np
import pytest
import tensorflow as tf

from dmls_tf.config import ModelConfig, TrainConfig
from dmls_tf.losses import BoundaryCrossEntropy, WeightedCrossEntropy
from dmls_tf.models import build_dmls
from dmls_tf.training.objective import make_objective

WEIGHTS = [1.0, 2.0, 0.5]


@pytest.fixture(scope="module")
def model():
    config = ModelConfig(
        num_classes=3, backbone="mobilenetv2", width=0.25, decoder_channels=16, num_steps=2
    )
    return build_dmls(config)


def batch(rng, model):
    labels = rng.integers(0, 3, (4, 6, 8)).repeat(3, 1).repeat(3, 2).astype(np.int32)
    labels[0] = 255
    labels[1, :9] = 255
    outputs = {
        key: tf.constant(rng.normal(size=(*labels.shape, 3)), tf.float32)
        for key in model.output_keys
    }
    return tf.constant(labels), outputs


def value(objective, labels, outputs, counts=None):
    weights, own = objective.pixel_weights(labels)
    return objective(labels, outputs, weights, counts or own)


def test_it_is_the_weighted_sum_of_every_outputs_loss(model, rng):
    config = TrainConfig(coarse_weight=1, evolved_weight=0.5, head_weight=0.25, boundary_weight=2)
    labels, outputs = batch(rng, model)
    losses = value(make_objective(model, config, WEIGHTS), labels, outputs)
    supervised = WeightedCrossEntropy(WEIGHTS, 2)
    kinds = {
        "coarse": (supervised, 1),
        "evolved": (supervised, 0.5),
        "likelihood": (BoundaryCrossEntropy(), 0.25),
    }
    expected = 0
    for key, logits in outputs.items():
        loss, weight = kinds[key.split("_")[0]]
        single = float(loss(labels, logits))
        assert float(losses[f"{key}/loss"]) == pytest.approx(single, rel=1e-5)
        expected += weight * single / 2  # K = 2
    assert float(losses["loss"]) == pytest.approx(expected, rel=1e-5)


def test_the_likelihood_may_learn_from_all_pixels(model, rng):
    labels, outputs = batch(rng, model)
    losses = value(make_objective(model, TrainConfig(head_band=None), WEIGHTS), labels, outputs)
    valid = labels.numpy() != 255
    log_scores = tf.nn.log_softmax(outputs["likelihood_2"]).numpy()[valid]
    expected = -np.take_along_axis(log_scores, labels.numpy()[valid][:, None], 1).mean()
    assert float(losses["likelihood_2/loss"]) == pytest.approx(expected, rel=1e-5)


def test_parts_of_a_batch_add_up_to_the_whole_however_uneven(model, rng):
    objective = make_objective(model, TrainConfig(), WEIGHTS)
    labels, outputs = batch(rng, model)
    whole = value(objective, labels, outputs)
    _, counts = objective.pixel_weights(labels)
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
    assert weights == {"coarse_2": 1.0, "likelihood_2": 1.0, "evolved_2": 1.0}


def test_outputs_of_no_weight_have_no_loss(model):
    config = TrainConfig(evolved_weight=0)
    keys = make_objective(model, config, None).weights.keys()
    assert keys == {"coarse_1", "likelihood_1", "coarse_2", "likelihood_2"}
    only_head = make_objective(model, TrainConfig(train_only="head"), None).weights.keys()
    assert not any(key.startswith("coarse") for key in only_head)
