"""Shards of an object store, kept on this machine while they are read.

$DMLS_CACHE_DIR, or ~/.cache/dmls_tf, holds them under their checksums, for all processes and all
data sets. It grows to $DMLS_CACHE_GB, 100 by default; then those that were used longest ago go, and
are fetched again when they are needed.
"""

import contextlib
import fcntl
import functools
import os
import pathlib
import time

from dmls_tf.datasets import DatasetInfo
from dmls_tf.errors import UserError
from dmls_tf.files import as_path, sha256_of, writing

DEFAULT_GB = 100
BUSY = 60  # seconds since its last use in which a shard is not removed


def cache_dir():
    """The directory of this machine's cache, a `pathlib.Path`."""
    named = os.environ.get("DMLS_CACHE_DIR")
    return pathlib.Path(named) if named else pathlib.Path.home() / ".cache" / "dmls_tf"


def max_bytes():
    """How much the shards in the cache may take.

    Raises:
        UserError: $DMLS_CACHE_GB is no positive number.
    """
    text = os.environ.get("DMLS_CACHE_GB", DEFAULT_GB)
    with contextlib.suppress(ValueError):
        if float(text) > 0:
            return int(float(text) * 1e9)
    raise UserError(f"DMLS_CACHE_GB must be a positive number of gigabytes, got {text!r}")


def cached_shard(records_dir, name):
    """A local copy of a shard.

    Args:
        records_dir: URL of its records directory.
        name: of the shard.

    Returns:
        A `pathlib.Path`. The copy may be removed later; ask again before it is opened again.

    Raises:
        UserError: the shard is not that of `dataset.json`, the cache cannot be written, or what the
            store says instead of giving it.
    """
    shard = _shards_of(records_dir)[name]
    directory = cache_dir() / "shards"
    path = directory / f"{shard.sha256}.tfrecord"
    with writing(directory):
        directory.mkdir(parents=True, exist_ok=True)
        while not _is_there(path, shard):
            with _locked(directory / f".{shard.sha256}.part") as part:
                if part and not _is_there(path, shard):
                    _fetch(as_path(records_dir) / name, shard, part)
                    part.replace(path)
                    _make_room(directory, path)
    return path


@functools.lru_cache(maxsize=8)
def _shards_of(records_dir):
    splits = DatasetInfo.load(records_dir).splits.values()
    return {shard.name: shard for split in splits for shard in split.shards}


def _is_there(path, shard):
    """Whether a shard is in the cache; marks it as used."""
    with contextlib.suppress(FileNotFoundError):
        os.utime(path)
        return path.stat().st_size == shard.num_bytes
    return False


@contextlib.contextmanager
def _locked(path):
    """Gives a file to this process alone; None if another one has meanwhile moved it."""
    with open(path, "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        is_same = path.exists() and os.path.samestat(os.fstat(file.fileno()), os.stat(path))
        yield path if is_same else None


def _fetch(source, shard, part):
    source.download(part)
    if sha256_of(part) != shard.sha256:
        part.unlink()
        raise UserError(
            f"{source}: is not the shard that dataset.json describes (other checksum); convert "
            "the data set again"
        )


def _make_room(directory, kept):
    """Removes shards until those that are left fit, but none that may be about to be opened."""
    files = []
    for path in directory.glob("*.tfrecord"):
        with contextlib.suppress(FileNotFoundError):  # another process makes room, too
            files.append((path.stat(), path))
    total, limit = sum(status.st_size for status, _ in files), max_bytes()
    for status, path in sorted(files, key=lambda file: file[0].st_mtime):
        if total <= limit or time.time() - status.st_mtime < BUSY:
            return
        if path != kept:
            path.unlink(missing_ok=True)
            total -= status.st_size
