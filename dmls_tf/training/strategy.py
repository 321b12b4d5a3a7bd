"""Where the replicas live, and which worker this is."""

import contextlib
import pickle

import numpy as np
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
    """The addresses of each job of TF_CONFIG, {} without one."""
    try:
        resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
        jobs, task = resolver.cluster_spec().as_dict(), (resolver.task_type, resolver.task_id)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"TF_CONFIG cannot be read: {error}") from error
    if jobs and task not in _tasks(jobs):
        raise UserError(
            f"TF_CONFIG: its task {task} is none of the cluster's {_tasks(jobs)}; unset TF_CONFIG "
            "to work without the other machines"
        )
    return jobs


def _tasks(jobs):
    """(job, index) of the workers of a cluster, the first of which writes the files."""
    return [(job, index) for job in ("chief", "worker") for index in range(len(jobs.get(job, [])))]


def is_chief(strategy):
    """Whether this process writes the files: the first worker, or the only one."""
    return worker_of(strategy)[0] == 0


def worker_of(strategy):
    """(index, count) of this process among the workers."""
    resolver = strategy.cluster_resolver
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy) or not resolver:
        return 0, 1
    tasks = _tasks(resolver.cluster_spec().as_dict())
    return tasks.index((resolver.task_type, resolver.task_id)), len(tasks)


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


def gather(strategy, value):
    """What each worker has: a list in the order of the workers, the same on all of them.

    Args:
        strategy: see `make_strategy`.
        value: this worker's, anything that can be pickled.

    Raises:
        LOST_WORKER: one of these errors, where a worker has ended before.
    """
    index, count = worker_of(strategy)
    if count == 1:
        return [value]
    found = dict(map(pickle.loads, _gather_bytes(strategy, pickle.dumps((index, value)))))
    barrier(strategy)
    return [found[index] for index in range(count)]


def _gather_bytes(strategy, content):
    """The bytes that each replica of each worker has: those of one worker are the same."""
    numbers = tf.constant(np.frombuffer(content, np.uint8).astype(np.int32))  # no uint8 in gather
    sizes = strategy.gather(strategy.run(lambda: tf.shape(numbers)), axis=0)
    # The identity, since a tensor that all replicas share is gathered once for all of them.
    contents = strategy.gather(strategy.run(lambda: tf.identity(numbers)), axis=0)
    return [piece.numpy().tobytes() for piece in tf.split(tf.cast(contents, tf.uint8), sizes)]


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


@contextlib.contextmanager
def lost_worker_told(strategy, continuation=lambda: "starts again"):
    """Turns the loss of a worker into one clear line.

    Args:
        strategy: see `make_strategy`.
        continuation: a function that says what the same command does then.

    Raises:
        UserError: another worker has ended before.
    """
    try:
        yield
    except LOST_WORKER as error:
        if worker_of(strategy)[1] == 1:
            raise
        raise UserError(
            f"a worker stopped answering; the same command on all workers {continuation()}"
        ) from error


def _meet(strategy):
    ones = strategy.run(lambda: tf.constant(1))
    strategy.reduce(tf.distribute.ReduceOp.SUM, ones, axis=None)
