import io

import numpy as np
import pytest
from PIL import Image

from dmls_tf.errors import UserError
from dmls_tf.label_maps import png_bytes, read_label


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
    with pytest.raises(UserError, match="missing.png: no such file"):
        read_label(tmp_path / "missing.png")
