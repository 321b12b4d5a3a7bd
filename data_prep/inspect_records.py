"""Shows what is in records: a sheet of samples with a legend, and how frequent each class is.

    python data_prep/inspect_records.py records/camvid --split=train --output_dir=out

Prints how frequent each class is and writes `SPLIT_samples.png` and `SPLIT_classes.png`. The
samples are spread evenly over the split.
"""

import dataclasses

import numpy as np
from PIL import Image, ImageDraw

from dmls_tf import IGNORE_LABEL, command_line
from dmls_tf.datasets import DatasetInfo, doubts
from dmls_tf.evaluation.figures import figure_class
from dmls_tf.files import as_path, make_directory, replacing, writing
from dmls_tf.images.drawing import legend, overlay
from dmls_tf.settings import POSITIVE, Settings, from_to, required, setting

GAP, CAPTION, NAME_LENGTH = 6, 14, 32  # pixels, pixels, characters


@dataclasses.dataclass(frozen=True)
class Options(Settings):
    output_dir: str = required("Where the pictures go.")
    split: str | None = setting(None, "Split to show; none: the first.")
    num_samples: int = setting(12, "Images on the sheet.", POSITIVE)
    sample_height: int = setting(160, "Of an image on the sheet, pixels.", from_to(16, 4096))


def main(options, records_dir):
    info = DatasetInfo.load(records_dir)
    split = options.split or next(iter(info.splits))
    output_dir = as_path(options.output_dir)
    figure_class("the plot")  # is there, before anything is written
    samples = read_samples(records_dir, split, info, options.num_samples)
    make_directory(output_dir)
    with writing(output_dir):
        with replacing(output_dir / f"{split}_samples.png") as path:
            contact_sheet(samples, info, options.sample_height).save(path)
        with replacing(output_dir / f"{split}_classes.png") as path:
            plot_classes(info, split, path)
    print(table_of_classes(info, split))
    command_line.warn(*doubts(info, split))
    print(f"wrote {output_dir}/{split}_samples.png and {split}_classes.png")


def read_samples(records_dir, split, info, count):
    """(file name, image, label) of records that are spread over a split."""
    from dmls_tf.records.reading import faults_named, name_of, read_split

    every = max(1, info.split(split).num_images // count)
    with faults_named(records_dir, split):
        return [
            (name_of(e), e["image"], e["label"])
            for e in read_split(records_dir, split).shard(every, 0).take(count).as_numpy_iterator()
        ]


def contact_sheet(samples, info, height):
    """A PIL image: each sample beside its labels, three a row, and a legend of their classes."""
    tiles = [_tile(*sample, info.palette, height) for sample in samples]
    width, columns = max(tile.width for tile in tiles) + GAP, min(3, len(tiles))
    top = -(-len(tiles) // columns) * (height + CAPTION + GAP)
    classes = sorted({c for _, _, label in samples for c in np.unique(label)} - {IGNORE_LABEL})
    names = legend(
        [info.class_names[c][:NAME_LENGTH] for c in classes],
        [info.palette[c] for c in classes],
        columns=1 + len(classes) // 12,
    )
    sheet = Image.new("RGB", (max(columns * width, names.width), top + names.height), "white")
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        sheet.paste(tile, (column * width, row * (height + CAPTION + GAP)))
    sheet.paste(names, (0, top))
    return sheet


def _tile(name, image, label, palette, height):
    size = (round(image.shape[1] * height / image.shape[0]), height)
    shown = overlay(image, label, palette, opacity=0.7)
    tile = Image.new("RGB", (2 * size[0], height + CAPTION), "white")
    for left, picture in ((0, image), (size[0], shown)):
        tile.paste(Image.fromarray(picture).resize(size), (left, CAPTION))
    ImageDraw.Draw(tile).text((0, 1), name, "black")
    return tile


def table_of_classes(info, split):
    """The shares of each class, and of ignored pixels, as text."""
    pixels, images = class_shares(info, split)
    lines = [f"{'pixels, %':>9} {'images, %':>9}"]
    for share, images_share, name in zip(pixels, images, info.class_names, strict=True):
        lines.append(f"{100 * share:9.3f} {100 * images_share:9.1f}  {name}")
    lines.append(f"{100 * (1 - sum(pixels)):9.3f} {'':9}  (ignored)")
    return "\n".join(lines)


def class_shares(info, split):
    """The share of each class in all pixels, and of the images that contain it."""
    counts = info.split(split)
    total = sum(counts.class_pixels) + counts.ignored_pixels
    return np.array(counts.class_pixels) / total, np.array(counts.class_images) / counts.num_images


def plot_classes(info, split, path):
    """Writes a bar chart: the share of each class in all pixels and in all images."""
    pixels, images = class_shares(info, split)
    rows = np.arange(info.num_classes)
    size = (11, 1.5 + 0.22 * info.num_classes)
    figure = figure_class("the plot")(figsize=size, layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    colors = np.array(info.palette) / 255
    for axis, values, title in (
        (axes[0], pixels, "share of the pixels"),
        (axes[1], images, "share of the images"),
    ):
        axis.barh(rows, 100 * values, color=colors, edgecolor="black", linewidth=0.4)
        axis.set_xlabel(f"{title}, %")
        axis.grid(axis="x", alpha=0.4)
    axes[0].set_xscale("symlog", linthresh=0.01)
    axes[0].set_yticks(rows, info.class_names)
    axes[0].invert_yaxis()
    ignored = 100 * (1 - sum(pixels))
    num_images = info.split(split).num_images
    figure.suptitle(f"{info.name}, {split}: {num_images} images, {ignored:.1f} % ignored")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    command_line.run(main, Options, operands=["RECORDS_DIR"])
