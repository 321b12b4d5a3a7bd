"""What the converters' commands share: their settings, and conversion as they say."""

import dataclasses
import pathlib
import re
import sys

from dmls_tf.datasets import INFO_FILE
from dmls_tf.records import conversion
from dmls_tf.records.samples import SourceFiles
from dmls_tf.settings import Rule, Settings, required, setting

SPLIT_NAME = re.compile(r"[\w.-]+")  # of files, and on either side of a +
SPLITS = Rule(
    "names of splits, like train,val",
    lambda splits: splits and all(SPLIT_NAME.fullmatch(name) for name in splits),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TargetOptions(Settings):
    """Settings of a command that writes records."""

    output_dir: str = required("Records directory to make.")
    splits: tuple[str, ...] = required("Splits to convert.", SPLITS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SourceOptions(TargetOptions):
    """Settings of a command that converts a data set on disk."""

    data_dir: str = required("Directory of the unpacked data set.")


def with_splits(options_class, *splits):
    """The class of settings with these splits as default."""
    field = ("splits", tuple[str, ...], setting(splits, "Splits to convert.", SPLITS))
    return dataclasses.make_dataclass(
        "Options", [field], bases=(options_class,), frozen=True, kw_only=True
    )


def convert_files(spec, find_files, options, config):
    """Converts files on disk.

    Args:
        spec: a `DatasetSpec`.
        find_files: (data_dir, split) -> an iterable of (image path, label path) or (image path,
            label path, instance map path); see `pairing.pair_files`.
        options: `SourceOptions`.
        config: a `ConversionConfig`.
    """
    root = pathlib.Path(options.data_dir)
    sources = {
        split: [SourceFiles(*map(str, paths)) for paths in find_files(root, split)]
        for split in options.splits
    }
    convert(spec, sources, options.output_dir, config)


def convert(spec, sources, output_dir, config):
    """Writes records and prints the result.

    Args:
        spec: a `DatasetSpec`.
        sources: {split: list of sources}; see `shards.ShardTask`.
        output_dir: of the records.
        config: a `ConversionConfig`.
    """
    exists = (pathlib.Path(output_dir) / INFO_FILE).is_file() and not config.overwrite
    info = conversion.convert(output_dir, spec, sources, config)
    for name, split in info.splits.items():
        official = spec.split_sizes.get(name, split.num_images)
        print(f"{name}: {split.num_images} images in {len(split.shards)} shards")
        if split.num_skipped:
            skipped = f"{output_dir}/{conversion.SKIPPED_FILE}"
            _warn(f"{name}: left out {split.num_skipped} faulty images, see {skipped}")
        if official != split.num_images + split.num_skipped:
            _warn(f"{name}: the official split has {official} images")
    if exists:
        print(f"{output_dir} was complete already; --overwrite converts it anew")
    else:
        print(f"wrote {output_dir}")


def _warn(text):
    print(f"warning: {text}", file=sys.stderr)
