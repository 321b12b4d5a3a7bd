"""Training under `tf.distribute` with Keras `fit` (TensorFlow)."""
