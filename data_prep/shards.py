"""The one writer of records: samples in, shards and `dataset.json` out, all or nothing.

A converter hands over, for each split, a list of functions that each make one `Sample`; the
writer calls them in threads, counts pixels, and writes `SPLIT-%05d-of-%05d.tfrecord`. Everything
is written to a directory beside the target, which takes the target's name when all is done: an
error or an interruption leaves nothing behind.
"""

import dataclasses
import io
import os
import pathlib
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image
from tqdm import tqdm

from dmls_tf.data.records import encode_record, write_records
from dmls_tf.datasets import IGNORE_LABEL, DatasetInfo, SplitInfo
from dmls_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class Sample:
    """One image with its class ids.

    Attributes:
        filename: identifies the image within the data set.
        image_bytes: a JPEG or PNG file, as it is.
        image_format: "jpeg" or "png".
        shape: (height, width, channels).
        label: uint8 `[H, W]`, class ids and 255 for ignored pixels.
    """

    filename: str
    image_bytes: bytes
    image_format: str
    shape: tuple[int, int, int]
    label: np.ndarray


def load_sample(image_path, label_path, spec):
    """Reads an image file and its label file.

    Raises:
        UserError: a file that cannot be read, sizes that differ, or a label value that the
            data set does not know.
    """
    image_path, label_path = pathlib.Path(image_path), pathlib.Path(label_path)
    image_bytes = _read(image_path)
    image = _decode(image_path, image_bytes)
    if image.format not in ("JPEG", "PNG"):
        raise UserError(f"{image_path}: {image.format} image; JPEG and PNG are supported")
    label_image = _decode(label_path, _read(label_path))
    if label_image.size != image.size:
        raise UserError(
            f"{label_path}: label is {_size(label_image)} (width x height), "
            f"its image {image_path} is {_size(image)}"
        )
    label = class_ids(label_image, spec, label_path)
    shape = (image.height, image.width, len(image.getbands()))
    return Sample(image_path.name, image_bytes, image.format.lower(), shape, label)


def class_ids(label_image, spec, path):
    """Raw label values to class ids, uint8 `[H, W]`.

    Raises:
        UserError: more than one channel, or an unknown value.
    """
    if len(label_image.getbands()) != 1:
        raise UserError(
            f"{path}: a label must have one channel, this one is {label_image.mode}; "
            f"is this another release of {spec.name}?"
        )
    raw = np.asarray(label_image).astype(np.int64)
    table = np.full(max(max(spec.raw_to_class), int(raw.max())) + 1, -1, np.int64)
    table[list(spec.raw_to_class)] = list(spec.raw_to_class.values())
    ids = table[raw] if raw.min() >= 0 else np.full(raw.shape, -1)
    if (ids < 0).any():
        values = ", ".join(str(v) for v in np.unique(raw[ids < 0])[:5])
        known = f"{min(spec.raw_to_class)}..{max(spec.raw_to_class)}"
        raise UserError(f"{path}: label value {values} is out of range; {spec.name} has {known}")
    return ids.astype(np.uint8)


def pair_files(image_dir, label_dir, image_suffixes=(".jpg", ".jpeg", ".png")):
    """Pairs the images of a directory with the label PNGs of the same stem, sorted.

    Raises:
        UserError: a directory is missing or empty, or an image has no label.
    """
    image_dir, label_dir = pathlib.Path(image_dir), pathlib.Path(label_dir)
    for directory in (image_dir, label_dir):
        if not directory.is_dir():
            raise UserError(f"{directory}: no such directory; check --data_dir and --splits")
    images = sorted(p for p in image_dir.iterdir() if p.suffix.lower() in image_suffixes)
    if not images:
        raise UserError(f"{image_dir}: no images ({', '.join(image_suffixes)})")
    pairs = [(path, label_dir / f"{path.stem}.png") for path in images]
    missing = [(image, label) for image, label in pairs if not label.is_file()]
    if missing:
        image, label = missing[0]
        raise UserError(f"{image}: has no label {label} ({len(missing)} such images)")
    return pairs


def write_dataset(output_dir, spec, splits, num_shards=None, num_workers=2, overwrite=False):
    """Writes the shards of all splits and `dataset.json`.

    Args:
        output_dir: must not exist, or be empty, unless `overwrite`.
        spec: a `DatasetSpec`.
        splits: {split: list of functions without arguments that return a `Sample`}.
        num_shards: a split, None for one per 256 images.
        num_workers: threads.
        overwrite: replace a records directory.

    Returns:
        The `DatasetInfo` that was written.

    Raises:
        UserError: the target is in use, or a sample is faulty; then nothing is left behind.
    """
    target = pathlib.Path(output_dir).absolute()
    _check_target(target, overwrite)
    partial = target.with_name(f".{target.name}.partial-{os.getpid()}")
    try:
        partial.mkdir(parents=True)
        infos = {
            split: _write_split(partial, split, makers, spec, num_shards, num_workers)
            for split, makers in splits.items()
        }
        info = DatasetInfo(spec.name, spec.class_names, spec.palette, infos)
        info.save(partial)
        if target.exists():
            shutil.rmtree(target)
        partial.rename(target)
    except OSError as error:
        raise UserError(f"{error.filename or target}: {error.strerror}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return info


def _check_target(target, overwrite):
    if not target.exists():
        return
    if not target.is_dir():
        raise UserError(f"{target}: is a file, --output_dir must be a directory")
    is_records = (target / "dataset.json").is_file()
    if any(target.iterdir()) and not (overwrite and is_records):
        advice = "pass --overwrite to replace it" if is_records else "choose an empty directory"
        raise UserError(f"{target}: exists and is not empty; {advice}")


def _write_split(directory, split, makers, spec, num_shards, num_workers):
    if not makers:
        raise UserError(f"the split {split!r} holds no images")
    num_shards = min(num_shards or -(-len(makers) // 256), len(makers))
    names = [f"{split}-{i:05d}-of-{num_shards:05d}.tfrecord" for i in range(num_shards)]
    counter = _PixelCounter(spec.num_classes)
    with (
        ThreadPoolExecutor(num_workers) as pool,
        tqdm(total=len(makers), desc=split, unit="image") as progress,
    ):
        for index, name in enumerate(names):
            # Neighbours on disk (frames of one video) stay in one shard.
            first = index * len(makers) // num_shards
            last = (index + 1) * len(makers) // num_shards
            samples = pool.map(_made, makers[first:last])
            write_records(directory / name, _serialized(samples, counter, progress))
    return counter.summary(len(makers), names)


def _made(maker: Callable[[], Sample]):
    sample = maker()
    return sample, _png(sample.label)


def _serialized(samples, counter, progress):
    for sample, label_png in samples:
        counter.add(sample.label)
        progress.update()
        yield encode_record(
            sample.image_bytes, sample.image_format, sample.filename, sample.shape, label_png
        )


class _PixelCounter:
    """Counts what `SplitInfo` holds."""

    def __init__(self, num_classes):
        self.pixels = np.zeros(num_classes, np.int64)
        self.images = np.zeros(num_classes, np.int64)
        self.image_pixels = np.zeros(num_classes, np.int64)
        self.ignored = 0

    def add(self, label):
        counts = np.bincount(label.ravel(), minlength=IGNORE_LABEL + 1)
        counts, ignored = counts[: len(self.pixels)], int(counts[IGNORE_LABEL])
        self.pixels += counts
        self.images += counts > 0
        self.image_pixels += np.where(counts > 0, label.size, 0)
        self.ignored += ignored

    def summary(self, num_images, shards):
        return SplitInfo(
            num_images=num_images,
            shards=tuple(shards),
            class_pixels=tuple(self.pixels.tolist()),
            class_images=tuple(self.images.tolist()),
            class_image_pixels=tuple(self.image_pixels.tolist()),
            ignored_pixels=self.ignored,
        )


def _read(path):
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error


def _decode(path, content):
    try:
        image = Image.open(io.BytesIO(content))
        image.load()
    except (OSError, ValueError, SyntaxError) as error:
        raise UserError(f"{path}: not a readable image ({error})") from error
    return image


def _png(array):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def _size(image):
    return f"{image.width}x{image.height}"
