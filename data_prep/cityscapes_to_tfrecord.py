"""Converts Cityscapes (19 classes, with instances) to TFRecords.

    python data_prep/cityscapes_to_tfrecord.py

Expects `leftImg8bit/SPLIT/CITY/*_leftImg8bit.png` in `data/cityscapes`, or another --data_dir, and,
for --annotations=fine, `gtFine/` with `*_gtFine_labelIds.png` and `*_gtFine_instanceIds.png` as in
the download; `gtCoarse/` likewise.
Fine splits are train, val and test (whose labels are blank), coarse ones train, train_extra, val.
Training on train and val together, as in the paper, needs no records of its own:
--train_split=train+val.
"""

import dataclasses
import functools

from dmls_tf import command_line
from dmls_tf.config import ConversionConfig
from dmls_tf.datasets import CITYSCAPES
from dmls_tf.records.commands import SPLITS, convert_files, existing, options_of
from dmls_tf.records.pairing import pair_files
from dmls_tf.settings import one_of, setting

DOWNLOAD = "leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip of cityscapes-dataset.com"
SPLITS_OF = {"fine": ("train", "val", "test"), "coarse": ("train", "train_extra", "val")}


@dataclasses.dataclass(frozen=True)
class Options(options_of("cityscapes")):
    annotations: str = setting("fine", "Which labels.", one_of(*SPLITS_OF))
    splits: tuple[str, ...] | None = setting(
        None, "Splits to convert; none: those of the annotations.", SPLITS
    )


def main(options, *beam_options):
    existing(options.data_dir, DOWNLOAD)
    if options.splits is None:
        options = dataclasses.replace(options, splits=SPLITS_OF[options.annotations])
    find = functools.partial(find_files, f"gt{options.annotations.title()}")
    convert_files(CITYSCAPES, find, options, command_line.make(ConversionConfig), beam_options)


def find_files(kind, root, split):
    labels = root / kind / split
    return pair_files(
        (root / "leftImg8bit" / split, "_leftImg8bit.png"),
        (labels, f"_{kind}_labelIds.png"),
        (labels, f"_{kind}_instanceIds.png"),
    )


if __name__ == "__main__":
    command_line.run(main, Options, also=[ConversionConfig], tensorflow=False, rest=True)
