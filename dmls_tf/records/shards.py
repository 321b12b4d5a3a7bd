"""One shard: its samples read, counted and written in a worker process, whole or not at all.

A finished shard leaves a journal entry, which holds what `dataset.json` will say of it; a later
run that would write the same shard takes it from there.
"""

import dataclasses
import hashlib
import json

from dmls_tf import __version__
from dmls_tf.datasets import DatasetSpec
from dmls_tf.datasets.info import ShardInfo, SplitInfo, count_shard
from dmls_tf.errors import UserError
from dmls_tf.files import as_path, replacing, sha256_of
from dmls_tf.records import workers


@dataclasses.dataclass(frozen=True)
class ShardTask:
    """What one shard is made of.

    Attributes:
        name: of the file.
        sources: objects such as `samples.SourceFiles`: `read(spec, max_side, label_orientation)`
            gives a `Sample`, `fingerprint()` changes with its content.
        spec: a `DatasetSpec`.
        max_side, label_orientation: see `SourceFiles.read`.
        skip_faulty: leave faulty samples out, instead of failing at the first.
    """

    name: str
    sources: tuple
    spec: DatasetSpec
    max_side: int | None
    label_orientation: str
    skip_faulty: bool

    def fingerprint(self):
        """A digest of all that decides the content of the shard."""
        parts = [__version__, self.name, self.spec, self.max_side]
        parts += [self.label_orientation, self.skip_faulty]
        for source in self.sources:
            try:
                parts.append(source.fingerprint())
            except UserError:
                if not self.skip_faulty:
                    raise
                parts.append(None)
        return hashlib.sha256(repr(parts).encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class Journal:
    """What is known of a finished shard.

    Attributes:
        fingerprint: of its task.
        split: a `SplitInfo` of this shard alone.
        skipped: a line for each image that was left out.
    """

    fingerprint: str
    split: SplitInfo
    skipped: list[str]

    def describes(self, fingerprint, directory):
        """Whether the shard that a task would write is in the directory already."""
        (shard,) = self.split.shards
        path = as_path(directory) / shard.name
        return (
            self.fingerprint == fingerprint
            and path.is_file()
            and path.stat().st_size == shard.num_bytes
        )

    def save(self, path):
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def load(cls, path):
        """The journal entry of a shard, None where there is none that can be read."""
        try:
            content = json.loads(as_path(path).read_text())
            return cls(**content | {"split": SplitInfo.from_json(content["split"])})
        except (OSError, ValueError, KeyError, TypeError):
            return None


def write_shard(task, fingerprint, directory, journal_dir):
    """Writes one shard and its journal entry.

    Args:
        task: a `ShardTask`.
        fingerprint: of the task.
        directory, journal_dir: where the two files go.

    Raises:
        UserError: a faulty sample that is not to be skipped, or a disk that does not take it.
    """
    from dmls_tf.records.schema import write_records

    path = as_path(directory) / task.name
    counts, skipped = Counts(), []
    with replacing(path) as temporary:
        write_records(temporary, _records(task, counts, skipped))
        size, digest = temporary.stat().st_size, sha256_of(temporary)
    shard = ShardInfo(task.name, len(counts.label_pixels), size, digest)
    split = dataclasses.replace(
        count_shard(shard, counts.label_pixels, task.spec.num_classes),
        num_skipped=len(skipped),
        num_converted=counts.converted,
        num_ambiguous=counts.ambiguous,
    )
    Journal(fingerprint, split, skipped).save(as_path(journal_dir) / f"{task.name}.json")


@dataclasses.dataclass
class Counts:
    """What is counted while the samples of a shard are read; see `SplitInfo`."""

    label_pixels: list = dataclasses.field(default_factory=list)
    converted: int = 0
    ambiguous: int = 0

    def add(self, sample):
        self.label_pixels.append(sample.label_pixels)
        self.converted += sample.converted
        self.ambiguous += sample.ambiguous


def _records(task, counts, skipped):
    """Serialised records; the samples are counted and their faults appended on the way."""
    from dmls_tf.records.schema import encode_record

    for source in task.sources:
        try:
            sample = source.read(task.spec, task.max_side, task.label_orientation)
        except UserError as error:
            if not task.skip_faulty:
                raise
            skipped.append(str(error))
        else:
            counts.add(sample)
            yield encode_record(
                sample.image_bytes,
                sample.image_format,
                sample.filename,
                sample.shape,
                sample.label_png,
                sample.instance_png,
            )
        workers.report_progress()
