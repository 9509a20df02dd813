"""Connections: how many of them one address may have, so that one cannot use up those of all.

gRPC limits only how many there are in all. `Doorkeeper` finds the connections of a port in the kernel's list of this
process's descriptors, and ends those that are too many. `LimitedRunner` does the same for HTTP, when a client connects.
"""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

import structlog
from aiohttp import web

from xds.server.descriptors import MOST
from xds.server.peer import Peer, make_peer, parse_peer

LOOK_SECONDS = 1.0
"""How often the connections are counted."""

TELL_SECONDS = 60.0
"""How often one address is told."""

DESCRIPTORS = "/proc/self/fd"

log = structlog.get_logger()


def _list_descriptors() -> list[str]:
    return os.listdir(DESCRIPTORS)  # noqa: PTH208 half the time


class Doorkeeper:
    """Ends connections at one port of this process while one address has too many."""

    def __init__(self, port: int, per_address: int) -> None:
        self._port = port
        self._per_address = per_address
        self._known: dict[str, Peer | None] = {}  # by the kernel's name of a socket, oldest first; None: of no client
        self._told: dict[str, float] = {}

    async def watch(self, busy: Callable[[], Iterable[str]]) -> None:
        """Do so until cancelled. `busy` returns the peers with streams, in gRPC's form: they stay before others."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            with contextlib.suppress(OSError):  # not every system has such a list
                if await asyncio.to_thread(self._may_be_too_many):
                    ended = await asyncio.to_thread(self._end_excess, {parse_peer(text) for text in busy()})
                    self._tell(ended)

    def _may_be_too_many(self) -> bool:
        # The size of the folder is the number of descriptors since Linux 6.2, and 0 before.
        return (Path(DESCRIPTORS).stat().st_size or len(_list_descriptors())) > self._per_address

    def _end_excess(self, busy: set[Peer | None]) -> dict[str, int]:
        """End the connections that are too many, and return their number by address."""
        found = self._find()
        by_network: dict[str, list[Peer]] = {}
        for peer in found:
            by_network.setdefault(peer.network, []).append(peer)
        ended: dict[str, int] = {}
        for network, peers in by_network.items():
            idle = [peer for peer in peers if peer not in busy]
            candidates = [*idle, *reversed([peer for peer in peers if peer in busy])]
            for peer in candidates[: max(0, len(peers) - self._per_address)]:
                ended[network] = ended.get(network, 0) + self._end(found[peer], peer)
        return ended

    def _find(self) -> dict[Peer, int]:
        """Return the descriptors of the connections at the port, the oldest first."""
        present: dict[str, int] = {}
        for name in _list_descriptors():
            with contextlib.suppress(OSError):  # closed meanwhile
                if (target := os.readlink(f"{DESCRIPTORS}/{name}")).startswith("socket:"):  # noqa: PTH115 half the time
                    present[target] = int(name)
        self._known = {target: peer for target, peer in self._known.items() if target in present}
        for target in present.keys() - self._known.keys():
            self._known[target] = self._read_peer(present[target])
        return {peer: present[target] for target, peer in self._known.items() if peer is not None}

    def _read_peer(self, descriptor: int) -> Peer | None:
        try:
            with socket.socket(fileno=os.dup(descriptor)) as own:
                return self._peer_of(own)
        except OSError:
            return None

    def _peer_of(self, own: socket.socket) -> Peer | None:
        """Return the client of a socket; None if it is no connection at the port."""
        if own.family not in (socket.AF_INET, socket.AF_INET6) or own.getsockname()[1] != self._port:
            return None
        try:
            return make_peer(*own.getpeername()[:2])
        except OSError:
            return None

    def _end(self, descriptor: int, peer: Peer) -> bool:
        """End a connection, unless the descriptor is another's by now. Its owner finds it closed by the client."""
        try:
            with socket.socket(fileno=os.dup(descriptor)) as own:
                if self._peer_of(own) != peer:
                    return False
                own.shutdown(socket.SHUT_RDWR)
        except OSError:
            return False
        return True

    def _tell(self, ended: dict[str, int]) -> None:
        now = time.monotonic()
        self._told = {address: at for address, at in self._told.items() if now - at < TELL_SECONDS}
        for address, number in ended.items():
            if address not in self._told:
                self._told[address] = now
                log.warning(
                    "connections over the limit of an address are closed",
                    peer=address,
                    closed=number,
                    connections_per_address=self._per_address,
                )


class LimitedRunner(web.AppRunner):
    """Runs an application with so many connections at most, and half of them from one address.

    For one more, the oldest is closed: idle connections lock nobody out.
    """

    connections = MOST

    @property
    def server(self) -> web.Server | None:
        """The server, behind its door."""
        server = super().server
        return server and _Doors(server, self.connections)  # type: ignore[return-value]  # it only is called


class _Doors:
    def __init__(self, server: web.Server, connections: int) -> None:
        self._server = server
        self._connections = connections

    def __call__(self) -> asyncio.Protocol:
        return _Door(self._server, self._connections)


class _Door(asyncio.Protocol):
    """Lets a connection in."""

    def __init__(self, server: web.Server, connections: int) -> None:
        self._server = server
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Make room for the connection, and pass it on."""
        transport = cast("asyncio.Transport", transport)
        present = [(one.transport, _network_of(one.transport)) for one in self._server.connections if one.transport]
        own = _network_of(transport)
        of_own = [one for one, network in present if network == own]
        if len(of_own) >= max(1, self._connections // 2):
            of_own[0].abort()
        elif len(present) >= self._connections:
            present[0][0].abort()
        inner = self._server()
        transport.set_protocol(inner)
        inner.connection_made(transport)


def _network_of(transport: asyncio.BaseTransport) -> str:
    name = transport.get_extra_info("peername")
    try:
        return make_peer(*name[:2]).network
    except (TypeError, ValueError):
        return ""
