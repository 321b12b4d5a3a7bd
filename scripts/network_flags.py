"""The flags of the commands that load one trained network, and the network."""

from absl import flags

FLAGS = flags.FLAGS
flags.disclaim_key_flags()  # so that --help of a command lists them


def define():
    """Defines how a trained network is changed; --model is the command's own."""
    flags.DEFINE_integer("recurrent_steps", None, "K; that of the training by default.", 1)


def load_model():
    """The `DMLS` of --model, with the changes."""
    from dmls_tf.models import load_dmls

    changes = {"num_steps": FLAGS.recurrent_steps} if FLAGS.recurrent_steps else {}
    return load_dmls(FLAGS.model, **changes)
