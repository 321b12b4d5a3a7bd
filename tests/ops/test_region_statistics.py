import numpy as np
from scipy.stats import norm

from dmls_tf.ops import gaussian_log_likelihood
from dmls_tf.ops.region_statistics import gaussian_log_density, region_moments


def test_moments_are_weighted_means_and_deviations(rng):
    features = rng.normal(100, 3, (2, 3, 10, 12)).astype(np.float32)
    membership = rng.random((2, 4, 10, 12)).astype(np.float32)
    mean, log_deviation = region_moments(features, membership)
    for image in range(2):
        for region in range(4):
            weights = membership[image, region].ravel()
            for i in range(3):
                values = features[image, i].ravel()
                expected = np.average(values, weights=weights)
                deviation = np.sqrt(np.average((values - expected) ** 2, weights=weights))
                np.testing.assert_allclose(mean[image, region, i], expected, rtol=1e-5)
                found = np.exp(log_deviation[image, region, i])
                np.testing.assert_allclose(found, deviation, rtol=1e-4)


def test_densities_equal_scipys(rng):
    features = rng.normal(size=(1, 2, 6, 7)).astype(np.float32)
    mean = rng.normal(size=(1, 3, 2)).astype(np.float32)
    deviation = rng.uniform(0.5, 2, (1, 3, 2)).astype(np.float32)
    found = gaussian_log_density(features, mean, np.log(deviation))
    for region in range(3):
        expected = sum(
            norm.logpdf(features[0, i], mean[0, region, i], deviation[0, region, i])
            for i in range(2)
        )
        constant = np.log(2 * np.pi)  # 2 features, half each
        np.testing.assert_allclose(found[0, region], (expected + constant) / 2, atol=1e-5)


def test_a_region_without_pixels_is_finite(rng):
    features = rng.normal(size=(1, 2, 6, 7)).astype(np.float32)
    membership = np.zeros((1, 2, 6, 7), np.float32)
    membership[:, 0] = 1
    assert np.isfinite(gaussian_log_likelihood(features, membership)).all()
