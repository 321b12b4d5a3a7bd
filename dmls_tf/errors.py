"""What ends a command in one line, without a traceback."""


class UserError(ValueError):
    """What is wrong, in which file or argument, and what to do about it."""


class DamagedFile(UserError):  # noqa: N818
    """A file of the user's that cannot be read; others may be."""


class Stopped(Exception):  # noqa: N818
    """A signal asked the command to end, and everything was saved; says how to go on.

    Attributes:
        signal: its number.
    """

    def __init__(self, message, signal):
        super().__init__(message)
        self.signal = signal
