"""What the labels of a data set mean; no file is read here."""

import dataclasses

from dmls_tf import IGNORE_LABEL

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
class SubmissionFormat:
    """What the benchmark's server takes: one label PNG per image, named after it.

    Attributes:
        name_parts: parts of an image's name, divided by "_", that the PNG's begins with; 0: all.
        suffix: what the PNG's name ends with, before ".png".
        image_size: (height, width) of all images, None for any.
        with_palette: the PNG shows the colours of the data set.
        beyond_ids: a submission without a value above this holds class ids instead of the data
            set's own values; None: it cannot be told.
    """

    name_parts: int = 0
    suffix: str = ""
    image_size: tuple[int, int] | None = None
    with_palette: bool = False
    beyond_ids: int | None = None


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
        submission: what its benchmark's server takes.

    >>> from dmls_tf.datasets import CAMVID, CITYSCAPES
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
    submission: SubmissionFormat = SubmissionFormat()

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
