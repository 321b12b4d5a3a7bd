"""One image of a data set: from its source files to what a record holds, checked on the way.

The image's bytes are taken as they are; raw label values become class ids, losslessly; an instance
map is taken as it is. Only `max_side` makes longer images and their maps smaller.
"""

import dataclasses
import os
import pathlib

import numpy as np
from PIL import Image

from dmls_tf import IGNORE_LABEL
from dmls_tf.errors import UserError
from dmls_tf.images import source_files
from dmls_tf.images.label_maps import encode_label_png

# What turns an upright map so that it fits the pixels as they are stored, by EXIF orientation.
TO_STORED = {
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@dataclasses.dataclass(frozen=True)
class Sample:
    """What a record holds.

    Attributes:
        filename: identifies the image within the data set.
        image_bytes: a JPEG or PNG file.
        image_format: "jpeg" or "png".
        shape: (height, width, channels).
        label_png: 8-bit grey PNG of class ids, 255 for ignored pixels.
        label_pixels: 256 counts, of each value in the label.
        instance_png: 16-bit grey PNG, values as in the source; None without one.
    """

    filename: str
    image_bytes: bytes
    image_format: str
    shape: tuple[int, int, int]
    label_png: bytes
    label_pixels: list[int]
    instance_png: bytes | None = None


@dataclasses.dataclass(frozen=True)
class SourceFiles:
    """The paths of an image, its label map and, where the data set has one, its instance map."""

    image: str
    label: str
    instance: str | None = None

    def fingerprint(self):
        """A list that changes when a file does.

        Raises:
            UserError: a file is missing.
        """
        paths = [path for path in (self.image, self.label, self.instance) if path]
        return [(str(path), *self._size_and_time(path)) for path in paths]

    def read(self, spec, max_side=None):
        """Reads and checks the files.

        Args:
            spec: a `DatasetSpec`.
            max_side: pixels; a longer image is made smaller, with its maps.

        Returns:
            A `Sample`.

        Raises:
            UserError: a file is damaged, of the wrong kind or size, or has unknown values.
        """
        content = source_files.read_bytes(self.image)
        image = source_files.open_image(self.image, content)
        image_format = source_files.FORMATS[image.format]
        source_files.check_image(self.image, content, image_format)
        label, _ = self._map_of(image, self.label, bits=8)
        instance, instance_png = None, None
        if self.instance:
            instance, instance_png = self._map_of(image, self.instance, bits=16)
        channels, size = len(image.getbands()), smaller_size(image.size, max_side)
        if size != image.size:
            content, channels = source_files.resize_image(content, size, image_format), 3
            label = label.resize(size, Image.Resampling.NEAREST)
            if instance:
                instance, instance_png = instance.resize(size, Image.Resampling.NEAREST), None
        if instance and not instance_png:
            instance_png = encode_label_png(np.asarray(instance))
        class_ids, label_pixels = to_class_ids(label, spec, self.label)
        return Sample(
            filename=pathlib.Path(self.image).name,
            image_bytes=content,
            image_format=image_format,
            shape=(size[1], size[0], channels),
            label_png=encode_label_png(class_ids),
            label_pixels=label_pixels,
            instance_png=instance_png,
        )

    def _map_of(self, image, path, bits):
        """A map as it fits the stored pixels of the image, and its file where that holds it."""
        content = source_files.read_bytes(path)
        values = source_files.decode_map(path, content, bits)
        if values.size == image.size:
            return values, content
        turn = TO_STORED.get(source_files.orientation(image))
        if turn is not None and values.size == image.size[::-1]:
            return values.transpose(turn), None
        raise UserError(
            f"{path}: is {_size(values)} (width x height), its image {self.image} is {_size(image)}"
        )

    def _size_and_time(self, path):
        try:
            status = os.stat(path)
        except OSError as error:
            raise UserError(f"{path}: not found, but needed for {self.image}") from error
        return status.st_size, status.st_mtime_ns


def to_class_ids(label, spec, path):
    """Raw label values to class ids.

    Args:
        label: a Pillow image of mode L.
        spec: a `DatasetSpec`.
        path: of the label, for the error.

    Returns:
        The class ids, uint8 `[H, W]`, and 256 counts, of the pixels of each.

    Raises:
        UserError: a value that the data set does not know.
    """
    pixels = [0] * 256
    for value, count in enumerate(label.histogram()):
        if count:
            if value not in spec.raw_to_class:
                known = f"{min(spec.raw_to_class)}..{max(spec.raw_to_class)}"
                raise UserError(
                    f"{path}: label value {value} is out of range; {spec.name} has {known}"
                )
            pixels[spec.raw_to_class[value]] += count
    table = [spec.raw_to_class.get(value, IGNORE_LABEL) for value in range(256)]
    return np.asarray(label.point(table)), pixels


def smaller_size(size, max_side):
    """(width, height) with the same aspect, no side longer than `max_side`."""
    longest = max(size)
    if max_side is None or longest <= max_side:
        return size
    return tuple(max(1, round(side * max_side / longest)) for side in size)


def _size(image):
    return f"{image.width}x{image.height}"
