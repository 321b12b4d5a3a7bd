"""The network inside a served model: with its variables, or with constants."""

import keras
import tensorflow as tf

IMAGES = tf.TensorSpec([None, None, None, 3], tf.float32)
LARGE = 1024  # numbers; smaller weights stay in float32


def with_variables(model):
    """A function from images, float32 `[B, h, w, 3]`, to a `DMLS`'s logits, its final output."""

    @tf.function(autograph=False, input_signature=[IMAGES])
    def network(images):
        return model(images, training=False)[model.final_output]

    return network


def with_constants(model, dtype):
    """The same function, with weights that are constants.

    No variables are read. What depends on weights alone, like most of batch normalisation, is
    computed once, when the model is loaded.

    Args:
        model: a `DMLS`.
        dtype: of large weights in the file; the network computes in float32.
    """
    groups = model.trainable_variables, model.non_trainable_variables
    values = [[keras.ops.convert_to_numpy(variable) for variable in group] for group in groups]

    def constant(value):
        stored = tf.constant(value, dtype if value.size >= LARGE else value.dtype)
        return tf.cast(stored, value.dtype)

    @tf.function(autograph=False, input_signature=[IMAGES])
    def network(images):
        weights = [[constant(value) for value in group] for group in values]
        outputs, _ = model.stateless_call(*weights, images, training=False)
        return outputs[model.final_output]

    return network
