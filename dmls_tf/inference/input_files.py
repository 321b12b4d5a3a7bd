"""Which images and videos are read, and the names of their results."""

import collections
import glob
import itertools
import os
import pathlib

from dmls_tf.config import PICTURES
from dmls_tf.errors import UserError
from dmls_tf.files import as_path, files_in, is_local, read_lines
from dmls_tf.images.formats import PHOTO_ENDINGS

VIDEO_ENDINGS = (".mp4", ".avi", ".mov", ".mkv", ".webm")
RESULT_ENDINGS = (*(f"_{picture}.png" for picture in PICTURES), "_overlay.mp4")
NUM_NAMED = 3  # of the files that are not read


def is_video(path):
    """Whether a file is a video, by its name."""
    return path.suffix.lower() in VIDEO_ENDINGS


def find_files(patterns, output_dir=None):
    """The images and videos that are named, each with the name of its results.

    That name is the file's without suffix, after the subdirectories if a directory is searched.
    Where two would be equal they keep their suffixes: `IMG_1.JPG` and `IMG_1.MOV`.

    Args:
        patterns: files, directories (searched with their subdirectories), glob patterns, or text
            files (.txt) of paths.
        output_dir: where the results go; what it holds is left out of the directories it is in.

    Returns:
        files: {name: path}.
        notes: what was not read in the directories, a line each.

    Raises:
        UserError: a pattern that names nothing; two files whose results would have one name; a
            directory that is also `output_dir`; a file that a result would replace.
    """
    output_dir = output_dir and as_path(output_dir).resolve()
    found, notes = {}, []
    for pattern in patterns:
        path = as_path(pattern)
        if path.is_dir():
            files, passed_over = _search(path, output_dir)
            found |= dict.fromkeys((file, file.relative_to(path)) for file in files)
            notes += passed_over
        elif path.suffix == ".txt" and path.is_file():
            found |= _listed(path)
        else:
            found |= dict.fromkeys((file, pathlib.Path(file.name)) for file in _matches(path))
    files = _named(found)
    if output_dir:
        _check_results(files, output_dir)
    return files, notes


def _listed(path):
    """The paths in a text file, each with its part below the folder that all share."""
    files = [as_path(line) for line in read_lines(path) if line]
    files = [pathlib.Path(os.path.abspath(file)) if is_local(file) else file for file in files]
    if not files:
        raise UserError(f"{path}: holds no paths of images, one per line")
    if len({is_local(file) for file in files}) > 1:
        raise UserError(f"{path}: names images on a disk and in a store; write two lists")
    columns = zip(*(file.parent.parts for file in files), strict=False)
    depth = sum(1 for _ in itertools.takewhile(lambda column: len(set(column)) == 1, columns))
    return dict.fromkeys((file, pathlib.PurePosixPath(*file.parts[depth:])) for file in files)


def _matches(path):
    if path.is_file():
        return [path]
    if is_local(path):
        files = [pathlib.Path(name) for name in sorted(glob.glob(str(path), recursive=True))]
    else:
        files = sorted(path.parent.glob(path.name))
    if not files:
        raise UserError(f"{path}: no such file or directory")
    return files


def _search(folder, output_dir):
    """The images and videos of a folder, and lines about its other files."""
    if folder.resolve() == output_dir:
        raise UserError(f"{folder}: holds the images and cannot be the output directory")
    files = files_in(folder)
    results, others, wanted = [], [], []
    within = output_dir in folder.resolve().parents  # then they are beside the folder
    for file in files:
        if not within and output_dir in file.resolve().parents:
            results.append(file)
        elif file.suffix.lower() in PHOTO_ENDINGS or is_video(file):
            wanted.append(file)
        else:
            others.append(file)
    parts = {"in the output directory": results, "neither images nor videos": others}
    notes = [
        f"not read: {len(part)} of {len(files)} files in {folder}, {reason}: {_first(part, folder)}"
        for reason, part in parts.items()
        if part
    ]
    if not wanted:
        raise UserError("; ".join([f"{folder}: no images or videos", *notes]))
    return wanted, notes


def _first(files, folder):
    names = [str(file.relative_to(folder)) for file in files[:NUM_NAMED]]
    return ", ".join(names + ["..."] * (len(files) > NUM_NAMED))


def _named(found):
    """{name: path} of pairs of a path and its relative path."""
    short = collections.Counter(path.with_suffix("") for _, path in found)
    folders = {parent for _, path in found for parent in path.parents}
    files = {}
    for path, relative in found:
        name = relative.with_suffix("")
        if short[name] > 1 or (is_video(path) and name in folders):  # that of its frames' results
            name = relative
        if files.setdefault(str(name), path) != path:
            raise UserError(f"{path} and {files[str(name)]}: their results would both be {name}_*")
    return files


def _check_results(files, output_dir):
    results = {output_dir / f"{name}{ending}" for name in files for ending in RESULT_ENDINGS}
    results.add(output_dir / "legend.png")
    for path in files.values():
        if path.resolve() in results:
            raise UserError(f"{path}: a result would replace it; choose another --output_dir")
