"""The flags of the commands that export a network, and what they say."""

import network_flags
from absl import flags

from dmls_tf.config import MIN_SIDE
from dmls_tf.errors import UserError

FLAGS = flags.FLAGS
flags.disclaim_key_flags()  # so that --help of a command lists them


def define():
    """Defines which network is exported, and for which size of images."""
    flags.DEFINE_string("model", None, "A trained model.keras.", required=True)
    flags.DEFINE_integer(
        "height", None, "Working height; the training height by default.", MIN_SIDE
    )
    flags.DEFINE_integer("width", None, "Working width; the training width by default.", MIN_SIDE)
    network_flags.define()


def working_size(model):
    """(height, width) of the flags, or of the training.

    Raises:
        UserError: there is none, or half of one.
    """
    if (FLAGS.height is None) != (FLAGS.width is None):
        raise UserError("--height and --width go together")
    size = (FLAGS.height, FLAGS.width) if FLAGS.height else model.metadata.get("image_size")
    if not size:
        raise UserError("this model was trained at no fixed size; pass --height and --width")
    return tuple(size)
