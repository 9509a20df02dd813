"""Addresses that the server listens on: parsed, checked, and an HTTP application at one of them."""

import errno
import ipaddress
import socket
from dataclasses import dataclass

from aiohttp import web


class ListenError(Exception):
    """The server cannot listen where it was told; the message is for the operator."""


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """An IP address and a port; port 0 is any that is free."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Tell whether only this machine can connect."""
        return ipaddress.ip_address(self.host).is_loopback


def parse_listen_address(text: str) -> ListenAddress:
    """Read `127.0.0.1:18000`, `[::1]:18000` or `localhost:18000`; raise ValueError that says what is wrong."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or not 0 <= int(port) <= 65535:
        raise ValueError(f"{text!r} is not an address and a port, as in 127.0.0.1:18000 or [::1]:18000")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r}: an IPv6 address stands in brackets, as in [::1]:18000")
    try:
        return ListenAddress(str(ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)), int(port))
    except ValueError:
        raise ValueError(f"{text!r}: {host!r} is not an IP address; name one of this machine's") from None


def check_free(address: ListenAddress) -> None:
    """Raise ListenError when nobody could listen at the address now."""
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


def reserve(address: ListenAddress) -> socket.socket:
    """Hold an address without listening there, so that processes may share it that say so too (SO_REUSEPORT).

    Raises ListenError.
    """
    held = socket.socket(_family(address), socket.SOCK_STREAM)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((address.host, address.port))
    except OSError as error:
        held.close()
        raise ListenError(f"cannot listen at {address}: {error.strerror or error}") from None
    return held


def _family(address: ListenAddress) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address.host else socket.AF_INET


class Site:
    """Serves an application; `address` has the real port once it is started."""

    def __init__(self, address: ListenAddress, app: web.Application) -> None:
        self.address = address
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    async def start(self) -> None:
        """Listen; raise ListenError when that cannot be."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self.address.host, self.address.port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise ListenError(f"cannot listen at {self.address}: {error.strerror or error}") from None
        self.address = ListenAddress(self.address.host, self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Close, and end what is under way."""
        await self._runner.cleanup()
