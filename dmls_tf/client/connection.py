"""What the clients of REST and gRPC share: the server's address, timeouts, retries, errors."""

import dataclasses
import random
import time

from dmls_tf.errors import DamagedFile, UserError

FIRST_PAUSE = 0.2  # seconds; each further one is twice as long
AVAILABLE = "AVAILABLE"


@dataclasses.dataclass(frozen=True)
class Server:
    """A model behind TF Serving.

    Attributes:
        address: "host:port"; for REST also a URL.
        model: its name there.
        version: of the model; if left out, the one that the server prefers.
        timeout: seconds for a response, all attempts included.
        retries: further attempts if the server is busy, restarting or away.
        max_message: bytes that a request or a response may have.

    >>> print(Server("localhost:8501"))
    localhost:8501, model dmls
    """

    address: str
    model: str = "dmls"
    version: int | None = None
    timeout: float = 60.0
    retries: int = 4
    max_message: int = 512 * 2**20

    def __str__(self):
        return f"{self.address}, model {self.model}"


class Unavailable(UserError):  # noqa: N818
    """The server does not respond now; it may soon."""


def with_retries(attempt, server):
    """Calls `attempt(seconds left)` until it returns, with pauses that grow and vary.

    Raises:
        Unavailable: every attempt raised it, or the time is over.
    """
    deadline = time.monotonic() + server.timeout
    pause = FIRST_PAUSE
    for retries_left in reversed(range(server.retries + 1)):
        try:
            return attempt(deadline - time.monotonic())
        except Unavailable:
            wait = pause * random.uniform(0.5, 1.0)  # so that many clients do not retry at once
            if not retries_left or time.monotonic() + wait >= deadline:
                raise
            time.sleep(wait)
            pause *= 2


def check_size(server, size):
    """Checks the size of a request in bytes.

    Raises:
        DamagedFile: it is too large.
    """
    if size > server.max_message:
        raise DamagedFile(f"a request of {size} bytes, at most {server.max_message} are sent")


def timed_out(server):
    """The error for a response that took too long."""
    return UserError(f"{server}: no response in {server.timeout:g} seconds; --timeout allows more")


def refused(server, reason):
    """The error for a request that the server refuses, with its reason."""
    if "ignature" in reason and "not found" in reason:
        return UserError(
            f"{server}: exported by another version of dmls, export it again ({reason})"
        )
    return UserError(f"{server}: {reason}")


def not_found(server, states):
    """The error if the server does not find the model.

    Args:
        server: the `Server`.
        states: {version: state} of the model there, asked for later; empty if it has none.
    """
    if not states:
        return UserError(f"{server.address}: serves no model {server.model}; see --model_name")
    served = [version for version, state in states.items() if state == AVAILABLE]
    if served and server.version not in (None, *served):
        return UserError(f"{server}: has no version {server.version}; served: {_listed(served)}")
    return Unavailable(f"{server}: not ready, {_listed(f'{v} {s}' for v, s in states.items())}")


def _listed(items):
    return ", ".join(map(str, items))
