"""Paths in object stores, `s3://bucket/name` and `gs://bucket/name`, that work like `pathlib`'s.

The clients are fsspec's s3fs and gcsfs, which the extras `[s3]` and `[gcs]` install.
"""

import errno
import fnmatch
import io
import pathlib
import re
import types

import fsspec


class StorePath(pathlib.PurePosixPath):
    """A path in a store, with the methods of `pathlib.Path` that the package uses.

    An object appears whole, under its name, when it is uploaded. Directories are the parts of names
    and need not be made. Listings are not cached, since other processes write there, too.

    Raises:
        OSError: by all methods; its text is the client's, and `filename` the URL.

    >>> StorePath("s3://bucket/runs") / "model.keras"
    StorePath('s3://bucket/runs/model.keras')
    """

    __slots__ = ()

    def __str__(self):
        return re.sub("^([a-z0-9]+:)/", r"\1//", super().__str__())

    def __repr__(self):
        return f"StorePath({str(self)!r})"

    @property
    def scheme(self):
        return self.parts[0].removesuffix(":")

    @property
    def key(self):
        """The bucket and the name of the object."""
        return "/".join(self.parts[1:])

    @property
    def has_folder(self):
        """Whether it is more than a bucket."""
        return len(self.parts) > 2

    def check(self):
        """Raises `ImportError` where the store's client is not installed."""
        fsspec.get_filesystem_class(self.scheme)

    def _call(self, method, *arguments, **options):
        try:
            client = fsspec.filesystem(self.scheme, use_listings_cache=False)
            return getattr(client, method)(*arguments, **options)
        except Exception as error:  # clients raise those of their HTTP libraries, too
            raise _named(error, str(self)) from error

    def exists(self):
        return self._kind() is not None

    def is_file(self):
        return self._kind() == "file"

    def is_dir(self):
        return self._kind() == "directory"

    def _kind(self):  # fsspec's isfile and isdir take any error for a no
        try:
            return self._call("info", self.key)["type"]
        except FileNotFoundError:
            return None

    def stat(self):
        """`st_size` and `st_mtime_ns`."""
        size = self._call("info", self.key)["size"]
        time = self._call("modified", self.key)
        return types.SimpleNamespace(st_size=size, st_mtime_ns=round(1e9 * time.timestamp()))

    def iterdir(self):
        names = self._call("ls", self.key, detail=False)
        return (self / name for name in map(_last_part, names) if name)

    def glob(self, pattern):
        """Paths below it; names hold no `**`. A path's own name is never taken for a pattern."""
        first, _, rest = pattern.partition("/")
        try:
            found = [path for path in self.iterdir() if fnmatch.fnmatchcase(path.name, first)]
        except FileNotFoundError:
            return
        for path in found:
            yield from path.glob(rest) if rest else (path,)

    def files(self):
        """The objects directly below it, {name: bytes}."""
        try:
            found = self._call("ls", self.key, detail=True)
        except FileNotFoundError:
            return {}
        named = {_last_part(one["name"]): one for one in found if one["type"] == "file"}
        return {name: one["size"] for name, one in named.items() if name}

    def all_files(self):
        """The paths of all objects below it."""
        names = self._call("find", self.key)
        return [StorePath(f"{self.scheme}://{name}") for name in names if not name.endswith("/")]

    def read_bytes(self):
        return self._call("cat_file", self.key)

    def read_text(self, encoding="utf-8", errors="strict"):
        return io.TextIOWrapper(io.BytesIO(self.read_bytes()), encoding, errors).read()

    def download(self, file):
        """Copies the object to a local file."""
        self._call("get_file", self.key, str(file))

    def upload(self, file):
        """Makes a local file's content the object's."""
        self._call("put_file", str(file), self.key)

    def check_writable(self):
        """Writes an empty object below it and removes it."""
        probe = self / ".probe"
        self._call("pipe_file", probe.key, b"")
        self._call("rm_file", probe.key)

    def replace(self, target):
        self._call("cp_file", self.key, target.key)
        self._call("rm_file", self.key)

    def unlink(self, missing_ok=False):
        try:
            self._call("rm_file", self.key)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def remove_tree(self):
        for path in self.all_files():
            path.unlink()

    def absolute(self):
        return self

    def resolve(self):
        return self


def _last_part(name):
    return name.rpartition("/")[2]


def _named(error, name):
    if isinstance(error, OSError) and (error.filename or error.errno == errno.ENOSPC):
        return error  # of this machine's disk
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(errno.ENOENT, "no such object or bucket", name)
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return OSError(getattr(error, "errno", None) or errno.EIO, " ".join(text.split()), name)
