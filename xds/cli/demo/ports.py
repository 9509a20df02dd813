"""Finds free ports on loopback, and reserves them for this process's children."""

import errno
import random
import socket
from contextlib import ExitStack

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


def free_port() -> int:
    """Return a port that is free now, chosen at random, so that concurrent callers hardly ever get the same one."""
    return next(port for port in iter(lambda: random.choice(QUIET_PORTS), None) if is_free(port))  # noqa: S311


class Ports:
    """Ports that are reserved for this process's children, until `close`.

    Envoy shares its port with other Envoys of the same user (SO_REUSEPORT). So two demos that chose the same free port
    at the same moment would share their requests without an error. A reservation prevents this.
    """

    def __init__(self) -> None:
        self._claims = ExitStack()

    def take(self, preferred: int) -> int:
        """Reserve and return the preferred port or, if it is in use, the next free one. Raises OSError without one."""
        for port in range(preferred, 65_536):
            if is_free(port) and self._claim(port):
                return port
        raise OSError(errno.EADDRINUSE, f"no port from {preferred} upwards is free")

    def _claim(self, port: int) -> bool:
        """Reserve a port by a name in Linux's abstract socket namespace. Return whether it was not reserved yet.

        Only one process can bind the name, and the kernel frees it when the process ends.
        """
        if not hasattr(socket, "SO_PASSCRED"):  # not Linux, so there is no such namespace
            return True
        with ExitStack() as stack:
            claim = stack.enter_context(socket.socket(socket.AF_UNIX))
            try:
                claim.bind(f"\0xds-demo-port-{port}")
            except OSError:
                return False
            self._claims.enter_context(stack.pop_all())
        return True

    def close(self) -> None:
        """End all reservations."""
        self._claims.close()
