"""From lists of sources to a records directory that appears whole, and whose making can be resumed.

Everything is made in a hidden directory beside the target:

    .NAME.partial/records/   finished shards; becomes NAME when all are done
    .NAME.partial/journal/   an entry for each finished shard
    .NAME.partial/old/       the records that are being replaced, for a moment

A killed or failed conversion leaves it there, and the same command takes every shard over whose
sources and settings are the same. A shard is the work of one process; what it holds depends on
nothing but its sources and the config, and so not on the number of workers.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil

from dmls_tf.config import IMAGES_PER_SHARD
from dmls_tf.datasets.info import INFO_FILE, DatasetInfo, holds_class_ids, merge
from dmls_tf.errors import UserError
from dmls_tf.files import (
    as_path,
    is_local,
    make_directory,
    remove_tree,
    replacing,
    sizes_in,
    writing,
)
from dmls_tf.records import shards, workers

SKIPPED_FILE = "skipped.txt"
SOURCES_FILE = "sources.sha256"  # a digest of all that decides the records


def convert(output_dir, spec, splits, config, run=workers.run):
    """Writes the shards of all splits and `dataset.json`.

    Args:
        output_dir: of the records; must not exist, be empty, or hold just these records, unless
            the config allows to overwrite records.
        spec: a `DatasetSpec`.
        splits: {split: sources}; see `shards.ShardTask`.
        config: a `ConversionConfig`.
        run: takes what `workers.run` does, and may make each call more than once.

    Returns:
        The `DatasetInfo` of the records.

    Raises:
        UserError: the target is in use, or a sample is faulty. No target is made then.
    """
    target = as_path(output_dir).absolute()
    if not target.name or not (is_local(target) or target.has_folder):
        raise UserError(f"{target}: records need a directory of their own")
    tasks = {split: _tasks(split, sources, spec, config) for split, sources in splits.items()}
    fingerprints = {task.name: task.fingerprint() for some in tasks.values() for task in some}
    digest = hashlib.sha256(repr(fingerprints).encode()).hexdigest()
    with writing(target), _staging(target) as staging:
        info = None if config.overwrite else _made_before(target, digest)
        if info is None:
            _check_target(target, config.overwrite, fingerprints)
            info = _write(staging, spec, tasks, fingerprints, config, run)
            with replacing(staging / "records" / SOURCES_FILE) as path:
                path.write_text(f"{digest}\n")
            _publish(staging, target)
        remove_tree(staging)
    return info


def _tasks(split, sources, spec, config):
    if not sources:
        raise UserError(f"the split {split!r} holds no images")
    count = min(config.num_shards or -(-len(sources) // IMAGES_PER_SHARD), len(sources))
    # Neighbours on disk (frames of one video) stay in one shard.
    edges = [index * len(sources) // count for index in range(count + 1)]
    return [
        shards.ShardTask(
            name=f"{split}-{index:05d}-of-{count:05d}.tfrecord",
            sources=tuple(sources[edges[index] : edges[index + 1]]),
            spec=spec,
            max_side=config.max_side,
            label_orientation=config.label_orientation,
            skip_faulty=config.on_error == "skip",
        )
        for index in range(count)
    ]


@contextlib.contextmanager
def _staging(target):
    """The directory beside the target, for this process alone; kept if it has a finished shard."""
    staging = target.with_name(f".{target.name}.partial")
    if is_local(target):
        make_directory(staging / "records")
        make_directory(staging / "journal")
    else:
        make_directory(target)  # or says that it cannot be written
    with _locked(staging, target):
        try:
            yield staging
        except BaseException as error:
            finished = len(list((staging / "journal").glob("[!.]*.json")))
            if not finished:
                remove_tree(staging)
            elif isinstance(error, (UserError, KeyboardInterrupt)):
                kept = f"({finished} finished shards are kept; rerun the same command to resume)"
                raise type(error)(f"{error} {kept}") from error
            raise


@contextlib.contextmanager
def _locked(staging, target):
    """Refuses a second conversion to the same target on this disk; stores have no locks."""
    if not is_local(staging):
        yield
        return
    descriptor = os.open(staging, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            busy = f"{target}: another conversion is writing it; wait for it"
            raise UserError(busy) from None
        yield
    finally:
        os.close(descriptor)


def _made_before(target, digest):
    """The `DatasetInfo` of a target that was made of the same sources and settings, else None."""
    try:
        same = (target / SOURCES_FILE).read_text().strip() == digest
    except (FileNotFoundError, NotADirectoryError):
        return None
    return DatasetInfo.load(target) if same and (target / INFO_FILE).exists() else None


def _check_target(target, overwrite, shard_names):
    """Refuses a target in use; in a store, it may hold what an interrupted upload left."""
    if not target.exists():
        return
    if not target.is_dir():
        raise UserError(f"{target}: is a file, --output_dir must be a directory")
    is_records = (target / INFO_FILE).is_file()

    def is_left_over(name):
        ours = name in shard_names or name in (SOURCES_FILE, SKIPPED_FILE)
        return not is_local(target) and (ours or (overwrite and name.endswith(".tfrecord")))

    in_use = not all(is_left_over(path.name) for path in target.iterdir())
    if in_use and not (overwrite and is_records):
        if is_records:
            raise UserError(
                f"{target}: holds records of other files or settings; pass --overwrite to replace "
                "them, or another --output_dir"
            )
        raise UserError(f"{target}: exists and is not empty; choose an empty directory")


def _write(staging, spec, tasks, fingerprints, config, run):
    """Makes the shards that are missing, then `dataset.json` of all."""
    records, skipped, splits = staging / "records", [], {}
    for split, some in tasks.items():
        journals = _write_split(staging, split, some, fingerprints, config.num_workers, run)
        splits[split] = merge([journal.split for journal in journals])
        if not splits[split].num_images:
            raise UserError(f"the split {split!r} holds no image that is not faulty")
        if holds_class_ids(spec, splits[split]):
            raise UserError(
                f"the labels of the split {split!r} hold class ids (train ids), not the label ids "
                f"of {spec.name}: they have no value above {spec.submission.beyond_ids} but 255; "
                "take the files of the download"
            )
        skipped += [f"{split}\t{line}\n" for journal in journals for line in journal.skipped]
    info = DatasetInfo(spec, splits, config.max_side)
    names = {shard.name for split in splits.values() for shard in split.shards}
    for name in sizes_in(records).keys() - names:  # of other config, or of a killed process
        (records / name).unlink()
    if skipped:
        with replacing(records / SKIPPED_FILE) as path:
            path.write_text("".join(skipped))
    info.save(records)
    return info


def _write_split(staging, split, tasks, fingerprints, num_workers, run):
    """The `Journal` of each shard of a split, in order."""
    records, journal_dir = staging / "records", staging / "journal"

    def journal_of(task):
        journal = shards.Journal.load(journal_dir / f"{task.name}.json")
        made = journal and journal.describes(fingerprints[task.name], records)
        return journal if made else None

    journals = {task.name: journal_of(task) for task in tasks}
    missing = [task for task in tasks if not journals[task.name]]
    total = sum(len(task.sources) for task in tasks)
    run(
        shards.write_shard,
        [(task, fingerprints[task.name], records, journal_dir) for task in missing],
        num_workers,
        total,
        title=split,
        done=total - sum(len(task.sources) for task in missing),
    )
    for task in missing:
        journals[task.name] = journal_of(task)
        if not journals[task.name]:
            raise UserError(
                f"{records}: the workers left no {task.name}; all of them must see --output_dir"
            )
    return list(journals.values())


def _publish(staging, target):
    """Gives the finished records the target's name, in place of what it held."""
    if not is_local(target):
        (target / INFO_FILE).unlink(missing_ok=True)  # no reader shall take old shards for new ones
        for name in sizes_in(target):
            (target / name).unlink()
        for name in sorted(sizes_in(staging / "records"), key=INFO_FILE.__eq__):  # it comes last
            (staging / "records" / name).replace(target / name)
        return
    if target.exists():
        shutil.rmtree(staging / "old", ignore_errors=True)  # of a run that was killed here
        target.rename(staging / "old")
    (staging / "records").rename(target)
