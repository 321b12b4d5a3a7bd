import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from data_prep.label_png import encode_label_png


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 1), (33, 50)])
@pytest.mark.parametrize("highest", [0, 3, None])
def test_pillow_and_tensorflow_read_it_back(dtype, shape, highest, rng):
    highest = np.iinfo(dtype).max if highest is None else highest
    values = rng.integers(0, highest, shape, dtype, endpoint=True)
    content = encode_label_png(values)
    image = Image.open(io.BytesIO(content))
    image.verify()
    image = Image.open(io.BytesIO(content))
    assert image.mode == {np.uint8: "L", np.uint16: "I;16"}[dtype]
    np.testing.assert_array_equal(np.asarray(image), values)
    decoded = tf.io.decode_png(content, channels=1, dtype=tf.as_dtype(dtype))
    np.testing.assert_array_equal(decoded[..., 0], values)


def test_a_label_map_is_no_larger_than_pillows():
    y, x = np.mgrid[:200, :300]
    values = ((x - 150) ** 2 + (y - 100) ** 2 < 4000).astype(np.uint8) + 3 * (x > 200)
    buffer = io.BytesIO()
    Image.fromarray(values.astype(np.uint8)).save(buffer, "PNG")
    assert len(encode_label_png(values.astype(np.uint8))) <= len(buffer.getvalue())
