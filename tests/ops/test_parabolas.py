"""Lower envelopes of lines against all pairs of places, at lengths around those of the chunks."""

import numpy as np
import pytest
from keras import ops

from dmls_tf.ops.parabolas import lower_envelope, lower_envelope_argmin

LINES = {
    "level": lambda i, rng: np.zeros(len(i)),
    "noise": lambda i, rng: rng.integers(0, 3000, len(i)),
    "low at both ends": lambda i, rng: np.where((i == 0) | (i == len(i) - 1), 0, np.inf),
    "low at the start": lambda i, rng: np.where(i == 0, 0, np.inf),
    "low in the last third": lambda i, rng: np.where(3 * i > 2 * len(i), -i, 10**6),
    "all on one parabola": lambda i, rng: -(i**2),  # at x = 0 every i attains the minimum
    "all that matter in one chunk": lambda i, rng: 50.0 * (i - len(i) // 2) ** 2,
    "sparse": lambda i, rng: np.where(rng.random(len(i)) < 0.02, rng.integers(0, 500), np.inf),
    "nothing": lambda i, rng: np.full(len(i), np.inf),
}


@pytest.mark.parametrize("length", [1, 2, 63, 64, 65, 200, 1300])
def test_lines_by_all_pairs(length, rng):
    i = np.arange(length)
    cost = np.float32([make(i, rng) for make in LINES.values()])
    pairs = cost[:, None] + (i[:, None] - i) ** 2
    lowest = np.where(np.isinf(pairs.min(2)), 1e38, pairs.min(2))
    np.testing.assert_array_equal(np.minimum(lower_envelope(cost), 1e38), np.float32(lowest))
    index = ops.convert_to_numpy(lower_envelope_argmin(cost))
    at_index = np.take_along_axis(pairs, index[..., None], axis=2)[..., 0]
    np.testing.assert_array_equal(at_index, pairs.min(2))


@pytest.mark.parametrize("scale", [1e6, 1e9, 1e11])
def test_costs_that_rounding_makes_equal(scale, rng):
    """Beside such costs a step is next to nothing in float32: the minimum is right to rounding."""
    cost = np.float32(scale * (1 + 1e-6 * rng.random((100, 700))))
    i = np.arange(700)
    lowest = (cost[:, None].astype(float) + (i[:, None] - i) ** 2).min(2)
    np.testing.assert_allclose(lower_envelope(cost), lowest, rtol=2.4e-7)
