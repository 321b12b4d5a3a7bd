"""What label files hold, before anybody has said what it means: values, colours or names.

A table is printed, and a classes file written that a user completes; see `datasets.label_table`.
"""

import collections
import dataclasses
import pathlib
import re

import numpy as np

from dmls_tf import IGNORE_LABEL
from dmls_tf.datasets.label_table import UNLABELLED, VOC_OUTLINE, Key, words_for
from dmls_tf.errors import UserError
from dmls_tf.files import replacing
from dmls_tf.images.label_files import value_of_grey
from dmls_tf.records import workers
from dmls_tf.records.label_readers import read_indexed

FILES_PER_TASK = 32
MOST_KEYS = 4096  # that are counted; photographs have more colours


@dataclasses.dataclass
class Found:
    """What a key amounts to.

    Attributes:
        pixels: that have it.
        files: that hold it.
        first: some of those files, at most three.
        color: RGB that the files' own palettes show it in.
        known: whether it stands for a class, or is ignored, in all of them.
    """

    pixels: int = 0
    files: int = 0
    first: list[str] = dataclasses.field(default_factory=list)
    color: tuple[int, ...] | None = None
    known: bool = True

    def add(self, other):
        self.pixels += other.pixels
        self.files += other.files
        self.first = (self.first + other.first)[:3]
        self.color = self.color or other.color
        self.known = self.known and other.known


def survey(labels, num_workers, table=None):
    """Counts what label files hold.

    Args:
        labels: (path, segments) pairs, see `label_readers.read_indexed`.
        num_workers: processes.
        table: the `LabelTable` by which keys are known; None: all are.

    Returns:
        {key: `Found`}, the most frequent first.

    Raises:
        UserError: a label cannot be read, or all are no labels of classes.
    """
    tasks = [
        (labels[start : start + FILES_PER_TASK], table)
        for start in range(0, len(labels), FILES_PER_TASK)
    ]
    total = collections.defaultdict(Found)
    for part in workers.run(_count, tasks, num_workers, len(labels), "labels"):
        for key, found in part.items():
            total[key].add(found)
    if any(isinstance(key, tuple) for key in total):
        total = _joined(total, _as_color)
    return dict(sorted(total.items(), key=lambda item: -item[1].pixels))


def table(found, title):
    """A table of what was found, as text."""
    total = sum(one.pixels for one in found.values())
    lines = [f"{title}: {len(found)} of them", f"{'pixels, %':>10} {'files':>7}"]
    for key, one in found.items():
        lines.append(f"{100 * one.pixels / total:10.3f} {one.files:7d}  {words_for(key)}")
    return "\n".join(lines)


def unknown_keys(found):
    """Words for the keys that stand for no class, with counts and files."""
    total = sum(one.pixels for one in found.values())
    words = [
        f"{words_for(key)} ({100 * one.pixels / total:.3g} % of the pixels, {one.files} files: "
        f"{', '.join(one.first)})"
        for key, one in found.items()
        if not one.known
    ]
    more = f" and {len(words) - 10} more" if len(words) > 10 else ""
    return f"labels hold what stands for no class: {'; '.join(words[:10])}{more}"


def write_classes(found, path):
    """Writes a classes file with a row per key, for a user to edit.

    Raises:
        UserError: there are more keys than there can be classes.
    """
    if len(found) > IGNORE_LABEL:
        raise UserError(
            f"the labels hold {len(found)} values or colours, more than there can be classes "
            f"({IGNORE_LABEL}); photographs, or labels that were resized with smoothing or saved "
            "as JPEG, look like that"
        )
    total = sum(one.pixels for one in found.values())
    colored = any(one.color and len(set(one.color)) > 1 for one in found.values())
    rows = ["# NAME,KEY,R,G,B: give each class a name. Rows of one name are one class;"]
    rows += ["# pixels of the name ignore belong to none. The order of the rows is kept."]
    for number, (key, one) in enumerate(sorted(found.items(), key=_rank)):
        rows.append(f"# {100 * one.pixels / total:.3g} % of the pixels, in {one.files} files")
        name = _name(key, number, binary=len(found) == 2)
        rows.append(_row(name, key, one.color if colored else None))
    with replacing(path) as temporary:
        temporary.write_text("\n".join(rows) + "\n")


def _name(key, number, binary):
    """The name that a classes file gives to a key at first."""
    ignored = key in (VOC_OUTLINE, UNLABELLED) or (key == IGNORE_LABEL and not binary)
    if ignored:
        return "ignore"
    return key if isinstance(key, str) else f"class_{number}"


def _row(name, key, color):
    if isinstance(key, tuple):  # R,G,B or, after an empty KEY, R,G,B,A
        return ",".join([_quoted(name)] + [""] * (len(key) == 4) + list(map(str, key)))
    return ",".join([_quoted(name), _quoted(str(key)), *map(str, color or ())])


def _quoted(text):
    return '"' + text.replace('"', '""') + '"' if re.search('[,"]|^#', text) else text


def _count(labels, table):
    """{key: `Found`} of some files."""
    total = collections.defaultdict(Found)
    for path, segments in labels:
        label = read_indexed(path, segments)
        pixels = np.bincount(label.indices.ravel(), minlength=len(label.keys)).tolist()
        classes = label.class_ids_by(table, path) if table else [IGNORE_LABEL] * len(label.keys)
        here = collections.defaultdict(Found)
        for key, count, class_id in zip(label.keys, pixels, classes, strict=True):
            if count:
                found = Found(count, color=label.colors.get(key), known=class_id is not None)
                here[key].add(found)
        if all(not isinstance(value_of_grey(key), tuple) for key in here):
            here = _joined(here, lambda key, found: value_of_grey(key))
        for key, found in here.items():
            total[key].add(dataclasses.replace(found, files=1, first=[pathlib.Path(path).name]))
        if len(total) > MOST_KEYS:
            raise UserError(f"{path}: has thousands of colours; it is not a label map")
        workers.report_progress()
    return dict(total)


def _joined(total, function):
    """The counts of keys that become the same by a function of key and `Found`."""
    joined = collections.defaultdict(Found)
    for key, found in total.items():
        joined[function(key, found)].add(found)
    return joined


def _as_color(key, found):
    return (found.color or (key,) * 3) if isinstance(key, int) else key


def _rank(item):
    key: Key = item[0]
    return (str(type(key)), key)
