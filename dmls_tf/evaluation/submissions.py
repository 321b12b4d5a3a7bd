"""Predictions as the benchmarks' servers take them: written, checked, and read to be scored.

A submission is a directory or a zip archive of 8-bit PNGs that hold the values of the data set's
own label files (Cityscapes' labelIds, ADE20K's 1..150, Mapillary's positions in its config), at the
size of the image:

    ade20k       ADE_test_00000001.jpg -> ADE_test_00000001.png
    cityscapes   berlin_000000_000019_leftImg8bit.png -> berlin_000000_000019_labelIds.png
    mapillary    KEY.jpg -> KEY.png, with the colours of the data set as palette
    others       NAME.jpg -> NAME.png
"""

import io
import pathlib
import shutil
import zipfile

import numpy as np

from dmls_tf import IGNORE_LABEL
from dmls_tf.errors import UserError
from dmls_tf.evaluation.pixel_counts import columns_of
from dmls_tf.files import files_in, local_path, replacing, writing
from dmls_tf.images.label_maps import png_bytes, read_label


def key_of(filename, spec):
    """What the names of an image and of its prediction have in common."""
    stem = pathlib.PurePath(filename).stem
    return "_".join(stem.split("_")[: spec.submission.name_parts or None])


def prediction_name(filename, spec):
    """The file of an image's prediction."""
    return f"{key_of(filename, spec)}{spec.submission.suffix}.png"


def write_submission(path, predictions, spec):
    """Writes a submission, whole or not at all.

    Args:
        path: a directory to make, or a `.zip` file.
        predictions: an iterable of (file name of the image, class ids uint8 `[H, W]`, 255 for
            none).
        spec: a `DatasetSpec`.

    Raises:
        UserError: the path exists, or cannot be written.
    """
    path = local_path(path)
    if path.exists():
        raise UserError(f"{path}: exists; choose another path or remove it")
    values = np.full(256, next(iter(spec.unevaluated), 0), np.uint8)
    values[: spec.num_classes] = spec.class_to_raw
    palette = _raw_palette(spec) if spec.submission.with_palette else None
    files = (
        (prediction_name(filename, spec), png_bytes(values[label], palette))
        for filename, label in predictions
    )
    write = _write_zip if path.suffix == ".zip" else _write_directory
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, files)


def _write_zip(path, files):
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, content in files:
            # Without the time, so that the same predictions make the same file.
            archive.writestr(zipfile.ZipInfo(name), content)


def _write_directory(path, files):
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        for name, content in files:
            (partial / name).write_bytes(content)
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _raw_palette(spec):
    """A colour for each value in label files, black for those that are not evaluated."""
    colors = np.zeros((256, 3), int)
    colors[list(spec.class_to_raw)] = spec.palette
    return colors.tolist()


class Submission:
    """The PNGs of a directory, its subdirectories included, or of a zip archive.

    Args:
        path: of the directory or archive.
        spec: a `DatasetSpec`.

    Raises:
        UserError: there is no such thing, it has no PNG, or several for one image.
    """

    def __init__(self, path, spec):
        self.path, self.spec, self.archive = local_path(path), spec, None
        self.known = columns_of(spec) >= 0
        if self.path.is_dir():
            files = [file for file in files_in(self.path) if file.suffix == ".png"]
            names = [str(file.relative_to(self.path)) for file in files]
        elif zipfile.is_zipfile(self.path):
            self.archive = zipfile.ZipFile(self.path)  # open as long as this object lives
            names = [name for name in self.archive.namelist() if name.endswith(".png")]
        else:
            raise UserError(f"{self.path}: neither a directory nor a zip archive of PNGs")
        if not names:
            raise UserError(f"{self.path}: holds no PNG")
        self.files = {}
        for name in sorted(names):
            key = key_of(name, spec)
            if key in self.files:
                raise UserError(f"{self.path}: {self.files[key]} and {name} are for the same image")
            self.files[key] = name

    def read(self, filename, size):
        """The prediction for an image: uint8 `[H, W]`, values as in the data set's label files.

        Args:
            filename: of the image.
            size: its (height, width).

        Raises:
            UserError: it is missing, unreadable, of another size, or has unknown values.
        """
        name = self.files.get(key_of(filename, self.spec))
        if name is None:
            expected = prediction_name(filename, self.spec)
            raise UserError(f"{self.path}: no prediction for {filename}, like {expected}")
        values = read_label(self._open(name), f"{self.path}/{name}")
        if values.shape != tuple(size):
            raise UserError(
                f"{self.path}/{name}: {values.shape[0]} x {values.shape[1]} pixels (height x "
                f"width), but its image has {size[0]} x {size[1]}"
            )
        if not self.known[values].all():
            wrong = values[~self.known[values]][0]
            raise UserError(f"{self.path}/{name}: value {wrong} is no label of {self.spec.name}")
        return values

    def _open(self, name):
        return io.BytesIO(self.archive.read(name)) if self.archive else self.path / name


def faults_of(path, images, spec):
    """What a server would refuse in a submission, a line each.

    Args:
        path: of the submission.
        images: an iterable of (file name, (height, width)).
        spec: a `DatasetSpec`.

    Raises:
        UserError: there is no submission.
    """
    submission, wanted = Submission(path, spec), spec.submission
    unclaimed, seen, faults = dict(submission.files), np.zeros(256, bool), []
    for filename, size in images:
        unclaimed.pop(key_of(filename, spec), None)
        try:
            if wanted.image_size and tuple(size) != wanted.image_size:
                pixels = " x ".join(map(str, wanted.image_size))
                raise UserError(f"{filename}: not {pixels} pixels, as all of {spec.name} are")
            values = submission.read(filename, size)
            seen[np.unique(values)] = True
            if IGNORE_LABEL in values and spec.unevaluated[0] != IGNORE_LABEL:
                raise UserError(f"{path}: {filename}: value 255, which no server knows")
        except UserError as error:
            faults.append(str(error))
    faults += [f"{path}/{name}: for none of the images" for name in unclaimed.values()]
    limit = wanted.beyond_ids
    if limit is not None and not faults and not seen[limit + 1 :].any():
        faults.append(
            f"{path}: no value above {limit}: these are trainIds, the server wants labelIds"
        )
    return faults
