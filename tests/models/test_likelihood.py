import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from dmls_tf.config import FORCES, ModelConfig
from dmls_tf.models.dfcn import DFCN
from dmls_tf.models.likelihood import MIN_DEVIATION, build_likelihood

SIZE = (1, 40, 56)


def parts_of(force, rng, **settings):
    """A likelihood, and what one step of the network hands it."""
    config = ModelConfig(
        num_classes=4,
        backbone="mobilenetv2",
        width=0.25,
        decoder_channels=32,
        force=force,
        **settings,
    )
    dfcn = DFCN(config)
    likelihood = build_likelihood(config, dfcn)
    image = tf.constant(rng.uniform(-1, 1, (*SIZE, 3)), tf.float32)
    shared = dfcn.encode(127.5 * (image + 1))
    step = dfcn(shared)
    scores = tf.image.resize(3.0 * tf.random.normal((1, 5, 7, 4), seed=1), SIZE[1:])
    prepared = likelihood.prepare(image, shared[0])
    return likelihood, image, prepared, scores, step


@pytest.mark.parametrize("force", FORCES)
def test_all_give_finite_values_of_the_scores_shape(force, rng):
    likelihood, _, prepared, scores, step = parts_of(force, rng)
    log_f = likelihood(prepared, scores, step)
    assert log_f.shape == scores.shape
    assert log_f.dtype == tf.float32
    assert np.isfinite(log_f).all()


def test_an_untrained_head_returns_the_scores(rng):
    likelihood, _, prepared, scores, step = parts_of("head", rng)
    np.testing.assert_array_equal(likelihood(prepared, scores, step), scores)


def test_a_trained_gaussian_takes_the_nearest_colour(rng):
    likelihood, image, _, scores, step = parts_of("gaussian", rng)
    mean = np.zeros((1, 4, 7), np.float32)
    mean[0, :, 0] = [-0.9, -0.3, 0.3, 0.9]  # of the red channel
    log_deviation = np.full((1, 4, 7), 5.0, np.float32)  # of no importance
    log_deviation[0, :, 0] = np.log(0.2)
    likelihood.mean.assign(mean)
    likelihood.log_deviation.assign(log_deviation)
    no_features = tf.zeros((1, 20, 28, likelihood.projection.input_shape[-1]))
    prepared = likelihood.prepare(image, no_features)
    found = np.argmax(likelihood(prepared, scores, step), -1)
    nearest = np.argmin(np.abs(np.asarray(image)[..., :1] - mean[0, :, 0]), -1)
    assert (found == nearest).mean() > 0.99


def test_adaptive_moments_are_those_of_the_regions(rng):
    likelihood, image, prepared, _, step = parts_of("adaptive", rng)
    labels = (np.arange(56) >= 28) + 2 * (np.arange(40) >= 20)[:, None]
    hard = 50.0 * ops.one_hot(labels[None], 4)
    found = np.asarray(likelihood(prepared, hard, step))[0]
    features = np.transpose(np.asarray(prepared[0])[0], (1, 2, 0))
    np.testing.assert_allclose(features[..., :3], np.asarray(image)[0], atol=1e-6)
    for phase in range(4):
        inside = features[labels == phase]
        deviation = np.maximum(inside.std(0), MIN_DEVIATION)
        density = -0.5 * ((features - inside.mean(0)) / deviation) ** 2 - np.log(deviation)
        expected = (density.sum(-1) + np.log(0.25)) / 7
        np.testing.assert_allclose(found[..., phase], expected, rtol=1e-3, atol=1e-3)


def test_scores_are_added_to_the_statistics(rng):
    likelihood, _, prepared, scores, step = parts_of("scores+adaptive", rng)
    both = likelihood(prepared, scores, step)
    likelihood.with_scores = False
    alone = likelihood(prepared, scores, step)
    np.testing.assert_allclose(both - alone, tf.nn.log_softmax(scores), atol=1e-5)


@pytest.mark.parametrize("force", ["head", "gaussian", "adaptive"])
def test_every_weight_gets_a_gradient(force, rng):
    likelihood, image, _, scores, step = parts_of(force, rng)
    for weight in likelihood.trainable_variables:
        weight.assign(weight + 0.1 * tf.random.normal(weight.shape, seed=2))
    channels = [v.shape[2] for v in likelihood.trainable_variables if v.shape[:2] == (1, 1)]
    image_features = keras.random.normal((1, 20, 28, channels[0]), seed=3)
    with tf.GradientTape() as tape:
        prepared = likelihood.prepare(image, image_features, training=True)
        loss = tf.reduce_sum(likelihood(prepared, scores, step, training=True) ** 2)
    variables = likelihood.trainable_variables
    for variable, gradient in zip(
        variables, tape.gradient(loss, [v.value for v in variables]), strict=True
    ):
        assert gradient is not None, variable.path
        assert np.any(gradient), variable.path
