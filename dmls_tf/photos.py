"""Photographs from files, upright, with the pixels that the served model sees."""

import dataclasses
import pathlib

import numpy as np
import tensorflow as tf

from dmls_tf.data.encoded_images import read_image
from dmls_tf.errors import DamagedFile

NO_LIMIT = 2**62  # pixels


@dataclasses.dataclass(frozen=True)
class Photo:
    """An upright photograph.

    Attributes:
        image: uint8 `[H, W, 3]`.
        file: a JPEG or PNG file of which `read_image` makes these pixels, bytes; None where there
            is none.
        name: what errors call it.
    """

    image: np.ndarray
    file: bytes | None = None
    name: str = "image"

    @property
    def content(self):
        """A JPEG or PNG file of which `read_image` makes these pixels, bytes."""
        return self.file or tf.io.encode_png(self.image).numpy()


def read_photo(path):
    """Reads a JPEG or PNG file as a `Photo`.

    Raises:
        DamagedFile: it is neither, or damaged.
    """
    try:
        content = pathlib.Path(path).read_bytes()
    except OSError as error:
        raise DamagedFile(f"{path}: {error.strerror}") from error
    image, error = _read(content)
    if message := error.numpy().decode():
        raise DamagedFile(f"{path}: {message}")
    return Photo(image.numpy(), content, str(path))


@tf.function(input_signature=[tf.TensorSpec([], tf.string)])
def _read(content):
    return read_image(content, NO_LIMIT)
