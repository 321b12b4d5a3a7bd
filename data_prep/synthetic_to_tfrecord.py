"""Draws street-like scenes and writes them as TFRecords: the data set of the demo and the tests.

    python data_prep/synthetic_to_tfrecord.py

Scene i of a split depends on --seed, the split and i alone. With --save_images the images
are also written as PNG files under `OUTPUT_DIR/png/SPLIT/`.
"""

import dataclasses

from dmls_tf import command_line
from dmls_tf.config import ConversionConfig
from dmls_tf.datasets.synthetic_scenes import SYNTHETIC
from dmls_tf.errors import UserError
from dmls_tf.files import local_path
from dmls_tf.records.commands import convert, options_of
from dmls_tf.records.scenes import Scene
from dmls_tf.settings import NOT_NEGATIVE, Rule, from_to, setting

COUNTS = Rule("whole numbers, one per split", lambda counts: min(counts, default=0) >= 0)
SIDE = from_to(32, 10_000)


@dataclasses.dataclass(frozen=True)
class Options(options_of("synthetic", "train", "val", data=False)):
    num_images: tuple[int, ...] = setting((400, 60), "Scenes of each split.", COUNTS)
    height: int = setting(144, "Pixels.", SIDE)
    width: int = setting(192, "Pixels.", SIDE)
    seed: int = setting(0, "Of all scenes.", NOT_NEGATIVE)
    save_images: bool = setting(False, "Also write PNG files.")


@dataclasses.dataclass(frozen=True)
class DrawnConfig(ConversionConfig):
    """Scenes have the size that is asked for, and no faults."""

    max_side: int | None = setting(None, "None.", flag=False)
    label_orientation: str = setting("upright", "They are.", flag=False)
    on_error: str = setting("fail", "There are none.", flag=False)


def main(options, *beam_options):
    if len(options.num_images) != len(options.splits):
        raise UserError(f"--num_images needs {len(options.splits)} numbers, one per split")
    size = options.height, options.width
    sources = {
        split: [Scene(split, i, *size, options.seed) for i in range(count)]
        for split, count in zip(options.splits, options.num_images, strict=True)
    }
    pictures = options.save_images and local_path(options.output_dir) / "png"
    config = command_line.make(DrawnConfig)
    convert(SYNTHETIC, sources, options.output_dir, config, beam_options)
    if pictures:
        for split, scenes in sources.items():
            _save_images(pictures / split, scenes)


def _save_images(directory, scenes):
    directory.mkdir(parents=True, exist_ok=True)
    for scene in scenes:
        sample = scene.read(SYNTHETIC)
        (directory / sample.filename).write_bytes(sample.image_bytes)


if __name__ == "__main__":
    command_line.run(main, Options, also=[DrawnConfig], tensorflow=False, rest=True)
