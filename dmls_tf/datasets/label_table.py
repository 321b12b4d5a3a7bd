"""Which values, colours and names in label files stand for which class: the table of a user's data.

A key is what a label file holds at a pixel: a value (int), a colour (R, G, B) or, with
transparency, (R, G, B, A), or the name that an annotation file gives (str). The table is read from
a classes file, a row `NAME[,KEY][,R,G,B[,A]]` for each key, where KEY is a value or a name:

    road,7                  label value 7
    car,128,0,128           the colour (128, 0, 128)
    car,64,0,128            of the same class
    window,3,0,0,128        label value 3, drawn in this colour, which label files may hold, too
    ignore,255              pixels of no class
    sky                     "sky" in annotation files; where no row has more than a name, also the
                            number of the row, counted from 0

`labelmap.txt` of CVAT and Pascal VOC is read as well.
"""

import csv
import dataclasses
import pathlib
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from dmls_tf import IGNORE_LABEL
from dmls_tf.datasets.spec import Color, DatasetSpec, color_wheel
from dmls_tf.errors import UserError
from dmls_tf.files import read_lines

IGNORED_NAMES = ("ignore", "__ignore__")
UNLABELLED = "_background_"  # the key of pixels outside all polygons and segments
VOC_OUTLINE = (224, 224, 192)  # around the objects of Pascal VOC
LABELMAP_ROW = re.compile(r"([^:]+):(\d+),(\d+),(\d+):[^:]*:[^:]*")
OTHER_DIVIDERS = re.compile(r"[;\t]|(\s\d+){3}$")
HEADERS = ("name", "names", "class", "classes", "label", "labels", "category", "class_name")

Key = int | str | tuple[int, ...]


class Row(NamedTuple):
    """A row of a classes file."""

    name: str
    keys: tuple[Key, ...]
    color: Color | None


@dataclasses.dataclass(frozen=True)
class LabelTable:
    """What the keys in label files stand for.

    Attributes:
        class_names: of the class ids 0..N-1.
        palette: an RGB colour per class.
        classes: {key: class id or `IGNORE_LABEL`}.
    """

    class_names: tuple[str, ...]
    palette: tuple[Color, ...]
    classes: dict[Key, int]

    @property
    def has_values(self) -> bool:
        return any(isinstance(key, int) for key in self.classes)

    def spec(self, name: str) -> DatasetSpec:
        """The `DatasetSpec` of records that are made with this table.

        Its raw values are those of the table where it has values of 8 bits, else the class ids.
        """
        raw = {key: index for key, index in self.classes.items() if isinstance(key, int)}
        if (
            not raw
            or min(raw) < 0
            or max(raw) > 255
            or len({*raw.values()} - {IGNORE_LABEL}) < self.num_classes
        ):
            raw = {i: i for i in (*range(self.num_classes), IGNORE_LABEL)}
        return DatasetSpec(name, self.class_names, self.palette, raw, split_sizes={})

    @property
    def num_classes(self) -> int:
        return len(self.class_names)


def read_label_table(path: str | pathlib.Path, ignored: tuple[str, ...] = ()) -> LabelTable:
    """Reads a classes file.

    Args:
        path: of a text or CSV file, see above, or of a `labelmap.txt`.
        ignored: what is no class, in addition: values, colours `#RRGGBB`, or names.

    Raises:
        UserError: it cannot be read, a row has another form, or two classes share a key.
    """
    lines = [(number, line) for number, line in enumerate(read_lines(path), 1) if line]
    lines = [(number, line) for number, line in lines if not line.startswith("#")]
    rows: list[Row] = []
    for number, line in lines:
        try:
            row = _row(line, is_first=not rows)
        except (ValueError, csv.Error) as error:
            raise UserError(f"{path}: line {number}: {error}: {line!r}") from error
        rows += [row] if row else []
    if any(LABELMAP_ROW.fullmatch(line) for _, line in lines):
        ignored = (*ignored, f"#{bytes(VOC_OUTLINE).hex()}")
    try:
        return label_table(_with_keys(rows), ignored)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _with_keys(rows: list[Row]) -> list[Row]:
    """The rows; those of a name alone stand for the name and, if all are, for their number.

    Beside values or colours they stand for nothing, which is an error then.
    """
    if not any(row.keys for row in rows):
        return [row._replace(keys=(i, row.name)) for i, row in enumerate(rows)]
    if any(not isinstance(key, str) for row in rows for key in row.keys):
        return rows
    return [row._replace(keys=row.keys or (row.name,)) for row in rows]


def label_table(rows: list[Row], ignored: tuple[str, ...] = ()) -> LabelTable:
    """The `LabelTable` of these rows; see `read_label_table`."""
    words = {*ignored, *IGNORED_NAMES}
    names = list(dict.fromkeys(row.name for row in rows if row.name not in words))
    if not 2 <= len(names) <= IGNORE_LABEL:
        raise UserError(
            f"{len(names)} classes, but there must be 2 to {IGNORE_LABEL}; "
            "the background is a class, too, unless it is ignored"
        )
    classes: dict[Key, int] = {}
    for row in rows:
        index = IGNORE_LABEL if row.name in words else names.index(row.name)
        for key in row.keys:
            if classes.setdefault(key, index) != index:
                raise UserError(f"{words_for(key)} stands for two classes, one is {row.name!r}")
    has_labels = any(isinstance(key, str) for key in classes)
    for word in ignored:
        key = _ignored_key(word)
        if isinstance(key, str) and not has_labels and all(row.name != word for row in rows):
            raise UserError(f"no row has the name {word!r} of --ignore={word}")
        if key not in names:
            classes[key] = IGNORE_LABEL
    kinds = {type(key) for key in classes if not isinstance(key, str)}
    named = {index for key, index in classes.items() if isinstance(key, str)}
    for kind, plural in ((int, "a value"), (tuple, "a colour")):
        given = {index for key, index in classes.items() if isinstance(key, kind)}
        lacking = [name for i, name in enumerate(names) if i not in given | named]
        if kind in kinds and lacking and given - {IGNORE_LABEL}:
            raise UserError(f"{lacking[0]!r} has no key that is {plural}, but other classes have")
    return LabelTable(tuple(names), _palette(names, rows), classes)


def key_of(word: str) -> Key:
    """The key that a word stands for: a value if it is a whole number, else a name."""
    word = word.strip()
    return int(word) if re.fullmatch(r"-?\d+", word) else word


def words_for(key: Key) -> str:
    """What messages call a key."""
    if isinstance(key, tuple):
        return f"the colour {','.join(map(str, key))}"
    return f"the value {key}" if isinstance(key, int) else f"the label {key!r}"


def _row(line: str, is_first: bool) -> Row | None:
    """The row in a line; None for a header."""
    if match := LABELMAP_ROW.fullmatch(line):
        red, green, blue = _color(match.groups()[1:])
        return Row(match[1].strip(), ((red, green, blue),), (red, green, blue))
    name, *fields = (field.strip() for field in next(csv.reader([line])))
    data = fields and (fields[-1].isdecimal() or fields == [name])
    if is_first and name.lower() in HEADERS and not data:
        return None
    if not name or name.isdecimal():
        raise ValueError("a row begins with the name of a class")
    if not fields and OTHER_DIVIDERS.search(name):
        raise ValueError("the parts of a row are divided by commas")
    if not fields:
        return Row(name, (), None)
    keys: list[Key] = []
    if len(fields) != 3:
        word, *fields = fields
        keys += [key_of(word)] * bool(word)
    if len(fields) not in (0, 3, 4):
        raise ValueError("expected NAME[,KEY][,R,G,B[,A]]")
    if not fields:
        return Row(name, tuple(keys), None)
    color = _color(fields)
    return Row(name, (*keys, color), (color[0], color[1], color[2]))


def _color(words: Iterable[Any]) -> tuple[int, ...]:
    color = tuple(map(int, words))
    if not all(0 <= channel <= 255 for channel in color):
        raise ValueError("the channels of a colour are 0 to 255")
    return color[:3] if color[3:] == (255,) else color


def _ignored_key(word: str) -> Key:
    if match := re.fullmatch(r"#((?:[0-9a-fA-F]{2}){3,4})", word):
        return _color(bytes.fromhex(match[1]))
    if word.startswith("#"):
        raise UserError(f"--ignore={word}: a colour is #RRGGBB or #RRGGBBAA, hexadecimal")
    return key_of(word)


def _palette(names: list[str], rows: list[Row]) -> tuple[Color, ...]:
    colors = {row.name: row.color for row in reversed(rows) if row.color}
    if all(name in colors for name in names):
        return tuple(colors[name] for name in names)
    return color_wheel(len(names))
