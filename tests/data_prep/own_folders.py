"""A user's folders of drawn images and labels, converted by the command."""

import numpy as np
from PIL import Image

from dmls_tf.records.reading import read_split
from tests.helpers import run_here
from tests.records.files import save

COMMAND = "data_prep/folder_to_tfrecord.py"
IDS = (0, 1, 2)  # classes of the drawn labels
COLORS = np.array([(128, 0, 0), (0, 128, 64), (7, 7, 7)], np.uint8)
SIZE = (12, 16)


def draw(rng, names):
    """{name: label of `IDS` in blocks of 4 pixels}."""
    blocks = [side // 4 for side in SIZE]
    return {name: rng.choice(IDS, blocks).repeat(4, 0).repeat(4, 1) for name in names}


def write_images(folder, labels, rng, suffix="jpg"):
    for name in labels:
        save(folder / f"{name}.{suffix}", rng.integers(0, 256, (*SIZE, 3)))


def with_palette(ids):
    image = Image.fromarray(ids.astype(np.uint8)).convert("P")
    image.putpalette(COLORS.ravel().tolist())
    return image


WRITERS = {
    "values": lambda ids: Image.fromarray((10 * ids).astype(np.uint8)),
    "16 bits": lambda ids: Image.fromarray((1000 * ids).astype(np.uint16)),
    "three equal channels": lambda ids: Image.fromarray(
        np.repeat(40 * ids[..., None], 3, -1).astype(np.uint8)
    ),
    "colours": lambda ids: Image.fromarray(COLORS[ids]),
    "colours with alpha": lambda ids: Image.fromarray(COLORS[ids]).convert("RGBA"),
    "palette": with_palette,
}


def write_labels(folder, labels, kind):
    folder.mkdir(parents=True, exist_ok=True)
    for name, ids in labels.items():
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        WRITERS[kind](ids).save(path)


def converted(out, split):
    """{image name: label} of records."""
    examples = read_split(out, split).as_numpy_iterator()
    return {example["filename"].decode(): example["label"] for example in examples}


def run(tmp_path, *flags, name="own"):
    folders = (f"--images={tmp_path / 'images'}", f"--labels={tmp_path / 'labels'}")
    out = f"--output_dir={tmp_path / 'records'}"
    return run_here(COMMAND, f"--name={name}", *folders, out, *flags)
