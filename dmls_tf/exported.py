"""How an exported model lies on disk: `BASE/<version>/`, as TF Serving wants it."""

import pathlib

CLASSES_FILE = "assets.extra/classes.json"  # names and colours of the classes, in a version


def versions(base):
    """{number: path} of the versions in a model's base path."""
    return {int(path.name): path for path in pathlib.Path(base).glob("*") if path.name.isdigit()}
