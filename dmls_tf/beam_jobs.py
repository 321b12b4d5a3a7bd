"""Work on many machines, by Apache Beam (the extra `beam`)."""

import contextlib
import logging
import re
import shlex
import sys

from dmls_tf.errors import UserError

# Beam's workers write each of their steps to stderr, and nothing else tells of a failed one there.
WORKER = (
    f"exec {shlex.quote(sys.executable)} -m apache_beam.runners.worker.sdk_worker_main 2>/dev/null"
)
LOCAL = ("direct", "DirectRunner", "FnApiRunner")
WORKERS_ERROR = re.compile(
    r"^(?:dmls_tf\.[\w.]+|OSError|PermissionError): (.+?)(?: \[while running|$)", re.MULTILINE
)


def run(function, arguments, options, num_workers):
    """Calls a function with each of many tuples of arguments, in any order, perhaps repeatedly.

    Args:
        function: of a module that the workers can import; what it returns is dropped.
        arguments: a list of tuples, which can be pickled.
        options: of Beam, words like "--runner=FlinkRunner"; without a runner, or with
            "--runner=direct", processes of this machine do the work.
        num_workers: how many, then.

    Raises:
        UserError: Beam is not installed; what a worker says of a call that failed.
    """
    with _without_logs():
        try:
            _run(function, arguments, options, num_workers)
        except ImportError as error:
            raise UserError(f'needs pip install "dmls-tf[beam]" ({error})') from error
        except Exception as error:  # each runner has its own
            if found := WORKERS_ERROR.findall(str(error)):
                raise UserError(found[-1]) from error
            raise


def _run(function, arguments, options, num_workers):
    import apache_beam as beam
    from apache_beam.options import pipeline_options
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner
    from apache_beam.transforms.environments import SubprocessSDKEnvironment

    flags = pipeline_options.PipelineOptions(list(options))
    runner, named = None, flags.view_as(pipeline_options.StandardOptions).runner
    if named is None or named in LOCAL:
        environment = SubprocessSDKEnvironment.from_command_string(WORKER)
        runner = FnApiRunner(default_environment=environment)
        flags.view_as(pipeline_options.DirectOptions).direct_num_workers = num_workers
    with beam.Pipeline(runner=runner, options=flags) as pipeline:
        calls = pipeline | beam.Create(arguments) | beam.Reshuffle()
        _ = calls | function.__name__ >> beam.MapTuple(function)


@contextlib.contextmanager
def _without_logs():
    """Drops Beam's logs: of each cloud that is not installed, and of each step that it takes."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(level)
