import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dmls_tf.errors import DamagedFile
from dmls_tf.images.photos import Photo, read_photo
from tests.image_files import encoded, exif


def test_photographs_are_turned_upright(scene, tmp_path):
    Image.fromarray(scene).save(tmp_path / "a.png", exif=exif(6))
    photo = read_photo(tmp_path / "a.png")
    np.testing.assert_array_equal(photo.image, np.rot90(scene, -1))
    assert photo.content == (tmp_path / "a.png").read_bytes()
    frame = Photo(scene)
    np.testing.assert_array_equal(tf.io.decode_image(frame.content), scene)
    with pytest.raises(DamagedFile, match="gone.png: No such file"):
        read_photo(tmp_path / "gone.png")


@pytest.mark.parametrize("kind", ["webp", "tiff", "bmp", "gif", "jpeg2000", "ppm"])
def test_other_formats_are_read_and_sent_as_png(kind, scene, tmp_path):
    grey = np.repeat(scene[..., :1], 3, axis=2)  # which a palette of GIF holds, too
    options = {"lossless": True} if kind == "webp" else {}
    (tmp_path / "a").write_bytes(encoded(grey, kind, **options))
    photo = read_photo(tmp_path / "a")
    np.testing.assert_array_equal(photo.image, grey)
    np.testing.assert_array_equal(tf.io.decode_png(photo.content, channels=3), grey)


def test_a_tiff_is_turned_upright(scene, tmp_path):
    Image.fromarray(scene).save(tmp_path / "a.tif", exif=exif(6))
    np.testing.assert_array_equal(read_photo(tmp_path / "a.tif").image, np.rot90(scene, -1))


def test_unreadable_files_say_why(scene, tmp_path):
    whole = encoded(scene, "webp")
    for content, reason in (
        (b"", "an empty file"),
        (b"no image", "not a readable image"),
        (whole[: len(whole) // 2], "not a readable image"),
        (b"\0\0\0\x18ftypheic", "not a readable image; HEIC needs pip install pillow-heif"),
    ):
        (tmp_path / "a.webp").write_bytes(content)
        with pytest.raises(DamagedFile, match=f"a.webp: {reason}$"):
            read_photo(tmp_path / "a.webp")
