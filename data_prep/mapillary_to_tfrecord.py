"""Converts Mapillary Vistas (v1.x and v2.0, with instances) to TFRecords.

    python data_prep/mapillary_to_tfrecord.py --max_side=2048

Expects `{training,validation}/{images,labels,instances}` in `data/mapillary`, or another
--data_dir, or, in the archive of v2.0, `{training,validation}/images` and
`.../{v1.2,v2.0}/{labels,instances}`; classes, colours and what is evaluated come from its
`config_VERSION.json` (or `config.json`). Labels that are not evaluated are ignored, which leaves 65
classes in v1.2, the version of the paper; --annotations=v2.0 takes the other.
"""

import dataclasses
import functools
import json

from dmls_tf import command_line
from dmls_tf.config import ConversionConfig
from dmls_tf.datasets import mapillary
from dmls_tf.errors import UserError
from dmls_tf.records.commands import convert_files, existing, options_of
from dmls_tf.records.pairing import JPEG_OR_PNG, pair_files
from dmls_tf.settings import one_of, setting

DOWNLOAD = "Mapillary Vistas of mapillary.com/dataset/vistas"


@dataclasses.dataclass(frozen=True)
class Options(options_of("mapillary", "training", "validation")):
    annotations: str = setting("v1.2", "Version of the labels.", one_of("v1.2", "v2.0"))


def main(options, *beam_options):
    spec = mapillary(read_labels(existing(options.data_dir, DOWNLOAD), options.annotations))
    find = functools.partial(find_files, options.annotations)
    convert_files(spec, find, options, command_line.make(ConversionConfig), beam_options)


def find_files(version, root, split):
    folder = root / split
    flat = version == "v1.2" and not (folder / version).is_dir()  # the archives before v2.0
    maps = folder if flat else folder / version
    return pair_files(
        (folder / "images", *JPEG_OR_PNG), (maps / "labels", ".png"), (maps / "instances", ".png")
    )


def read_labels(root, version):
    """The label table of the archive's own configuration file.

    Raises:
        UserError: there is no such file, or it has no such table.
    """
    names = [f"config_{version}.json"] + (["config.json"] if version == "v1.2" else [])
    path = next((root / name for name in names if (root / name).is_file()), None)
    if path is None:
        raise UserError(f"{root / names[0]}: not found; check --data_dir and --annotations")
    try:
        labels = json.loads(path.read_text())["labels"]
        keys = ("name", "color", "evaluate", "instances")
        return [{key: label[key] for key in keys} for label in labels]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a configuration of Mapillary Vistas ({error})") from error


if __name__ == "__main__":
    command_line.run(main, Options, also=[ConversionConfig], tensorflow=False, rest=True)
