"""Rematerialisation: activations are computed again in the backward pass instead of being kept."""

import contextlib

import keras


def recomputed(function, batch_norms):
    """`function` of tensors, whose activations are not kept for its gradient.

    The batch normalisations it runs would move their statistics a second time when it is
    recomputed; they stand still then, so the training is the same as without. For TensorFlow
    (`tf.recompute_grad`); functions that draw random numbers would draw others the second time.

    Args:
        function: of tensors, to a structure of tensors.
        batch_norms: the `keras.layers.BatchNormalization` layers in it.
    """
    calls = 0

    def counted(*tensors):
        nonlocal calls
        calls += 1
        with _standing(batch_norms if calls > 1 else []):
            return function(*tensors)

    return keras.remat(counted)


def batch_norms_of(model):
    """All batch normalisations in a model."""
    kind = keras.layers.BatchNormalization
    return [layer for layer in model._flatten_layers() if isinstance(layer, kind)]


@contextlib.contextmanager
def _standing(batch_norms):
    """Their moving statistics keep their values: a momentum of 1."""
    momenta = [layer.momentum for layer in batch_norms]
    for layer in batch_norms:
        layer.momentum = 1.0
    try:
        yield
    finally:
        for layer, momentum in zip(batch_norms, momenta, strict=True):
            layer.momentum = momentum
