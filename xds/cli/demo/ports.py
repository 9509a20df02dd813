"""Finds free ports on loopback, and reserves them for this process's children."""

import atexit
import errno
import random
import socket
from collections import deque
from contextlib import ExitStack
from functools import cache

LOOPBACK = "127.0.0.1"

QUIET_PORTS = range(20_000, 32_000)
"""Ports below the kernel's ephemeral ports, so that no outgoing connection uses one while its server is down."""


def is_free(port: int) -> bool:
    """Whether a server could listen on the port. Raises PermissionError if this user may not use it."""
    with socket.socket() as probe:
        # Connections in TIME_WAIT, which a server leaves when it ends, do not prevent a new server.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
        return True


KEPT = 200
"""How many of its last free ports a process claims: more than wait for their server at any moment."""


def free_port() -> int:
    """Return a port that is free, chosen at random. No other caller on this machine gets it until a server has it.

    A server takes seconds to start. Without a claim, one of a thousand ports is chosen a second time meanwhile, and
    its client talks to the wrong server.
    """
    while True:
        port = random.choice(QUIET_PORTS)  # noqa: S311
        if is_free(port) and (claim := _claim("free", port)):
            claims = _keep_claims()
            claims.append(claim)
            if len(claims) > KEPT:
                claims.popleft().close()
            return port


@cache
def _keep_claims() -> deque[ExitStack]:
    """Return this process's claims of free ports, the oldest first; always the same object."""
    claims: deque[ExitStack] = deque()

    def close() -> None:
        while claims:
            claims.popleft().close()

    atexit.register(close)
    return claims


def _claim(purpose: str, port: int) -> ExitStack | None:
    """Claim a port by a name in Linux's abstract socket namespace. Return what holds the claim; None without it.

    Only one socket can have the name. The kernel frees it when the socket is closed or its process ends.
    """
    with ExitStack() as stack:
        if hasattr(socket, "SO_PASSCRED"):  # else this is not Linux, and there is no such namespace
            claim = stack.enter_context(socket.socket(socket.AF_UNIX))
            try:
                claim.bind(f"\0xds-{purpose}-port-{port}")
            except OSError:
                return None
        return stack.pop_all()


class Ports:
    """Ports that are reserved for this process's children, until `close`.

    Envoy shares its port with other Envoys of the same user (SO_REUSEPORT). So two demos that chose the same free port
    at the same moment would share their requests without an error. A reservation prevents this.
    """

    def __init__(self) -> None:
        self._claims = ExitStack()

    def reserve(self, preferred: int) -> int:
        """Reserve and return the preferred port or, if it is in use, the next free one. Raises OSError without one."""
        for port in range(preferred, 65_536):
            if is_free(port) and (claim := _claim("demo", port)):
                self._claims.enter_context(claim)
                return port
        raise OSError(errno.EADDRINUSE, f"no port from {preferred} upwards is free")

    def close(self) -> None:
        """End all reservations."""
        self._claims.close()
