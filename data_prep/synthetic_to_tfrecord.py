"""Draws street-like scenes and writes them as TFRecords: the data set of the demo and the tests.

    python data_prep/synthetic_to_tfrecord.py --output_dir=records/synthetic

Scene i of a split depends on --seed, the split and i alone. With --save_images the images
are also written as PNG files under `OUTPUT_DIR/png/SPLIT/`.
"""

import functools
import io
import pathlib
import zlib

import numpy as np
from absl import flags
from PIL import Image

from data_prep import flag_sets
from data_prep.synthetic_scenes import SYNTHETIC, draw_scene
from dmls_tf import command_line
from dmls_tf.errors import UserError

FLAGS = flags.FLAGS
flag_sets.define(default_splits=["train", "val"], from_files=False)
flags.DEFINE_list("num_images", ["400", "60"], "Scenes of each split.")
flags.DEFINE_integer("height", 144, "Pixels.", 32)
flags.DEFINE_integer("width", 192, "Pixels.", 32)
flags.DEFINE_integer("seed", 0, "Of all scenes.")
flags.DEFINE_bool("save_images", False, "Also write PNG files.")


def main():
    if len(FLAGS.num_images) != len(FLAGS.splits):
        raise UserError(f"--num_images needs {len(FLAGS.splits)} numbers, one a split")
    splits = {
        split: [
            functools.partial(make_sample, split, i, FLAGS.height, FLAGS.width, FLAGS.seed)
            for i in range(count)
        ]
        for split, count in zip(FLAGS.splits, _counts(), strict=True)
    }
    flag_sets.write(SYNTHETIC, splits)
    if FLAGS.save_images:
        for split, makers in splits.items():
            _save_images(pathlib.Path(FLAGS.output_dir) / "png" / split, makers)


def make_sample(split, index, height, width, seed):
    """Scene `index` of a split as a `Sample`."""
    from data_prep.shards import Sample

    rng = np.random.default_rng([seed, zlib.crc32(split.encode()), index])
    image, label = draw_scene(height, width, rng)
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    name = f"{split}_{index:06d}.png"
    return Sample(name, buffer.getvalue(), "png", image.shape, label)


def _counts():
    try:
        return [int(count) for count in FLAGS.num_images]
    except ValueError:
        raise UserError(f"--num_images must be whole numbers, got {FLAGS.num_images}") from None


def _save_images(directory, makers):
    directory.mkdir(parents=True, exist_ok=True)
    for maker in makers:
        sample = maker()
        (directory / sample.filename).write_bytes(sample.image_bytes)


if __name__ == "__main__":
    command_line.run(main)
