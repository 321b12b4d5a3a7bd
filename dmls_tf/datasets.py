"""What the labels of each data set mean; no file is read here."""

import dataclasses
from collections.abc import Sequence
from typing import Any

IGNORE_LABEL = 255

Color = tuple[int, int, int]


@dataclasses.dataclass(frozen=True)
class Scoring:
    """What the official scores of a data set are.

    Values are those in the label files.

    Attributes:
        absent_iou: IoU of a class that neither labels nor predictions contain; None leaves it out
            of the mean.
        drop_unevaluated: a pixel for which a label is predicted that is not evaluated counts
            nothing; otherwise it is wrong.
        final_score: the mean of pixel accuracy and mean IoU is a score, too.
        categories: {name: label values}.
        instance_sizes: {class id: average pixels of an instance} of the classes that have an
            iIoU; None: instances weigh what they are.
        instance_categories: the categories that have an iIoU.
    """

    absent_iou: float | None = None
    drop_unevaluated: bool = False
    final_score: bool = False
    categories: dict[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    instance_sizes: dict[int, float | None] = dataclasses.field(default_factory=dict)
    instance_categories: tuple[str, ...] = ()


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
        scoring: how its benchmark scores.

    >>> CITYSCAPES.num_classes, CITYSCAPES.class_names[:2], CITYSCAPES.class_to_raw[:2]
    (19, ('road', 'sidewalk'), (7, 8))
    >>> CAMVID.unevaluated
    (11,)
    """

    name: str
    class_names: tuple[str, ...]
    palette: tuple[Color, ...]
    raw_to_class: dict[int, int]
    split_sizes: dict[str, int]
    instance_divisor: int = 0
    scoring: Scoring = Scoring()

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def class_to_raw(self) -> tuple[int, ...]:
        """The value in label files of each class id."""
        raw_of = {class_id: raw for raw, class_id in self.raw_to_class.items()}
        return tuple(raw_of[class_id] for class_id in range(self.num_classes))

    @property
    def unevaluated(self) -> tuple[int, ...]:
        """The values in label files that are no class, sorted."""
        ignored = [raw for raw, class_id in self.raw_to_class.items() if class_id == IGNORE_LABEL]
        return tuple(sorted(ignored))


def color_wheel(num_classes: int) -> tuple[Color, ...]:
    """Distinct colours for any number of classes: the bit-interleaved map of PASCAL VOC, from 1.

    >>> color_wheel(3)
    ((128, 0, 0), (0, 128, 0), (128, 128, 0))
    """
    palette = []
    for index in range(1, num_classes + 1):
        color = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                color[channel] |= ((index >> (3 * bit + channel)) & 1) << (7 - bit)
        red, green, blue = color
        palette.append((red, green, blue))
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


def ade20k(class_names: Sequence[str]) -> DatasetSpec:
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
        scoring=Scoring(absent_iou=0.0, final_score=True),
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
    scoring=Scoring(
        categories={
            "flat": (7, 8, 9, 10),
            "construction": (11, 12, 13, 14, 15, 16),
            "object": (17, 18, 19, 20),
            "nature": (21, 22),
            "sky": (23,),
            "human": (24, 25),
            "vehicle": (26, 27, 28, 29, 30, 31, 32, 33),
        },
        instance_sizes={
            11: 3462.4756337644,
            12: 3930.4788056518,
            13: 12794.0202738185,
            14: 27855.1264367816,
            15: 35732.1511111111,
            16: 67583.7075812274,
            17: 6298.7200839748,
            18: 4672.3249222261,
        },
        instance_categories=("human", "vehicle"),
    ),
)

# Average pixels of an instance, as the official evaluation of Mapillary Vistas has them.
MAPILLARY_SIZES = {
    "animal--bird": 476.528772379,
    "animal--ground-animal": 6966.05378973,
    "construction--flat--crosswalk-plain": 104838.048318,
    "human--person": 9592.86253908,
    "human--rider--bicyclist": 16886.5173901,
    "human--rider--motorcyclist": 9903.12607862,
    "human--rider--other-rider": 9831.76870748,
    "marking--crosswalk-zebra": 112325.952985,
    "object--banner": 11195.5309066,
    "object--bench": 11969.7241379,
    "object--bike-rack": 10429.6873508,
    "object--billboard": 12704.9007352,
    "object--catch-basin": 6854.32095604,
    "object--cctv-camera": 716.579725265,
    "object--fire-hydrant": 4470.86669639,
    "object--junction-box": 12195.5445258,
    "object--mailbox": 8442.46119235,
    "object--manhole": 9785.74391059,
    "object--phone-booth": 44518.9855491,
    "object--street-light": 764.127730718,
    "object--support--pole": 4580.9781035,
    "object--support--traffic-sign-frame": 43856.0057065,
    "object--support--utility-pole": 11204.5110898,
    "object--traffic-light": 4210.7699504,
    "object--traffic-sign--back": 3186.98105859,
    "object--traffic-sign--front": 6271.36616576,
    "object--trash-can": 14341.2201577,
    "object--vehicle--bicycle": 16050.3836079,
    "object--vehicle--boat": 32448.4144981,
    "object--vehicle--bus": 97235.2483673,
    "object--vehicle--car": 40828.5850107,
    "object--vehicle--caravan": 45481.5289855,
    "object--vehicle--motorcycle": 17416.394129,
    "object--vehicle--other-vehicle": 49725.5842986,
    "object--vehicle--trailer": 76466.5590551,
    "object--vehicle--truck": 86698.8593627,
    "object--vehicle--wheeled-slow": 12389.1927195,
}


def mapillary(labels: Sequence[dict[str, Any]]) -> DatasetSpec:
    """Mapillary Vistas, any version: a class for each label that is evaluated.

    Args:
        labels: `config["labels"]` of the archive's own configuration file, one dict a label value
            with `name`, `color`, `evaluate` and `instances`.
    """
    evaluated = [value for value, label in enumerate(labels) if label["evaluate"]]
    # By the first part of a name like object--vehicle--car.
    categories: dict[str, tuple[int, ...]] = {}
    for value in evaluated:
        name = labels[value]["name"].split("--")[0]
        categories[name] = (*categories.get(name, ()), value)
    ignored = dict.fromkeys(range(len(labels)), IGNORE_LABEL)
    return DatasetSpec(
        name="mapillary",
        class_names=tuple(labels[value]["name"] for value in evaluated),
        palette=tuple(tuple(labels[value]["color"]) for value in evaluated),
        raw_to_class=ignored | {value: i for i, value in enumerate(evaluated)},
        split_sizes={"training": 18000, "validation": 2000},
        instance_divisor=256,
        scoring=Scoring(
            drop_unevaluated=True,
            categories=categories,
            instance_sizes={
                i: MAPILLARY_SIZES.get(labels[value]["name"])
                for i, value in enumerate(evaluated)
                if labels[value]["instances"]
            },
        ),
    )
