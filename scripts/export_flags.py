"""The flags of the commands that export a network, and what they say."""

from absl import flags

from dmls_tf.errors import UserError

FLAGS = flags.FLAGS
flags.disclaim_key_flags()  # so that --help of a command lists them


def define():
    """Defines which network is exported, and for which size of images."""
    flags.DEFINE_string("model", None, "A trained model.keras.", required=True)
    flags.DEFINE_integer("height", None, "Working height; the training height by default.", 1)
    flags.DEFINE_integer("width", None, "Working width; the training width by default.", 1)
    flags.DEFINE_integer("recurrent_steps", None, "K; that of the training by default.", 1)


def load_model():
    """The `DMLS` of the flags."""
    from dmls_tf.models import load_dmls

    changes = {"num_steps": FLAGS.recurrent_steps} if FLAGS.recurrent_steps else {}
    return load_dmls(FLAGS.model, **changes)


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
