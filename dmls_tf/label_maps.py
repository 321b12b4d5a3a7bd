"""Label maps as PNG files of 8 bits: grey, or with a palette that only colours them."""

import io

import numpy as np
from PIL import Image

from dmls_tf.errors import UserError


def read_label(file, name=None):
    """Reads a PNG of ids, grey or the indices of a palette: uint8 `[H, W]`.

    Args:
        file: a path, or an open binary file.
        name: what errors call it, the path where it is left out.

    Raises:
        UserError: it is missing, damaged, or of another kind.
    """
    name = name or file
    try:
        with Image.open(file) as image:
            if image.mode not in ("L", "P"):
                raise UserError(
                    f"{name}: mode {image.mode}, but a label map is an 8-bit PNG of ids"
                )
            return np.asarray(image)
    except FileNotFoundError as error:
        raise UserError(f"{name}: no such file") from error
    except (OSError, SyntaxError) as error:  # Pillow's error for a broken PNG
        raise UserError(f"{name}: not a readable label map (a PNG of class ids)") from error


def png_bytes(pixels, palette=None):
    """The bytes of a PNG.

    Args:
        pixels: ids, uint8 `[H, W]`, or an image, uint8 `[H, W, 3]`.
        palette: an RGB colour an id, to show them in; None for grey.

    >>> file = png_bytes(np.array([[0, 1]], np.uint8), palette=[(128, 0, 0), (0, 128, 0)])
    >>> read_label(io.BytesIO(file)).tolist()
    [[0, 1]]
    """
    image = Image.fromarray(pixels)
    if palette is not None:
        image = image.convert("P")  # the indices stay: Pillow's own palette is grey
        image.putpalette([channel for color in palette for channel in color])
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return buffer.getvalue()
