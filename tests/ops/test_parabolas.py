"""Lower envelopes of lines against all pairs of places, at lengths around those of the chunks."""

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from dmls_tf.ops.parabolas import LINES, lower_envelope, lower_envelope_argmin

COSTS = {
    "level": lambda i, rng: np.zeros(len(i)),
    "noise": lambda i, rng: rng.integers(0, 3000, len(i)),
    "low at both ends": lambda i, rng: np.where((i == 0) | (i == len(i) - 1), 0, np.inf),
    "low at the start": lambda i, rng: np.where(i == 0, 0, np.inf),
    "low in the last third": lambda i, rng: np.where(3 * i > 2 * len(i), -i, 10**6),
    "all on one parabola": lambda i, rng: -(i**2),  # at x = 0 every i attains the minimum
    "all that matter in one chunk": lambda i, rng: 50.0 * (i - len(i) // 2) ** 2,
    "sparse": lambda i, rng: np.where(i % 37 == 5, rng.integers(0, 500, len(i)), np.inf),
    "nothing": lambda i, rng: np.full(len(i), np.inf),
}


def lines_of(length, rng):
    return np.float32([make(np.arange(length), rng) for make in COSTS.values()])


def by_all_pairs(cost, spacing=1.0):
    """float64 `[R, x, i]`."""
    i = np.arange(cost.shape[1])
    return cost[:, None].astype(float) + (spacing * (i[:, None] - i)) ** 2


@pytest.mark.parametrize("spacing", [1.0, 0.25])
@pytest.mark.parametrize("length", [1, 2, 63, 64, 65, 200, 512, 513, 1300])
def test_lines_by_all_pairs(length, spacing, rng):
    cost = lines_of(length, rng)
    pairs = by_all_pairs(cost, spacing)
    lowest = np.float32(np.minimum(pairs.min(2), 1e38))
    found = lower_envelope(ops.convert_to_tensor(cost), spacing)
    np.testing.assert_array_equal(np.minimum(found, 1e38), lowest)
    index = ops.convert_to_numpy(lower_envelope_argmin(ops.convert_to_tensor(cost), spacing))
    assert index.min() >= 0
    at_index = np.take_along_axis(pairs, index[..., None], axis=2)[..., 0]
    np.testing.assert_allclose(at_index, pairs.min(2), rtol=2.4e-7)


@pytest.mark.parametrize("scale", [1e6, 1e9, 1e11])
def test_costs_that_rounding_makes_equal(scale, rng):
    """Beside such costs a step is next to nothing in float32: the minimum is right to rounding."""
    cost = np.float32(scale * (1 + 1e-6 * rng.random((LINES + 1, 700))))
    pairs = by_all_pairs(cost)
    np.testing.assert_allclose(lower_envelope(cost), pairs.min(2), rtol=2.4e-7)
    index = ops.convert_to_numpy(lower_envelope_argmin(cost))
    at_index = np.take_along_axis(pairs, index[..., None], axis=2)[..., 0]
    np.testing.assert_allclose(at_index, pairs.min(2), rtol=4.8e-7)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_costs_that_cancel_the_shift_in_a_graph(jit_compile, rng):
    i = np.arange(700)
    cost = np.float32(rng.random((5, 700)) - (0.3 * i) ** 2)
    pairs = by_all_pairs(cost, 0.3)
    argmin = tf.function(lambda cost: lower_envelope_argmin(cost, 0.3), jit_compile=jit_compile)
    index = argmin(tf.constant(cost)).numpy()
    at_index = np.take_along_axis(pairs, index[..., None], axis=2)[..., 0]
    np.testing.assert_allclose(at_index, pairs.min(2), atol=1e-6 * (0.3 * 700) ** 2)
