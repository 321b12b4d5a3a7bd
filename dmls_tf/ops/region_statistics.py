"""Densities estimated from the regions themselves, the classic statistics of active contours."""

from keras import ops


def gaussian_log_likelihood(features, membership, min_deviation=1e-2):
    """log f_i of eq. 9, f_i a Gaussian with the mean and deviations of region i in this image.

    "Estimated from previously selected points belonging to that region" (the paper, below
    eq. 9). With two regions, equal deviations and one feature, the force it gives is that of
    Chan and Vese (2001).

    Args:
        features: `[B, d, H, W]`, taken as independent.
        membership: `[B, N, H, W]` in 0..1, weight of each pixel in a region.
        min_deviation: lower bound of a standard deviation, in the unit of the features.

    Returns:
        `[B, N, H, W]`: log-density divided by d, without its constant.
    """
    features, weight = features[:, None], membership[:, :, None]  # [B, N, d, H, W] together
    area = ops.maximum(ops.sum(weight, axis=(3, 4), keepdims=True), 1.0)
    mean = ops.sum(weight * features, axis=(3, 4), keepdims=True) / area
    squared = ops.square(features - mean)
    variance = ops.sum(weight * squared, axis=(3, 4), keepdims=True) / area
    variance = ops.maximum(variance, min_deviation**2)
    return ops.mean(-0.5 * squared / variance - 0.5 * ops.log(variance), axis=2)
