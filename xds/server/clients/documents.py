"""The JSON documents that the admin returns. `xds status`, `xds dump`, `xds diff` and operators' scripts read them.

Later versions may add fields, but never remove one or change its meaning.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from difflib import unified_diff
from itertools import islice
from typing import Any

from xds import __version__
from xds.catalog.reading.places import format_path
from xds.catalog.versions import Need
from xds.endpoints.endpoint_set import CATALOG
from xds.endpoints.providers import ProviderState
from xds.resources.decode import decode
from xds.resources.inventory import Inventory
from xds.resources.resource import Resource
from xds.resources.view import NodeKind, Standing, build_open_view, build_view, kind_of
from xds.server.clients.status import MAX_NAMES, Client, Refusal, State, TypeStatus, locality_of, worst_state
from xds.server.observe.client_log import describe_node
from xds.session.held import Held
from xds.snapshot.building import build_snapshot
from xds.snapshot.snapshot import Snapshot
from xds.snapshot.store import SnapshotStore
from xds.sources.document import Document
from xds.wire import TYPE_URLS, short_type
from xds.wire.discovery_pb2 import Locality, Node
from xds.wording import write_json

Json = dict[str, Any]

MAX_UNSUPPORTED = 20
"""How many fields that a client's Envoy does not take the status names."""

MAX_PROBLEMS = 20
"""How many problems of a source's instances the status describes."""
MAX_LINES = 2000
"""Of a longer file no differences are worked out: that takes time that grows with the square."""


@dataclass(frozen=True, slots=True)
class HeldRemoval:
    """What is held until somebody confirms that it may go, and is served nevertheless. `id` stands for exactly this.

    `source` is `catalog` for `services` and `gateways` that `files` would remove, else the name of a source of
    endpoints, with the number of its `instances` and their services. `since` is a time.time(). `reason` says why it is
    held, in words for the operator.
    """

    id: str
    source: str
    files: tuple[str, ...]
    services: tuple[str, ...]
    gateways: tuple[str, ...]
    instances: int
    since: float
    reason: str

    def describe(self) -> Json:
        """Return it as a document."""
        return {**asdict(self), "since": write_time(self.since)}


@dataclass(frozen=True, slots=True)
class AppliedState:
    """The last state of the source that was applied and pushed to every stream.

    `digest` is the hash of its documents; the same documents on another machine have the same digest. `at` is when the
    state was read, as time.time(): a NACK that came later is about this state. `refused_files` are the files whose last
    good state is served instead, `failed_files` those that a fault of xds kept from being served; `unfinished_files`
    are still being written. `restored_from` is when the state was good last that this server read from disk at its
    start, as time.time(), as long as some of it is served for want of a good catalog. `state_failure` is why the state
    cannot be stored now. `providers` are the states of the sources of instances. `collect` returns the documents that
    are served, by name: few ask, so it works when called.
    """

    digest: str
    at: float
    refused_files: tuple[str, ...] = ()
    failed_files: tuple[str, ...] = ()
    held: tuple[HeldRemoval, ...] = ()
    unfinished_files: tuple[str, ...] = ()
    restored_from: float | None = None
    providers: tuple[ProviderState, ...] = ()
    state_failure: str | None = None
    collect: Callable[[], Mapping[str, Document]] = dict

    @property
    def is_ok(self) -> bool:
        """Whether everything is served as it is now."""
        return not (self.refused_files or self.failed_files or self.held)


UNNAMED_STATES = {Standing.KEPT: "KEPT", Standing.UNKNOWN: "UNKNOWN"}
"""The states of clients whose cluster the catalog does not name, by what they are served."""


def describe_standing(store: SnapshotStore, cluster: str) -> Json:
    """Return whether the catalog names a cluster, what its nodes are served if not, and the name that may be meant."""
    standing = store.find_standing(cluster)
    hint = store.find_hint(cluster) if standing in UNNAMED_STATES else None
    return {"cluster": cluster, "standing": standing, "did_you_mean": hint}


def describe_server(inventory: Inventory, applied: AppliedState, silent_workers: tuple[int, ...], now: float) -> Json:
    """Return the state of the server: the catalog, the sources of instances, and the workers that did not answer.

    Of the catalog and the sources it is also what is not served of them.

    `now` is a time.time().
    """
    catalog, endpoints = inventory.catalog, inventory.count_endpoints()
    return {
        "version": __version__,
        "now": write_time(now),
        "catalog": {
            "ok": applied.is_ok,
            "refused_files": list(applied.refused_files),
            "digest": applied.digest,
            "taken_at": write_time(applied.at),
            "services": len(catalog.services),
            "endpoints": endpoints[CATALOG],
            "gateways": len(catalog.gateways),
            "by_locality": len(inventory.reliant),
        },
        "held": [one.describe() for one in applied.held],
        "failed_files": list(applied.failed_files),
        "unfinished_files": list(applied.unfinished_files),
        "restored_from": None if applied.restored_from is None else write_time(applied.restored_from),
        "state_failure": applied.state_failure,
        "sources": [_describe_provider(one, endpoints[one.name]) for one in applied.providers],
        "silent_workers": list(silent_workers),
    }


def describe_files(
    names: Iterable[str], served: Mapping[str, Document], find_current: Callable[[str], Document | None]
) -> list[Json]:
    """Return how files differ from what is served of them, as unified diffs.

    `diff` is None for a file with more than MAX_LINES lines. It takes a while: call it in a thread.
    """
    found = []
    for name in names:
        before, now = served.get(name), find_current(name)
        change = "deleted" if now is None else "added" if before is None else "changed"
        old, new = _split_lines(before), _split_lines(now)
        lines = None if max(len(old), len(new)) > MAX_LINES else unified_diff(old, new, name, name, lineterm="")
        found.append({"name": name, "change": change, "diff": None if lines is None else "\n".join(lines)})
    return found


def _split_lines(document: Document | None) -> list[str]:
    content = document.content if document is not None else None
    return (content or b"").decode(errors="replace").splitlines()


def describe_documents(applied: AppliedState) -> Json:
    """Return the catalog that is served, as the texts of its files, by name."""
    texts = {name: (one.content or b"").decode(errors="replace") for name, one in sorted(applied.collect().items())}
    return {"digest": applied.digest, "files": texts}


def describe_client(client: Client, store: SnapshotStore) -> Json:
    """Return a client's node, and its status for each type that it subscribed to.

    The state of a client whose cluster the catalog does not name is KEPT or UNKNOWN, unless it has NACKED something.
    """
    types = [subscribed.describe() for subscribed in client.types()]
    cluster = client.node.cluster
    standing = store.find_standing(cluster)
    state: str = worst_state(of_type.state for of_type in types)
    if standing in UNNAMED_STATES and state != State.NACKED:
        state = UNNAMED_STATES[standing]
    held = client.held()
    unsupported = store.find_unsupported(client.node)
    return {
        **identify(client.node),
        "variant": client.variant,
        "peer": client.streams[0].peer,
        "connected_at": write_time(client.connected_at),
        "state": state,
        "standing": standing,
        "did_you_mean": store.find_hint(cluster) if standing in UNNAMED_STATES else None,
        "unsupported": _describe_unsupported(unsupported[:MAX_UNSUPPORTED]),
        "unsupported_count": len(unsupported),
        "types": [_describe_type(of_type) for of_type in types],
        "held": [_describe_held(one) for one in held[:MAX_NAMES]],
        "held_count": len(held),
    }


def _describe_unsupported(needs: Iterable[Need]) -> list[Json]:
    """Return fields of the catalog that a client is sent and its Envoy does not take, with the version that does."""
    return [
        {
            "path": format_path(one.loc),
            "since": one.since.text,
            "values": one.since.values,
            "older": one.since.older,
        }
        for one in needs
    ]


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


def write_dump(node: Node, configs: Iterable[tuple[str, str, Iterable[Resource]]]) -> Iterator[str]:
    """Yield what a node is served as parts of a JSON text: that of `describe_dump`, one resource at a time."""
    yield f'{{"node": {write_json(identify(node))}, "configs": ['
    for number, (type_url, version, resources) in enumerate(configs):
        head = write_json({"type_url": type_url, "version_info": version})
        yield f'{", " * bool(number)}{head[:-1]}, "resources": ['
        for position, resource in enumerate(resources):
            yield ", " * bool(position) + write_json(describe_resource(type_url, resource))
        yield "]}"
    yield "]}"


def describe_kind(inventory: Inventory, kind: NodeKind) -> Json:
    """Return what nodes of a kind are served by the catalog alone; the node of the result has no id.

    Without a cluster, it is what a node is served that may call every service.
    """
    return describe_dump(*list_kind(kind, build_kind(inventory, kind)))


def build_kind(inventory: Inventory, kind: NodeKind) -> Snapshot:
    """Return what nodes of a kind are served by the catalog alone; without a cluster, if they may call everything."""
    view = build_view(inventory, kind) if kind.cluster else build_open_view(inventory, kind)
    return build_snapshot(view, inventory)


def list_kind(kind: NodeKind, snapshot: Snapshot) -> tuple[Node, list[tuple[str, str, list[Resource]]]]:
    """Return a node of a kind, without an id, and what it is served, whether or not one is connected."""
    types = {type_url: snapshot.of(type_url) for type_url in TYPE_URLS if snapshot.of(type_url).resources}
    configs = [(type_url, of_type.version, list(of_type.resources.values())) for type_url, of_type in types.items()]
    return Node(cluster=kind.cluster, locality=Locality(**kind.locality._asdict())), configs


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


def write_time(seconds: float) -> str:
    """Return a time.time() as text, such as `2026-01-31T12:00:00.250Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _describe_provider(state: ProviderState, endpoints: int) -> Json:
    problems = islice(state.problems(), MAX_PROBLEMS)
    return {
        "name": state.name,
        "endpoints": endpoints,
        "refused": len(state.refused),
        "withheld": state.withheld_count,
        "problems": [{"path": problem.path, "message": problem.message} for problem in problems],
        "problem_count": state.problem_count,
    }


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
