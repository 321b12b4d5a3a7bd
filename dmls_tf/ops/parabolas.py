"""Lower envelopes of parabolas along one axis, over any distance.

The squared distance separates into two passes, each such an envelope,

    D(x, y)^2 = min_i [ (x - i)^2 + min_j [ (y - j)^2 + f(i, j) ] ].

Two parabolas of one width cross once, so the minimiser never moves left as x grows: those at two x
bound those between. Lines are cut into chunks. At every 512th x all chunks are searched for the
lowest parabola; between two of these x, for every 64th, the chunks between their lowest ones; then
the same for every 8th and for every x. Neighbouring brackets share one chunk, so there are fewer
pairs of a bracket and a chunk than brackets and chunks, however they lie, and doubling a line
little more than doubles its work.

The network does not need it: its distances end at a band, see `dmls_tf.ops.banded_distance`, and
docs/adr/0017-exact-distances.md for what was tried.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from dmls_tf.backend import compiled
from dmls_tf.ops.types import Tensor

FAR = 1e38  # stands for infinity, so that differences stay finite
LINES = 128  # in one turn of the loop: their arrays stay in a processor's cache


class Level(NamedTuple):
    """Brackets of `span` places, in which chunks of `chunk` are searched for every `step`-th x.

    A level's step is the next one's span and chunk: so a place counted in steps is its chunk.
    """

    span: int
    chunk: int
    step: int


LEVELS = (Level(512, 64, 64), Level(64, 64, 8), Level(8, 8, 1))


def steps_along_first_axis(target: Tensor) -> Tensor:
    """Steps along axis 0 to the nearest true element, float32, infinity where there is none."""
    cost = ops.cast(ops.where(target, 0.0, math.inf), "float32")

    def walk(steps: Tensor, line: Tensor) -> tuple[Tensor, Tensor]:
        steps = ops.minimum(steps + 1.0, line)
        return steps, steps

    start = ops.full_like(cost[0], math.inf)
    forward = ops.scan(walk, start, cost)[1]
    return ops.scan(walk, start, forward, reverse=True)[1]


@compiled
def lower_envelope(cost: Tensor, spacing: float = 1.0) -> Tensor:
    """min_i cost[..., i] + (spacing (x - i))^2 for every x of the last axis.

    Args:
        cost: float `[..., L]`, below 1e38 or +infinity.
        spacing: of neighbours along the last axis.

    Returns:
        `[..., L]`, at least 1e38 where no cost is finite.
    """
    return _over_lines(lambda lines: _minimum(lines, spacing)[0], cost)


@compiled
def lower_envelope_argmin(cost: Tensor, spacing: float = 1.0) -> Tensor:
    """The i of `lower_envelope`, the leftmost but for rounding, int32 `[..., L]`."""
    return _over_lines(lambda lines: _minimum(lines, spacing)[1], cost)


def _over_lines(function: Callable[[Tensor], Tensor], cost: Tensor) -> Tensor:
    """Applies a function of `[LINES, L]`, L a multiple of the longest chunk, to `[..., L]`."""
    shape = ops.shape(cost)
    lines = ops.reshape(ops.minimum(cost, FAR), (-1, shape[-1]))
    count, length = ops.shape(lines)
    missing = (0, -count % LINES), (0, -length % LEVELS[0].chunk)
    lines = ops.pad(lines, missing, constant_values=FAR)
    padded = ops.shape(lines)
    result = ops.map(function, ops.reshape(lines, (-1, LINES, padded[1])))
    return ops.reshape(ops.slice(ops.reshape(result, padded), (0, 0), (count, length)), shape)


def _minimum(lines: Tensor, spacing: float) -> tuple[Tensor, Tensor]:
    """For every x of `[R, L]` the lowest value and its i."""
    chunk_at = _lowest_chunks(lines, LEVELS[0], spacing)
    for level in LEVELS[:-1]:
        index = _refined(lines, chunk_at, level, spacing)[1]
        chunk_at = index[:, : ops.shape(lines)[1] // level.step]
    return _refined(lines, chunk_at, LEVELS[-1], spacing)


def _lowest_chunks(lines: Tensor, level: Level, spacing: float) -> Tensor:
    """The chunk of the lowest parabola where each bracket begins: `[R, brackets]`."""
    rows, length = ops.shape(lines)
    x = level.span * ops.arange(-(-length // level.span), dtype="int32")
    shift = ops.expand_dims(x, 1) - ops.arange(length, dtype="int32")
    values = lines[:, None] + ops.square(spacing * ops.cast(shift, lines.dtype))
    values = ops.reshape(values, (rows, -1, length // level.chunk, level.chunk))
    return ops.argmin(ops.min(values, axis=3), axis=2)


def _refined(
    lines: Tensor, chunk_at: Tensor, level: Level, spacing: float
) -> tuple[Tensor, Tensor]:
    """At every `step`-th x the lowest value and its i, counted in steps: `[R, X]` both.

    Args:
        lines: costs, `[R, L]`.
        chunk_at: where brackets begin, the chunk of the lowest parabola, `[R, brackets]`.
        level: of these brackets and chunks.
        spacing: see `lower_envelope`.
    """
    span, size, step = level
    rows, brackets = ops.shape(chunk_at)
    chunks, num_x, parts = ops.shape(lines)[1] // size, span // step, size // step
    row = ops.expand_dims(ops.arange(rows, dtype="int32"), 1)
    bracket, chunk = _pairs_of(chunk_at, chunks)
    costs = ops.take(ops.reshape(lines, (-1, size)), row * chunks + chunk, axis=0)
    x = step * ops.arange(num_x, dtype="int32")
    i = ops.expand_dims(ops.arange(size, dtype="int32"), 1)
    within = spacing * ops.cast(i - x, lines.dtype)
    start = spacing * ops.cast(span * bracket - size * chunk, lines.dtype)
    values = costs[..., None] + ops.square(start[..., None, None] - within)
    values = ops.min(ops.reshape(values, (rows, -1, parts, step, num_x)), axis=3)

    segments = ops.reshape(row * brackets + bracket, (-1,))

    def highest_of_brackets(array: Tensor) -> Tensor:
        return ops.segment_max(ops.reshape(array, (-1, num_x)), segments, rows * brackets)

    lowest = -highest_of_brackets(-ops.min(values, axis=2))
    # A compiler may compute `values` twice and round them differently.
    bound = ops.reshape(ops.take(lowest, segments, axis=0), (rows, -1, 1, num_x))
    below_zero = ops.relu(-ops.min(ops.reshape(costs, (rows, -1, parts, step, 1)), axis=3))
    bound = bound + _eps(lines) * (ops.abs(bound) + below_zero)
    index = parts * chunk[..., None, None] + ops.expand_dims(ops.arange(parts, dtype="int32"), 1)
    to_left = ops.where(values <= bound, -index, -chunks * parts)
    index = -highest_of_brackets(ops.max(to_left, axis=2))
    return ops.reshape(lowest, (rows, -1)), ops.reshape(index, (rows, -1))


def _eps(array: Tensor) -> float:
    return float(np.finfo(keras.backend.standardize_dtype(array.dtype)).eps)


def _pairs_of(chunk_at: Tensor, chunks: int) -> tuple[Tensor, Tensor]:
    """The brackets of each line and the chunks that are searched for them, `[R, P]` both.

    A bracket reaches from the chunk of the lowest parabola where it begins to that where the next
    one begins, the last one to the last chunk. The pair of bracket b and chunk c has the place
    b + c, so that a staircase visits one place after the other. Places before the first pair hold
    further pairs of the first bracket.
    """
    rows, brackets = ops.shape(chunk_at)
    count = brackets + chunks - 1
    chunk_at = _running_maximum(chunk_at)  # it rises but for rounding
    first = chunk_at + ops.arange(brackets, dtype="int32")
    row = ops.expand_dims(ops.arange(rows, dtype="int32"), 1)
    starts = ops.scatter(
        ops.reshape(count * row + first, (-1, 1)),
        ops.ones((rows * brackets,), dtype="int32"),
        (rows * count,),
    )
    bracket = ops.maximum(ops.cumsum(ops.reshape(starts, (rows, count)), axis=1) - 1, 0)
    return bracket, ops.arange(count, dtype="int32") - bracket


def _running_maximum(array: Tensor) -> Tensor:
    """Along axis 1."""
    places = ops.arange(ops.shape(array)[1], dtype="int32")

    def turn(shift: Tensor, array: Tensor) -> tuple[Tensor, Tensor]:
        before = ops.take(array, ops.maximum(places - shift, 0), axis=1)
        return 2 * shift, ops.maximum(array, before)

    start = (ops.convert_to_tensor(1, dtype="int32"), array)
    return ops.while_loop(lambda shift, _: shift < ops.shape(array)[1], turn, start)[1]
