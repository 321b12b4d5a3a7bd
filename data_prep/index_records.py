"""Makes `dataset.json` for TFRecords of DeepLab's schema that another program has written.

    python data_prep/index_records.py records/voc --name=voc --class_names=voc_classes.txt

Reads all `SPLIT-%05d-of-%05d.tfrecord` of the directory. Their labels must be class ids, 0 for
the first line of the file of class names, and 255 for ignored pixels.
"""

import dataclasses
import os

from dmls_tf import IGNORE_LABEL, command_line
from dmls_tf.datasets import DatasetInfo, DatasetSpec, color_wheel, doubts
from dmls_tf.datasets.info import merge
from dmls_tf.errors import UserError
from dmls_tf.files import as_path, read_lines
from dmls_tf.records.verification import find_shards, scan_shards
from dmls_tf.settings import POSITIVE, Settings, required, setting


@dataclasses.dataclass(frozen=True)
class Options(Settings):
    name: str = required("Of the data set.")
    class_names: str = required("A text file, one name per line.")
    num_workers: int = setting(os.cpu_count(), "Processes.", POSITIVE)


def main(options, records_dir):
    directory = as_path(records_dir)
    names = _class_names(options.class_names)
    splits = {}
    for split, paths in find_shards(directory).items():
        results = scan_shards(paths, len(names), options.num_workers, split)
        faults = [fault for found, _ in results for fault in found]
        if faults:
            raise UserError(f"{faults[0]} ({len(faults)} such records)")
        splits[split] = merge([part for _, part in results])
    ids = {i: i for i in (*range(len(names)), IGNORE_LABEL)}
    spec = DatasetSpec(options.name, names, color_wheel(len(names)), ids, split_sizes={})
    info = DatasetInfo(spec, splits)
    info.save(directory)
    for name in splits:
        command_line.warn(*doubts(info, name))
    print(f"wrote {directory}/dataset.json")


def _class_names(path):
    names = tuple(filter(None, read_lines(path)))
    if not 2 <= len(names) <= IGNORE_LABEL:
        raise UserError(f"{path}: {len(names)} names, but there are 2 to {IGNORE_LABEL} classes")
    return names


if __name__ == "__main__":
    command_line.run(main, Options, operands=["RECORDS_DIR"], tensorflow=False)
