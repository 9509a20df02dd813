"""Answers to single requests: the gRPC Fetch methods and REST polling, which have no stream and no session."""

from xds.errors import PeerError
from xds.session.subscription import WILDCARD, WILDCARD_BY_DEFAULT
from xds.snapshot.snapshot import Snapshot, TypeSnapshot
from xds.wire.discovery_pb2 import DiscoveryRequest, DiscoveryResponse


def answer_fetch(request: DiscoveryRequest, snapshot: Snapshot, type_url: str) -> DiscoveryResponse | None:
    """Return the answer to a poll of one type, or None when the client has the current version.

    The version is that of the whole type (rule 13). So a client that asks for other names than before must leave out
    `version_info`. A client of an unknown cluster keeps what it has. Raises PeerError for a request without a node id,
    and for a request of another type.
    """
    if not request.node.id:
        raise PeerError("INVALID_ARGUMENT", "a request needs a node with an id")
    if request.type_url not in ("", type_url):
        raise PeerError("INVALID_ARGUMENT", f"this method serves {type_url}, not {request.type_url}")
    if snapshot.is_unknown and request.version_info:
        return None
    return _answer(request, snapshot.of(type_url), type_url)


def _answer(request: DiscoveryRequest, snapshot: TypeSnapshot, type_url: str) -> DiscoveryResponse | None:
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
