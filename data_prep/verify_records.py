"""Checks the records of a data set: every count, checksum, label and image.

    python data_prep/verify_records.py records/camvid

Prints a line for each fault, with the file and the number of the record, counted from 0, and
warns of classes without a pixel and the like.
"""

import dataclasses
import os

from dmls_tf import command_line
from dmls_tf.datasets import DatasetInfo, doubts
from dmls_tf.errors import UserError
from dmls_tf.files import as_path
from dmls_tf.records.verification import verify_split
from dmls_tf.settings import POSITIVE, Settings, setting


@dataclasses.dataclass(frozen=True)
class Options(Settings):
    num_workers: int = setting(os.cpu_count(), "Processes.", POSITIVE)


def main(options, records_dir):
    info = DatasetInfo.load(records_dir)
    faults = []
    for name in info.splits:
        faults += verify_split(as_path(records_dir), info, name, options.num_workers)
    for fault in faults:
        print(fault)
    if faults:
        raise UserError(f"{records_dir}: {len(faults)} faults; convert the data set again")
    for name in info.splits:
        command_line.warn(*doubts(info, name))
    print(f"{records_dir}: all {sum(s.num_images for s in info.splits.values())} records are sound")


if __name__ == "__main__":
    command_line.run(main, Options, operands=["RECORDS_DIR"], tensorflow=False)
