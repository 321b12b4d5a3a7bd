"""Lower envelopes of parabolas along one axis, over any distance.

The squared distance separates into two passes, each such an envelope,

    D(x, y)^2 = min_i [ (x - i)^2 + min_j [ (y - j)^2 + f(i, j) ] ].

A loop over the shifts stops when no further one can lower a pixel, block by block, so that a block
waits for no other. The network does not need it: its distances end at a band, see
`dmls_tf.ops.banded_distance`.

Tried, and not kept, on a CPU: one loop over the whole image instead of blocks (5 times slower in
TensorFlow's graph); planes one after another, which stay in the cache but on one core under XLA;
doubling steps instead of a scan for the unbounded first pass (twice the time in the graph, 4 times
under XLA).
"""

import math
from collections.abc import Callable

from keras import ops

from dmls_tf.backend import compiled
from dmls_tf.ops.finite_differences import pad, trim
from dmls_tf.ops.types import Tensor

CHUNK = 32  # shifts in one turn of the loop
FAR = 1e38  # a cost that no minimum is attained at, without the pitfalls of infinity
LANES = 64  # lines in one block: its arrays stay in a processor's cache


def steps_along_first_axis(target: Tensor) -> Tensor:
    """Steps along axis 0 to the nearest true element, float32, infinity where there is none."""
    cost = ops.where(target, 0.0, math.inf)

    def walk(steps: Tensor, line: Tensor) -> tuple[Tensor, Tensor]:
        steps = ops.minimum(steps + 1.0, line)
        return steps, steps

    start = ops.full_like(cost[0], math.inf)
    forward = ops.scan(walk, start, cost)[1]
    return ops.scan(walk, start, forward, reverse=True)[1]


def lower_envelope(cost: Tensor, spacing: float = 1.0) -> Tensor:
    """min_i cost[b, i, m, c] + (spacing (x - i))^2 for every x, over the whole axis 1."""

    def improve(best: list[Tensor], left: Tensor, right: Tensor, shift: Tensor) -> list[Tensor]:
        return [ops.minimum(best[0], ops.minimum(left, right) + (spacing * shift) ** 2)]

    return _over_blocks(
        lambda block: _envelope(block, [block], improve, spacing, math.inf)[0], cost
    )


@compiled
def lower_envelope_argmin(cost: Tensor, spacing: float = 1.0) -> Tensor:
    """The i of `lower_envelope`, int32; of several, the nearest, then the left one."""

    # The shift is held as 2 |shift| + 1[to the right], which only rises. Signs, because a
    # comparison costs ten times as much in TensorFlow's graph.
    def improve(best: list[Tensor], left: Tensor, right: Tensor, shift: Tensor) -> list[Tensor]:
        value, code = best
        lower = ops.minimum(left, right) + (spacing * shift) ** 2
        candidate = 2.0 * shift + _is_positive(left - right)
        code = ops.maximum(code, candidate * _is_positive(value - lower))
        return [ops.minimum(value, lower), code]

    def argmin(block: Tensor) -> Tensor:
        start = [block, ops.zeros_like(block)]
        code = ops.cast(_envelope(block, start, improve, spacing, beyond=FAR)[1], "int32")
        position = ops.expand_dims(ops.arange(ops.shape(block)[0], dtype="int32"), 1)
        return position + (code // 2) * (2 * (code % 2) - 1)

    return _over_blocks(argmin, ops.minimum(cost, FAR))


def _is_positive(values: Tensor) -> Tensor:
    return ops.sign(ops.relu(values))


def _over_blocks(function: Callable[[Tensor], Tensor], cost: Tensor) -> Tensor:
    """Applies a function of `[L, lanes]`, at most `LANES` of them, to an array `[B, L, M, C]`."""
    batch, length, width, channels = ops.shape(cost)
    count = -(-width // LANES)
    lanes = -(-width // count)
    missing = count * lanes - width
    blocks = ops.reshape(pad(cost, 2, 0, missing), (batch, length, count, lanes, channels))
    blocks = ops.transpose(blocks, (0, 4, 2, 1, 3))
    blocks = ops.map(function, ops.reshape(blocks, (-1, length, lanes)))
    blocks = ops.reshape(blocks, (batch, channels, count, length, lanes))
    result = ops.reshape(ops.transpose(blocks, (0, 3, 2, 4, 1)), (batch, length, -1, channels))
    return trim(result, 2, 0, missing)


def _envelope(
    cost: Tensor,
    best: list[Tensor],
    improve: Callable[..., list[Tensor]],
    spacing: float,
    beyond: float,
) -> list[Tensor]:
    """Shows `improve` the pairs cost[x - k], cost[x + k] of `[L, M]`, for rising k."""
    length, lowest = ops.shape(cost)[0], ops.min(cost, axis=0)

    def may_improve(shift: Tensor, best: list[Tensor], left: Tensor, right: Tensor) -> Tensor:
        highest = ops.max(best[0], axis=0)  # a line without a finite cost has nothing to gain
        nearer = lowest + (spacing * ops.cast(shift, cost.dtype)) ** 2 < highest
        return ops.logical_and(shift < length, ops.any(nearer))

    def turn(shift: Tensor, best: list[Tensor], left: Tensor, right: Tensor) -> tuple:
        # left[t] = cost[t - shift - CHUNK + 1] and right[t] = cost[t + shift].
        for c in range(CHUNK):
            rest = CHUNK - 1 - c
            best = improve(
                best,
                trim(left, 0, rest, c),
                trim(right, 0, c, rest),
                ops.cast(shift + c, cost.dtype),
            )
        left = pad(trim(left, 0, 0, CHUNK), 0, CHUNK, 0, beyond)
        right = pad(trim(right, 0, CHUNK, 0), 0, 0, CHUNK, beyond)
        return shift + CHUNK, best, left, right

    left = trim(pad(cost, 0, CHUNK, 0, beyond), 0, 0, 1)
    right = trim(pad(cost, 0, 0, CHUNK, beyond), 0, 1, 0)
    start = (ops.convert_to_tensor(1, dtype="int32"), best, left, right)
    return ops.while_loop(may_improve, turn, start)[1]
