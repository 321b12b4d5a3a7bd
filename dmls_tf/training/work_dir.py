"""The directory of a training: whose it is, and what is in it.

model.keras                the epoch with the best validation mean IoU; only once all is done
settings.json              of this training; another one cannot go on here
checkpoints/best.keras     so far
checkpoints/step-*.npz     the whole state, see `dmls_tf.training.checkpoints`
log.csv, tensorboard/      scores of every epoch, scalars, a few pictures
stageI-NAME/               the same of each stage of a staged training
"""

import json
import pathlib
import shutil

from dmls_tf.errors import UserError
from dmls_tf.files import replacing, writing

MODEL_FILE, SETTINGS_FILE, LOG_FILE = "model.keras", "settings.json", "log.csv"
CHECKPOINTS, BEST_FILE, TENSORBOARD = "checkpoints", "best.keras", "tensorboard"
FREE_SETTINGS = {"training.checkpoint_steps"}  # may differ when a training goes on


def check(work_dir, settings):
    """Sees that a directory holds no training, or one with these settings.

    Args:
        work_dir: need not exist.
        settings: all that decides the result, nested dicts of JSON types.

    Raises:
        UserError: it holds a training with other settings; names the first that differs. Its
            settings cannot be read.
    """
    work_dir = pathlib.Path(work_dir)
    path = work_dir / SETTINGS_FILE
    if path.exists():
        try:
            before = _flat(json.loads(path.read_text()))
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: damaged; pass --overwrite to train anew") from error
        now = _flat(json.loads(json.dumps(settings)))
        for name in sorted((before.keys() | now.keys()) - FREE_SETTINGS):
            if before.get(name) != now.get(name):
                raise UserError(
                    f"{work_dir}: holds a training with {name} = {before.get(name)}, now "
                    f"{now.get(name)}; pass --overwrite or another --work_dir"
                )
    elif (work_dir / MODEL_FILE).exists():
        raise UserError(f"{work_dir / MODEL_FILE}: exists; pass --overwrite")


def claim(work_dir, settings):
    """Makes the directory one of a training with these settings.

    Raises:
        UserError: it cannot be written.
    """
    work_dir = pathlib.Path(work_dir)
    with writing(work_dir):
        work_dir.mkdir(parents=True, exist_ok=True)
        with replacing(work_dir / SETTINGS_FILE) as path:
            path.write_text(json.dumps(settings, indent=1) + "\n")


def publish(path, work_dir):
    """Makes the model at `path` the result of the training in `work_dir`."""
    with replacing(pathlib.Path(work_dir) / MODEL_FILE) as temporary:
        shutil.copyfile(path, temporary)


def clear(work_dir):
    """Removes what a training has written, and nothing else.

    Raises:
        UserError: it is a file.
    """
    work_dir = pathlib.Path(work_dir)
    if work_dir.exists() and not work_dir.is_dir():
        raise UserError(f"{work_dir}: is a file, --work_dir must be a directory")
    for directory in [work_dir, *work_dir.glob("stage*-*")]:
        for name in (MODEL_FILE, SETTINGS_FILE, LOG_FILE, "resolved.flags"):
            (directory / name).unlink(missing_ok=True)
        for name in (CHECKPOINTS, TENSORBOARD):
            shutil.rmtree(directory / name, ignore_errors=True)
        if directory != work_dir and not any(directory.iterdir()):
            directory.rmdir()


def _flat(tree, prefix=""):
    """{dotted name: value} of nested dicts."""
    if not isinstance(tree, dict):
        return {prefix: tree}
    flat = {}
    for name, value in tree.items():
        flat |= _flat(value, f"{prefix}.{name}" if prefix else name)
    return flat
