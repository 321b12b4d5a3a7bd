"""Whether the shards of a directory are complete and hold what `dataset.json` says.

Shards are read in worker processes; this one does not import TensorFlow.
"""

import re

from dmls_tf.datasets.info import INFO_FILE, merge
from dmls_tf.errors import UserError
from dmls_tf.records import workers

SHARD_NAME = re.compile(r"(.+)-\d{5}-of-(\d{5})(\.tfrecord)?")


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


def scan_shards(paths, num_classes, num_workers, title, total=None):
    """Runs `dmls_tf.records.scan.scan_shard` on each path, with a progress bar.

    Args:
        paths: of the shards.
        num_classes: N.
        num_workers: processes.
        title: of the bar.
        total: records, if known.

    Returns:
        A list of (faults, `SplitInfo` or None), in the order of the paths.
    """
    return workers.run(_scan, [(path, num_classes) for path in paths], num_workers, total, title)


def _scan(path, num_classes):
    from dmls_tf.records.scan import scan_shard

    return scan_shard(path, num_classes, workers.report_progress)
