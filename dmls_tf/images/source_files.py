"""Image, label and instance files, decoded and checked.

Photographs are decoded by the decoder of training (TensorFlow's), so that what passes here can be
trained on: JPEG and PNG, grey, palette, CMYK and 16-bit ones too, of which it keeps the upper
byte. Maps are decoded by Pillow, which knows palette indices, after the checksums of the file have
been verified.

TensorFlow is imported where it is used: the workers need it, the process that directs them does
not.
"""

import io
import pathlib
import warnings

from PIL import ExifTags, Image

from dmls_tf.errors import UserError

FORMATS = {"JPEG": "jpeg", "MPO": "jpeg", "PNG": "png"}
GREY, PALETTE = 0, 3  # PNG colour types


def read_bytes(path):
    """The content of a file.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error


def open_image(path, content):
    """A photograph as a Pillow image of which only the header is read.

    Raises:
        UserError: neither JPEG nor PNG.
    """
    image = _open(path, content)
    if image.format not in FORMATS:
        raise UserError(f"{path}: {image.format} image; JPEG and PNG are supported")
    return image


def orientation(image):
    """The EXIF orientation of a Pillow image, 1..8; 1, upright, where it has none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # a damaged block; Pillow raises what its parser meets
        return 1


def check_image(path, content, image_format):
    """Decodes a photograph as training will.

    A JPEG is decoded at an eighth of its size: all of its bytes are read, but a quarter of the
    time is saved.

    Raises:
        UserError: the content is damaged.
    """
    import tensorflow as tf

    from dmls_tf.images.decoding import decode_image

    try:
        if image_format == "jpeg":
            tf.io.decode_jpeg(content, channels=3, ratio=8)
        else:
            decode_image(content)
    except tf.errors.OpError as error:
        raise UserError(f"{path}: damaged or truncated image") from error


def resize_image(content, size, image_format):
    """The bytes of a photograph that has been checked, at another size (width, height).

    JPEG has quality 95 and the colours at full resolution.
    """
    from dmls_tf.images.decoding import decode_image

    pixels = Image.fromarray(decode_image(content).numpy())
    options = {"quality": 95, "subsampling": 0} if image_format == "jpeg" else {}
    buffer = io.BytesIO()
    pixels.resize(size, Image.Resampling.LANCZOS).save(buffer, image_format, **options)
    return buffer.getvalue()


def decode_map(path, content, bits):
    """A label map (8 bits, grey or palette indices) or an instance map (16 bits, grey).

    Returns:
        A Pillow image of mode L or I;16 that holds the values of the file.

    Raises:
        UserError: no PNG, damaged, or of another kind.
    """
    image = _open(path, content)
    if image.format != "PNG":
        raise UserError(f"{path}: {image.format} image; a map must be a PNG")
    if len(image.getbands()) != 1:
        raise UserError(
            f"{path}: a map must have one channel, this one is {image.mode}; "
            "is this another release of the data set?"
        )
    depth, color_type = content[24], content[25]
    if (depth, color_type) != (bits, GREY) and not (bits == 8 and color_type == PALETTE):
        raise UserError(f"{path}: a {depth}-bit {image.mode} PNG; this map must have {bits} bits")
    try:
        image.verify()  # which uses it up
        image = _open(path, content)
        image.load()
    except Exception as error:  # Pillow raises what its parsers meet
        raise UserError(f"{path}: damaged or truncated PNG") from error
    # The indices of a palette, not its colours.
    return Image.frombytes("L", image.size, image.tobytes()) if image.mode == "P" else image


def _open(path, content):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large images
            return Image.open(io.BytesIO(content))
    except Exception as error:  # Pillow raises what its parsers meet
        raise UserError(f"{path}: not a readable image") from error
