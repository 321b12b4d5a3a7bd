"""Rematerialisation: activations are computed again in the backward pass instead of being kept."""

import contextlib

import keras


def recomputed(function, batch_norms):
    """`function`, whose activations are not kept for its gradient.

    The batch normalisations it runs would move their statistics a second time when it is
    recomputed; they stand still then, so the training is the same as without. For TensorFlow
    (`tf.recompute_grad`); functions that draw random numbers would draw others the second time.

    Args:
        function: of structures of tensors, to such a structure. None stands for no tensor.
        batch_norms: the `keras.layers.BatchNormalization` layers in it.
    """
    calls, structure = 0, None

    def wrapped(*arguments):
        def of_tensors(*tensors):
            nonlocal calls, structure
            calls += 1
            with _standing(batch_norms if calls > 1 else []):
                structure = function(*_filled(arguments, tensors))
            return _tensors(structure)

        results = keras.remat(of_tensors)(*_tensors(arguments))
        return _filled(structure, results)

    return wrapped


def batch_norms_of(model):
    """All batch normalisations in a model."""
    kind = keras.layers.BatchNormalization
    return [layer for layer in model._flatten_layers() if isinstance(layer, kind)]


def _tensors(structure):
    return [leaf for leaf in keras.tree.flatten(structure) if leaf is not None]


def _filled(structure, tensors):
    """The structure with these tensors instead of its own."""
    tensors = iter(tensors)
    return keras.tree.map_structure(lambda leaf: None if leaf is None else next(tensors), structure)


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
