"""Draws street-like scenes and writes them as TFRecords: the data set of the demo and the tests.

    python data_prep/synthetic_to_tfrecord.py --output_dir=records/synthetic

Scene i of a split depends on --seed, the split and i alone. With --save_images the images
are also written as PNG files under `OUTPUT_DIR/png/SPLIT/`.
"""

import dataclasses
import io
import pathlib
import zlib

import numpy as np
from absl import flags
from PIL import Image

from data_prep import flag_sets
from data_prep.label_png import encode_label_png
from data_prep.samples import Sample, to_class_ids
from data_prep.synthetic_scenes import SYNTHETIC, draw_scene
from dmls_tf import command_line
from dmls_tf.errors import UserError

FLAGS = flags.FLAGS


def main():
    if len(FLAGS.num_images) != len(FLAGS.splits):
        raise UserError(f"--num_images needs {len(FLAGS.splits)} numbers, one a split")
    sources = {
        split: [Scene(split, i, FLAGS.height, FLAGS.width, FLAGS.seed) for i in range(count)]
        for split, count in zip(FLAGS.splits, _counts(), strict=True)
    }
    flag_sets.write(SYNTHETIC, sources)
    if FLAGS.save_images:
        for split, scenes in sources.items():
            _save_images(pathlib.Path(FLAGS.output_dir) / "png" / split, scenes)


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

    def read(self, spec, max_side=None):
        """The scene as a `Sample`, at its own size."""
        image, label = self.draw()
        class_ids, label_pixels = to_class_ids(Image.fromarray(label), spec, self)
        return Sample(
            filename=f"{self.split}_{self.index:06d}.png",
            image_bytes=_png(image),
            image_format="png",
            shape=image.shape,
            label_png=encode_label_png(class_ids),
            label_pixels=label_pixels,
        )


def _counts():
    try:
        return [int(count) for count in FLAGS.num_images]
    except ValueError:
        raise UserError(
            f"--num_images must be whole numbers, got {','.join(FLAGS.num_images)}"
        ) from None


def _png(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def _save_images(directory, scenes):
    directory.mkdir(parents=True, exist_ok=True)
    for scene in scenes:
        sample = scene.read(SYNTHETIC)
        (directory / sample.filename).write_bytes(sample.image_bytes)


if __name__ == "__main__":
    flag_sets.define(default_splits=["train", "val"], from_files=False)
    flags.DEFINE_list("num_images", ["400", "60"], "Scenes of each split.")
    flags.DEFINE_integer("height", 144, "Pixels.", 32)
    flags.DEFINE_integer("width", 192, "Pixels.", 32)
    flags.DEFINE_integer("seed", 0, "Of all scenes.", 0)
    flags.DEFINE_bool("save_images", False, "Also write PNG files.")
    command_line.run(main, tensorflow=False)
