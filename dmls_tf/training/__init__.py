"""Training under `tf.distribute` (TensorFlow): a loop that survives kills and restarts."""
