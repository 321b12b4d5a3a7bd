"""What the converters' commands share: their settings, and conversion as they say."""

import dataclasses
import functools
import re

from dmls_tf import beam_jobs, command_line
from dmls_tf.datasets import INFO_FILE
from dmls_tf.datasets.info import doubts
from dmls_tf.errors import UserError
from dmls_tf.files import as_path, local_path
from dmls_tf.records import conversion, workers
from dmls_tf.records.samples import SourceFiles
from dmls_tf.settings import PATH, Rule, Settings, setting

SPLIT_NAME = re.compile(r"[\w.-]+")  # of files, and on either side of a +
SPLITS = Rule(
    "names of splits, like train,val",
    lambda splits: splits and all(SPLIT_NAME.fullmatch(name) for name in splits),
)


def options_of(name, *splits, data=True):
    """The settings of a command that converts a data set; `data`: from files on disk."""
    fields = [
        ("output_dir", str, setting(f"records/{name}", "Records directory to make.", PATH)),
        ("splits", tuple[str, ...], setting(splits, "Splits to convert.", SPLITS)),
    ]
    if data:
        help = "Directory of the unpacked data set."
        fields.append(("data_dir", str, setting(f"data/{name}", help, PATH)))
    return dataclasses.make_dataclass("Options", fields, bases=(Settings,), frozen=True)


def existing(data_dir, download):
    """The path of a data set's directory.

    Args:
        data_dir: its name.
        download: what to get, and where.

    Raises:
        UserError: it is not there, or empty; says what to download.
    """
    path = local_path(data_dir)
    if not path.is_dir() or not any(path.iterdir()):
        raise UserError(
            f"{path}: no data set is there; download {download}, unpack it in {path} and run this "
            "command again, or pass --data_dir"
        )
    return path


def convert_files(spec, find_files, options, config, beam_options=()):
    """Converts files on disk.

    Args:
        spec: a `DatasetSpec`.
        find_files: (data_dir, split) -> an iterable of (image path, label path) or (image path,
            label path, instance map path); see `pairing.pair_files`.
        options: settings with `data_dir`, `splits` and `output_dir`.
        config, beam_options: see `convert`.
    """
    root = local_path(options.data_dir)
    sources = {
        split: [SourceFiles(*map(str, paths)) for paths in find_files(root, split)]
        for split in options.splits
    }
    convert(spec, sources, options.output_dir, config, beam_options)


def convert(spec, sources, output_dir, config, beam_options=()):
    """Writes records and prints the result.

    Args:
        spec: a `DatasetSpec`.
        sources: {split: list of sources}; see `shards.ShardTask`.
        output_dir: of the records.
        config: a `ConversionConfig`.
        beam_options: of Apache Beam, which then does the work; see `dmls_tf.beam_jobs`.
    """
    exists = (as_path(output_dir) / INFO_FILE).is_file() and not config.overwrite
    run = functools.partial(_run_by_beam, beam_options) if beam_options else workers.run
    info = conversion.convert(output_dir, spec, sources, config, run)
    for name, split in info.splits.items():
        official = spec.split_sizes.get(name, split.num_images)
        print(f"{name}: {split.num_images} images in {len(split.shards)} shards")
        if split.num_skipped:
            skipped = f"{output_dir}/{conversion.SKIPPED_FILE}"
            command_line.warn(f"{name}: left out {split.num_skipped} faulty images, see {skipped}")
        if split.num_converted:
            print(f"{name}: {split.num_converted} images encoded anew, upright and as JPEG or PNG")
        if split.num_ambiguous:
            command_line.warn(
                f"{name}: {split.num_ambiguous} labels fit their images both as EXIF turns them "
                f"and as they are stored; they were read as {config.label_orientation}, see "
                "--label_orientation"
            )
        if official != split.num_images + split.num_skipped:
            command_line.warn(f"{name}: the official split has {official} images")
        command_line.warn(*doubts(info, name))
    if exists:
        print(f"{output_dir} was complete already; --overwrite converts it anew")
    else:
        print(f"wrote {output_dir}")


def _run_by_beam(options, function, arguments, num_workers, total, title, done=0):
    if arguments:
        print(f"{title}: {total - done} of {total} images to convert")
        beam_jobs.run(function, arguments, options, num_workers)
