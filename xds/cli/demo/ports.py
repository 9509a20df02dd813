"""Ports of loopback that nobody listens on. What is done with a port is not said here."""

import errno
import random
import socket
from contextlib import ExitStack

LOOPBACK = "127.0.0.1"

QUIET_PORTS = range(20_000, 32_000)
"""Below the kernel's ephemeral ports: no outgoing connection takes one of these while its server is down."""


def is_free(port: int) -> bool:
    """Tell whether a server could listen on the port; PermissionError when this user may not ask for it."""
    with socket.socket() as probe:
        # A server that ended a moment ago leaves connections in TIME_WAIT, which are in nobody's way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
        return True


def free_port() -> int:
    """Draw a port that is free now, at random, so that two who ask at the same time hardly ever get the same one."""
    return next(port for port in iter(lambda: random.choice(QUIET_PORTS), None) if is_free(port))  # noqa: S311


class Ports:
    """Ports taken for this process's children, until it is closed.

    Envoy shares its port with any other Envoy of the same user (SO_REUSEPORT), so two demos that looked for a free
    port in the same moment would share their requests, and neither would be told. A claim keeps them apart.
    """

    def __init__(self) -> None:
        self._claims = ExitStack()

    def take(self, preferred: int) -> int:
        """Take the preferred port or, when it is in use, the next one above that is free."""
        for port in range(preferred, 65_536):
            if is_free(port) and self._claim(port):
                return port
        raise OSError(errno.EADDRINUSE, f"no port from {preferred} upwards is free")

    def _claim(self, port: int) -> bool:
        """Hold a name in Linux's abstract namespace: one process alone can, and it is gone with the process."""
        if not hasattr(socket, "SO_PASSCRED"):  # not Linux: no such namespace
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
        """Give the ports back."""
        self._claims.close()
