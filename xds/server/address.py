"""The addresses that the server listens at: how they are parsed and checked.

gRPC reports a port that it cannot open in many lines of log. The checks here find the reason first, for one line.
"""

import errno
import ipaddress
import socket
from dataclasses import dataclass

from xds.wording import join_host_and_port, split_host_and_port


class ListenError(Exception):
    """The server cannot listen at the given address. The message is for the operator."""


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """An IP address and a port; port 0 means any free port."""

    host: str
    port: int

    def __str__(self) -> str:
        return join_host_and_port(self.host, self.port)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return ipaddress.ip_address(self.host).is_loopback


def parse_listen_address(text: str) -> ListenAddress:
    """Parse `127.0.0.1:18000`, `[::1]:18000` or `localhost:18000`.

    Raises ValueError with a message for the operator.
    """
    parts = split_host_and_port(text)
    if parts is None and text.count(":") > 1 and "[" not in text:
        raise ValueError(f"{text!r}: write an IPv6 address in brackets, as in [::1]:18000")
    if parts is None:
        raise ValueError(f"{text!r} is not an address and a port, as in 127.0.0.1:18000 or [::1]:18000")
    host, port = parts
    try:
        return ListenAddress(str(ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)), port)
    except ValueError:
        raise ValueError(f"{text!r}: {host!r} is not an IP address: use one of this machine's") from None


def check_free(address: ListenAddress) -> None:
    """Check that the address can be listened at now. Raises ListenError with the reason."""
    with socket.socket(_family(address), socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError as error:
            reasons = {
                errno.EADDRINUSE: "the port is in use: stop the program that has it, or choose another port",
                errno.EADDRNOTAVAIL: "the address is not one of this machine's",
                errno.EACCES: "not permitted: ports below 1024 need privileges",
            }
            reason = reasons.get(error.errno or 0, error.strerror)
            raise ListenError(f"cannot listen at {address}: {reason}") from None


def reserve_port(address: ListenAddress) -> socket.socket:
    """Return a socket that is bound to the address but does not listen.

    It keeps the port for the worker processes, which listen there with SO_REUSEPORT. Raises ListenError.
    """
    held = socket.socket(_family(address), socket.SOCK_STREAM)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Connections of a server that has just ended, without workers, may be in TIME_WAIT. Only the bind disregards
        # them: from then on, a server without workers is refused the port.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((address.host, address.port))
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    except OSError as error:
        held.close()
        raise ListenError(f"cannot listen at {address}: {error.strerror or error}") from None
    return held


def _family(address: ListenAddress) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address.host else socket.AF_INET
