"""Paths on a disk or in an object store, the files below them, and local copies of those."""

import contextlib
import hashlib
import pathlib
import shutil
import tempfile

from dmls_tf.errors import UserError

EXTRAS = {"s3": "s3", "gs": "gcs"}  # scheme of a URL: what installs its client


def as_path(location):
    """A `pathlib.Path`, or for a URL the like of an object store.

    Raises:
        UserError: a URL of another kind or without bucket; the store's client is not installed.
    """
    scheme, is_url, rest = str(location).partition("://")
    if not is_url:
        return pathlib.Path(location)
    if not isinstance(location, str):
        return location  # is one already
    if scheme not in EXTRAS:
        raise UserError(f"{location}: must be a local path or begin with s3:// or gs://")
    if not rest.strip("/"):
        raise UserError(f"{location}: lacks the name of a bucket")
    try:
        from dmls_tf.files.object_stores import StorePath

        path = StorePath(location)
        path.check()
    except ImportError as error:
        command = f'pip install "dmls-tf[{EXTRAS[scheme]}]"'
        raise UserError(f"{location}: needs {command} ({error})") from error
    return path


def is_local(path):
    """Whether a path of `as_path` is on a disk."""
    return isinstance(path, pathlib.Path)


def local_path(location):
    """A `pathlib.Path`.

    Raises:
        UserError: it is in an object store, which this use does not support.
    """
    if "://" in str(location):
        raise UserError(f"{location}: must be a local path here")
    return pathlib.Path(location)


def upload_tree(directory, target, last=None):
    """Copies the files of a local directory to a store.

    Args:
        directory: a `pathlib.Path`.
        target: its path in the store.
        last: name of the file whose appearance says that all are there.
    """
    files = sorted(file for file in directory.rglob("*") if file.is_file())
    for file in sorted(files, key=lambda file: file.name == last):
        (target / file.relative_to(directory)).upload(file)


@contextlib.contextmanager
def local_copy(path):
    """Gives a `pathlib.Path` of the same content: the path itself, or a temporary file.

    Raises:
        OSError: it cannot be read.
    """
    path = as_path(path)
    if is_local(path):
        yield path
        return
    with tempfile.TemporaryDirectory() as directory:
        copy = pathlib.Path(directory, path.name)
        path.download(copy)
        yield copy


def sizes_in(directory):
    """{name: bytes} of the files of a directory, which need not exist.

    Raises:
        OSError: it cannot be read.
    """
    directory = as_path(directory)
    if is_local(directory):
        files = directory.iterdir() if directory.is_dir() else ()
        return {file.name: file.stat().st_size for file in files if file.is_file()}
    return directory.files()


@contextlib.contextmanager
def local_tree(directory):
    """Gives a `pathlib.Path` of a directory with the same content; see `local_copy`."""
    directory = as_path(directory)
    if is_local(directory):
        yield directory
        return
    with tempfile.TemporaryDirectory() as copy:
        for path in files_in(directory):
            file = pathlib.Path(copy, path.relative_to(directory))
            file.parent.mkdir(parents=True, exist_ok=True)
            path.download(file)
        yield pathlib.Path(copy)


def remove_tree(path):
    """Removes a directory and what it holds, if it is there."""
    if is_local(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.remove_tree()


def files_in(folder):
    """The paths of all files in a folder and its subfolders, sorted.

    Links to folders are followed, but not to a folder that the link is in. Names that begin with a
    dot are left out, and what macOS adds to archives.

    Args:
        folder: a path.

    Raises:
        UserError: a folder cannot be read.
    """
    try:
        folder = as_path(folder)
        if is_local(folder):
            return sorted(_files_in(folder, parents=()))
        return sorted(path for path in folder.all_files() if not _has_hidden_part(path, folder))
    except OSError as error:
        raise UserError(f"{error.filename}: {error.strerror}") from error


def _files_in(folder, parents):
    here = folder.resolve()
    if here in parents:  # a link that leads back to where it is
        return
    for path in folder.iterdir():
        if _is_hidden(path.name):
            continue
        if path.is_dir():
            yield from _files_in(path, (*parents, here))
        else:
            yield path


def _has_hidden_part(path, folder):
    return any(map(_is_hidden, path.relative_to(folder).parts))


def _is_hidden(name):
    return name.startswith(".") or name == "__MACOSX"


def read_lines(path):
    """The lines of a text file, without the white space around them.

    Raises:
        UserError: it cannot be read, or is no text.
    """
    try:
        text = as_path(path).read_text("utf-8-sig")
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable text file") from error
    return [line.strip() for line in text.splitlines()]


def sha256_of(path):
    """The SHA-256 digest of a file, hexadecimal."""
    digest = hashlib.sha256()
    with local_copy(path) as copy, open(copy, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
