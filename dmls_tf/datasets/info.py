"""`dataset.json`, which travels with the records: what they mean, and what they hold."""

import dataclasses
import json
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dmls_tf import IGNORE_LABEL, __version__
from dmls_tf.datasets.spec import Color, DatasetSpec, Scoring, SubmissionFormat
from dmls_tf.errors import UserError
from dmls_tf.files import as_path, replacing

INFO_FILE = "dataset.json"
FORMAT_VERSION = 4


@dataclasses.dataclass(frozen=True)
class ShardInfo:
    """One TFRecord file: its name in the records directory, and what it must hold."""

    name: str
    num_records: int
    num_bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class SplitInfo:
    """The shards of a split, or of a part of one, and counts over them.

    Attributes:
        shards: a `ShardInfo` a file.
        class_pixels: pixels of each class.
        class_images: images that contain each class.
        class_image_pixels: pixels, of any label, of the images that contain each class.
        ignored_pixels: pixels of no class.
        num_skipped: images of the source that were left out because they are faulty.
        num_converted: images that were encoded anew: turned upright, or from another format.
        num_ambiguous: images whose label fits them upright and as they are stored.
    """

    shards: tuple[ShardInfo, ...]
    class_pixels: tuple[int, ...]
    class_images: tuple[int, ...]
    class_image_pixels: tuple[int, ...]
    ignored_pixels: int
    num_skipped: int = 0
    num_converted: int = 0
    num_ambiguous: int = 0

    @property
    def num_images(self) -> int:
        return sum(shard.num_records for shard in self.shards)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "SplitInfo":
        shards = tuple(ShardInfo(**shard) for shard in content["shards"])
        counts: dict[str, Any] = {
            name: tuple(map(_whole, value)) if isinstance(value, list) else _whole(value)
            for name, value in content.items()
            if name != "shards"
        }
        return cls(shards=shards, **counts)


def _whole(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no count")
    return value


def count_shard(shard: ShardInfo, label_pixels: ArrayLike, num_classes: int) -> SplitInfo:
    """The `SplitInfo` of one shard.

    Args:
        shard: a `ShardInfo`.
        label_pixels: for each image, 256 counts of the values in its label.
        num_classes: N.

    >>> label_pixels = np.zeros((2, 256), int)
    >>> label_pixels[0, [0, 1]] = 30, 10
    >>> label_pixels[1, [0, 255]] = 35, 5
    >>> info = count_shard(ShardInfo("train-0", 2, 0, ""), label_pixels, num_classes=2)
    >>> info.class_pixels, info.class_images, info.class_image_pixels, info.ignored_pixels
    ((65, 10), (2, 1), (80, 40), 5)
    """
    pixels = np.array(label_pixels, np.int64).reshape(-1, IGNORE_LABEL + 1)
    present = pixels[:, :num_classes] > 0
    image_pixels = present * pixels.sum(1, keepdims=True)
    return SplitInfo(
        shards=(shard,),
        class_pixels=tuple(pixels.sum(0)[:num_classes].tolist()),
        class_images=tuple(present.sum(0).tolist()),
        class_image_pixels=tuple(image_pixels.sum(0).tolist()),
        ignored_pixels=int(pixels[:, IGNORE_LABEL].sum()),
    )


def merge(parts: Sequence[SplitInfo]) -> SplitInfo:
    """The `SplitInfo` of several together."""

    def summed(name: str) -> tuple[int, ...]:
        return tuple(map(sum, zip(*(getattr(part, name) for part in parts), strict=True)))

    return SplitInfo(
        shards=tuple(shard for part in parts for shard in part.shards),
        class_pixels=summed("class_pixels"),
        class_images=summed("class_images"),
        class_image_pixels=summed("class_image_pixels"),
        ignored_pixels=sum(part.ignored_pixels for part in parts),
        num_skipped=sum(part.num_skipped for part in parts),
        num_converted=sum(part.num_converted for part in parts),
        num_ambiguous=sum(part.num_ambiguous for part in parts),
    )


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
    """The content of `dataset.json`.

    Attributes:
        spec: classes, palette, raw values.
        splits: {name: `SplitInfo`}.
        max_side: longer images were made smaller, to this many pixels; None: all are as they were.
        tool: name and version of the program that wrote the records.
    """

    spec: DatasetSpec
    splits: dict[str, SplitInfo]
    max_side: int | None = None
    tool: str = f"dmls-tf {__version__}"

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.spec.class_names

    @property
    def palette(self) -> tuple[Color, ...]:
        return self.spec.palette

    @property
    def num_classes(self) -> int:
        return self.spec.num_classes

    def split(self, name: str) -> SplitInfo:
        """The `SplitInfo` of a split, or of several: "train+val" is both, one after the other.

        Raises:
            UserError: there is no such split.
        """
        names = name.split("+")
        for one in names:
            if one not in self.splits:
                raise UserError(
                    f"no split {one!r} in these records; there are {', '.join(self.splits)}"
                )
        return merge([self.splits[one] for one in names])

    def class_weights(self, split: str, exponent: float = 1.0) -> tuple[float, ...]:
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

    def save(self, directory: str | pathlib.Path) -> None:
        content = {"format_version": FORMAT_VERSION, "ignore_label": IGNORE_LABEL}
        content |= dataclasses.asdict(self)
        with replacing(as_path(directory) / INFO_FILE) as path:
            path.write_text(json.dumps(content, indent=1) + "\n")

    @classmethod
    def load(cls, directory: str | pathlib.Path) -> "DatasetInfo":
        """Reads `dataset.json` of a records directory.

        Raises:
            UserError: it is missing or not of this format.
        """
        path = as_path(directory) / INFO_FILE
        try:
            content = json.loads(path.read_text())
            if content["format_version"] != FORMAT_VERSION:
                raise UserError(f"{path}: format {content['format_version']}, convert again")
            splits = {k: SplitInfo.from_json(v) for k, v in content["splits"].items()}
            if not splits or not all(split.num_images for split in splits.values()):
                raise ValueError("a split without images, or no split at all")
            return cls(
                spec=_spec_from_json(content["spec"]),
                splits=splits,
                max_side=content["max_side"],
                tool=content["tool"],
            )
        except (FileNotFoundError, NotADirectoryError) as error:
            raise UserError(
                f"{path}: not found; {directory} is no records directory, make one with "
                f"{_converter_of(path.parent.name)}"
            ) from error
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}") from error
        except UserError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path}: damaged ({error}); convert again") from error


def _converter_of(name: str) -> str:
    if name in ("ade20k", "camvid", "cityscapes", "mapillary", "synthetic"):
        return f"python data_prep/{name}_to_tfrecord.py"
    return "data_prep/*_to_tfrecord.py"


def _spec_from_json(content: dict[str, Any]) -> DatasetSpec:
    scoring = content["scoring"]
    sizes = {int(class_id): size for class_id, size in scoring["instance_sizes"].items()}
    categories = {name: tuple(values) for name, values in scoring["categories"].items()}
    named = tuple(scoring["instance_categories"])
    scoring |= {"instance_sizes": sizes, "categories": categories, "instance_categories": named}
    raw_to_class = {int(raw): class_id for raw, class_id in content["raw_to_class"].items()}
    names, palette = tuple(content["class_names"]), tuple(map(tuple, content["palette"]))
    content |= {"raw_to_class": raw_to_class, "class_names": names, "palette": palette}
    submission = content["submission"]
    size = submission["image_size"]
    submission |= {"image_size": tuple(size) if size else None}
    formats = {"scoring": Scoring(**scoring), "submission": SubmissionFormat(**submission)}
    return DatasetSpec(**content | formats)


def holds_class_ids(spec: DatasetSpec, split: SplitInfo) -> bool:
    """Whether the labels of a split held class ids already, where their values can tell.

    They did if there are pixels of the classes of small values, and none of all the others.
    """
    limit = spec.submission.beyond_ids
    if limit is None:
        return False
    pairs = list(zip(spec.class_to_raw, split.class_pixels, strict=True))
    small = any(pixels for raw, pixels in pairs if raw <= limit)
    return small and not any(pixels for raw, pixels in pairs if raw > limit)


def doubts(info: DatasetInfo, name: str) -> list[str]:
    """What is odd in the labels of a split, a line each: often they were read in a wrong way.

    Args:
        info: a `DatasetInfo`.
        name: of a split, or of several: "train+val".
    """
    split, lines = info.split(name), []
    labelled = sum(split.class_pixels)
    pixels = labelled + split.ignored_pixels
    if split.ignored_pixels > 0.5 * pixels:
        share = f"{100 * split.ignored_pixels / pixels:.1f}"
        lines.append(f"{name}: {share} % of the pixels are ignored")
    missing = [c for c, n in zip(info.class_names, split.class_pixels, strict=True) if not n]
    if labelled and len(missing) == info.num_classes - 1:
        (only,) = set(info.class_names) - set(missing)
        lines.append(f"{name}: all labelled pixels are {only}")
    elif labelled and missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        lines.append(f"{name}: no pixel is {', '.join(missing[:5])}{more}")
    return lines
