"""What the labels of each data set mean; no file is read here."""

import dataclasses

IGNORE_LABEL = 255

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
        instance_divisor: the values of instance maps, integer-divided by it, are label values;
            0 for a data set without instance maps.
    """

    name: str
    class_names: tuple[str, ...]
    palette: tuple[Color, ...]
    raw_to_class: dict[int, int]
    split_sizes: dict[str, int]
    instance_divisor: int = 0

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


CITYSCAPES = DatasetSpec(
    name="cityscapes",
    class_names=(
        "road",
        "sidewalk",
        "building",
        "wall",
        "fence",
        "pole",
        "traffic light",
        "traffic sign",
        "vegetation",
        "terrain",
        "sky",
        "person",
        "rider",
        "car",
        "truck",
        "bus",
        "train",
        "motorcycle",
        "bicycle",
    ),
    palette=(
        (128, 64, 128),
        (244, 35, 232),
        (70, 70, 70),
        (102, 102, 156),
        (190, 153, 153),
        (153, 153, 153),
        (250, 170, 30),
        (220, 220, 0),
        (107, 142, 35),
        (152, 251, 152),
        (70, 130, 180),
        (220, 20, 60),
        (255, 0, 0),
        (0, 0, 142),
        (0, 0, 70),
        (0, 60, 100),
        (0, 80, 100),
        (0, 0, 230),
        (119, 11, 32),
    ),
    # labelIds to trainIds; the ids that are not evaluated, and -1 as an 8-bit value, are ignored.
    raw_to_class={
        **dict.fromkeys([*range(34), 255], IGNORE_LABEL),
        **{raw: i for i, raw in enumerate((7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33))},
    },
    split_sizes={"train": 2975, "val": 500, "test": 1525, "train_extra": 19998},
    instance_divisor=1000,
)


def mapillary(labels):
    """Mapillary Vistas, any version: a class for each label that is evaluated.

    Args:
        labels: `config["labels"]` of the archive's own configuration file, one dict a label value
            with `name`, `color` and `evaluate`.
    """
    evaluated = [value for value, label in enumerate(labels) if label["evaluate"]]
    ignored = dict.fromkeys(range(len(labels)), IGNORE_LABEL)
    return DatasetSpec(
        name="mapillary",
        class_names=tuple(labels[value]["name"] for value in evaluated),
        palette=tuple(tuple(labels[value]["color"]) for value in evaluated),
        raw_to_class=ignored | {value: i for i, value in enumerate(evaluated)},
        split_sizes={"training": 18000, "validation": 2000},
        instance_divisor=256,
    )
