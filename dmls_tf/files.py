"""Files that appear whole or not at all, and the files of a folder."""

import contextlib
import hashlib
import os
import pathlib

from dmls_tf.errors import UserError


@contextlib.contextmanager
def replacing(path):
    """Gives a temporary path, which takes the place of `path` once all is written and on disk.

    An error or a killed process leaves what was there before; the latter also leaves the temporary
    file, hidden beside it.

    >>> with replacing("counts.json") as temporary:
    ...     num_written = temporary.write_text("{}")
    >>> pathlib.Path("counts.json").read_text()
    '{}'
    """
    path = pathlib.Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        flush_to_disk(temporary)
        temporary.replace(path)
        flush_to_disk(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(path):
    """Around what writes files: says in one line why one, or else `path`, cannot be written.

    Raises:
        UserError: instead of an `OSError`.
    """
    try:
        yield
    except OSError as error:
        name = error.filename2 or error.filename or path  # of a rename, the second
        if isinstance(error, (FileExistsError, NotADirectoryError)):
            raise UserError(f"{name}: a file is in the way, choose another directory") from error
        raise UserError(f"{name}: {error.strerror or error}") from error


def make_directory(path):
    """Makes a directory and those above it, where they are not there.

    Raises:
        UserError: it cannot be made.
    """
    with writing(path):
        pathlib.Path(path).mkdir(parents=True, exist_ok=True)


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
        return sorted(_files_in(pathlib.Path(folder), parents=()))
    except OSError as error:
        raise UserError(f"{error.filename}: {error.strerror}") from error


def _files_in(folder, parents):
    here = folder.resolve()
    if here in parents:  # a link that leads back to where it is
        return
    for path in folder.iterdir():
        if path.name.startswith(".") or path.name == "__MACOSX":
            continue
        if path.is_dir():
            yield from _files_in(path, (*parents, here))
        else:
            yield path


def read_lines(path):
    """The lines of a text file, without the white space around them.

    Raises:
        UserError: it cannot be read, or is no text.
    """
    try:
        text = pathlib.Path(path).read_text("utf-8-sig")
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable text file") from error
    return [line.strip() for line in text.splitlines()]


def sha256_of(path):
    """The SHA-256 digest of a file, hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def flush_to_disk(path):
    """Has a file, or the names in a directory, on disk before it returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
