"""Converts a folder of images and a folder of labels to TFRecords.

    python data_prep/folder_to_tfrecord.py --name=facades \\
        --images=facades/images --labels=facades/labels --splits=train,val

lists the values, colours or names in the labels and writes `records/facades_classes.csv`. Give the
classes their names there, then convert:

    python data_prep/folder_to_tfrecord.py --name=facades \\
        --images=facades/images --labels=facades/labels --splits=train,val \\
        --classes=records/facades_classes.csv

Images may have most formats that Pillow reads. Labels are losslessly compressed images (values,
palettes, colours), LabelMe's JSON files, or a JSON file of COCO's panoptic format. An image and its
label have the same name but for the ending. `{split}` in --images and --labels stands for the name
of a split; without it, splits are sub-folders. See docs/data.md.
"""

import dataclasses
import pathlib
import re

from dmls_tf import command_line
from dmls_tf.config import ConversionConfig
from dmls_tf.datasets.label_table import read_label_table
from dmls_tf.errors import UserError
from dmls_tf.files import as_path, make_directory, writing
from dmls_tf.records import folders, survey
from dmls_tf.records.commands import SPLIT_NAME, SPLITS, convert
from dmls_tf.records.label_readers import TableLabels, UnknownLabel
from dmls_tf.records.samples import SourceFiles
from dmls_tf.settings import NOT_NEGATIVE, PATH, Rule, Settings, required, setting

NAME = Rule("letters, digits, _, - and .", SPLIT_NAME.fullmatch)
LISTS = Rule(
    "text files like train.txt,val.txt",
    lambda paths: paths and all(SPLIT_NAME.fullmatch(pathlib.Path(path).stem) for path in paths),
)
REGEX = Rule("a regular expression", lambda text: _is_regex(text))


@dataclasses.dataclass(frozen=True)
class Options(Settings):
    name: str = required("Of the data set.", NAME)
    images: str = required("Folder of the images.")
    labels: str = required("Folder of the labels, or a JSON file of COCO's panoptic format.")
    output_dir: str | None = setting(None, "Records directory to make; none: records/NAME.", PATH)
    classes: str | None = setting(
        None,
        "Classes file, or a labelmap.txt; none: list what the labels hold and write one.",
        PATH,
    )
    ignore: tuple[str, ...] = setting(
        (), "Values, colours #RRGGBB or names that are no class, in addition."
    )
    splits: tuple[str, ...] | None = setting(None, "Splits that are sub-folders.", SPLITS)
    split_lists: tuple[str, ...] | None = setting(
        None,
        "Text files, one per split and named after it, with the name of an image per line.",
        LISTS,
    )
    val_share: float | None = setting(
        None,
        "Share of the images that is drawn for the split val; the others are train.",
        Rule("above 0 and below 1", lambda share: 0 < share < 1),
    )
    group_by: str | None = setting(
        None,
        "A regular expression; images in whose names it finds the same text are drawn together.",
        REGEX,
    )
    seed: int = setting(0, "Of the draw.", NOT_NEGATIVE)
    image_ending: str | None = setting(None, "What names of images end with; none: any.")
    label_ending: str | None = setting(None, "What names of labels end with; none: any.")


def main(options, *beam_options):
    config = command_line.make(ConversionConfig)
    output_dir = as_path(options.output_dir or f"records/{options.name}")
    if options.ignore and not options.classes:
        raise UserError("--ignore is for --classes; without them all labels are listed")
    splits = find_splits(options)
    if not options.classes:
        list_labels(splits, output_dir, config.num_workers)
        return
    table = read_label_table(options.classes, options.ignore)
    sources = {split: sources_of(pairs, table) for split, pairs in splits.items()}
    try:
        convert(table.spec(options.name), sources, output_dir, config, beam_options)
    except UnknownLabel as error:
        found = survey.survey(_labels_of(splits), config.num_workers, table)
        advice = f"add what is missing to {options.classes} or pass --ignore"
        raise UserError(f"{error}; {survey.unknown_keys(found)}; {advice}") from error


def find_splits(options):
    """{split: list of `Pair`}."""
    endings = {"image_ending": options.image_ending, "label_ending": options.label_ending}
    ways = ("splits", "split_lists", "val_share")
    given = [name for name in ways if getattr(options, name) is not None]
    if len(given) > 1 or not given and options.classes:
        raise UserError("pass one of --splits=train,val, --split_lists=FILES and --val_share=0.2")
    if options.group_by and not options.val_share:
        raise UserError("--group_by is for --val_share; it has no effect on other splits")
    if options.splits:
        return folders.find_splits(options.images, options.labels, options.splits, **endings)
    pairs = folders.find_pairs(options.images, options.labels, **endings)
    if options.split_lists:
        return folders.listed_splits(pairs, options.split_lists)
    if options.val_share:
        return folders.drawn_splits(pairs, options.val_share, options.group_by, options.seed)
    return {"all": pairs}


def sources_of(pairs, table):
    """The `SourceFiles` of a split."""
    names = folders.record_names(pairs)
    return [
        SourceFiles(
            str(pair.image),
            str(pair.label),
            labels=TableLabels(table, pair.segments),
            name=names[pair.image],
        )
        for pair in pairs
    ]


def list_labels(splits, output_dir, num_workers):
    """Prints what the labels hold, and writes a classes file beside the records to be."""
    path = output_dir.with_name(f"{output_dir.name}_classes.csv")
    if path.exists():
        raise UserError(f"{path}: already exists; pass --classes={path}, or remove it")
    labels = _labels_of(splits)
    found = survey.survey(labels, num_workers)
    print(survey.table(found, f"what {len(labels)} labels hold"))
    make_directory(path.parent)
    with writing(path):
        survey.write_classes(found, path)
    print(f"wrote {path}: give the classes their names there, then add --classes={path}")


def _labels_of(splits):
    """(path, segments) of the labels that are there; warns of those that are not."""
    pairs = [pair for some in splits.values() for pair in some]
    missing = [str(pair.name) for pair in pairs if not pair.label.exists()]
    if missing:
        command_line.warn(f"{len(missing)} images have no label: {', '.join(missing[:3])}")
    return [(str(pair.label), pair.segments) for pair in pairs if pair.label.exists()]


def _is_regex(text):
    try:
        return bool(re.compile(text))
    except re.error:
        return False


if __name__ == "__main__":
    command_line.run(main, Options, also=[ConversionConfig], tensorflow=False, rest=True)
