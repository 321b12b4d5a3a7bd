"""Makes `dataset.json` for TFRecords of DeepLab's schema that another program has written.

    python data_prep/index_records.py records/voc --name=voc --class_names=voc_classes.txt

Reads all `SPLIT-%05d-of-%05d.tfrecord` of the directory. Their labels must be class ids, 0 for
the first line of the file of class names, and 255 for ignored pixels.
"""

import os
import pathlib
import re

from absl import flags

from data_prep.scanning import scan_shards
from dmls_tf import command_line
from dmls_tf.dataset_info import DatasetInfo, merge
from dmls_tf.datasets import IGNORE_LABEL, DatasetSpec, color_wheel
from dmls_tf.errors import UserError

SHARD_NAME = re.compile(r"(.+)-\d{5}-of-(\d{5})(\.tfrecord)?")

FLAGS = flags.FLAGS
flags.DEFINE_string("name", None, "Of the data set.", required=True)
flags.DEFINE_string("class_names", None, "A text file, a name a line.", required=True)
flags.DEFINE_integer("num_workers", os.cpu_count(), "Processes.", 1)


def main(records_dir):
    directory = pathlib.Path(records_dir)
    names = _class_names(pathlib.Path(FLAGS.class_names))
    splits = {}
    for split, paths in find_shards(directory).items():
        results = scan_shards(paths, len(names), FLAGS.num_workers, split)
        faults = [fault for found, _ in results for fault in found]
        if faults:
            raise UserError(f"{faults[0]} ({len(faults)} such records)")
        splits[split] = merge([part for _, part in results])
    ids = {i: i for i in (*range(len(names)), IGNORE_LABEL)}
    spec = DatasetSpec(FLAGS.name, names, color_wheel(len(names)), ids, split_sizes={})
    DatasetInfo(spec, splits).save(directory)
    print(f"wrote {directory}/dataset.json")


def find_shards(directory):
    """{split: sorted paths of its shards}.

    Raises:
        UserError: there are none, or not all.
    """
    if not directory.is_dir():
        raise UserError(f"{directory}: no such directory")
    shards, counts = {}, {}
    for path in sorted(directory.iterdir()):
        match = SHARD_NAME.fullmatch(path.name)
        if match:
            shards.setdefault(match[1], []).append(path)
            counts.setdefault(match[1], set()).add(int(match[2]))
    if not shards:
        raise UserError(f"{directory}: no files named SPLIT-NNNNN-of-NNNNN.tfrecord")
    for split, paths in shards.items():
        if counts[split] != {len(paths)}:
            raise UserError(
                f"{directory}: {len(paths)} shards of {split}, but their names say of "
                f"{' and of '.join(map(str, sorted(counts[split])))}"
            )
    return shards


def _class_names(path):
    try:
        lines = path.read_text().splitlines()
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable text file") from error
    names = tuple(line.strip() for line in lines if line.strip())
    if not 2 <= len(names) <= IGNORE_LABEL:
        raise UserError(f"{path}: {len(names)} names, but there are 2 to {IGNORE_LABEL} classes")
    return names


if __name__ == "__main__":
    command_line.run(main, operands=["RECORDS_DIR"], tensorflow=False)
