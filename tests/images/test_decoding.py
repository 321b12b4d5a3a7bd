"""Files of every kind through the decoder of photographs and servers, against Pillow."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from dmls_tf.images.decoding import read_image
from tests.image_files import encoded, exif, png_header

LIMIT = 5000

read = tf.function(lambda content: read_image(content, LIMIT))


def pixels_of(content):
    image, error = read(tf.constant(content))
    assert error.numpy() == b""
    return image.numpy()


def error_of(content):
    image, error = read(tf.constant(content))
    assert image.shape == (0, 0, 3)
    return error.numpy().decode()


@pytest.mark.parametrize("kind", ["png", "jpeg"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"])
def test_photographs_are_turned_upright(kind, orientation, order, scene):
    block = exif(orientation, order, extra=(0x010F, 0x0110, 0x0131))
    content = encoded(scene, kind, exif=block)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    tolerance = 0 if kind == "png" else 8  # two decoders of JPEG
    difference = pixels_of(content).astype(int) - np.asarray(expected)
    assert np.abs(difference).max() <= tolerance


def test_exif_behind_other_segments(scene):
    """Orientation is found behind an ICC profile, as some cameras and editors write it."""
    content = encoded(scene, "jpeg", exif=exif(6), icc_profile=bytes(200_000), comment=b"a word")
    assert pixels_of(content).shape == (60, 40, 3)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_nonsense_in_exif_turns_nothing(value, scene):
    assert pixels_of(encoded(scene, "jpeg", exif=exif(value))).shape == (40, 60, 3)
    cut = encoded(scene, "jpeg", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    assert pixels_of(cut).shape == (40, 60, 3)
    assert pixels_of(encoded(scene, "jpeg", exif=b"Exif\0\0MM\0*")).shape == (40, 60, 3)


def test_kinds_of_images(scene):
    image = Image.fromarray(scene)
    grey = image.convert("L")
    np.testing.assert_array_equal(pixels_of(encoded(grey)), np.asarray(grey.convert("RGB")))
    palette = image.quantize(64)
    np.testing.assert_array_equal(pixels_of(encoded(palette)), np.asarray(palette.convert("RGB")))
    see_through = image.copy()
    see_through.putalpha(grey)
    np.testing.assert_array_equal(pixels_of(encoded(see_through)), scene)
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    np.testing.assert_array_equal(pixels_of(encoded(deep))[..., 0], np.asarray(grey))
    black_and_white = image.convert("1")
    assert set(np.unique(pixels_of(encoded(black_and_white)))) == {0, 255}
    others = [Image.fromarray(255 - scene)] * 3
    animated = encoded(scene, save_all=True, append_images=others, default_image=False)
    np.testing.assert_array_equal(pixels_of(animated), scene)
    for mode in ("CMYK", "L"):
        jpeg = encoded(image.convert(mode), "jpeg", quality=95)
        difference = pixels_of(jpeg).astype(int) - np.asarray(
            Image.open(io.BytesIO(jpeg)).convert("RGB")
        )
        assert np.abs(difference).mean() < 3


def test_faults_are_told(scene):
    png, jpeg = encoded(scene), encoded(scene, "jpeg")
    assert error_of(b"") == "an empty file"
    for other in (b"text", b"\xff\xd8", encoded(scene, "gif"), encoded(scene, "bmp")):
        assert error_of(other) == "not a readable JPEG or PNG image"
    for cut in (png[:20], png[: len(png) // 2], png[:8], jpeg[:100], jpeg[:3], jpeg[:-200]):
        assert error_of(cut) == "a damaged JPEG or PNG image"
    for broken in (png_header(0, 5), png_header(50, 50), png_header(2**32 - 1, 2**32 - 1)):
        assert error_of(broken) == "a damaged JPEG or PNG image"


def test_nothing_is_decoded_beyond_the_limit(scene):
    assert error_of(encoded(np.zeros((51, 100, 3), np.uint8))) == "51 x 100 pixels, more than 5000"
    assert pixels_of(encoded(np.zeros((50, 100, 3), np.uint8))).shape == (50, 100, 3)
    assert error_of(png_header(60_000, 50_000)) == "50000 x 60000 pixels, more than 5000"
    size = 2**31 - 1
    assert error_of(png_header(size, size)) == f"{size} x {size} pixels, more than 5000"
    claimed = encoded(scene, "jpeg").replace(b"\0\x28\0\x3c\x03", b"\xea\x60\xea\x60\x03")
    assert error_of(claimed) == "60000 x 60000 pixels, more than 5000"
