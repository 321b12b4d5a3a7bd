"""Synthetic scenes as sources of records."""

import dataclasses
import zlib

import numpy as np
from PIL import Image

from dmls_tf.datasets.synthetic_scenes import draw_scene
from dmls_tf.images.label_maps import encode_label_png, png_bytes
from dmls_tf.records.label_readers import to_class_ids
from dmls_tf.records.samples import Sample


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
