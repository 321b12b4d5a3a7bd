"""The weights of a network for one set of classes, as a start for another set.

Weights that do not depend on the classes are copied. In the others, along one axis, the first N
entries belong to the classes, one each, and what follows to none: `DMLS` networks are built that
way. Which axis it is shows in a network of another number of classes. Entries of a class that both
networks have, by its name, are copied; those of other classes stay as they are.
"""

import dataclasses

import numpy as np

from dmls_tf import IGNORE_LABEL
from dmls_tf.errors import UserError
from dmls_tf.models.dmls import DMLS, copy_weights, refuse_other_weights, shared_parts


def transfer_weights(source, target):
    """Copies the weights of a `DMLS` to another one, of the same settings but for its classes.

    Args:
        source, target: `DMLS` networks whose metadata names their `classes`.

    Returns:
        The names of the classes that both have, and of those that only the target has.

    Raises:
        UserError: the networks differ in more than their classes, or it is not known which classes
            the source has.
    """
    before, now = (list(model.metadata.get("classes", ())) for model in (source, target))
    known = before and now
    if before == now or (not known and source.config.num_classes == target.config.num_classes):
        copy_weights(source, target)
        return now, []
    if not known:
        raise UserError("it does not name its classes, so they cannot be found in the data set")
    kept = [name for name in now if name in before]
    entries = [before.index(name) for name in kept], [now.index(name) for name in kept]
    other = len(now) + (1 if len(now) < IGNORE_LABEL else -1)
    probe = DMLS(dataclasses.replace(target.config, num_classes=other))
    for name in shared_parts(source, target):
        weights = [getattr(model, name).weights for model in (source, target, probe)]
        if len(weights[0]) != len(weights[1]):
            refuse_other_weights(name, source, target)
        values = [
            _joined(*some, entries, len(before), len(now)) for some in zip(*weights, strict=True)
        ]
        if any(value is None for value in values):
            refuse_other_weights(name, source, target)
        getattr(target, name).set_weights(values)
    return kept, [name for name in now if name not in kept]


def _joined(ours, theirs, probe, entries, before, now):
    """The target's weight with the source's entries; None if their shapes do not fit."""
    source, target = np.array(ours), np.array(theirs)
    axes = [axis for axis in range(target.ndim) if target.shape[axis] != probe.shape[axis]]
    if not axes:
        return source if source.shape == target.shape else None
    (axis,) = axes
    source, target = np.moveaxis(source, axis, 0), np.moveaxis(target, axis, 0)
    if source[before:].shape != target[now:].shape:
        return None
    target[entries[1]] = source[entries[0]]
    target[now:] = source[before:]
    return np.moveaxis(target, 0, axis)
