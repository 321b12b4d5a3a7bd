"""One image of a data set: from its source files to what a record holds, checked on the way.

The image's bytes are taken as they are, unless EXIF says that its pixels lie on their side; labels
become class ids, losslessly; an instance map is taken as it is. All are upright. Only `max_side`
makes longer images and their maps smaller.
"""

import dataclasses
import os
import pathlib
from typing import Any

import numpy as np
from PIL import Image

from dmls_tf.errors import UserError
from dmls_tf.images import source_files
from dmls_tf.images.label_maps import encode_label_png
from dmls_tf.records.label_readers import ValueLabels


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
        converted: the image was encoded anew, upright and as JPEG or PNG.
        ambiguous: the label fits the image upright and as it is stored.
    """

    filename: str
    image_bytes: bytes
    image_format: str
    shape: tuple[int, int, int]
    label_png: bytes
    label_pixels: list[int]
    instance_png: bytes | None = None
    converted: bool = False
    ambiguous: bool = False


@dataclasses.dataclass(frozen=True)
class SourceFiles:
    """The files of an image.

    Attributes:
        image, label: paths.
        instance: path of the instance map, None without one.
        labels: reads the label; see `records.label_readers`.
        name: in the records; None: that of the image's file.
    """

    image: str
    label: str
    instance: str | None = None
    labels: Any = ValueLabels()
    name: str | None = None

    def fingerprint(self):
        """A list that changes when a file does, or how it is read.

        Raises:
            UserError: a file is missing.
        """
        paths = [path for path in (self.image, self.label, self.instance) if path]
        return [
            self.name,
            repr(self.labels),
            *((str(path), *self._size_and_time(path)) for path in paths),
        ]

    def read(self, spec, max_side=None, label_orientation="upright"):
        """Reads and checks the files.

        Args:
            spec: a `DatasetSpec`.
            max_side: pixels; a longer image is made smaller, with its maps.
            label_orientation: "upright" or "stored", what a map is that fits both.

        Returns:
            A `Sample`.

        Raises:
            UserError: a file is damaged, of the wrong kind or size, or has unknown values.
        """
        photo = source_files.read_photograph(self.image)
        label = self.labels.class_ids(self.label, spec)
        label, ambiguous = photo.fitted(label, self.label, label_orientation)
        size = smaller_size(photo.upright_size, max_side)
        content, channels = photo.encoded(size)
        label = _resized(label, size)
        return Sample(
            filename=self.name or pathlib.Path(self.image).name,
            image_bytes=content,
            image_format=photo.image_format,
            shape=(size[1], size[0], channels),
            label_png=encode_label_png(np.asarray(label)),
            label_pixels=label.histogram(),
            instance_png=self._instance_png(photo, size, label_orientation),
            converted=photo.converted or photo.orientation != 1,
            ambiguous=ambiguous,
        )

    def _instance_png(self, photo, size, label_orientation):
        """The file itself where nothing has to be turned or resized; None without one."""
        if not self.instance:
            return None
        content = source_files.read_bytes(self.instance)
        stored = source_files.decode_map(self.instance, content, bits=16)
        fitted, _ = photo.fitted(stored, self.instance, label_orientation)
        resized = _resized(fitted, size)
        return content if resized is stored else encode_label_png(np.asarray(resized))

    def _size_and_time(self, path):
        try:
            status = os.stat(path)
        except OSError as error:
            raise UserError(f"{path}: not found, but needed for {self.image}") from error
        return status.st_size, status.st_mtime_ns


def smaller_size(size, max_side):
    """(width, height) with the same aspect, no side longer than `max_side`."""
    longest = max(size)
    if max_side is None or longest <= max_side:
        return size
    return tuple(max(1, round(side * max_side / longest)) for side in size)


def _resized(values, size):
    return values if values.size == size else values.resize(size, Image.Resampling.NEAREST)
