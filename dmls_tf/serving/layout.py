"""How an exported model lies on disk: `BASE/<version>/`, as TF Serving wants it."""

import json
import pathlib

from dmls_tf.errors import UserError

CARD_FILE = "assets.extra/model_card.json"
WARM_UP_FILE = "assets.extra/tf_serving_warmup_requests"  # the name is TF Serving's


def versions(base):
    """{number: path} of the versions in a model's base path."""
    return {int(path.name): path for path in pathlib.Path(base).glob("*") if path.name.isdigit()}


def version_of(directory):
    """The highest version in a model's base path, or the directory itself."""
    found = versions(directory)
    return found[max(found)] if found else pathlib.Path(directory)


def read_card(directory):
    """The model card of an exported model: `classes`, `palette` and more.

    Args:
        directory: of a version, or a model's base path.

    Raises:
        UserError: there is none.
    """
    path = version_of(directory) / CARD_FILE
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not readable; is this an exported model?") from error
