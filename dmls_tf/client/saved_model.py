"""An exported model in this process."""

import tensorflow as tf

from dmls_tf.errors import UserError
from dmls_tf.files import local_tree
from dmls_tf.serving.layout import version_of


def connect(directory):
    """A function `ask` for an exported model.

    Args:
        directory: `EXPORT_DIR/<version>`, or `EXPORT_DIR` for its highest version.

    Raises:
        UserError: not an exported model; by `ask`, a faulty request.
    """
    directory = version_of(directory)
    try:
        with local_tree(directory) as files:
            signatures = tf.saved_model.load(str(files)).signatures
    except (OSError, ValueError) as error:
        raise UserError(
            f"{directory}: neither a .keras file nor what scripts/export.py writes"
        ) from error

    def ask(signature, key, values):
        if signature not in signatures:
            raise UserError(f"{directory}: exported by another version of dmls, export it again")
        try:
            outputs = signatures[signature](**{key: tf.constant(values)})
        except tf.errors.InvalidArgumentError as error:
            raise UserError(f"{directory}: {error.message}") from error
        return {name: value.numpy() for name, value in outputs.items()}

    return ask
