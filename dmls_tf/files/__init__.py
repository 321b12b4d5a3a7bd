"""Files on a disk or in an object store: found, read, written whole or not at all.

Where a function takes a path, a text such as `s3://bucket/name` is a path in a store.
"""

from dmls_tf.files.output import flush_to_disk, make_directory, make_parent, replacing, writing
from dmls_tf.files.paths import (
    as_path,
    files_in,
    is_local,
    local_copy,
    local_path,
    local_tree,
    read_lines,
    remove_tree,
    sha256_of,
    sizes_in,
    upload_tree,
)

__all__ = [
    "as_path",
    "files_in",
    "flush_to_disk",
    "is_local",
    "local_copy",
    "local_path",
    "local_tree",
    "make_directory",
    "make_parent",
    "read_lines",
    "remove_tree",
    "replacing",
    "sha256_of",
    "sizes_in",
    "upload_tree",
    "writing",
]
