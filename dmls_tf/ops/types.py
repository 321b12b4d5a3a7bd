"""Arrays: the name that signatures give to them, and how they become tensors."""

from typing import Any

from keras import ops

Tensor = Any  # of any backend, or what it takes for a tensor: they share no static type


def as_tensor(array: Tensor) -> Tensor:
    """A tensor of the backend from an array, nested lists or a variable, with its gradient.

    `ops.convert_to_tensor` takes a `tf.Variable` for a tensor, whose shape some operations of Keras
    then fail to find.
    """
    return ops.copy(array)
