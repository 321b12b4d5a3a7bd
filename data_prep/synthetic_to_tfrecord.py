"""Draws street-like scenes and writes them as TFRecords: the data set of the demo and the tests.

    python data_prep/synthetic_to_tfrecord.py

Scene i of a split depends on --seed, the split and i alone. With --save_images the images
are also written as PNG files under `OUTPUT_DIR/png/SPLIT/`.
"""

import dataclasses
import zlib

import numpy as np
from PIL import Image

from dmls_tf import command_line
from dmls_tf.config import ConversionConfig
from dmls_tf.datasets.synthetic_scenes import SYNTHETIC, draw_scene
from dmls_tf.errors import UserError
from dmls_tf.files import local_path
from dmls_tf.images.label_maps import encode_label_png, png_bytes
from dmls_tf.records.commands import convert, options_of
from dmls_tf.records.label_readers import to_class_ids
from dmls_tf.records.samples import Sample
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


def main(options):
    if len(options.num_images) != len(options.splits):
        raise UserError(f"--num_images needs {len(options.splits)} numbers, one per split")
    size = options.height, options.width
    sources = {
        split: [Scene(split, i, *size, options.seed) for i in range(count)]
        for split, count in zip(options.splits, options.num_images, strict=True)
    }
    pictures = options.save_images and local_path(options.output_dir) / "png"
    convert(SYNTHETIC, sources, options.output_dir, command_line.make(DrawnConfig))
    if pictures:
        for split, scenes in sources.items():
            _save_images(pictures / split, scenes)


@dataclasses.dataclass(frozen=True)
class Scene:
    """Scene `index` of a split, a source as `shards.ShardTask` asks for."""

    split: str
    index: int
    height: int
    width: int
    seed: int

    def fingerprint(self):
        return dataclasses.astuple(self)

    def draw(self):
        """(image uint8 `[H, W, 3]`, label uint8 `[H, W]`)."""
        rng = np.random.default_rng([self.seed, zlib.crc32(self.split.encode()), self.index])
        return draw_scene(self.height, self.width, rng)

    def read(self, spec, max_side=None, label_orientation="upright"):
        """The scene as a `Sample`, at its own size."""
        image, label = self.draw()
        label = to_class_ids(Image.fromarray(label), spec, self)
        return Sample(
            filename=f"{self.split}_{self.index:06d}.png",
            image_bytes=png_bytes(image),
            image_format="png",
            shape=image.shape,
            label_png=encode_label_png(np.asarray(label)),
            label_pixels=label.histogram(),
        )


def _save_images(directory, scenes):
    directory.mkdir(parents=True, exist_ok=True)
    for scene in scenes:
        sample = scene.read(SYNTHETIC)
        (directory / sample.filename).write_bytes(sample.image_bytes)


if __name__ == "__main__":
    command_line.run(main, Options, also=[DrawnConfig], tensorflow=False)
