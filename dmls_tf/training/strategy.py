"""Where the replicas live."""

import tensorflow as tf


def make_strategy():
    """`MirroredStrategy` over all GPUs where there are several, else the default device.

    GPU memory is claimed as needed. Call it before anything else touches a device.
    """
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    return tf.distribute.MirroredStrategy() if len(gpus) > 1 else tf.distribute.get_strategy()
