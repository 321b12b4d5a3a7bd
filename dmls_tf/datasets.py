"""What a data set's labels mean, and the `dataset.json` that travels with its records."""

import dataclasses
import json
import pathlib

from dmls_tf.errors import UserError

IGNORE_LABEL = 255
INFO_FILE = "dataset.json"
FORMAT_VERSION = 1

Color = tuple[int, int, int]


@dataclasses.dataclass(frozen=True)
class DatasetSpec:
    """The classes of a data set, fixed before any file is read.

    Attributes:
        name: short, lower case.
        class_names: of the class ids 0..N-1.
        palette: an RGB colour a class.
        raw_to_class: {value in the label files: class id or `IGNORE_LABEL`}; any other value is
            an error.
        split_sizes: {split: images in the official release}.
    """

    name: str
    class_names: tuple[str, ...]
    palette: tuple[Color, ...]
    raw_to_class: dict[int, int]
    split_sizes: dict[str, int]

    @property
    def num_classes(self):
        return len(self.class_names)


def color_wheel(num_classes):
    """Distinct colours for any number of classes: the bit-interleaved map of PASCAL VOC, from 1."""
    palette = []
    for index in range(1, num_classes + 1):
        color = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                color[channel] |= ((index >> (3 * bit + channel)) & 1) << (7 - bit)
        palette.append(tuple(color))
    return tuple(palette)


CAMVID = DatasetSpec(
    name="camvid",
    class_names=(
        "sky",
        "building",
        "pole",
        "road",
        "pavement",
        "tree",
        "sign",
        "fence",
        "car",
        "pedestrian",
        "bicyclist",
    ),
    palette=(
        (128, 128, 128),
        (128, 0, 0),
        (192, 192, 128),
        (128, 64, 128),
        (60, 40, 222),
        (128, 128, 0),
        (192, 128, 128),
        (64, 64, 128),
        (64, 0, 128),
        (64, 64, 0),
        (0, 128, 192),
    ),
    raw_to_class={**{i: i for i in range(11)}, 11: IGNORE_LABEL},
    split_sizes={"train": 367, "val": 101, "test": 233},
)


def ade20k(class_names):
    """ADE20K scene parsing: label 0 is ignored, 1..150 are the classes 0..149.

    Args:
        class_names: 150 names, from the archive's `objectInfo150.txt`.
    """
    return DatasetSpec(
        name="ade20k",
        class_names=tuple(class_names),
        palette=color_wheel(len(class_names)),
        raw_to_class={0: IGNORE_LABEL, **{i + 1: i for i in range(len(class_names))}},
        split_sizes={"training": 20210, "validation": 2000},
    )


@dataclasses.dataclass(frozen=True)
class SplitInfo:
    """Counts over one split.

    Attributes:
        num_images: records.
        shards: file names, relative to the records directory.
        class_pixels: pixels of each class.
        class_images: images that contain each class.
        class_image_pixels: pixels, of any label, of the images that contain each class.
        ignored_pixels: pixels of no class.
    """

    num_images: int
    shards: tuple[str, ...]
    class_pixels: tuple[int, ...]
    class_images: tuple[int, ...]
    class_image_pixels: tuple[int, ...]
    ignored_pixels: int


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
    """The content of `dataset.json`: classes, palette and the counts of each split."""

    name: str
    class_names: tuple[str, ...]
    palette: tuple[Color, ...]
    splits: dict[str, SplitInfo]

    @property
    def num_classes(self):
        return len(self.class_names)

    def split(self, name):
        """The `SplitInfo` of a split.

        Raises:
            UserError: there is no such split.
        """
        if name not in self.splits:
            raise UserError(
                f"no split {name!r} in these records; there are {', '.join(self.splits)}"
            )
        return self.splits[name]

    def class_weights(self, split, exponent=1.0):
        """Median-frequency weights, (median(f) / f_c)^exponent (eq. 12).

        f_c is the share of class c in the pixels of the images that contain it. A class that the
        split lacks weighs 1.
        """
        info = self.split(split)
        pairs = zip(info.class_pixels, info.class_image_pixels, strict=True)
        frequencies = [pixels / total if total else 0.0 for pixels, total in pairs]
        seen = sorted(f for f in frequencies if f)
        if not seen:
            raise UserError(f"the split {split!r} holds no labelled pixel")
        median = 0.5 * (seen[(len(seen) - 1) // 2] + seen[len(seen) // 2])
        return tuple((median / f) ** exponent if f else 1.0 for f in frequencies)

    def save(self, directory):
        content = {"format_version": FORMAT_VERSION, "ignore_label": IGNORE_LABEL}
        content |= dataclasses.asdict(self)
        path = pathlib.Path(directory) / INFO_FILE
        path.write_text(json.dumps(content, indent=1) + "\n")

    @classmethod
    def load(cls, directory):
        """Reads `dataset.json` of a records directory.

        Raises:
            UserError: it is missing or not of this format.
        """
        path = pathlib.Path(directory) / INFO_FILE
        if not path.is_file():
            raise UserError(
                f"{path}: not found; {directory} is no records directory, "
                "make one with data_prep/*_to_tfrecord.py"
            )
        try:
            content = json.loads(path.read_text())
            if content["format_version"] != FORMAT_VERSION:
                raise UserError(f"{path}: format {content['format_version']}, convert again")
            return cls(
                name=content["name"],
                class_names=tuple(content["class_names"]),
                palette=tuple(tuple(color) for color in content["palette"]),
                splits={
                    name: SplitInfo(**{k: _frozen(v) for k, v in split.items()})
                    for name, split in content["splits"].items()
                },
            )
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise UserError(f"{path}: damaged ({error}); convert again") from error


def _frozen(value):
    return tuple(value) if isinstance(value, list) else value
