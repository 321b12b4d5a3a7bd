"""Draws two regions of a photograph as our level sets and scikit-image's Chan-Vese find them.

.venv/bin/python docs/chan_vese_picture.py chan_vese.png
"""

import sys

import numpy as np
from PIL import Image
from skimage import data, segmentation

from dmls_tf.images.drawing import overlay
from dmls_tf.inference.animation import evolve_labels

PALETTE = ((40, 90, 220), (250, 170, 40))


def photograph(name):
    """A grey photograph that comes with scikit-image, at half its size."""
    return getattr(data, name)()[::2, ::2]


def in_rgb(photo):
    return np.repeat(photo[..., None], 3, axis=-1)


def ours(photo):
    """Two regions after 100 turns of 5 steps from a checkerboard: bool `[H, W]`."""
    y, x = np.indices(photo.shape)
    checkerboard = (np.sin(np.pi / 5 * x) * np.sin(np.pi / 5 * y) > 0).astype(np.uint8)
    *_, last = evolve_labels(in_rgb(photo), checkerboard, num_frames=100)
    return last > 0


def theirs(photo):
    """The same by `skimage.segmentation.chan_vese`, from a checkerboard too: bool `[H, W]`."""
    return segmentation.chan_vese(photo / 255, mu=0.25, max_num_iter=200)


def iou(first, second):
    """Intersection over union of the same region, whichever of the two it is called."""
    return max(
        (first & second).sum() / (first | second).sum(),
        (~first & second).sum() / (~first | second).sum(),
    )


def main():
    rows = []
    for name in ("camera", "coins"):
        photo = photograph(name)
        found, expected = ours(photo), theirs(photo)
        print(f"{name}: IoU {iou(found, expected):.3f}")
        image = in_rgb(photo)
        flipped = (found & expected).sum() < (~found & expected).sum()
        regions = [(found ^ flipped).astype(int), expected.astype(int)]
        pictures = [overlay(image, region, PALETTE) for region in regions]
        rows.append(Image.fromarray(np.concatenate([image, *pictures], axis=1)))
    sheet = Image.new("RGB", (max(row.width for row in rows), sum(row.height for row in rows)))
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height
    sheet.save(sys.argv[1])


if __name__ == "__main__":
    main()
