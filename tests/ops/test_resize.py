import numpy as np
import pytest
import tensorflow as tf

from dmls_tf.ops import resize_bilinear


@pytest.mark.parametrize("size", [(5, 9), (12, 8), (30, 28), (1, 1)])
@pytest.mark.parametrize("known", [True, False])
def test_equals_tensorflow(size, known, rng):
    maps = rng.normal(size=(2, 6, 7, 3)).astype(np.float32)
    resize = resize_bilinear
    if not known:
        number = tf.TensorSpec([], tf.int32)
        signature = [tf.TensorSpec([None, None, None, 3]), number, number]
        resize = tf.function(resize_bilinear, input_signature=signature)
    np.testing.assert_allclose(resize(maps, *size), tf.image.resize(maps, size), atol=1e-5)
