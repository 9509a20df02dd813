"""Peers: the other ends of connections, and what counts as one address of a client."""

import ipaddress
from typing import NamedTuple
from urllib.parse import unquote


class Peer(NamedTuple):
    """The other end of a connection. `host` is a canonical IP address."""

    host: str
    port: int

    @property
    def network(self) -> str:
        """What counts as one address: of IPv6, one host has 2^64."""
        return str(ipaddress.ip_network(f"{self.host}/64", strict=False)) if ":" in self.host else self.host


def parse_peer(text: str) -> Peer | None:
    """Parse gRPC's form of a peer, such as `ipv4:10.0.0.3:4711`; None for others, such as a Unix socket."""
    _, _, rest = unquote(text).partition(":")
    host, _, port = rest.rpartition(":")
    try:
        return make_peer(host.strip("[]"), int(port))
    except ValueError:
        return None


def make_peer(host: str, port: int) -> Peer:
    """Return a peer by its IP address, also with a zone, and its port. Raises ValueError."""
    address = ipaddress.ip_address(host.partition("%")[0])
    return Peer(str(getattr(address, "ipv4_mapped", None) or address), port)
