"""Processes that work through a list of tasks, with a progress bar that counts images.

A worker that runs `report_progress` after each image moves the bar, and ends early once a task
failed or the user interrupted. Workers never outlive the process that started them, even if it is
killed. They are forked from one process that has imported TensorFlow, so that it is imported once
and not once a worker, and in no process whose threads could be in the way.
"""

import concurrent.futures
import multiprocessing
import multiprocessing.connection
import multiprocessing.forkserver
import multiprocessing.resource_tracker
import os
import signal
import threading

from tqdm import tqdm

from dmls_tf import command_line
from dmls_tf.errors import UserError

_progress, _stop = None, None  # of this worker process; see _start


class StoppedError(Exception):
    """Ends a task whose result is not wanted any more."""


def run(function, tasks, num_workers, total, title, done=0):
    """Calls `function(*task)` for each task, in worker processes.

    Args:
        function: of a module, not a closure.
        tasks: tuples of arguments that can be pickled.
        num_workers: processes, at least 1.
        total: images of all tasks, for the bar.
        title: of the bar.
        done: images that earlier runs have finished.

    Returns:
        The results, in the order of the tasks.

    Raises:
        UserError: that a task raised, or a worker that died; the other tasks are given up.
    """
    if not tasks:
        return []
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["dmls_tf.records.preload"])
    _start_server(context)
    progress, stop = context.Value("Q", 0), context.Event()
    pool = concurrent.futures.ProcessPoolExecutor(
        min(num_workers, len(tasks)), context, _start, (progress, stop, dict(os.environ))
    )
    bar = tqdm(total=total, initial=done, desc=title, unit="image", dynamic_ncols=True)
    with pool, bar:
        futures = [pool.submit(function, *task) for task in tasks]
        pending = set(futures)
        try:
            while pending:
                ended, pending = concurrent.futures.wait(
                    pending, timeout=0.2, return_when=concurrent.futures.FIRST_COMPLETED
                )
                bar.update(done + progress.value - bar.n)
                for future in ended:
                    future.result()
        except concurrent.futures.process.BrokenProcessPool as error:
            raise UserError(
                "a worker process died, perhaps out of memory; rerun the same command to resume, "
                "with fewer --num_workers if need be"
            ) from error
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
    return [future.result() for future in futures]


def _start_server(context):
    """Starts what forks the workers, and waits until it does.

    It ignores SIGINT from its first moment, as the workers do: this process stops them. A SIGINT
    that comes meanwhile is kept for this process. A worker forked after this process has ended
    would print a traceback, so the first one does nothing.
    """
    multiprocessing.resource_tracker.ensure_running()  # now, for its start unblocks SIGINT
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        multiprocessing.forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    first = context.Process(target=os.getpid)
    first.start()
    first.join()


def report_progress():
    """One image is done.

    Raises:
        StoppedError: the task's result is not wanted any more.
    """
    if _progress is None:
        return
    with _progress.get_lock():
        _progress.value += 1
    if _stop.is_set():
        raise StoppedError


def _start(progress, stop, environment):
    """Prepares a worker process: no GPU, one thread an operation."""
    global _progress, _stop
    _progress, _stop = progress, stop
    os.environ.update(environment)  # not that of when the server was started
    threading.Thread(target=_die_with_parent, daemon=True).start()
    with command_line.quiet_stderr():
        import tensorflow as tf

        tf.config.set_visible_devices([], "GPU")
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def _die_with_parent():
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)
