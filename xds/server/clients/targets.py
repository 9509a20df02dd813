"""Targets: the addresses of the connected Envoys' own metrics, for Prometheus' HTTP service discovery."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from xds.server.clients.status import Client
from xds.wire.node_metadata import find_metrics_port


@dataclass(frozen=True, slots=True)
class Target:
    """The address to scrape of one Envoy, the labels that describe the Envoy, and when it connected (time.time())."""

    address: str
    labels: tuple[tuple[str, str], ...]
    connected_at: float


def find_target(client: Client) -> Target | None:
    """Return where a client's metrics are; None if its node has no metrics port, or its peer has no IP address.

    The host is the one that the client connects from, so that a client cannot send Prometheus to another machine.
    """
    node = client.node
    port = find_metrics_port(node.metadata)
    host = find_host(client.streams[0].peer)
    if port is None or host is None:
        return None
    where = {name: getattr(node.locality, name) for name in ("region", "zone", "sub_zone")}
    labels = {"node_id": node.id, "cluster": node.cluster, **where}
    return Target(
        f"{host}:{port}", tuple((name, value) for name, value in labels.items() if value), client.connected_at
    )


def find_host(peer: str) -> str | None:
    """Return the host of a gRPC peer as a URL has it; None for a Unix socket.

    A peer looks like `ipv4:10.0.0.3:4711` or `ipv6:%5B::1%5D:4711`.
    """
    family, _, address = unquote(peer).partition(":")
    if family not in ("ipv4", "ipv6"):
        return None
    host = address.rpartition(":")[0]
    return host.removeprefix("[::ffff:").removesuffix("]") if host.startswith("[::ffff:") and "." in host else host


def describe_targets(targets: Iterable[Target]) -> list[dict[str, Any]]:
    """Return targets in the JSON shape of Prometheus' http_sd.

    Of several targets at one address, it has the one that connected last.
    """
    latest = {target.address: target for target in sorted(targets, key=lambda target: target.connected_at)}
    return [{"targets": [address], "labels": dict(target.labels)} for address, target in sorted(latest.items())]
