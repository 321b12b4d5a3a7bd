"""Converts Cityscapes (19 classes, with instances) to TFRecords.

    python data_prep/cityscapes_to_tfrecord.py \\
        --data_dir=Cityscapes --output_dir=records/cityscapes

Expects `leftImg8bit/SPLIT/CITY/*_leftImg8bit.png` and, for --annotations=fine, `gtFine/` with
`*_gtFine_labelIds.png` and `*_gtFine_instanceIds.png` as in the download; `gtCoarse/` likewise.
Fine splits are train, val and test (whose labels are blank), coarse ones train, train_extra, val.
Training on train and val together, as in the paper, needs no records of its own:
--train_split=train+val.
"""

import functools

from absl import flags

from data_prep import flag_sets
from data_prep.pairing import pair_files
from dmls_tf import command_line
from dmls_tf.datasets import CITYSCAPES

SPLITS = {"fine": ["train", "val", "test"], "coarse": ["train", "train_extra", "val"]}

FLAGS = flags.FLAGS


def main():
    if FLAGS.splits is None:
        FLAGS.splits = SPLITS[FLAGS.annotations]
    flag_sets.convert(CITYSCAPES, functools.partial(find_files, f"gt{FLAGS.annotations.title()}"))


def find_files(kind, root, split):
    labels = root / kind / split
    return pair_files(
        (root / "leftImg8bit" / split, "_leftImg8bit.png"),
        (labels, f"_{kind}_labelIds.png"),
        (labels, f"_{kind}_instanceIds.png"),
    )


if __name__ == "__main__":
    flag_sets.define(default_splits=None)
    flags.DEFINE_enum("annotations", "fine", list(SPLITS), "Which labels.")
    command_line.run(main, tensorflow=False)
