"""Converts ADE20K, the scene-parsing benchmark with 150 classes (ADEChallengeData2016).

    python data_prep/ade20k_to_tfrecord.py

Expects `images/{training,validation}/*.jpg`, `annotations/{training,validation}/*.png` and
`objectInfo150.txt` in `data/ade20k`, or another --data_dir, or in the archive's own folder
`ADEChallengeData2016` there. Label 0 ("other") becomes ignored, 1..150 the classes 0..149.
"""

import dataclasses

from dmls_tf import command_line
from dmls_tf.config import ConversionConfig
from dmls_tf.datasets import ade20k
from dmls_tf.errors import UserError
from dmls_tf.records.commands import convert_files, existing, options_of
from dmls_tf.records.pairing import JPEG_OR_PNG, pair_files

NUM_CLASSES = 150
OPTIONS = options_of("ade20k", "training", "validation")
ARCHIVE = "ADEChallengeData2016"
DOWNLOAD = f"{ARCHIVE}.zip of sceneparsing.csail.mit.edu"


def main(options, *beam_options):
    root = existing(options.data_dir, DOWNLOAD)
    if (root / ARCHIVE).is_dir():
        root = root / ARCHIVE
        options = dataclasses.replace(options, data_dir=str(root))
    _check_archive(root)
    spec = ade20k(read_class_names(root / "objectInfo150.txt"))
    convert_files(spec, find_files, options, command_line.make(ConversionConfig), beam_options)


def find_files(root, split):
    images, labels = root / "images" / split, root / "annotations" / split
    return pair_files((images, *JPEG_OR_PNG), (labels, ".png"))


def read_class_names(path):
    """The 150 names of `objectInfo150.txt`: tab-separated, the name (with commas) comes last.

    Raises:
        UserError: the file is missing or does not list the classes 1..150.
    """
    if not path.is_file():
        raise UserError(f"{path}: not found; --data_dir must be the unpacked ADEChallengeData2016")
    rows = [
        line.split("\t")
        for line in path.read_text(errors="replace").splitlines()[1:]
        if line.strip()
    ]
    if [row[0].strip() for row in rows] != [str(i) for i in range(1, NUM_CLASSES + 1)]:
        raise UserError(f"{path}: does not list the classes 1..{NUM_CLASSES}, one a line")
    return [row[-1].strip() for row in rows]


def _check_archive(root):
    """Tells the full ADE20K release, whose labels are colour-coded, from the benchmark's."""
    if root.is_dir() and not (root / "annotations").is_dir():
        coded = next(root.rglob("*_seg.png"), None)
        if coded:
            raise UserError(
                f"{coded}: this is the full ADE20K release; the scene-parsing benchmark "
                "is the archive ADEChallengeData2016"
            )


if __name__ == "__main__":
    command_line.run(main, OPTIONS, also=[ConversionConfig], tensorflow=False, rest=True)
