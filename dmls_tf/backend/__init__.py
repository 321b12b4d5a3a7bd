"""What numerics in `keras.ops` need of one backend, and Keras does not offer."""

import functools
from collections.abc import Callable
from typing import Any

import keras


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose loops run in a graph where TensorFlow would run them in Python.

    Called eagerly on TensorFlow's tensors it is traced, for any size, once for each dtype and each
    value of the other arguments. Elsewhere it is the function as it is: while a graph is traced, on
    Keras's symbolic tensors, and on other backends.

    Args:
        function: of tensors of known rank, then numbers; without Python side effects.
    """
    if keras.config.backend() != "tensorflow":
        return function
    import tensorflow as tf

    graph = tf.function(function, autograph=False)

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        tensors = [argument for argument in arguments if tf.is_tensor(argument)]
        if not tensors or not tf.executing_eagerly():
            return function(*arguments)
        specs = [tf.TensorSpec([None] * len(tensor.shape), tensor.dtype) for tensor in tensors]
        return graph.get_concrete_function(*specs, *arguments[len(specs) :])(*tensors)

    return call


def repeat(step: Callable[[Any], Any], times: int, value: Any) -> Any:
    """`step(step(... value))`, a loop on JAX, unrolled elsewhere.

    XLA, which compiles all of JAX, recomputes in every unrolled step what the steps share. In
    TensorFlow's graph a loop is no faster, and its gradient fails.
    """
    if keras.config.backend() == "jax":
        return keras.ops.fori_loop(0, times, lambda _, value: step(value), value)
    for _ in range(times):
        value = step(value)
    return value
