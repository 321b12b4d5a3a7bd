"""Shards scanned in worker processes: what verifying and indexing share."""

from data_prep import workers


def scan_shards(paths, num_classes, num_workers, title, total=None):
    """Runs `dmls_tf.data.scan.scan_shard` on each path, with a progress bar.

    Args:
        paths: of the shards.
        num_classes: N.
        num_workers: processes.
        title: of the bar.
        total: records, where known.

    Returns:
        A list of (faults, `SplitInfo` or None), in the order of the paths.
    """
    return workers.run(_scan, [(path, num_classes) for path in paths], num_workers, total, title)


def _scan(path, num_classes):
    from dmls_tf.data.scan import scan_shard

    return scan_shard(path, num_classes, workers.report_progress)
