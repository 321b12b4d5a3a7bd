"""Fixtures of the converters' tests."""

import pytest

from dmls_tf.records import workers


@pytest.fixture
def in_this_process(monkeypatch):
    """Worker processes are tested with the other converters."""

    def run(function, tasks, num_workers, total, title, done=0):
        return [function(*task) for task in tasks]

    monkeypatch.setattr(workers, "run", run)
