"""The directory of a training: whose it is, and what is in it.

model.keras                the epoch with the best validation mean IoU; only once all is done
settings.json              of this training; only its number of epochs may change
checkpoints/best.keras     so far
checkpoints/step-*.npz     the whole state, see `dmls_tf.training.checkpoints`
log.csv, tensorboard/      scores of every epoch, scalars, a few pictures
stageI-NAME/               the same of each stage of a staged training
"""

import json

from dmls_tf.errors import UserError
from dmls_tf.files import (
    as_path,
    is_local,
    make_directory,
    remove_tree,
    replacing,
    sha256_of,
    writing,
)
from dmls_tf.training.checkpoints import epochs_done

MODEL_FILE, SETTINGS_FILE, LOG_FILE = "model.keras", "settings.json", "log.csv"
CHECKPOINTS, BEST_FILE, TENSORBOARD = "checkpoints", "best.keras", "tensorboard"
STAGES = "stage*-*"  # their directories
EPOCHS = "training.epochs"  # may grow
FREE_SETTINGS = {"training.checkpoint_steps"}  # may differ when a training goes on


def check(work_dir, settings):
    """Sees whether a directory holds no training, one with these settings, or a shorter one.

    Args:
        work_dir: need not exist.
        settings: all that decides the result, nested dicts of JSON types.

    Returns:
        The number of epochs for which the training in it was meant, if that is the only difference;
        otherwise None.

    Raises:
        UserError: it holds a training with other settings; names the first that differs, and how to
            start from its weights. It has had more epochs already. Its settings cannot be read. It
            holds a training in stages, or a model without settings.
    """
    work_dir = as_path(work_dir)
    path = work_dir / SETTINGS_FILE
    if not path.exists():
        if (work_dir / MODEL_FILE).exists() or any(work_dir.glob(f"{STAGES}/{SETTINGS_FILE}")):
            raise UserError(
                f"{work_dir}: holds a training in stages, or a model from elsewhere; "
                f"{ways_on(work_dir)}"
            )
        return None
    try:
        before = _flat(json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: damaged; pass --overwrite to train anew") from error
    now = _flat(json.loads(json.dumps(settings)))
    names = sorted((before.keys() | now.keys()) - FREE_SETTINGS)
    changed = [name for name in names if before.get(name) != now.get(name)]
    if not changed:
        return None
    if changed == [EPOCHS]:
        return _check_epochs(work_dir, before[EPOCHS], now[EPOCHS])
    name = next(name for name in changed if name != EPOCHS)
    raise UserError(
        f"{work_dir}: holds a training with {name} = {before.get(name)}, now {now.get(name)}; "
        f"{ways_on(work_dir)}"
    )


def _check_epochs(work_dir, before, now):
    done = epochs_done(work_dir / CHECKPOINTS)
    if done is None:
        raise UserError(
            f"{work_dir}: holds a training of {before} epochs, now {now}, and no checkpoint to "
            f"resume from; {ways_on(work_dir)}"
        )
    if now < done:
        raise UserError(
            f"{work_dir}: has had {done} epochs already, now {now}; {ways_on(work_dir)}"
        )
    return before


def ways_on(work_dir):
    """What a user can do who wants another training than that in the directory."""
    models = (work_dir / MODEL_FILE, work_dir / CHECKPOINTS / BEST_FILE)
    start = next((f"--initial_model={path} and " for path in models if path.exists()), "")
    purpose = "to start from its weights, " if start else ""
    return f"{purpose}pass {start}another --work_dir; --overwrite deletes this training"


def reopen(work_dir):
    """Makes a finished training one that goes on: its model becomes the best so far."""
    if (work_dir / MODEL_FILE).exists():
        (work_dir / MODEL_FILE).replace(work_dir / CHECKPOINTS / BEST_FILE)


def claim(work_dir, settings):
    """Makes the directory one of a training with these settings.

    Raises:
        UserError: it cannot be written.
    """
    work_dir = as_path(work_dir)
    make_directory(work_dir)
    with writing(work_dir), replacing(work_dir / SETTINGS_FILE) as path:
        path.write_text(json.dumps(settings, indent=1) + "\n")


def publish(path, work_dir):
    """Makes the model at `path` the result of the training in `work_dir`, if it is not."""
    target = as_path(work_dir) / MODEL_FILE
    if target.exists() and sha256_of(path) == sha256_of(target):
        return
    with replacing(target) as temporary:
        temporary.write_bytes(path.read_bytes())


def clear(work_dir):
    """Removes what a training has written, and nothing else.

    Raises:
        UserError: it is a file.
    """
    work_dir = as_path(work_dir)
    if work_dir.exists() and not work_dir.is_dir():
        raise UserError(f"{work_dir}: is a file, --work_dir must be a directory")
    for directory in [work_dir, *work_dir.glob(STAGES)]:
        for name in (MODEL_FILE, SETTINGS_FILE, LOG_FILE, "resolved.flags"):
            (directory / name).unlink(missing_ok=True)
        for name in (CHECKPOINTS, TENSORBOARD):
            remove_tree(directory / name)
        if directory != work_dir and is_local(directory) and not any(directory.iterdir()):
            directory.rmdir()


def _flat(tree, prefix=""):
    """{dotted name: value} of nested dicts."""
    if not isinstance(tree, dict):
        return {prefix: tree}
    flat = {}
    for name, value in tree.items():
        flat |= _flat(value, f"{prefix}.{name}" if prefix else name)
    return flat
