"""How image files begin, and those of other formats than JPEG and PNG as PNGs, by Pillow.

TensorFlow decodes JPEG and PNG alone; records, requests and predictions hold one of the two.
"""

import io
import warnings

import numpy as np
from PIL import Image, ImageOps

from dmls_tf.errors import DamagedFile

JPEG_AND_PNG = (".jpg", ".jpeg", ".jpe", ".jfif", ".png")
OTHER_FORMATS = (".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".heic", ".heif", ".jp2")
PHOTO_ENDINGS = (*JPEG_AND_PNG, *OTHER_FORMATS, ".ppm", ".pgm")
JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"  # what their files begin with


def is_jpeg_or_png(content):
    """Whether the bytes of a file begin as those of a JPEG or PNG file do."""
    return content.startswith((JPEG, PNG))


def open_image(content):
    """A Pillow image of which only the header is read; raises whatever Pillow's parsers raise."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of large images
        return Image.open(io.BytesIO(content))


def unreadable(error, kind="image"):
    """What is wrong with a file that Pillow refused with this error."""
    if isinstance(error, Image.DecompressionBombError):
        return f"has more than {2 * Image.MAX_IMAGE_PIXELS:,} pixels"
    return f"not a readable {kind}"


def as_png(content, name):
    """A PNG of an image file of any format that Pillow reads.

    Of 16 bits the upper byte is taken; without its transparency; turned upright as EXIF says.

    Args:
        content: bytes.
        name: what errors call it.

    Returns:
        The bytes of an 8-bit PNG, grey or RGB.

    Raises:
        DamagedFile: Pillow cannot read it or finds it too large, it holds several images, or 32
            bits per channel.
    """
    try:
        image = open_image(content)
        count = getattr(image, "n_frames", 1)
        image = ImageOps.exif_transpose(image)
    except Exception as error:  # Pillow raises what its parsers meet
        hint = "; HEIC needs pip install pillow-heif" if b"ftyphei" in content[:16] else ""
        raise DamagedFile(f"{name}: {unreadable(error)}{hint}") from error
    if count > 1:
        raise DamagedFile(f"{name}: holds {count} images; save them one by one")
    if image.mode in ("F", "I"):
        raise DamagedFile(f"{name}: an image of 32 bits per channel; save it with 8")
    buffer = io.BytesIO()
    _eight_bits(image).save(buffer, "png")
    return buffer.getvalue()


def _eight_bits(image):
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image if image.mode in ("L", "RGB") else image.convert("RGB")
