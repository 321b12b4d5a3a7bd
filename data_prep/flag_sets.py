"""The flags that every converter has, and the calls that spend them."""

import os
import pathlib
import re
import sys

from absl import flags

from data_prep import conversion
from data_prep.samples import SourceFiles
from dmls_tf.dataset_info import INFO_FILE

SPLIT_NAME = re.compile(r"[\w.-]+")  # of files, and on either side of a +

FLAGS = flags.FLAGS
flags.disclaim_key_flags()  # so that --help of a converter lists them


def define(default_splits, from_files=True):
    """Defines the converters' common flags; `from_files` adds those of files on disk."""
    flags.DEFINE_string("output_dir", None, "Records directory to make.", required=True)
    flags.DEFINE_list("splits", default_splits, "Splits to convert.")
    flags.register_validator("splits", _are_names, "must be names of splits, like train,val")
    flags.DEFINE_integer(
        "num_shards",
        None,
        f"Shards a split; one per {conversion.IMAGES_PER_SHARD} images by default.",
        1,
    )
    flags.DEFINE_integer("num_workers", os.cpu_count(), "Processes.", 1)
    flags.DEFINE_bool("overwrite", False, "Replace existing records.")
    if from_files:
        flags.DEFINE_integer("max_side", None, "Make longer images smaller, to so many pixels.", 1)
        flags.DEFINE_enum(
            "on_error", "fail", ["fail", "skip"], "skip: leave faulty images out and list them."
        )
        flags.DEFINE_string("data_dir", None, "Directory of the unpacked data set.", required=True)


def _are_names(splits):
    return splits is None or (splits and all(SPLIT_NAME.fullmatch(name) for name in splits))


def convert(spec, find_files):
    """Converts files on disk as the flags say.

    Args:
        spec: a `DatasetSpec`.
        find_files: (data_dir, split) -> an iterable of (image path, label path) or (image path,
            label path, instance map path); see `pairing.pair_files`.
    """
    root = pathlib.Path(FLAGS.data_dir)
    sources = {
        split: [SourceFiles(*map(str, paths)) for paths in find_files(root, split)]
        for split in FLAGS.splits
    }
    write(spec, sources, max_side=FLAGS.max_side, skip_faulty=FLAGS.on_error == "skip")


def write(spec, sources, **settings):
    """Writes records as the flags say, and prints what came of it.

    Args:
        spec: a `DatasetSpec`.
        sources: {split: list of sources}; see `shards.ShardTask`.
        **settings: the `conversion.Settings` for which there are no flags.
    """
    settings = conversion.Settings(
        num_shards=FLAGS.num_shards,
        num_workers=FLAGS.num_workers,
        overwrite=FLAGS.overwrite,
        **settings,
    )
    exists = (pathlib.Path(FLAGS.output_dir) / INFO_FILE).is_file() and not FLAGS.overwrite
    info = conversion.convert(FLAGS.output_dir, spec, sources, settings)
    for name, split in info.splits.items():
        official = spec.split_sizes.get(name, split.num_images)
        print(f"{name}: {split.num_images} images in {len(split.shards)} shards")
        if split.num_skipped:
            skipped = f"{FLAGS.output_dir}/{conversion.SKIPPED_FILE}"
            _warn(f"{name}: left out {split.num_skipped} faulty images, see {skipped}")
        if official != split.num_images + split.num_skipped:
            _warn(f"{name}: the official split has {official} images")
    if exists:
        print(f"{FLAGS.output_dir} was complete already; --overwrite converts it anew")
    else:
        print(f"wrote {FLAGS.output_dir}")


def _warn(text):
    print(f"warning: {text}", file=sys.stderr)
