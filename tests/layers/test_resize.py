import numpy as np
import pytest
import tensorflow as tf

from dmls_tf.layers import ResizeLike


def test_half_pixel_bilinear_to_the_size_of_the_reference():
    maps = np.array([0.0, 1.0], np.float32).reshape(1, 1, 2, 1)
    resized = ResizeLike()([maps, np.zeros((1, 1, 4, 7))])
    np.testing.assert_allclose(np.ravel(resized), [0, 0.25, 0.75, 1])


@pytest.mark.parametrize("size", [(5, 9), (12, 8)])
def test_size_known_only_when_it_runs(size):
    layer = ResizeLike()
    spec = tf.TensorSpec([None, None, None, 2])
    function = tf.function(lambda m, r: layer([m, r]), input_signature=[spec, spec])
    assert function(np.ones((3, 4, 4, 2), "f"), np.ones((3, *size, 2), "f")).shape == (3, *size, 2)
