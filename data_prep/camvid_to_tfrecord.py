"""Converts CamVid (the 360 x 480 release of the SegNet tutorial, 11 classes) to TFRecords.

    python data_prep/camvid_to_tfrecord.py --data_dir=CamVid --output_dir=records/camvid

Expects `{train,val,test}/*.png|jpg` with labels of the same stem in `{train,val,test}annot/`.
"""

import functools
import pathlib

from absl import flags

from data_prep import flag_sets
from dmls_tf import command_line
from dmls_tf.datasets import CAMVID

FLAGS = flags.FLAGS
flag_sets.define(default_splits=["train", "val", "test"], from_files=True)


def main():
    from data_prep import shards

    root = pathlib.Path(FLAGS.data_dir)
    splits = {
        split: [
            functools.partial(shards.load_sample, image, label, CAMVID)
            for image, label in shards.pair_files(root / split, root / f"{split}annot")
        ]
        for split in FLAGS.splits
    }
    flag_sets.write(CAMVID, splits)


if __name__ == "__main__":
    command_line.run(main)
