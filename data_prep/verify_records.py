"""Checks the records of a data set: every count, checksum, label and image.

    python data_prep/verify_records.py records/camvid

Prints a line for each fault, with the file and the number of the record, counted from 0.
"""

import os
import pathlib

from absl import flags

from data_prep.scanning import scan_shards
from dmls_tf import command_line
from dmls_tf.dataset_info import INFO_FILE, DatasetInfo, merge
from dmls_tf.errors import UserError

FLAGS = flags.FLAGS
flags.DEFINE_integer("num_workers", os.cpu_count(), "Processes.", 1)


def main(records_dir):
    info = DatasetInfo.load(records_dir)
    faults = []
    for name in info.splits:
        faults += verify_split(pathlib.Path(records_dir), info, name, FLAGS.num_workers)
    for fault in faults:
        print(fault)
    if faults:
        raise UserError(f"{records_dir}: {len(faults)} faults; convert the data set again")
    print(f"{records_dir}: all {sum(s.num_images for s in info.splits.values())} records are sound")


def verify_split(records_dir, info, name, num_workers):
    """What is wrong with a split, a line each.

    Args:
        records_dir: a path.
        info: its `DatasetInfo`.
        name: of the split.
        num_workers: processes.
    """
    split = info.splits[name]
    paths = [records_dir / shard.name for shard in split.shards]
    results = scan_shards(paths, info.num_classes, num_workers, name, split.num_images)
    faults = [fault for found, _ in results for fault in found]
    if faults:
        return faults
    counted = merge([part for _, part in results])
    for path, found, expected in zip(paths, counted.shards, split.shards, strict=True):
        if found != expected:
            faults.append(f"{path}: {_facts(found)}; {INFO_FILE} says {_facts(expected)}")
    for key in ("class_pixels", "class_images", "class_image_pixels", "ignored_pixels"):
        if getattr(counted, key) != getattr(split, key):
            faults.append(f"{records_dir / INFO_FILE}: {name}: {key} are not those of the records")
    return faults


def _facts(shard):
    return f"{shard.num_records} records, {shard.num_bytes} bytes, SHA-256 {shard.sha256[:12]}"


if __name__ == "__main__":
    command_line.run(main, operands=["RECORDS_DIR"], tensorflow=False)
