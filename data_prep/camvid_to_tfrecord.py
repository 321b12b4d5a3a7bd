"""Converts CamVid (the 360 x 480 release of the SegNet tutorial, 11 classes) to TFRecords.

    python data_prep/camvid_to_tfrecord.py --data_dir=CamVid --output_dir=records/camvid

Expects `{train,val,test}/*.png|jpg` with labels of the same stem in `{train,val,test}annot/`.
"""

from data_prep import flag_sets
from data_prep.pairing import JPEG_OR_PNG, pair_files
from dmls_tf import command_line
from dmls_tf.datasets import CAMVID


def main():
    flag_sets.convert(CAMVID, find_files)


def find_files(root, split):
    return pair_files((root / split, *JPEG_OR_PNG), (root / f"{split}annot", ".png"))


if __name__ == "__main__":
    flag_sets.define(default_splits=["train", "val", "test"])
    command_line.run(main, tensorflow=False)
