"""Targets: where Prometheus finds the metrics of the Envoys that are connected, as its HTTP service discovery asks."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from xds.server.clients.status import Client
from xds.wire.node_metadata import find_metrics_port


@dataclass(frozen=True, slots=True)
class Target:
    """An address to scrape, what is known of the Envoy there, and when it connected (time.time())."""

    address: str
    labels: tuple[tuple[str, str], ...]
    connected_at: float


def find_target(client: Client) -> Target | None:
    """Say where a client's metrics are; None for one that told no port, or has no address, as at a Unix socket.

    The address is the one that it comes from: a client cannot send Prometheus to another machine.
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
    """Give the host of a gRPC peer, `ipv4:10.0.0.3:4711` or `ipv6:%5B::1%5D:4711`, as a URL has it."""
    family, _, address = unquote(peer).partition(":")
    if family not in ("ipv4", "ipv6"):
        return None
    host = address.rpartition(":")[0]
    return host.removeprefix("[::ffff:").removesuffix("]") if host.startswith("[::ffff:") and "." in host else host


def describe_targets(targets: Iterable[Target]) -> list[dict[str, Any]]:
    """Write targets as Prometheus reads them; of several at one address, the one that came last."""
    latest = {target.address: target for target in sorted(targets, key=lambda target: target.connected_at)}
    return [{"targets": [address], "labels": dict(target.labels)} for address, target in sorted(latest.items())]
