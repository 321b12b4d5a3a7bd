"""Photographs from files, upright, with the pixels that the served model sees."""

import dataclasses
import io
import pathlib
import warnings

import numpy as np
import tensorflow as tf
from PIL import Image

from dmls_tf.data.records import decode_image
from dmls_tf.errors import DamagedFile
from dmls_tf.exif import UPRIGHT, orientation


@dataclasses.dataclass(frozen=True)
class Photo:
    """An upright photograph.

    Attributes:
        image: uint8 `[H, W, 3]`.
        file: a JPEG or PNG file of these pixels, bytes; None where there is none.
    """

    image: np.ndarray
    file: bytes | None = None

    @property
    def content(self):
        """A JPEG or PNG file of these pixels, bytes."""
        return self.file or tf.io.encode_png(self.image).numpy()


def read_photo(path):
    """Reads a JPEG or PNG file as a `Photo`.

    Raises:
        DamagedFile: it is neither, or damaged.
    """
    try:
        content = pathlib.Path(path).read_bytes()
        image = decode_image(content).numpy()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large images
            turn = UPRIGHT.get(orientation(Image.open(io.BytesIO(content))))
    except (OSError, tf.errors.OpError, Image.DecompressionBombError) as error:
        raise DamagedFile(f"{path}: not a readable JPEG or PNG image") from error
    if turn is None:
        return Photo(image, content)
    return Photo(np.asarray(Image.fromarray(image).transpose(turn)))
