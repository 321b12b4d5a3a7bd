"""Several images at a time: in threads, and on all GPUs of the machine."""

import collections
import concurrent.futures
import queue

import tensorflow as tf


def in_order(function, items, workers):
    """Yields `function(item)` for each item, in order, computed by so many threads.

    No more than one item a thread waits for its turn.
    """
    if workers == 1:
        yield from map(function, items)
        return
    pool = concurrent.futures.ThreadPoolExecutor(workers)
    waiting = collections.deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) == 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def on_all_devices(load, use, devices=None):
    """A function that works on each device at a time, with a copy of what it needs.

    Args:
        load: a function without arguments that makes networks.
        use: a function from what `load` made to a function, which gives the same results on
            every device.
        devices: names like "GPU:0"; None: all GPUs of this machine, or with fewer than two what
            TensorFlow picks.

    Returns:
        The function, which waits while no device is free, and what `load` made on each device.
    """
    gpus = [f"GPU:{number}" for number, _ in enumerate(tf.config.get_visible_devices("GPU"))]
    copies, free = [], queue.SimpleQueue()
    for device in devices or (gpus if len(gpus) > 1 else [None]):
        with tf.device(device):
            copies.append(load())
            free.put((device, use(copies[-1])))

    def call(*arguments):
        device, function = free.get()
        try:
            with tf.device(device):
                return function(*arguments)
        finally:
            free.put((device, function))

    return call, copies


def threads_for(copies):
    """How many threads keep the devices of these copies busy, while others read and count."""
    return 2 * len(copies) if len(copies) > 1 else 1
