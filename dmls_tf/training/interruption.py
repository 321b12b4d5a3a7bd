"""SIGTERM and Ctrl-C as requests to stop, which the training follows between two steps."""

import signal
import threading

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Notes a signal while it is entered; a second one ends the process at once.

    Attributes:
        signal: the number that came, 0 while there is none.
    """

    def __init__(self):
        self.signal = 0

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._note) for number in SIGNALS}
        else:  # no signal arrives there
            self._previous = {}
        return self

    def __exit__(self, *_):
        self._restore()

    def _note(self, number, _):
        self.signal = number
        self._restore()

    def _restore(self):
        for number, handler in self._previous.items():
            signal.signal(number, handler)
