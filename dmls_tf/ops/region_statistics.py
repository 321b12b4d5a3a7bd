"""Gaussian densities of regions: with given parameters, or estimated from the regions themselves,
the classic statistics of active contours.
"""

from keras import ops

from dmls_tf.ops.types import Tensor, as_tensor


def region_moments(
    features: Tensor, membership: Tensor, min_deviation: float = 1e-2
) -> tuple[Tensor, Tensor]:
    """Mean and logarithm of the standard deviation of each feature in each region.

    Args:
        features: `[B, d, H, W]`.
        membership: `[B, N, H, W]` in 0..1, weight of each pixel in a region.
        min_deviation: lower bound of a standard deviation, in the unit of the features.

    Returns:
        Two arrays `[B, N, d]`.
    """
    area = ops.maximum(ops.sum(membership, axis=(2, 3)), 1.0)[..., None]
    mean = ops.einsum("bnhw,bdhw->bnd", membership, features) / area
    # Around the mean, one feature at a time: the difference of large numbers would lose digits.
    variances = []
    for i in range(features.shape[1]):
        squared = ops.square(features[:, None, i] - mean[:, :, i, None, None])
        variances.append(ops.sum(membership * squared, axis=(2, 3)) / area[..., 0])
    variance = ops.maximum(ops.stack(variances, axis=-1), min_deviation**2)
    return mean, 0.5 * ops.log(variance)


def gaussian_log_density(features: Tensor, mean: Tensor, log_deviation: Tensor) -> Tensor:
    """log f_i of eq. 9 for independent Gaussian features, without its constant, divided by d.

    Args:
        features: `[B, d, H, W]`.
        mean, log_deviation: `[B, N, d]`, or `[1, N, d]` for all images.

    Returns:
        `[B, N, H, W]`.
    """
    total = 0.0
    for i in range(features.shape[1]):
        deviations = features[:, None, i] - mean[:, :, i, None, None]
        precision = ops.exp(-2.0 * log_deviation[:, :, i, None, None])
        total = total - 0.5 * precision * ops.square(deviations)
    return (total - ops.sum(log_deviation, axis=-1)[:, :, None, None]) / features.shape[1]


def gaussian_log_likelihood(
    features: Tensor, membership: Tensor, min_deviation: float = 1e-2
) -> Tensor:
    """log f_i of eq. 9, f_i a Gaussian with the mean and deviations of region i in this image.

    "Estimated from a number of previously selected points belonging to that region" (the paper,
    above eq. 9). With two regions, equal deviations and one feature, the force it gives is that
    of Chan and Vese (2001).

    Args and result: see `region_moments` and `gaussian_log_density`.

    >>> grey = np.array([0, 2, 8, 10], "float32").reshape(1, 1, 1, 4)
    >>> halves = np.array([[1, 1, 0, 0], [0, 0, 1, 1]], "float32").reshape(1, 2, 1, 4)
    >>> print(np.asarray(gaussian_log_likelihood(grey, halves))[0, :, 0])  # means 1, 9; deviation 1
    [[ -0.5  -0.5 -24.5 -40.5]
     [-40.5 -24.5  -0.5  -0.5]]
    """
    features, membership = as_tensor(features), as_tensor(membership)
    moments = region_moments(features, membership, min_deviation)
    return gaussian_log_density(features, *moments)
