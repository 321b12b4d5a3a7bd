"""Files that appear whole or not at all, and one clear line where they cannot be written."""

import contextlib
import os
import pathlib
import tempfile

from dmls_tf.errors import UserError
from dmls_tf.files.paths import as_path, is_local


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
    path = as_path(path)
    if not is_local(path):
        with tempfile.TemporaryDirectory() as directory:
            temporary = pathlib.Path(directory, path.name)
            yield temporary
            path.upload(temporary)
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}{path.suffix}")
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

    A store has no directories; there this finds out whether an object can be written.

    Raises:
        UserError: it cannot be made.
    """
    path = as_path(path)
    with writing(path):
        if is_local(path):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.check_writable()


def make_parent(path):
    """Makes the directory that a file goes to; nothing in a store, which has none."""
    if is_local(path):
        make_directory(path.parent)


def flush_to_disk(path):
    """Has a file, or the names in a directory, on disk before it returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
