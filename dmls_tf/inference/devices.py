"""One copy of a network on each GPU, so that images are segmented on all of them at a time."""

import queue

import tensorflow as tf


def on_each_device(load, devices=None):
    """A copy of what is loaded, on each device.

    Args:
        load: a function without arguments that makes networks.
        devices: names like "GPU:0"; None: all GPUs of the machine.

    Returns:
        {device: `load()`}; with fewer than two GPUs, {None: `load()`}: where TensorFlow puts it.
    """
    gpus = [device.name for device in tf.config.list_logical_devices("GPU")]
    copies = {}
    for device in devices or (gpus if len(gpus) > 1 else [None]):
        with tf.device(device):
            copies[device] = load()
    return copies


def on_a_free_device(functions):
    """A function that calls one of several on its device, and waits while none is free.

    Args:
        functions: {device: function}, which give the same results.
    """
    free = queue.SimpleQueue()
    for pair in functions.items():
        free.put(pair)

    def call(*arguments):
        device, function = free.get()
        try:
            with tf.device(device):
                return function(*arguments)
        finally:
            free.put((device, function))

    return call
