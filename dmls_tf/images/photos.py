"""Photographs from files, upright, with the pixels that the served model sees."""

import dataclasses
import functools

import numpy as np

from dmls_tf.errors import DamagedFile
from dmls_tf.files import as_path
from dmls_tf.images.formats import as_png, is_jpeg_or_png
from dmls_tf.images.label_maps import png_bytes

NO_LIMIT = 2**62  # pixels


@dataclasses.dataclass(frozen=True)
class Photo:
    """An upright photograph.

    Attributes:
        image: uint8 `[H, W, 3]`; None if only a server reads the file.
        file: a JPEG or PNG file of which `read_photo` makes these pixels, bytes; None if there is
            none.
        name: what errors call it.
    """

    image: np.ndarray | None
    file: bytes | None = None
    name: str = "image"

    @property
    def content(self):
        """A JPEG or PNG file of which `read_photo` makes these pixels, bytes."""
        return self.file or png_bytes(self.image)


def read_photo(path):
    """Reads an image file as a `Photo`. Needs TensorFlow.

    Raises:
        DamagedFile: it is none that Pillow reads, or damaged.
    """
    content = read_content(path)
    image, error = _reader()(content)
    if message := error.numpy().decode():
        raise DamagedFile(f"{path}: {message}")
    return Photo(image.numpy(), content, str(path))


def read_content(path):
    """An image file as bytes, or an upright PNG of it if it is neither JPEG nor PNG.

    Raises:
        DamagedFile: it cannot be read, or Pillow cannot read what it holds.
    """
    try:
        content = as_path(path).read_bytes()
    except OSError as error:
        raise DamagedFile(f"{path}: {error.strerror}") from error
    return as_png(content, path) if content and not is_jpeg_or_png(content) else content


@functools.cache
def _reader():
    import tensorflow as tf

    from dmls_tf.images.decoding import read_image

    signature = [tf.TensorSpec([], tf.string)]
    return tf.function(
        lambda content: read_image(content, NO_LIMIT), autograph=False, input_signature=signature
    )
