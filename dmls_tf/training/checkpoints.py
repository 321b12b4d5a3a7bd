"""The whole state of a training in one file, written completely or not at all.

A checkpoint is an `.npz` (a zip whose entries carry checksums) of all variables, of the sums of
the epoch so far, and of a few facts as JSON: the step, which is also the position in the input and
in the schedule, and the scores of the epochs. Seeds are settings, so nothing else is needed to go
on as if nothing had happened.
"""

import json
import re
import sys
import zipfile
import zlib

import numpy as np

from dmls_tf.errors import UserError
from dmls_tf.files import as_path, is_local, local_copy, replacing

KEPT = 2
DAMAGED = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)


class TrainingState:
    """Where a training stands.

    Args:
        parts: {name: object with `variables`}: model, optimiser and the like.

    Attributes:
        step: updates made.
        history: a dict of scores for each epoch that was validated.
        sums: what the steps of this epoch add up to.
    """

    def __init__(self, parts):
        self.variables = {
            f"{name}/{i:05d}": variable
            for name, part in parts.items()
            for i, variable in enumerate(part.variables)
        }
        self.step, self.history, self.sums = 0, [], {}

    def save(self, directory):
        """Writes `step-%08d.npz` and removes all but the newest few.

        Raises:
            OSError: it cannot be written; those that are there stay.
        """
        directory = as_path(directory)
        if is_local(directory):
            directory.mkdir(parents=True, exist_ok=True)
        arrays = {name: np.asarray(variable) for name, variable in self.variables.items()}
        arrays |= {f"sums/{name}": np.asarray(value) for name, value in self.sums.items()}
        facts = json.dumps({"step": self.step, "history": self.history})
        with replacing(directory / f"step-{self.step:08d}.npz") as path, open(path, "wb") as file:
            np.savez(file, facts=facts, **arrays)
        cut_off = directory.glob(".step-*")  # when an earlier process was killed
        for path in [*find_checkpoints(directory)[:-KEPT], *cut_off]:
            path.unlink()

    def restore(self, directory):
        """Takes the newest checkpoint that can be read; without any, nothing changes.

        Raises:
            UserError: checkpoints are there, but none can be read, or they are of another network.
        """
        paths = find_checkpoints(directory)
        for path in reversed(paths):
            arrays = _read(path)
            if arrays is not None:
                self._take(path, arrays)
                return
        if paths:
            raise UserError(f"{directory}: no checkpoint can be read; train anew with --overwrite")

    def _take(self, path, arrays):
        facts = json.loads(str(arrays.pop("facts")))
        sums = {name: arrays.pop(name) for name in list(arrays) if name.startswith("sums/")}
        shapes = {name: array.shape for name, array in arrays.items()}
        if shapes != {name: tuple(variable.shape) for name, variable in self.variables.items()}:
            raise UserError(f"{path}: a checkpoint of another network")
        for name, variable in self.variables.items():
            variable.assign(arrays[name])
        self.step, self.history = facts["step"], facts["history"]
        self.sums = {name.removeprefix("sums/"): value for name, value in sums.items()}


def find_checkpoints(directory):
    """The checkpoints in a directory, oldest first."""
    paths = as_path(directory).glob("step-*.npz")
    return sorted(path for path in paths if re.fullmatch(r"step-\d{8,}\.npz", path.name))


def epochs_done(directory):
    """The epochs that the newest checkpoint has behind it; None without a readable one."""
    for path in reversed(find_checkpoints(directory)):
        if arrays := _read(path):
            return len(json.loads(str(arrays["facts"]))["history"])
    return None


def _read(path):
    """The arrays of a checkpoint; None, and a line on stderr, where it is damaged."""
    with local_copy(path) as file:
        try:
            with open(file, "rb") as content, np.load(content) as arrays:
                return dict(arrays)
        except DAMAGED as error:
            print(f"{path}: damaged ({error}); using the one before", file=sys.stderr)
            return None
