"""Lower envelopes of parabolas along one axis, over any distance.

The squared distance separates into two passes, each such an envelope,

    D(x, y)^2 = min_i [ (x - i)^2 + min_j [ (y - j)^2 + f(i, j) ] ].

Two parabolas of one width cross once, so the lowest one moves right as x moves right: those at two
places bracket all between. Lines are cut into chunks. At every 512th x all chunks are searched for
the lowest parabola; between two of these x, for every 64th, the chunks between their lowest ones;
then the same for every 8th and for every x. A bracket shares one chunk with the next, so there are
no more pairs of a bracket and a chunk than brackets and chunks, however they lie, and doubling a
line little more than doubles its work.

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

FAR = 1e38  # a cost that no minimum is attained at, without the pitfalls of infinity
LINES = 128  # in one turn of the loop: their arrays stay in a processor's cache


class Level(NamedTuple):
    """Between x that are `span` apart, chunks of `chunk` are searched for every `step`-th x."""

    span: int
    chunk: int
    step: int

    @property
    def parts(self) -> int:
        """Chunks of the next level in one of this level."""
        return self.chunk // self.step


LEVELS = (Level(512, 64, 64), Level(64, 64, 8), Level(8, 8, 1))


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
    """min_i cost[..., i] + (spacing (x - i))^2 for every x of the last axis.

    Args:
        cost: float `[..., L]`, finite or +infinity.
        spacing: of neighbours along the last axis.

    Returns:
        `[..., L]`, at least 1e38 where no cost is finite.
    """
    return _over_lines(lambda lines: _lowest(lines, spacing, with_index=False)[0], cost)


@compiled
def lower_envelope_argmin(cost: Tensor, spacing: float = 1.0) -> Tensor:
    """The i of `lower_envelope`, one of them where there are several, int32 `[..., L]`."""
    return _over_lines(lambda lines: _lowest(lines, spacing, with_index=True)[1], cost)


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


def _lowest(lines: Tensor, spacing: float, with_index: bool) -> list[Tensor]:
    """For every x of `[R, L]` the lowest value and, if asked for, its i."""
    length = ops.shape(lines)[1]
    chunk_at = _lowest_chunks(lines, LEVELS[0], spacing)
    for level in LEVELS[:-1]:
        _, index = _refined(lines, chunk_at, level, spacing)
        # At L, behind the last x: no further right than the chunk it is in.
        end = (chunk_at[:, -1:] + 1) * level.parts - 1
        chunk_at = ops.concatenate([index[:, : length // level.step], end], axis=1)
    return _refined(lines, chunk_at, LEVELS[-1], spacing, with_index)


def _lowest_chunks(lines: Tensor, level: Level, spacing: float) -> Tensor:
    """The chunk of the lowest parabola at every x that starts a span, and at or behind L."""
    rows, length = ops.shape(lines)
    x = level.span * ops.arange(-(-length // level.span) + 1, dtype="int32")
    shift = ops.expand_dims(x, 1) - ops.arange(length, dtype="int32")
    values = lines[:, None] + ops.square(spacing * ops.cast(shift, lines.dtype))
    values = ops.reshape(values, (rows, -1, length // level.chunk, level.chunk))
    return ops.argmin(ops.min(values, axis=3), axis=2)


def _refined(
    lines: Tensor, chunk_at: Tensor, level: Level, spacing: float, with_index: bool = True
) -> list[Tensor]:
    """At every `step`-th x the lowest value and, counted in steps, its i: `[R, X]` both.

    Args:
        lines: costs, `[R, L]`.
        chunk_at: `[R, brackets + 1]`.
        level: its brackets are those between the entries of `chunk_at`.
        spacing: see `lower_envelope`.
        with_index: whether the second is asked for.
    """
    rows = ops.shape(lines)[0]
    brackets, chunks = ops.shape(chunk_at)[1] - 1, ops.shape(lines)[1] // level.chunk
    row = ops.expand_dims(ops.arange(rows, dtype="int32"), 1)
    bracket, chunk = _pairs_of(chunk_at, brackets, chunks)
    costs = ops.take(ops.reshape(lines, (-1, level.chunk)), row * chunks + chunk, axis=0)
    xs = level.span // level.step  # in a bracket
    x = level.step * ops.arange(xs, dtype="int32")
    i = ops.expand_dims(ops.arange(level.chunk, dtype="int32"), 1)
    within = spacing * ops.cast(i - x, lines.dtype)
    start = spacing * ops.cast(level.span * bracket - level.chunk * chunk, lines.dtype)
    values = costs[..., None] + ops.square(start[..., None, None] - within)
    values = ops.reshape(values, (rows, -1, level.parts, level.step, xs))
    values = ops.min(values, axis=3)

    segments = ops.reshape(row * brackets + bracket, (-1,))

    def highest(array: Tensor) -> Tensor:
        return ops.segment_max(ops.reshape(array, (-1, xs)), segments, rows * brackets)

    found = [-highest(-ops.min(values, axis=2))]
    if with_index:
        own = ops.reshape(ops.take(found[0], segments, axis=0), (rows, -1, 1, xs))
        rounding = np.finfo(keras.backend.standardize_dtype(lines.dtype)).eps * ops.abs(own)
        part = ops.expand_dims(ops.arange(level.parts, dtype="int32"), 1)
        index = level.parts * chunk[..., None, None] + part
        to_left = ops.where(values <= own + rounding, -index, -ops.shape(lines)[1])
        found.append(-highest(ops.max(to_left, axis=2)))
    return [ops.reshape(array, (rows, -1)) for array in found]


def _pairs_of(chunk_at: Tensor, brackets: int, chunks: int) -> tuple[Tensor, Tensor]:
    """The brackets of each line and the chunks that are searched for them, `[R, P]` both.

    A bracket reaches from the chunk of the lowest parabola at its start to that at its end. The
    pair of bracket b and chunk c has the place b + c, which a staircase visits one by one. Places
    before its first pair and behind its last one hold pairs of the first and the last bracket.
    """
    chunk_at = _running_maximum(chunk_at)  # it rises but for rounding
    rows, count = ops.shape(chunk_at)[0], brackets + chunks
    first = chunk_at[:, :-1] + ops.arange(brackets, dtype="int32")
    row = ops.expand_dims(ops.arange(rows, dtype="int32"), 1)
    starts = ops.scatter(
        ops.reshape(count * row + first, (-1, 1)),
        ops.ones((rows * brackets,), dtype="int32"),
        (rows * count,),
    )
    bracket = ops.cumsum(ops.reshape(starts, (rows, count)), axis=1) - 1
    bracket = ops.maximum(bracket, 0)
    places = ops.arange(count, dtype="int32")
    return bracket, ops.clip(places - bracket, 0, chunks - 1)


def _running_maximum(array: Tensor) -> Tensor:
    """Along axis 1."""
    places = ops.arange(ops.shape(array)[1], dtype="int32")

    def turn(reach: Tensor, array: Tensor) -> tuple[Tensor, Tensor]:
        before = ops.take(array, ops.maximum(places - reach, 0), axis=1)
        return 2 * reach, ops.maximum(array, before)

    start = (ops.convert_to_tensor(1, dtype="int32"), array)
    return ops.while_loop(lambda reach, _: reach < ops.shape(array)[1], turn, start)[1]
