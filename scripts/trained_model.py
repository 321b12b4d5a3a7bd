"""What the commands that load one trained model share: how it is changed, and the model."""

from dmls_tf import command_line
from dmls_tf.config import ModelConfig
from dmls_tf.settings import given, overrides_of

Overrides = overrides_of(ModelConfig, "recurrent_steps")


def load(path):
    """The `DMLS` of a file, with the changes of the flags."""
    from dmls_tf.models import load_dmls

    return load_dmls(path, **given(command_line.make(Overrides)))
