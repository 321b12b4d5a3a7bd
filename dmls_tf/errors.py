"""The error that a user can mend: commands print it as one line, without a traceback."""


class UserError(ValueError):
    """What is wrong, in which file or argument, and what to do about it."""
