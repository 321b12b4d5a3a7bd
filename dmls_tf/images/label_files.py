"""Label files of any kind, decoded to keys: values, colours or names (`datasets.label_table`).

A file becomes an `Indexed`, the keys that it holds and, for each pixel, which of them. So that a
label is counted, checked and converted in one way, wherever it comes from: images without loss,
polygons of LabelMe, segments of COCO's panoptic format.
"""

import base64
import io
import json
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from dmls_tf.datasets.label_table import UNLABELLED, Key, key_of
from dmls_tf.datasets.spec import Color
from dmls_tf.errors import UserError
from dmls_tf.images.formats import open_image, unreadable

LOSSLESS = ("PNG", "TIFF", "BMP", "GIF")
LABEL_ENDINGS = (".png", ".tif", ".tiff", ".bmp", ".gif", ".json", ".jpg", ".jpeg")
MAX_PIXELS = 2**28  # of a LabelMe file's image
GREY_LEVELS = {2: 85, 4: 17}  # by which Pillow multiplies the values of so many bits
PANOPTIC_RADIX = np.array([1, 256, 65536])  # of a segment's id, in R, G and B


class Indexed(NamedTuple):
    """A decoded label.

    Attributes:
        keys: those that the file holds.
        indices: of `keys`, integers `[H, W]`.
        colors: {value: RGB} that the file shows its values in, if it has one channel.
    """

    keys: list[Key]
    indices: np.ndarray
    colors: dict[int, Color] = {}

    def class_ids_by(self, table, name):
        """The class id of each key in a `LabelTable`, None for keys that it does not have.

        With a table of colours, values are looked up as the colours that they are shown in; with
        a table of values, labels whose three channels are equal are looked up as values.

        Args:
            table: a `LabelTable`.
            name: what errors call the file.

        Raises:
            UserError: a palette shows a value in the colour of another class.
        """
        keys, classes = self.keys, table.classes
        for key, color in self.colors.items():
            shown = classes.get(color) if value_of_grey(color) == color else None
            if shown is not None and classes.get(key, shown) != shown:
                raise UserError(
                    f"{name}: the value {key} is shown in the colour of another class; leave the "
                    "values or the colours out of the classes file"
                )
        if self.colors and not table.has_values:
            keys = [self.colors[key] for key in keys]
        elif table.has_values and not all(key in classes for key in keys):
            values = [value_of_grey(key) for key in keys]
            keys = keys if any(isinstance(value, tuple) for value in values) else values
        return [classes.get(key) for key in keys]


def decode_label(content, name):
    """Decodes a label image or a LabelMe file.

    Args:
        content: bytes.
        name: what errors call it.

    Returns:
        An `Indexed`: of values for an image of one channel, those of a palette included, of colours
        for other images, of names for a LabelMe file.

    Raises:
        UserError: it is damaged, compressed with loss, or of another kind.
    """
    if str(name).lower().endswith(".json"):
        return draw_shapes(content, name)
    image = _open(content, name)
    if image.mode in ("1", "L", "P", "I;16", "I;16B", "I"):
        depth = content[24] if image.format == "PNG" else 8
        return _values_of(image, 1 if image.mode == "1" else depth)
    if image.mode in ("RGB", "RGBA", "LA"):
        label = _colors_of(image)
        if image.format == "PNG" and content[24] == 16 and label.keys == [(0, 0, 0)]:
            raise UserError(f"{name}: has 16 bits per colour, all below 256; export it with 8")
        return label
    raise UserError(f"{name}: mode {image.mode}, but a label has values or RGB colours")


def value_of_grey(key):
    """The value of a grey colour; other keys as they are."""
    grey = isinstance(key, tuple) and len(key) == 3 and len(set(key)) == 1
    return key[0] if grey else key


def decode_panoptic(content, name, segments):
    """Decodes a PNG of COCO's panoptic format.

    Args:
        content, name: see `decode_label`.
        segments: {segment id: name of its category}.

    Raises:
        UserError: it is damaged, or holds a segment that is not listed.
    """
    pixels = np.asarray(_open(content, name).convert("RGB"))
    ids, indices = _unique(pixels @ PANOPTIC_RADIX)
    unknown = [i for i in ids if i and i not in segments]
    if unknown:
        raise UserError(f"{name}: segment {unknown[0]} is not in the JSON file")
    return Indexed([segments.get(i, UNLABELLED) for i in ids], indices)


def draw_shapes(content, name):
    """Draws the shapes of a LabelMe file over one another, in their order.

    Raises:
        UserError: it is none, or has a shape that is no area.
    """
    try:
        parsed = json.loads(content)
        size = parsed["imageWidth"], parsed["imageHeight"]
        if not 0 < size[0] * size[1] <= MAX_PIXELS:
            raise UserError(f"imageWidth x imageHeight is {size[0]} x {size[1]}")
        canvas, keys = Image.new("I", size), [UNLABELLED]
        for shape in parsed["shapes"]:
            key = key_of(shape["label"])
            keys += [key] * (key not in keys)
            _draw(canvas, shape, keys.index(key))
    except UserError as error:
        raise UserError(f"{name}: {error}") from error
    except (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError) as error:
        raise UserError(f"{name}: not a readable LabelMe file ({error!r})") from error
    return Indexed(keys, np.asarray(canvas))


def _draw(canvas, shape, index):
    points = [tuple(map(float, point)) for point in shape["points"]]
    kind, draw = shape.get("shape_type") or "polygon", ImageDraw.Draw(canvas)
    if kind == "polygon":
        draw.polygon(points, fill=index, outline=index)
    elif kind == "rectangle":
        (x0, x1), (y0, y1) = (sorted(sides) for sides in zip(*points, strict=True))
        draw.rectangle((x0, y0, x1, y1), fill=index, outline=index)
    elif kind == "circle":
        (x, y), edge = points
        radius = np.hypot(edge[0] - x, edge[1] - y)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=index, outline=index)
    elif kind == "mask":
        mask = np.asarray(Image.open(io.BytesIO(base64.b64decode(shape["mask"])))) > 0
        canvas.paste(index, tuple(map(round, points[0])), Image.fromarray(mask))
    else:
        raise UserError(f"a {kind} of {shape['label']!r} is no area; make it a polygon")


def _open(content, name):
    try:
        image = open_image(content)
        if image.format in LOSSLESS:
            open_image(content).verify()  # checksums
            image.load()
    except Exception as error:  # Pillow raises what its parsers meet
        raise UserError(f"{name}: {unreadable(error, 'label image')}") from error
    if image.format not in LOSSLESS or image.info.get("compression") == "jpeg":
        raise UserError(
            f"{name}: a label compressed as {image.format}, whose loss mixes the classes; "
            f"export it as PNG"
        )
    if getattr(image, "n_frames", 1) > 1:
        raise UserError(f"{name}: holds {image.n_frames} images; a label is one")
    return image


def _values_of(image, depth):
    shown = np.asarray(image).astype(np.int64)
    values = shown // GREY_LEVELS.get(depth, 1) if image.mode == "L" else shown
    keys, indices = _unique(values)
    palette = np.repeat(np.arange(256), 3).tolist()
    if image.mode == "P":
        palette = image.getpalette()
    elif values is not shown or image.mode == "1":
        palette = np.repeat(np.linspace(0, 255, 1 << depth, dtype=int), 3).tolist()
    return Indexed(keys, indices, {key: tuple(palette[3 * key : 3 * key + 3]) for key in keys})


def _colors_of(image):
    """Opaque colours have three channels, others four."""
    packed = np.asarray(image.convert("RGBA")).view(">u4")[..., 0]
    found, indices = _unique(packed)
    colors = [tuple(color.to_bytes(4, "big")) for color in found]
    return Indexed([color[:3] if color[3] == 255 else color for color in colors], indices)


def _unique(values):
    """The values that occur, and the index of each; quick where neighbours are mostly alike."""
    flat = values.ravel()
    starts = np.concatenate([[0], 1 + np.flatnonzero(flat[1:] != flat[:-1])])
    found, indices = np.unique(flat[starts], return_inverse=True)
    indices = np.repeat(indices.ravel(), np.diff(starts, append=flat.size))
    return found.tolist(), indices.reshape(values.shape)
