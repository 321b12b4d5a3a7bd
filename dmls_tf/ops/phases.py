"""The phases that an image holds: N may be 150, an image rarely shows more than 20.

The largest M of the N classes of each image are picked. Their level sets evolve, all others stand
still; in `evolve_largest`, from distances, the pixels of those form one more region, the rest. All
of this is there for speed: without it the time grows with N.
"""

from keras import ops

from dmls_tf.ops.banded_distance import signed_distance_phases_first
from dmls_tf.ops.level_set import evolve, force_of_some, largest_two
from dmls_tf.ops.types import Tensor


def evolve_largest(labels, log_f, slope, config, portable=False):  # type: ignore[no-untyped-def]
    """The level sets of the `config.max_phases` largest phases, evolved; the others stand still.

    Equal to the evolution of all if the labels show no more classes. Arguments and result as for
    `dmls_tf.layers.level_set.evolve_all`.
    """
    count, num_classes = config.max_phases, log_f.shape[1]
    phases = largest_phases(labels, num_classes, count)
    position = positions(phases, num_classes)
    regions = renumber(labels, position)
    phi = signed_distance_phases_first(regions, count + 1, config.band, portable)
    phi, rest = phi[:, :count], phi[:, count:]
    if slope is not None:
        phi = phi + select(slope, phases)
    scale = config.force_scale or 1.0
    force = force_of_some(select(log_f, phases), largest_two(log_f), config.rho, scale)
    phi = evolve(phi, force, config.evolution_steps, config.dt, config.epsilon, num_classes)
    phi = restore(phi, rest, labels, position, outside=float(config.band))
    if slope is None:
        return phi
    stands_still = ops.cast(ops.equal(position, count), "float32")
    return phi + stands_still[:, :, None, None] * slope


def largest_phases(labels: Tensor, num_classes: int, count: int) -> Tensor:
    """The `count` classes that cover most pixels of each image, by falling area.

    Args:
        labels: int32 `[B, H, W]` in `[0, num_classes)`.
        num_classes: N.
        count: M, at most N. Classes without a pixel fill up.

    Returns:
        int32 `[B, M]`.

    >>> print(np.asarray(largest_phases(np.array([[[4, 4, 4, 1, 1, 3]]]), num_classes=5, count=2)))
    [[4 1]]
    """
    batch = ops.shape(labels)[0]
    image = ops.reshape(ops.arange(batch, dtype="int32"), (-1, 1, 1))
    pairs = ops.reshape(labels + num_classes * image, (-1,))
    area = ops.segment_sum(ops.ones_like(pairs), pairs, num_segments=batch * num_classes)
    return ops.cast(ops.top_k(ops.reshape(area, (batch, num_classes)), count)[1], "int32")


def positions(phases: Tensor, num_classes: int) -> Tensor:
    """Where each class stands in `phases`, M if it does not: int32 `[B, N]`."""
    found = ops.equal(phases[:, None, :], ops.arange(num_classes, dtype="int32")[:, None])
    count = phases.shape[1]
    # Found at m: count - m is above zero, and the only such value of the row.
    return count - ops.max(ops.cast(found, "int32") * (count - ops.arange(count)), axis=-1)


def renumber(labels: Tensor, position: Tensor) -> Tensor:
    """Labels `[B, H, W]` as positions in `phases`; M on pixels of the rest."""
    batch, height, width = ops.shape(labels)
    flat = ops.reshape(labels, (batch, -1))
    return ops.reshape(ops.take_along_axis(position, flat, axis=1), (batch, height, width))


def select(planes: Tensor, indices: Tensor) -> Tensor:
    """Planes `[B, N, H, W]` of an image at its indices `[B, M]`: `[B, M, H, W]`."""
    batch, count, height, width = ops.shape(planes)
    image = ops.reshape(ops.arange(batch, dtype="int32"), (-1, 1))
    flat = ops.reshape(planes, (-1, height, width))
    chosen = ops.take(flat, ops.reshape(indices + count * image, (-1,)), axis=0)
    return ops.reshape(chosen, (batch, -1, height, width))


def put_back(planes: Tensor, indices: Tensor, num_classes: int) -> Tensor:
    """Planes `[B, M, H, W]` at their indices `[B, M]`, others 0: `[B, N, H, W]`."""
    empty = ops.zeros_like(planes[:, :1])
    return select(ops.concatenate([planes, empty], axis=1), positions(indices, num_classes))


def restore(phi: Tensor, rest: Tensor, labels: Tensor, position: Tensor, outside: float) -> Tensor:
    """Level sets of all N classes from those of M and of the rest.

    Args:
        phi: `[B, M, H, W]`.
        rest: `[B, 1, H, W]`, the level set of the region of all other classes.
        labels: int32 `[B, H, W]`, to divide the rest among its classes.
        position: int32 `[B, N]`, see `positions`.
        outside: value of a class where it has no pixel.

    Returns:
        `[B, N, H, W]`.
    """
    chosen = select(ops.concatenate([phi, ops.full_like(rest, outside)], axis=1), position)
    count, num_classes = phi.shape[1], position.shape[1]
    classes = ops.reshape(ops.arange(num_classes, dtype="int32"), (-1, 1, 1))
    in_rest = ops.reshape(ops.equal(position, count), (-1, num_classes, 1, 1))
    in_rest = ops.logical_and(in_rest, ops.equal(labels[:, None], classes))
    return ops.where(in_rest, rest, chosen)
