"""The JSON documents that the admin returns. `xds status`, `xds dump`, `xds diff` and operators' scripts read them.

Later versions may add fields, but never remove one or change its meaning.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from xds import __version__
from xds.resources.decode import decode
from xds.resources.inventory import Inventory
from xds.resources.resource import Resource
from xds.resources.view import NodeKind, build_view, kind_of
from xds.server.clients.status import MAX_NAMES, Client, Refusal, TypeStatus, locality_of, worst_state
from xds.server.observe.client_log import describe_node
from xds.session.kept import Held
from xds.snapshot.snapshot import Snapshot
from xds.snapshot.store import build_snapshot
from xds.wire import TYPE_URLS, short_type
from xds.wire.discovery_pb2 import Locality, Node

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AppliedState:
    """The last state of the source that was applied and pushed to every stream.

    `digest` is the hash of its documents; the same documents on another machine have the same digest. `at` is when the
    state was read, as time.time(): a NACK that came later is about this state. `refused_files` are the files whose last
    good state is served instead.
    """

    digest: str
    at: float
    refused_files: tuple[str, ...] = ()


def describe_server(inventory: Inventory, applied: AppliedState, silent_workers: tuple[int, ...], now: float) -> Json:
    """Return the state of the server: the catalog, the refused files, and the workers that did not answer.

    `now` is a time.time().
    """
    catalog = inventory.catalog
    return {
        "version": __version__,
        "now": write_time(now),
        "catalog": {
            "ok": not applied.refused_files,
            "refused_files": list(applied.refused_files),
            "digest": applied.digest,
            "taken_at": write_time(applied.at),
            "services": len(catalog.services),
            "endpoints": inventory.count_endpoints(),
            "gateways": len(catalog.gateways),
            "by_locality": len(inventory.reliant),
        },
        "silent_workers": list(silent_workers),
    }


def describe_client(client: Client) -> Json:
    """Return a client's node, and its status for each type that it subscribed to."""
    types = [subscribed.describe() for subscribed in client.types()]
    held = client.held()
    return {
        **identify(client.node),
        "variant": client.variant,
        "peer": client.streams[0].peer,
        "connected_at": write_time(client.connected_at),
        "state": worst_state(of_type.state for of_type in types),
        "types": [_describe_type(of_type) for of_type in types],
        "held": [_describe_held(one) for one in held[:MAX_NAMES]],
        "held_count": len(held),
    }


def identify(node: Node) -> Json:
    """Return the fields that identify a node."""
    return {
        "node_id": node.id,
        "cluster": node.cluster,
        "locality": locality_of(node),
        "region": node.locality.region,
        "zone": node.locality.zone,
        "sub_zone": node.locality.sub_zone,
        "grpc": kind_of(node).grpc,
        "user_agent": describe_node(node)["user_agent"],
    }


def describe_dump(node: Node, configs: Iterable[tuple[str, str, list[Resource]]]) -> Json:
    """Return what a node is served.

    `configs` are a type_url, the type's version and its resources each. It takes milliseconds per resource: call it in
    a thread.
    """
    return {
        "node": identify(node),
        "configs": [
            {
                "type_url": type_url,
                "version_info": version,
                "resources": [describe_resource(type_url, resource) for resource in resources],
            }
            for type_url, version, resources in configs
        ],
    }


def describe_kind(inventory: Inventory, kind: NodeKind) -> Json:
    """Return what nodes of a kind are served, whether or not one is connected; the node of the result has no id."""
    snapshot = snapshot_for(inventory, kind)
    types = {type_url: snapshot.of(type_url) for type_url in TYPE_URLS if snapshot.of(type_url).resources}
    configs = [(type_url, of_type.version, list(of_type.resources.values())) for type_url, of_type in types.items()]
    locality = Locality(**kind.locality._asdict())
    return describe_dump(Node(cluster=kind.cluster, locality=locality), configs)


def describe_resource(type_url: str, resource: Resource) -> Json:
    """Return one resource in the shape of Envoy's config_dump."""
    return {
        "name": resource.name,
        "version_info": resource.version,
        "resource": {"@type": type_url, **decode(resource)},
    }


def describe_snapshot(snapshot: Snapshot) -> Json:
    """Return the version of each resource of a snapshot, by type_url and name."""
    return {
        type_url: {name: resource.version for name, resource in sorted(snapshot.of(type_url).resources.items())}
        for type_url in TYPE_URLS
        if snapshot.of(type_url).resources
    }


def snapshot_for(inventory: Inventory, kind: NodeKind) -> Snapshot:
    """Return the snapshot that nodes of a kind are served from an inventory, whether or not one is connected."""
    return build_snapshot(build_view(inventory, kind), inventory)


def write_time(seconds: float) -> str:
    """Return a time.time() as text, such as `2026-01-31T12:00:00.250Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _describe_type(status: TypeStatus) -> Json:
    resources: Mapping[str, Any] = {
        "wanted": status.wanted,
        "accepted": status.accepted,
        "missing": list(status.missing),
        "missing_count": status.missing_count,
    }
    return {
        "type_url": status.type_url,
        "type": short_type(status.type_url),
        "state": status.state,
        "answered": status.answered,
        "version_info": status.version,
        "resources": resources,
        "last_push_at": None if status.pushed_at is None else write_time(status.pushed_at),
        "nack": None if status.refusal is None else _describe_refusal(status.refusal),
    }


def _describe_held(held: Held) -> Json:
    """Return a resource that a client is served against the catalog: a removed one, or an older version."""
    return {
        "type": short_type(held.type_url),
        "name": held.name,
        "removed": held.is_removed,
        "reason": held.reason,
        "refused": list(held.refused[:MAX_NAMES]),
    }


def _describe_refusal(refusal: Refusal) -> Json:
    return {
        "message": refusal.message,
        "at": None if refusal.at is None else write_time(refusal.at),
        "resource_count": refusal.resource_count,
        "resources": [
            {"name": one.name, "version_info": one.version, "accepted_version_info": one.accepted_version}
            for one in refusal.resources
        ],
    }
