"""Draws docs/demo.png from what scripts/demo.sh left: image, truth and prediction of four scenes.

.venv/bin/python docs/demo_picture.py
"""

import pathlib

import numpy as np
from PIL import Image

from dmls_tf.datasets.synthetic_scenes import SYNTHETIC
from dmls_tf.images.drawing import colorize
from dmls_tf.records.reading import read_split

ROOT = pathlib.Path(__file__).parent.parent
SCENES = (3, 8, 14, 21)
SCALE = 2


def main():
    examples = list(read_split(ROOT / "records/synthetic", "val"))
    rows = [[], [], []]
    for index in SCENES:
        stem = pathlib.Path(examples[index]["filename"].numpy().decode()).stem
        found = Image.open(ROOT / f"runs/synthetic/predictions/{stem}_label.png")
        rows[0].append(examples[index]["image"].numpy())
        rows[1].append(colorize(examples[index]["label"].numpy(), SYNTHETIC.palette))
        rows[2].append(colorize(np.asarray(found), SYNTHETIC.palette))
    sheet = Image.fromarray(np.concatenate([np.concatenate(row, 1) for row in rows], 0))
    size = (SCALE * sheet.width, SCALE * sheet.height)
    sheet.resize(size, Image.Resampling.NEAREST).save(ROOT / "docs/demo.png", optimize=True)


if __name__ == "__main__":
    main()
