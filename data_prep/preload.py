"""What the process from which workers are forked imports, so that they need not."""

from dmls_tf import command_line

with command_line.quiet_stderr():
    import tensorflow as tf  # noqa: F401

from data_prep import scanning, shards  # noqa: E402, F401
from dmls_tf.data import records, scan  # noqa: E402, F401
