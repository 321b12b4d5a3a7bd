"""Draws docs/steps.png: what each recurrent step finds, with and without level set (Figs 6 and 7).

.venv/bin/python docs/steps_picture.py    # after scripts/demo.sh
.venv/bin/python docs/steps_picture.py --model=runs/paper/dfcn-plus-all/seed0/model.keras \
    --records_dir=records/camvid160 --output=steps.png

Columns: the image with the true contours, the truth, the last step's coarse prediction, which has
no level set, and the evolved predictions of all steps. Rows: images that the level set improves
most, at the median and least, by pixel accuracy.
"""

import dataclasses
import pathlib

import numpy as np
from PIL import Image, ImageDraw

from dmls_tf import IGNORE_LABEL, command_line
from dmls_tf.config import InferenceConfig
from dmls_tf.images.drawing import colorize, contours
from dmls_tf.inference.segmenter import make_segmenter
from dmls_tf.models import load_dmls
from dmls_tf.models.outputs import Output
from dmls_tf.records.reading import read_split
from dmls_tf.settings import POSITIVE, Settings, setting

ROOT = pathlib.Path(__file__).parent.parent
HEADING = 14


@dataclasses.dataclass(frozen=True)
class Options(Settings):
    model: str = setting(f"{ROOT}/runs/synthetic/model.keras", "With a level set.")
    records_dir: str = setting(f"{ROOT}/records/synthetic", "Directory with dataset.json.")
    recurrent_steps: int = setting(4, "K.", POSITIVE)
    output: str = setting(f"{ROOT}/docs/steps.png", "The picture.")
    quantiles: tuple[float, ...] = setting((1, 0.9, 0.5, 0), "Of the images, by their gain.")


def main(options):
    model = load_dmls(options.model, recurrent_steps=options.recurrent_steps)
    last = options.recurrent_steps
    names = [Output("coarse", last).name]
    names += [Output("evolved", k).name for k in range(1, last + 1)]

    def network(images):
        results = model(images, training=False)
        return {name: results[name] for name in names}

    config = InferenceConfig().sized_for(model.metadata)
    segment = make_segmenter(network, model.config.num_classes, config)
    found = []
    for example in read_split(options.records_dir, "val").as_numpy_iterator():
        results = segment(example["image"])
        found.append((example["image"], example["label"], [results[n].labels for n in names]))
    found.sort(key=lambda one: gain(one[1], one[2][0], one[2][-1]))
    places = [round(quantile * (len(found) - 1)) for quantile in options.quantiles]
    rows = [row(*found[place], model.metadata["palette"]) for place in places]
    titles = ["image, true contours", "truth", "without level set"]
    titles += [*(f"P{k}" for k in range(1, last + 1)), f"contours of P{last}"]
    sheet(rows, titles).save(options.output, optimize=True)
    print(f"wrote {options.output}")


def gain(truth, before, after):
    """Share of the valid pixels that became right, less those that became wrong."""
    valid = truth != IGNORE_LABEL
    return (after == truth)[valid].mean() - (before == truth)[valid].mean()


def row(image, truth, predictions, palette):
    """The pictures of an image, uint8 `[H, W, 3]` each."""
    maps = [np.where(truth == IGNORE_LABEL, truth, found) for found in predictions]
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
    command_line.run(main, Options)
