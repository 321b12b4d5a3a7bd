"""Deep Multiphase Level Set for scene parsing.

Importing this package imports neither Keras nor TensorFlow; take what you need from
`dmls_tf.ops`, `dmls_tf.layers`, `dmls_tf.models`, `dmls_tf.losses` and `dmls_tf.metrics`.
"""

__version__ = "0.2.0.dev0"

IGNORE_LABEL = 255  # in label maps: a pixel of no class, of which nothing is learned or scored
