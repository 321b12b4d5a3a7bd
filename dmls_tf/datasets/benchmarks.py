"""The benchmarks: CamVid, ADE20K, Cityscapes and Mapillary Vistas."""

from collections.abc import Sequence
from typing import Any

from dmls_tf import IGNORE_LABEL
from dmls_tf.datasets.spec import Color, DatasetSpec, Scoring, SubmissionFormat, color_wheel


def _classes(text: str) -> dict[str, Color]:
    """{name: RGB colour} of `NAME RRGGBB, ...`."""
    pairs = [pair.rsplit(maxsplit=1) for pair in text.split(",")]
    return {name.strip(): tuple(bytes.fromhex(color)) for name, color in pairs}  # type: ignore


CAMVID_CLASSES = _classes(
    """
    sky 808080, building 800000, pole c0c080, road 804080, pavement 3c28de, tree 808000,
    sign c08080, fence 404080, car 400080, pedestrian 404000, bicyclist 0080c0
    """
)
CAMVID = DatasetSpec(
    name="camvid",
    class_names=tuple(CAMVID_CLASSES),
    palette=tuple(CAMVID_CLASSES.values()),
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


CITYSCAPES_CLASSES = _classes(
    """
    road 804080, sidewalk f423e8, building 464646, wall 66669c, fence be9999, pole 999999,
    traffic light faaa1e, traffic sign dcdc00, vegetation 6b8e23, terrain 98fb98, sky 4682b4,
    person dc143c, rider ff0000, car 00008e, truck 000046, bus 003c64, train 005064,
    motorcycle 0000e6, bicycle 770b20
    """
)
CITYSCAPES = DatasetSpec(
    name="cityscapes",
    class_names=tuple(CITYSCAPES_CLASSES),
    palette=tuple(CITYSCAPES_CLASSES.values()),
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
    submission=SubmissionFormat(
        name_parts=3,  # city, sequence and frame
        suffix="_labelIds",
        image_size=(1024, 2048),
        beyond_ids=18,
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
        submission=SubmissionFormat(with_palette=True),
    )
