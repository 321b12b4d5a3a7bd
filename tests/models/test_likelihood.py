import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from dmls_tf.config import LIKELIHOODS, LevelSetConfig, ModelConfig
from dmls_tf.models.dfcn import DFCN
from dmls_tf.models.likelihood import MIN_DEVIATION, AdaptiveLikelihood, build_likelihood
from dmls_tf.ops import region_force

SIZE = (1, 40, 56)


def parts_of(name, rng, rho=None):
    """A likelihood, and what one step of the network hands it."""
    config = ModelConfig(
        num_classes=4,
        backbone="vgg16",
        width_multiplier=0.125,
        decoder_channels=32,
        likelihood=name,
        level_set=LevelSetConfig(rho=rho),
    )
    dfcn = DFCN(config)
    likelihood = build_likelihood(config, dfcn)
    image = tf.constant(rng.uniform(-1, 1, (*SIZE, 3)), tf.float32)
    encoded = dfcn.encode(127.5 * (image + 1))
    features = dfcn(encoded).features
    coarse = tf.image.resize(3.0 * tf.random.normal((1, 5, 7, 4), seed=1), SIZE[1:])
    evidence = likelihood.prepare(image, encoded.image_features)
    return likelihood, image, evidence, coarse, features


@pytest.mark.parametrize("name", LIKELIHOODS)
@pytest.mark.parametrize("rho", [None, 0.5])
def test_all_give_finite_values_normalised_if_there_is_a_rho(name, rho, rng):
    likelihood, _, evidence, coarse, features = parts_of(name, rng, rho)
    log_f = likelihood(evidence, coarse, features)
    assert log_f.shape == coarse.shape
    assert log_f.dtype == tf.float32
    assert np.isfinite(log_f).all()
    if rho is not None:
        np.testing.assert_allclose(np.exp(log_f).sum(-1), 1, atol=1e-5)


@pytest.mark.parametrize("name", LIKELIHOODS)
@pytest.mark.parametrize("rho", [None, 0.5, -1.0])
def test_a_constant_added_to_all_logits_of_a_pixel_does_not_change_the_force(name, rho, rng):
    likelihood, _, evidence, coarse, features = parts_of(name, rng, rho)
    for weight in likelihood.trainable_variables:
        weight.assign(weight + 0.1 * tf.random.normal(weight.shape, seed=2))
    shifted = coarse + 3.0 * tf.cast(tf.random.normal((*SIZE, 1), seed=3) > 0, tf.float32)

    def force(coarse):
        log_f = likelihood(evidence, coarse, features)
        return region_force(tf.transpose(log_f, (0, 3, 1, 2)), rho, likelihood.force_scale)

    np.testing.assert_allclose(force(shifted), force(coarse), atol=1e-4)


def test_the_untrained_learned_likelihood_is_the_coarse_segmentation(rng):
    likelihood, _, evidence, coarse, features = parts_of("learned", rng)
    log_f = likelihood(evidence, coarse, features)
    np.testing.assert_array_equal(log_f, coarse)


def test_a_trained_gaussian_takes_the_nearest_colour(rng):
    likelihood, image, _, coarse, features = parts_of("gaussian", rng)
    mean = np.zeros((1, 4, 7), np.float32)
    mean[0, :, 0] = [-0.9, -0.3, 0.3, 0.9]  # of the red channel
    log_deviation = np.full((1, 4, 7), 5.0, np.float32)  # of no importance
    log_deviation[0, :, 0] = np.log(0.2)
    likelihood.mean.assign(mean)
    likelihood.log_deviation.assign(log_deviation)
    no_features = tf.zeros((1, 20, 28, likelihood.projection.input_shape[-1]))
    evidence = likelihood.prepare(image, no_features)
    found = np.argmax(likelihood(evidence, coarse, features), -1)
    nearest = np.argmin(np.abs(np.asarray(image)[..., :1] - mean[0, :, 0]), -1)
    assert (found == nearest).mean() > 0.99


def test_adaptive_moments_are_those_of_the_regions(rng):
    likelihood, image, evidence, _, features = parts_of("adaptive", rng)
    labels = (np.arange(56) >= 28) + 2 * (np.arange(40) >= 20)[:, None]
    hard = 50.0 * ops.one_hot(labels[None], 4)
    found = np.asarray(likelihood.log_density(evidence, hard, features, training=False))[0]
    seen = np.transpose(np.asarray(evidence)[0], (1, 2, 0))
    np.testing.assert_allclose(seen[..., :3], np.asarray(image)[0], atol=1e-6)
    for phase in range(4):
        inside = seen[labels == phase]
        deviation = np.maximum(inside.std(0), MIN_DEVIATION)
        density = -0.5 * ((seen - inside.mean(0)) / deviation) ** 2 - np.log(deviation)
        expected = (density.sum(-1) + np.log(0.25)) / 7
        np.testing.assert_allclose(found[..., phase], expected, rtol=1e-3, atol=1e-3)


def test_scores_are_added_to_the_statistics(rng):
    likelihood, _, evidence, coarse, features = parts_of("scores+adaptive", rng)
    both = likelihood.log_density(evidence, coarse, features, training=False)
    alone = AdaptiveLikelihood.log_density(likelihood, evidence, coarse, features, False)
    np.testing.assert_allclose(both - alone, tf.nn.log_softmax(coarse), atol=1e-5)


@pytest.mark.parametrize("name", ["learned", "gaussian", "adaptive"])
def test_every_weight_gets_a_gradient(name, rng):
    likelihood, image, _, coarse, features = parts_of(name, rng)
    for weight in likelihood.trainable_variables:
        weight.assign(weight + 0.1 * tf.random.normal(weight.shape, seed=2))
    channels = [v.shape[2] for v in likelihood.trainable_variables if v.shape[:2] == (1, 1)]
    image_features = keras.random.normal((1, 20, 28, channels[0]), seed=3)
    with tf.GradientTape() as tape:
        evidence = likelihood.prepare(image, image_features, training=True)
        loss = tf.reduce_sum(likelihood(evidence, coarse, features, training=True) ** 2)
    variables = likelihood.trainable_variables
    for variable, gradient in zip(
        variables, tape.gradient(loss, [v.value for v in variables]), strict=True
    ):
        assert gradient is not None, variable.path
        assert np.any(gradient), variable.path
