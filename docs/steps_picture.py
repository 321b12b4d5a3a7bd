"""Draws docs/steps.png: what each recurrent step finds, with and without level set (Figs 6 and 7).

.venv/bin/python docs/steps_picture.py    # after scripts/demo.sh
.venv/bin/python docs/steps_picture.py --model=runs/paper/dfcn-plus-all/seed0/model.keras \
    --records_dir=records/camvid160 --output=steps.png

Columns: the image with the true contours, the truth, the last step's scores without their level
set, and the evolved predictions of all steps. Rows: images that the level set improves most, at the
median and least, by pixel accuracy.
"""

import pathlib

import numpy as np
from absl import app, flags
from PIL import Image, ImageDraw

from dmls_tf.config import InferenceConfig
from dmls_tf.data.pipeline import read_split
from dmls_tf.datasets import IGNORE_LABEL
from dmls_tf.drawing import colorize, contours
from dmls_tf.inference import make_segmenter
from dmls_tf.models import load_dmls

FLAGS = flags.FLAGS
ROOT = pathlib.Path(__file__).parent.parent
HEADING = 14

flags.DEFINE_string("model", f"{ROOT}/runs/synthetic/model.keras", "With a level set.")
flags.DEFINE_string("records_dir", f"{ROOT}/records/synthetic", "Directory with dataset.json.")
flags.DEFINE_integer("recurrent_steps", 4, "K.")
flags.DEFINE_string("output", f"{ROOT}/docs/steps.png", "The picture.")
flags.DEFINE_list("quantiles", ["1", "0.9", "0.5", "0"], "Of the images, by their gain.")


def main(_):
    model = load_dmls(FLAGS.model, num_steps=FLAGS.recurrent_steps)
    steps = range(1, model.config.num_steps + 1)
    shown = [f"coarse_{steps[-1]}", *(f"evolved_{k}" for k in steps)]
    segment = make_segmenter(
        lambda images: {name: model(images, training=False)[name] for name in shown},
        model.config.num_classes,
        InferenceConfig(image_size=tuple(model.metadata["image_size"])),
    )
    found = []
    for example in read_split(FLAGS.records_dir, "val").as_numpy_iterator():
        labels = {name: part.labels for name, part in segment(example["image"]).items()}
        found.append((example["image"], example["label"], labels))
    found.sort(key=lambda one: gain(one[1], one[2][shown[0]], one[2][shown[-1]]))
    places = [round(float(q) * (len(found) - 1)) for q in FLAGS.quantiles]
    palette = model.metadata["palette"]
    rows = [row(*found[place], palette) for place in places]
    titles = ["image, true contours", "truth", "without level set"]
    titles += [*(f"P{k}" for k in steps), f"contours of P{steps[-1]}"]
    sheet(rows, titles).save(FLAGS.output, optimize=True)
    print(f"wrote {FLAGS.output}")


def gain(truth, before, after):
    """Share of the valid pixels that became right, less those that became wrong."""
    valid = truth != IGNORE_LABEL
    return (after == truth)[valid].mean() - (before == truth)[valid].mean()


def row(image, truth, labels, palette):
    """The pictures of an image, uint8 `[H, W, 3]` each."""
    maps = [np.where(truth == IGNORE_LABEL, truth, found) for found in labels.values()]
    colored = [colorize(label, palette) for label in (truth, *maps)]
    return [contours(image, truth), *colored, contours(image, maps[-1])]


def sheet(rows, titles):
    """All pictures on one page, with a heading."""
    pictures = np.concatenate([np.concatenate(row, axis=1) for row in rows], axis=0)
    page = Image.fromarray(pictures)
    headed = Image.new("RGB", (page.width, page.height + HEADING), "white")
    headed.paste(page, (0, HEADING))
    draw, wide = ImageDraw.Draw(headed), page.width // len(titles)
    for i, title in enumerate(titles):
        draw.text((i * wide + 4, 1), title, "black")
    return headed


if __name__ == "__main__":
    app.run(main)
