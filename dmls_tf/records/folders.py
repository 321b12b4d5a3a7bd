"""A user's folders of images and labels: which image has which label, and is in which split.

Splits are sub-folders, list files, or a share that is drawn.
"""

import json
import os
import pathlib
import re
from typing import NamedTuple

import numpy as np

from dmls_tf import command_line
from dmls_tf.datasets.label_table import key_of
from dmls_tf.errors import UserError
from dmls_tf.files import files_in, local_path, read_lines
from dmls_tf.images.formats import PHOTO_ENDINGS
from dmls_tf.images.label_files import LABEL_ENDINGS
from dmls_tf.records.pairing import pair_files

SPLIT = "{split}"  # in a path, stands for the name of a split
TRAIN, VAL = "train", "val"  # of a share that is drawn


class Pair(NamedTuple):
    """An image and its label.

    Attributes:
        image, label: paths.
        segments: of a panoptic PNG, see `label_readers.TableLabels`; None otherwise.
        name: path of the image below its folder.
    """

    image: pathlib.Path
    label: pathlib.Path
    segments: dict[int, str] | None
    name: pathlib.Path


def find_pairs(images, labels, image_ending=None, label_ending=None):
    """The images of a folder and their labels.

    Args:
        images, labels: paths of folders; `labels` may be the JSON file of COCO's panoptic format,
            whose PNGs are in a folder beside it of the same name.
        image_ending, label_ending: what the names of the files end with; None: as image files do.

    Returns:
        A list of `Pair`.

    Raises:
        UserError: see `pair_files`; the JSON file cannot be read.
    """
    images, labels = local_path(images), local_path(labels)
    endings = (image_ending,) if image_ending else PHOTO_ENDINGS
    if labels.suffix == ".json":
        segments = read_panoptic(labels)
        pairs = pair_files((images, *endings), (labels.with_suffix(""), label_ending or ".png"))
        found = [(*pair, _segments_of(pair[1], segments, labels)) for pair in pairs]
    else:
        label_ending = label_ending or _ending_beside(images, labels, image_ending)
        wanted = (label_ending,) if label_ending else LABEL_ENDINGS
        found = [(*pair, None) for pair in pair_files((images, *endings), (labels, *wanted))]
    _warn_of_others(images, (*endings, label_ending) if label_ending else endings)
    return [Pair(*files, name=files[0].relative_to(images)) for files in found]


def _ending_beside(images, labels, image_ending):
    """The ending of labels that are beside their images; None where they are elsewhere."""
    if not (images.is_dir() and labels.is_dir() and images.samefile(labels)):
        return None
    if image_ending or not any(path.suffix == ".json" for path in files_in(labels)):
        raise UserError(
            f"{images}: holds images and labels; pass --image_ending and --label_ending, like .jpg "
            "and .png"
        )
    return ".json"


def _warn_of_others(images, endings):
    endings = tuple(ending.lower() for ending in endings)
    others = [path for path in files_in(images) if not path.name.lower().endswith(endings)]
    if others:
        names = ", ".join(str(path.relative_to(images)) for path in others[:3])
        command_line.warn(f"{images}: {len(others)} files are not images: {names}")


def find_splits(images, labels, names, **endings):
    """{split: pairs} of sub-folders, or of paths that have `{split}` in them; see `find_pairs`."""
    return {
        name: find_pairs(_of_split(images, name), _of_split(labels, name), **endings)
        for name in names
    }


def record_names(pairs):
    """{image path: name in the records} of a split: of the file, or if two have one, of its path.

    Files of predictions are found by these names.

    Raises:
        UserError: two images still have one name.
    """
    names = {pair.image: pair.name.name for pair in pairs}
    if len({*names.values()}) < len(names):
        names = {pair.image: "_".join(pair.name.parts) for pair in pairs}
    first = {}
    for path, name in names.items():
        if first.setdefault(name, path) != path:
            raise UserError(f"{first[name]} and {path}: both would be called {name}; rename one")
    return names


def listed_splits(pairs, lists):
    """{name of the list file: pairs} of text files that name an image per line.

    A name may have folders, below that of the images, and may lack its ending.

    Raises:
        UserError: a list cannot be read, or names an image that is not there, is there twice, or is
            in another list, too.
    """
    by_name, splits, taken = {}, {}, {}
    for pair in pairs:
        for name in {pair.name.name, pair.name.stem}:
            by_name.setdefault(name, []).append(pair)
    for shorten in (lambda path: path.with_suffix(""), lambda path: path):  # paths go first
        by_name |= {str(shorten(pair.name)): [pair] for pair in pairs}
    for path in map(pathlib.Path, lists):
        names = [os.path.normpath(line) for line in read_lines(path) if line]
        if path.stem in splits:
            raise UserError(f"{path}: a second list for the split {path.stem!r}; rename it")
        splits[path.stem] = [_one_of(by_name.get(name, []), name, path) for name in names]
        for pair in splits[path.stem]:
            if pair.image in taken:
                raise UserError(f"{path}: lists {pair.image}, which {taken[pair.image]} also lists")
            taken[pair.image] = path
    if left := [str(pair.name) for pair in pairs if pair.image not in taken]:
        command_line.warn(f"{len(left)} images are in no list: {', '.join(left[:3])}")
    return splits


def drawn_splits(pairs, share, group_by, seed):
    """{"train": pairs, "val": pairs} with a share of the images, drawn at random, in val.

    Args:
        pairs: see `find_pairs`.
        share: of the images, above 0 and below 1.
        group_by: a regular expression; images in whose `name` it finds the same text stay together.
            None: each image is a group.
        seed: of the draw.

    Raises:
        UserError: the expression finds nothing in a path; one of the splits would be empty.
    """
    groups = {}
    for pair in pairs:
        groups.setdefault(_group_of(str(pair.name), group_by), []).append(pair)
    names = sorted(groups)
    if len(names) < 2:
        raise UserError("all images are in one group, which cannot be split")
    order = np.random.default_rng(seed).permutation(len(names))
    drawn = [groups[names[index]] for index in order]
    val, wanted = [], max(1, round(share * len(pairs)))
    for group in drawn[1:]:  # at least one group is for training
        if len(val) + len(group) <= wanted:
            val += group
    val = val or min(drawn, key=len)
    if not wanted / 2 <= len(val) <= 2 * wanted:
        command_line.warn(f"{VAL}: {len(val)} images, not {wanted}, by the sizes of the groups")
    held = {pair.image for pair in val}
    return {
        TRAIN: [pair for pair in pairs if pair.image not in held],
        VAL: [pair for pair in pairs if pair.image in held],
    }


def read_panoptic(path):
    """{PNG name: {segment id: category name}} of a JSON file of COCO's panoptic format.

    Raises:
        UserError: it cannot be read, or is of another kind.
    """
    try:
        content = json.loads(path.read_text())
        names = {category["id"]: key_of(category["name"]) for category in content["categories"]}
        return {
            annotation["file_name"]: {
                segment["id"]: names[segment["category_id"]]
                for segment in annotation["segments_info"]
            }
            for annotation in content["annotations"]
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: not a JSON file of COCO's panoptic format ({error!r})") from error


def _segments_of(label, segments, path):
    if label.name not in segments:
        raise UserError(f"{label}: is not in {path}")
    return segments[label.name]


def _of_split(path, name):
    return path.replace(SPLIT, name) if SPLIT in path else str(pathlib.Path(path, name))


def _one_of(pairs, name, path):
    if len(pairs) == 1:
        return pairs[0]
    if not pairs:
        raise UserError(f"{path}: names {name}, which is not among the images")
    raise UserError(f"{path}: {name} is ambiguous: {pairs[0].image} and {pairs[1].image}")


def _group_of(name, group_by):
    if group_by is None:
        return name
    match = re.search(group_by, name)
    if not match:
        raise UserError(f"--group_by={group_by} finds nothing in {name}")
    return "_".join(filter(None, match.groups())) or match[0]
