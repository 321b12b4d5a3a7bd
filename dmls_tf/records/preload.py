"""What the process from which workers are forked imports, so that they need not."""

from dmls_tf import command_line

with command_line.quiet_stderr():
    import tensorflow as tf  # noqa: F401

from dmls_tf.records import scan, schema, shards, verification  # noqa: E402, F401
