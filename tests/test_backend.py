import keras
import tensorflow as tf

from dmls_tf.backend import compiled


def test_a_compiled_function_is_traced_where_tensorflow_is_eager():
    eager = []

    @compiled
    def scaled(values, factor):
        eager.append(tf.executing_eagerly())
        return factor * values

    for size in (3, 4, 5):
        assert scaled(tf.ones(size), 2.0).numpy().tolist() == [2.0] * size
    assert eager == [False]  # once for all sizes
    assert scaled(tf.ones(3), 3.0).numpy().tolist() == [3.0] * 3
    assert scaled(tf.ones(3, tf.float64), 3.0).dtype == tf.float64
    assert eager == [False] * 3
    assert scaled.__name__ == "scaled"


def test_in_a_graph_it_is_the_function_itself():
    function = tf.function(compiled(lambda values: values + 1))
    operations = function.get_concrete_function(tf.ones(3)).graph.get_operations()
    assert not [one.type for one in operations if "Call" in one.type]


def test_symbolic_tensors_stay_symbolic():
    found = compiled(lambda values: keras.ops.exp(values))(keras.KerasTensor((2, None)))
    assert found.shape == (2, None)
