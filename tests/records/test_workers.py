import multiprocessing
import signal

import pytest

from dmls_tf.records import workers


@pytest.fixture
def ctrl_c():
    """What Ctrl-C does, also where a shell ignores it for processes in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_while_the_server_starts_is_not_lost(ctrl_c, monkeypatch):
    monkeypatch.setattr(multiprocessing.forkserver, "ensure_running", ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        workers._start_server(multiprocessing.get_context("forkserver"))
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
