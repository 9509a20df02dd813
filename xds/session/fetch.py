"""Answers to single requests: the gRPC Fetch methods and REST polling, which have no stream and no session.

A client that polls takes what an edit adds before it loses what the edit removes, as on a stream. Its `version_info` is
the only sign of what it has.
"""

from collections import OrderedDict
from collections.abc import Mapping

from xds.errors import PeerError
from xds.resources.resource import Resource
from xds.session.request import check_length, check_node
from xds.session.subscription import WILDCARD, WILDCARD_BY_DEFAULT
from xds.snapshot.snapshot import Snapshot, SnapshotChange, TypeSnapshot
from xds.wire import CLUSTER_LOAD_ASSIGNMENT
from xds.wire.discovery_pb2 import DiscoveryRequest, DiscoveryResponse

MAX_POLLING = 1000
"""How many nodes of a view are remembered with the versions that they stated last."""

MAX_RETAINED = 1000
"""How many removed resources of one type are kept for nodes that have not taken what replaces them."""


class PolledView:
    """The answers to the nodes of one view that poll."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._latest = self._transitional = snapshot
        self._taken = snapshot  # the last one that every node had taken before the next change
        self._retained: dict[str, dict[str, Resource]] = {}
        self._stated: OrderedDict[str, dict[str, str]] = OrderedDict()  # by node id and type: the last version_info

    def on_change(self, change: SnapshotChange) -> bool:
        """Set the view's next snapshot. What it lacks stays for nodes that have not taken the rest of it.

        Returns False: nobody is told.
        """
        if all(map(self._is_settled, self._stated.values())):
            self._retained, self._taken = {}, self._latest
        for type_url in {*self._retained, *change.retained}:
            both = {**self._retained.get(type_url, {}), **change.retained.get(type_url, {})}
            now, taken = (one.of(type_url).resources for one in (change.snapshot, self._taken))
            left = [(name, taken[name]) for name in both if name in taken and name not in now]
            self._retained[type_url] = dict(left[-MAX_RETAINED:])
        self._latest = change.snapshot
        self._transitional = change.snapshot.replace(self._retained, change.pool)
        return False

    def answer(self, request: DiscoveryRequest, type_url: str) -> DiscoveryResponse | None:
        """Return the answer to a poll, or None when the client has the current version. Raises PeerError."""
        check_fetch(request, type_url)
        if self._latest.is_unknown and request.version_info:
            return None  # a client of an unknown cluster keeps what it has
        stated = self._stated.setdefault(request.node.id, {})
        self._stated.move_to_end(request.node.id)
        if len(self._stated) > MAX_POLLING:
            self._stated.popitem(last=False)
        stated[type_url] = request.version_info
        is_done = not request.version_info or self._is_settled(stated)
        return answer_fetch(request, (self._latest if is_done else self._transitional).of(type_url), type_url)

    def _is_settled(self, stated: Mapping[str, str]) -> bool:
        """Whether a node has taken everything that was added and changed. Endpoints change too often to count."""
        return all(
            version in (self._latest.of(type_url).version, self._transitional.of(type_url).version)
            for type_url, version in stated.items()
            if type_url != CLUSTER_LOAD_ASSIGNMENT
        )


def check_fetch(request: DiscoveryRequest, type_url: str) -> None:
    """Raise PeerError for a request whose node has no id, for too long a field, and for a request of another type."""
    check_node(request.node)
    check_length("version_info", request.version_info)  # it is remembered
    if request.type_url not in ("", type_url):
        raise PeerError("INVALID_ARGUMENT", f"this method serves {type_url}, not {request.type_url}")


def answer_fetch(request: DiscoveryRequest, snapshot: TypeSnapshot, type_url: str) -> DiscoveryResponse | None:
    """Return the answer to a poll of one type, or None when the client has the current version.

    The version is that of the whole type (rule 13). So a client that asks for other names than before must leave out
    `version_info`.
    """
    names = set(request.resource_names)
    if WILDCARD in names or (not names and type_url in WILDCARD_BY_DEFAULT):
        names = set(snapshot.resources)
    resources = [snapshot.resources[name] for name in sorted(names & snapshot.resources.keys())]
    # A resource with a TTL is sent at each poll: otherwise it would expire at the client.
    if request.version_info == snapshot.version and not any(resource.ttl_ms for resource in resources):
        return None
    return DiscoveryResponse(
        version_info=snapshot.version,
        type_url=type_url,
        nonce=snapshot.version,
        resources=[resource.body for resource in resources],
    )
