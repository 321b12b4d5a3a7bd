"""Where the replicas live, and which worker this is."""

import contextlib

import tensorflow as tf

from dmls_tf.errors import UserError
from dmls_tf.input_pipeline.batches import Share

LOST_WORKER = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.InternalError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


def make_strategy(name="auto"):
    """The `tf.distribute` strategy of a name; call it before anything else touches a device.

    GPU memory is claimed as needed.

    Args:
        name: "one_device"; "mirrored", over all GPUs; "multi_worker", over the processes that
            TF_CONFIG names and their GPUs; "auto": the last where TF_CONFIG is set, "mirrored"
            where there are several GPUs, else "one_device".

    Raises:
        UserError: "multi_worker" without a TF_CONFIG that names this process.
    """
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    cluster = _cluster()
    if name == "auto":
        name = "multi_worker" if cluster else "mirrored" if len(gpus) > 1 else "one_device"
    if name == "mirrored":
        return tf.distribute.MirroredStrategy()
    if name == "multi_worker":
        if not cluster:
            raise UserError(
                'multi_worker needs TF_CONFIG, like {"cluster": {"worker": ["host1:2222", '
                '"host2:2222"]}, "task": {"type": "worker", "index": 0}}'
            )
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.get_strategy()


def _cluster():
    """The jobs of TF_CONFIG."""
    try:
        return tf.distribute.cluster_resolver.TFConfigClusterResolver().cluster_spec().jobs
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"TF_CONFIG cannot be read: {error}") from error


def is_chief(strategy):
    """Whether this process writes the files: the first worker, or the only one."""
    return worker_of(strategy)[0] == 0


def worker_of(strategy):
    """(index, count) of this process among the workers."""
    resolver = strategy.cluster_resolver
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy) or not resolver:
        return 0, 1
    workers = resolver.cluster_spec().as_dict()
    names = [(job, i) for job in ("chief", "worker") for i in range(len(workers.get(job, [])))]
    return names.index((resolver.task_type, resolver.task_id)), len(names)


def share_of(strategy):
    """This worker's `Share` of every global batch: one part a replica."""
    index, count = worker_of(strategy)
    return Share(index, count, strategy.num_replicas_in_sync // count)


def distribute(strategy, make_batches):
    """An iterator of batches, one a local replica at a time, from `make_batches(share)`."""
    share = share_of(strategy)
    if share.count == share.replicas == 1:
        return iter(make_batches(share))
    return iter(strategy.distribute_datasets_from_function(lambda _: make_batches(share)))


def barrier(strategy):
    """Waits until every worker is here, and knows that all are.

    A worker that ends right after a collective operation may close its connections before the
    others have its last message. A second wait, whose outcome does not matter, prevents that.

    Raises:
        LOST_WORKER: one of these errors, where a worker has ended before.
    """
    _meet(strategy)
    with contextlib.suppress(*LOST_WORKER):
        _meet(strategy)


def _meet(strategy):
    ones = strategy.run(lambda: tf.constant(1))
    strategy.reduce(tf.distribute.ReduceOp.SUM, ones, axis=None)
