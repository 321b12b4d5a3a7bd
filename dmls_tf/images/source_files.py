"""Image, label and instance files, decoded and checked.

Photographs are decoded by the decoder of training (TensorFlow's), so that what passes here can be
trained on: JPEG and PNG, grey, palette, CMYK and 16-bit ones too, of which it keeps the upper
byte. Files of other formats become PNGs first. Maps are decoded by Pillow, which knows palette
indices, after the checksums of the file have been verified.

TensorFlow is imported where it is used: the workers need it, the process that directs them does
not.
"""

import dataclasses
import io
import warnings

from PIL import ExifTags, Image

from dmls_tf.errors import UserError
from dmls_tf.files import as_path
from dmls_tf.images.formats import as_png, is_jpeg_or_png, open_image, unreadable

FORMATS = {"JPEG": "jpeg", "MPO": "jpeg", "PNG": "png"}
GREY, PALETTE = 0, 3  # PNG colour types
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # what turns stored pixels upright, by EXIF orientation
SIDEWAYS = (5, 6, 7, 8)  # that exchange height and width


def read_bytes(path):
    """The content of a file.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return as_path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error


@dataclasses.dataclass(frozen=True)
class Photograph:
    """A photograph whose file has been checked.

    Attributes:
        path: of its file.
        content: the file, or an upright PNG of it if it is neither JPEG nor PNG.
        image_format: "jpeg" or "png", of the content.
        size: (width, height) of the pixels as the file stores them.
        channels: of the content.
        orientation: by which EXIF turns the stored pixels upright, 1..8; 1: not at all.
        converted: whether the content is such a PNG.
    """

    path: str
    content: bytes
    image_format: str
    size: tuple[int, int]
    channels: int
    orientation: int
    converted: bool

    @property
    def upright_size(self):
        return self.size[::-1] if self.orientation in SIDEWAYS else self.size

    def fitted(self, values, path, label_orientation):
        """A map turned upright.

        Args:
            values: a Pillow image of the map.
            path: of the map.
            label_orientation: "upright" or "stored", what a map is that fits both.

        Returns:
            The map at `upright_size`, and whether it fits the stored pixels as well as the upright
            ones, so that `label_orientation` decided.

        Raises:
            UserError: it fits neither.
        """
        fits_stored, fits_upright = values.size == self.size, values.size == self.upright_size
        if not fits_stored and not fits_upright:
            raise UserError(
                f"{path}: is {_size(values.size)} (width x height), "
                f"its image {self.path} is {_size(self.upright_size)}"
            )
        if self.orientation == 1:
            return values, False
        ambiguous = fits_stored and fits_upright
        stored = label_orientation == "stored" if ambiguous else fits_stored
        return values.transpose(UPRIGHT[self.orientation]) if stored else values, ambiguous

    def encoded(self, size):
        """The file of the upright photograph at a size (width, height), and its channels.

        It is the content itself where nothing has to be turned or resized. A JPEG is encoded
        with quality 95 and the colours at full resolution.
        """
        from dmls_tf.images.decoding import decode_image

        turned = self.orientation != 1 and not self.converted
        if not turned and size == self.upright_size:
            return self.content, self.channels
        pixels = Image.fromarray(decode_image(self.content).numpy())
        if turned:
            pixels = pixels.transpose(UPRIGHT[self.orientation])
        if size != pixels.size:
            pixels = pixels.resize(size, Image.Resampling.LANCZOS)
        options = {"quality": 95, "subsampling": 0} if self.image_format == "jpeg" else {}
        buffer = io.BytesIO()
        pixels.save(buffer, self.image_format, **options)
        return buffer.getvalue(), 3


def read_photograph(path):
    """Reads and checks a photograph.

    Raises:
        UserError: it cannot be read, or is damaged.
    """
    content = read_bytes(path)
    original, converted = content, not is_jpeg_or_png(content)
    if converted:
        content = as_png(content, path)
    orientation, image = _orientation(_open(path, original)), _open(path, content)
    if image.format not in FORMATS:
        raise UserError(f"{path}: a damaged JPEG or PNG image")
    image_format = FORMATS[image.format]
    _check_decodes(path, content, image_format)
    size = image.size[::-1] if converted and orientation in SIDEWAYS else image.size
    channels = len(image.getbands())
    return Photograph(str(path), content, image_format, size, channels, orientation, converted)


def _orientation(image):
    """The EXIF orientation of a Pillow image, 1..8; 1, upright, where it has none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # a damaged block; Pillow raises what its parser meets
        return 1
    return orientation if orientation in UPRIGHT else 1


def _check_decodes(path, content, image_format):
    """Decodes a photograph as training will.

    A JPEG is decoded at an eighth of its size: all of its bytes are read, but a quarter of the
    time is saved.
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


def _size(size):
    return f"{size[0]}x{size[1]}"


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
        return open_image(content)
    except Exception as error:  # Pillow raises what its parsers meet
        raise UserError(f"{path}: {unreadable(error)}") from error
