"""Label files, of each kind of source, as class ids.

A reader has one method, `class_ids(path, spec)`: a Pillow image of mode L, class ids and 255 for
ignored pixels.
"""

import dataclasses

import numpy as np
from PIL import Image

from dmls_tf import IGNORE_LABEL
from dmls_tf.datasets.label_table import LabelTable, words_for
from dmls_tf.errors import UserError
from dmls_tf.images import source_files
from dmls_tf.images.label_files import decode_label, decode_panoptic


class UnknownLabel(UserError):  # noqa: N818
    """A label holds what stands for no class."""


@dataclasses.dataclass(frozen=True)
class ValueLabels:
    """PNGs of 8 bits, whose values `spec.raw_to_class` knows: the labels of the benchmarks."""

    def class_ids(self, path, spec):
        """See above.

        Raises:
            UserError: it cannot be read; `UnknownLabel`: it has a value of no class.
        """
        values = source_files.decode_map(path, source_files.read_bytes(path), bits=8)
        return to_class_ids(values, spec, path)


@dataclasses.dataclass(frozen=True)
class TableLabels:
    """Labels of any kind that a `LabelTable` knows: the labels of a user.

    Attributes:
        table: the `LabelTable`.
        segments: {segment id: name of its category} for a PNG of COCO's panoptic format.
    """

    table: LabelTable
    segments: dict[int, str] | None = None

    def class_ids(self, path, spec):
        """See above.

        Raises:
            UserError: it cannot be read; `UnknownLabel`: it has a key that is not in the table.
        """
        label = read_indexed(path, self.segments)
        found = label.class_ids_by(self.table, path)
        pixels = np.bincount(label.indices.ravel(), minlength=len(found))
        for key, class_id, count in zip(label.keys, found, pixels, strict=True):
            if class_id is None and count:
                raise UnknownLabel(f"{path}: {words_for(key)} stands for no class")
        table = np.array([IGNORE_LABEL if i is None else i for i in found], np.uint8)
        return Image.fromarray(table[label.indices])


def read_indexed(path, segments=None):
    """The `label_files.Indexed` of a file; `segments` are those of a panoptic PNG."""
    content = source_files.read_bytes(path)
    if segments is None:
        return decode_label(content, path)
    return decode_panoptic(content, path, segments)


def to_class_ids(label, spec, path):
    """Raw label values to class ids.

    Args:
        label: a Pillow image of mode L.
        spec: a `DatasetSpec`.
        path: of the label, for the error.

    Returns:
        The class ids, a Pillow image of mode L.

    Raises:
        UnknownLabel: a value that the data set does not know.
    """
    for value, count in enumerate(label.histogram()):
        if count and value not in spec.raw_to_class:
            known = f"{min(spec.raw_to_class)}..{max(spec.raw_to_class)}"
            raise UnknownLabel(
                f"{path}: label value {value} is out of range; {spec.name} has {known}; are these "
                "labels of another release, or class ids already?"
            )
    return label.point([spec.raw_to_class.get(value, IGNORE_LABEL) for value in range(256)])
