"""Photographs from files, upright, with the pixels that the served model sees."""

import pathlib
import warnings
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image

from dmls_tf.data.records import decode_image
from dmls_tf.errors import DamagedFile
from dmls_tf.exif import UPRIGHT, orientation


class Photo(NamedTuple):
    """An upright photograph.

    Attributes:
        image: uint8 `[H, W, 3]`.
        content: a JPEG or PNG file of these pixels, bytes.
    """

    image: np.ndarray
    content: bytes


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
            turn = UPRIGHT.get(orientation(Image.open(path)))
    except (OSError, tf.errors.InvalidArgumentError) as error:
        raise DamagedFile(f"{path}: not a readable JPEG or PNG image") from error
    if turn is None:
        return Photo(image, content)
    return photo_of(np.asarray(Image.fromarray(image).transpose(turn)))


def photo_of(image):
    """A `Photo` of pixels that are in no file."""
    return Photo(image, tf.io.encode_png(image).numpy())
