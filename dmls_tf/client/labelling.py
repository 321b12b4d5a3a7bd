"""Labels for any number of images: in groups, each of which is finished or not begun.

    OUTPUT_DIR/NAME_label.png       class ids
    OUTPUT_DIR/table/GROUP.parquet  a row per image of the group; its appearance ends the group
    OUTPUT_DIR/failed/GROUP.txt     images of the group that could not be read, and why
    OUTPUT_DIR/todo/GROUP.json      the images of a group, for its worker, while the job runs

A later run does what no table has, among it the images that failed. A group that was cut off is
done again, with the same results under the same names, so nothing is there twice.
"""

import contextlib
import functools
import hashlib
import io
import itertools
import json

import numpy as np

from dmls_tf.client.segmentation import SIGNATURE, read_classes
from dmls_tf.errors import DamagedFile
from dmls_tf.files import as_path, local_copy, make_parent, remove_tree, replacing
from dmls_tf.images.label_maps import read_label
from dmls_tf.images.photos import read_content

TABLE, FAILED, TODO = "table", "failed", "todo"


def write_groups(images, size, output_dir):
    """Writes the groups' lists of images.

    Args:
        images: {name of the results: path}.
        size: images per group.
        output_dir: a path.

    Returns:
        The groups' names, which depend on nothing but their images.
    """
    groups, rest = [], iter(images.items())
    remove_tree(output_dir / TODO)
    while part := list(itertools.islice(rest, size)):
        text = json.dumps([(name, str(path)) for name, path in part])
        groups.append(hashlib.sha256(text.encode()).hexdigest()[:16])
        _write_text(output_dir / TODO / f"{groups[-1]}.json", text)
    return groups


def finished_images(output_dir):
    """The names of the images in the tables of earlier runs, a set."""
    from pyarrow import parquet

    names = set()
    for path in as_path(output_dir / TABLE).glob("[!.]*.parquet"):
        with local_copy(path) as file:
            names.update(parquet.read_table(file, columns=["image"])["image"].to_pylist())
    return names


def failed_images(output_dir):
    """What is wrong with the images that could not be read, a line each."""
    paths = sorted((output_dir / FAILED).glob("[!.]*.txt"))
    return [line for path in paths for line in path.read_text("utf-8").split("\n")[:-1]]


def label_group(model, group, output_dir, batch_size):
    """Labels the images of a group with an exported model, which a process loads once.

    Args:
        model: the directory of a version.
        group, output_dir, batch_size: see `label_with`.
    """
    ask, classes = _connected(model)
    label_with(ask, classes, group, as_path(output_dir), batch_size)


@functools.lru_cache(maxsize=1)
def _connected(model):
    from dmls_tf.client.saved_model import connect

    ask = connect(model)
    return ask, read_classes(ask)[0]


def label_with(ask, classes, group, output_dir, batch_size):
    """Labels the images of a group and writes their files.

    Args:
        ask: a function to an exported model; see `dmls_tf.client.saved_model`.
        classes: names of its classes.
        group: its name.
        output_dir: a path.
        batch_size: images per request.

    Raises:
        UserError: a request that the model refuses.
        OSError: a file cannot be written.
    """
    todo = output_dir / TODO / f"{group}.json"
    results = output_dir / TABLE / f"{group}.parquet", output_dir / FAILED / f"{group}.txt"
    if not todo.exists() and any(path.exists() for path in results):
        return  # a runner repeats what it does not know to be finished
    images, rows, faults = iter(json.loads(todo.read_text())), [], []
    while batch := list(itertools.islice(images, batch_size)):
        found, missing = _label_batch(ask, dict(batch))
        faults += missing
        for name, (label, confidence) in found.items():
            with _writing(output_dir / f"{name}_label.png") as file:
                file.write_bytes(label)
            rows.append(_row(name, label, confidence, classes))
    if faults:
        _write_text(results[1], "".join(f"{line}\n" for line in faults))
    _write_table(results[0], rows)
    todo.unlink(missing_ok=True)


def _label_batch(ask, images):
    """{name: (label PNG, confidence PNG)} of {name: path}, and lines about bad files."""
    contents, found, faults = {}, {}, []
    for name, path in images.items():
        try:
            contents[name] = read_content(path)
        except DamagedFile as error:
            faults.append(str(error))
    if contents:
        response = ask(SIGNATURE, "image_bytes", list(contents.values()))
        keys = ("error", "mask_png_bytes", "confidence_png_bytes")
        for name, error, *files in zip(contents, *(response[key] for key in keys), strict=True):
            if error:
                faults.append(f"{images[name]}: {error.decode()}")
            else:
                found[name] = files
    return found, faults


def _row(name, label, confidence, classes):
    labels = read_label(io.BytesIO(label), name)
    shares = np.bincount(labels.ravel(), minlength=len(classes)) / labels.size
    row = {"image": name, "height": labels.shape[0], "width": labels.shape[1]}
    row["confidence"] = float(read_label(io.BytesIO(confidence), name).mean()) / 255
    return row | {f"share_{one}": share for one, share in zip(classes, shares, strict=True)}


def _write_table(path, rows):
    import pyarrow
    from pyarrow import parquet

    if rows:
        with _writing(path) as file:
            parquet.write_table(pyarrow.Table.from_pylist(rows), file)


def _write_text(path, text):
    with _writing(path) as file:
        file.write_text(text, "utf-8", "backslashreplace")


@contextlib.contextmanager
def _writing(path):
    make_parent(path)
    with replacing(path) as file:
        yield file
