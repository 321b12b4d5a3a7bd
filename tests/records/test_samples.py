import io
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from dmls_tf.datasets import CAMVID, CITYSCAPES
from dmls_tf.errors import UserError
from dmls_tf.records.samples import SourceFiles, smaller_size
from tests.records.files import save

LABEL = np.arange(48).reshape(6, 8) % 12


@pytest.fixture
def source(tmp_path, rng):
    image = save(tmp_path / "a.png", rng.integers(0, 256, (6, 8, 3)))
    return SourceFiles(str(image), str(save(tmp_path / "a_label.png", LABEL)))


def with_image(source, tmp_path, picture, name, **options):
    picture.save(tmp_path / name, **options)
    return SourceFiles(str(tmp_path / name), source.label)


def values(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def test_bytes_are_copied_and_labels_remapped(source):
    sample = source.read(CAMVID)
    assert sample.image_bytes == pathlib.Path(source.image).read_bytes()
    assert (sample.filename, sample.image_format) == ("a.png", "png")
    assert sample.shape == (6, 8, 3)
    expected = np.where(LABEL == 11, 255, LABEL)
    np.testing.assert_array_equal(values(sample.label_png), expected)
    assert list(sample.label_pixels) == np.bincount(expected.ravel(), minlength=256).tolist()


def test_the_indices_of_a_palette_are_read_and_not_its_colours(source, tmp_path):
    picture = Image.fromarray(LABEL.astype(np.uint8))
    picture.putpalette([7] * 768)
    assert picture.mode == "P"
    picture.save(source.label, bits=4)
    np.testing.assert_array_equal(
        values(source.read(CAMVID).label_png), np.where(LABEL == 11, 255, LABEL)
    )


@pytest.mark.parametrize("kind", ["L", "P", "RGBA", "LA", "CMYK", "1", "16 bits", "grey JPEG"])
def test_every_kind_of_image_is_taken_and_training_sees_what_pillow_sees(
    kind, source, tmp_path, rng
):
    y, x = np.mgrid[:6, :8]
    rgb = np.stack([40 * y, 30 * x, 255 - 20 * (x + y)], -1).astype(np.uint8)
    name = "b.jpg" if kind in ("CMYK", "grey JPEG") else "b.png"
    if kind == "16 bits":
        picture = Image.fromarray(257 * rgb[..., 0].astype(np.uint16))
        expected = np.repeat(rgb[..., :1], 3, axis=-1)
    else:
        mode = "L" if kind == "grey JPEG" else kind
        picture = Image.fromarray(rgb).convert(mode)
        expected = None
    source = with_image(source, tmp_path, picture, name)
    sample = source.read(CAMVID)
    assert sample.image_bytes == pathlib.Path(source.image).read_bytes()
    assert sample.shape == (6, 8, len(picture.getbands()))
    if expected is None:
        expected = np.asarray(Image.open(source.image).convert("RGB"))
    decoded = tf.io.decode_image(sample.image_bytes, channels=3)
    # The two libraries round in JPEG differently.
    np.testing.assert_allclose(decoded, expected, atol=2 if name == "b.jpg" else 0)


@pytest.fixture
def turned(tmp_path, rng):
    """Makes a photograph that EXIF turns, with labels and instances: upright ones by Pillow."""

    def make(orientation, size, suffix="png"):
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = rng.integers(0, 11, size, np.uint8)
        Image.fromarray(20 * stored).save(tmp_path / "turned.png", exif=exif)
        with Image.open(tmp_path / "turned.png") as picture:
            upright = np.asarray(ImageOps.exif_transpose(picture)) // 20
        path = str(tmp_path / f"turned.{suffix}")
        Image.fromarray(20 * stored).save(path, exif=exif)
        assert upright.shape == (size[::-1] if orientation > 4 else size)
        return path, stored, upright

    return make


def source_of(path, tmp_path, label):
    instance = save(tmp_path / "instance.png", label * np.uint16(1000), np.uint16)
    return SourceFiles(path, str(save(tmp_path / "label.png", label)), str(instance))


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
@pytest.mark.parametrize("size", [(6, 8), (8, 8)])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_image_and_maps_are_upright_whichever_way_the_label_was_drawn(
    orientation, size, suffix, turned, tmp_path
):
    """Pillow's own way from the stored pixels to the upright ones is the truth."""
    path, stored, upright = turned(orientation, size, suffix)
    for label, kind in ((upright, "upright"), (stored, "stored")):
        source = source_of(path, tmp_path, label)
        sample = source.read(CAMVID, label_orientation=kind)
        np.testing.assert_array_equal(values(sample.label_png), upright)
        np.testing.assert_array_equal(values(sample.instance_png), upright * np.uint16(1000))
        image = np.asarray(tf.io.decode_image(sample.image_bytes, channels=3))
        difference = np.abs(image[..., 0] - 20.0 * upright).mean()
        assert difference < 12 if suffix in ("jpg", "webp") else difference == 0
        assert sample.shape[:2] == image.shape[:2] == upright.shape
        assert sample.converted == (orientation > 1 or suffix in ("tif", "webp"))
        assert sample.ambiguous == (orientation > 1 and (orientation < 5 or size == (8, 8)))
        if not sample.ambiguous:
            other = source.read(CAMVID, label_orientation="stored")
            assert other.label_png == sample.label_png


def test_what_is_upright_is_copied(turned, tmp_path):
    path, stored, _ = turned(1, (6, 8), "jpg")
    source = source_of(path, tmp_path, stored)
    sample = source.read(CAMVID)
    assert sample.image_bytes == pathlib.Path(path).read_bytes()
    assert sample.instance_png == pathlib.Path(source.instance).read_bytes()


@pytest.mark.parametrize("suffix", ["webp", "tif", "bmp", "gif", "ppm"])
def test_other_formats_become_png_without_loss(suffix, source, tmp_path, rng):
    pixels = 51 * rng.integers(0, 6, (6, 8, 3), np.uint8)  # colours of GIF's palette
    lossless = {"lossless": True} if suffix == "webp" else {}
    other = with_image(source, tmp_path, Image.fromarray(pixels), f"b.{suffix}", **lossless)
    sample = other.read(CAMVID)
    assert (sample.image_format, sample.converted, sample.shape) == ("png", True, (6, 8, 3))
    np.testing.assert_array_equal(tf.io.decode_png(sample.image_bytes), pixels)


def test_instances_survive_bit_for_bit(source, tmp_path, rng):
    ids = rng.integers(0, 2**16, (6, 8), np.uint16)
    path = save(tmp_path / "instance.png", ids, np.uint16)
    label = save(tmp_path / "ids.png", np.full((6, 8), 26))
    sample = SourceFiles(source.image, str(label), str(path)).read(CITYSCAPES)
    assert sample.instance_png == path.read_bytes()
    np.testing.assert_array_equal(values(sample.instance_png), ids)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_larger_images_are_made_smaller_with_their_maps(suffix, tmp_path):
    """Halves of 40 x 60 pixels: black and class 3 left, white and class 9 right."""
    right = np.repeat((np.arange(60) >= 30)[None], 40, axis=0)
    source = SourceFiles(
        str(save(tmp_path / f"a.{suffix}", 255 * right)),
        str(save(tmp_path / "label.png", np.where(right, 9, 3))),
        str(save(tmp_path / "instance.png", np.where(right, 9001, 3000), np.uint16)),
    )
    sample = source.read(CAMVID, max_side=30)
    assert sample.shape == (20, 30, 3)
    small = right[::2, ::2]
    np.testing.assert_array_equal(values(sample.label_png), np.where(small, 9, 3))
    np.testing.assert_array_equal(values(sample.instance_png), np.where(small, 9001, 3000))
    image = np.asarray(tf.io.decode_image(sample.image_bytes, channels=3))
    assert image.shape == (20, 30, 3)
    assert (image[:, :12] < 16).all()
    assert (image[:, 18:] > 239).all()
    assert sum(sample.label_pixels) == 600
    untouched = source.read(CAMVID, max_side=60)
    assert untouched.image_bytes == pathlib.Path(source.image).read_bytes()


def test_smaller_sizes_keep_the_aspect():
    assert smaller_size((4000, 3000), 2048) == (2048, 1536)
    assert smaller_size((3000, 4000), 2048) == (1536, 2048)
    assert smaller_size((2048, 100), 2048) == (2048, 100)
    assert smaller_size((5000, 1), 100) == (100, 1)
    assert smaller_size((5000, 1), None) == (5000, 1)


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (np.zeros((5, 8)), r"is 8x5 \(width x height\), its image .* is 8x6"),
        (np.full((6, 8), 57), "label value 57 is out of range; camvid has 0..11"),
        (np.zeros((6, 8, 3)), "must have one channel, this one is RGB; is this another release"),
    ],
)
def test_faulty_labels_are_named(label, message, source):
    Image.fromarray(label.astype(np.uint8)).save(source.label)
    with pytest.raises(UserError, match=message) as caught:
        source.read(CAMVID)
    assert source.label in str(caught.value)


def test_labels_of_another_depth_or_format_are_refused(source, tmp_path):
    label = Image.fromarray((LABEL % 2 * 255).astype(np.uint8))
    label.convert("1").save(source.label)
    with pytest.raises(UserError, match="a 1-bit 1 PNG; this map must have 8 bits"):
        source.read(CAMVID)
    Image.fromarray(LABEL.astype(np.uint16)).save(source.label)
    with pytest.raises(UserError, match="a 16-bit"):
        source.read(CAMVID)
    label.save(tmp_path / "label.jpg")
    with pytest.raises(UserError, match="JPEG image; a map must be a PNG"):
        SourceFiles(source.image, str(tmp_path / "label.jpg")).read(CAMVID)
    eight_bits = save(tmp_path / "instance.png", LABEL)
    with pytest.raises(UserError, match="instance.png: a 8-bit L PNG; this map must have 16"):
        SourceFiles(source.image, str(eight_bits), str(eight_bits)).read(CAMVID)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.webp", "gone.png"])
def test_damaged_images_are_named(name, source, tmp_path, rng):
    path = tmp_path / name
    if name != "gone.png":
        Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8)).save(path)
        path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UserError, match=name):
        SourceFiles(str(path), source.label).read(CAMVID)


def test_a_fingerprint_changes_with_the_file(source):
    before = source.fingerprint()
    assert source.fingerprint() == before
    Image.fromarray(np.zeros((6, 8), np.uint8)).save(source.label)
    assert source.fingerprint() != before
