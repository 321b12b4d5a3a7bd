import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dmls_tf.errors import UserError
from dmls_tf.images.label_maps import encode_label_png, png_bytes, read_label
from tests.image_files import png_header


@pytest.mark.parametrize("palette", [None, [(i, 0, 255 - i) for i in range(256)]])
def test_ids_come_back(rng, palette):
    label = rng.integers(0, 256, (9, 7), np.uint8)
    content = png_bytes(label, palette)
    np.testing.assert_array_equal(read_label(io.BytesIO(content), "a.png"), label)
    if palette:
        colours = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
        np.testing.assert_array_equal(colours, np.array(palette)[label])


def test_other_files_are_refused(tmp_path, rng):
    Image.fromarray(rng.integers(0, 256, (9, 7, 3), np.uint8)).save(tmp_path / "rgb.png")
    with pytest.raises(UserError, match="mode RGB, but a label map is an 8-bit PNG"):
        read_label(tmp_path / "rgb.png")
    content = png_bytes(rng.integers(0, 256, (600, 600), np.uint8))
    before, after = content.rsplit(b"IDAT", 1)
    (tmp_path / "broken.png").write_bytes(before + b"\xff\xff\xff\xff" + after)
    with pytest.raises(UserError, match="broken.png: not a readable label map"):
        read_label(tmp_path / "broken.png")
    with pytest.raises(UserError, match="a.png: has more than [0-9,]* pixels"):
        read_label(io.BytesIO(png_header(20_000, 20_000)), "a.png")
    with pytest.raises(UserError, match="missing.png: no such file"):
        read_label(tmp_path / "missing.png")


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
