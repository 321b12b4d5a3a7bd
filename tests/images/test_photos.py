import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dmls_tf.errors import DamagedFile
from dmls_tf.images.photos import Photo, read_photo
from tests.image_files import exif


def test_photographs_are_turned_upright(scene, tmp_path):
    Image.fromarray(scene).save(tmp_path / "a.png", exif=exif(6))
    photo = read_photo(tmp_path / "a.png")
    np.testing.assert_array_equal(photo.image, np.rot90(scene, -1))
    assert photo.content == (tmp_path / "a.png").read_bytes()
    frame = Photo(scene)
    np.testing.assert_array_equal(tf.io.decode_image(frame.content), scene)
    with pytest.raises(DamagedFile, match="gone.png: No such file"):
        read_photo(tmp_path / "gone.png")
