"""Parses requests from bytes, and refuses what no client of a mesh sends before it costs time."""

from collections.abc import Callable
from typing import TypeVar

from google.protobuf.message import DecodeError

from xds.errors import PeerError
from xds.session.limits import MAX_FEATURES, MAX_NODE_BYTES, MAX_NODE_SIZE
from xds.snapshot.snapshot import TypeSnapshot
from xds.wire.discovery_pb2 import DeltaDiscoveryRequest, DiscoveryRequest, Node
from xds.wire.varint import LENGTH_DELIMITED, read_head, read_varint

Request = TypeVar("Request", DiscoveryRequest, DeltaDiscoveryRequest)
"""The request message of either variant."""

FIELDS: dict[type, tuple[int, tuple[int, ...]]] = {DiscoveryRequest: (2, (3,)), DeltaDiscoveryRequest: (1, (3, 4, 5))}
"""The numbers of `node`, and of the fields with names: `resource_names`; `resource_names_subscribe`,
`resource_names_unsubscribe` and `initial_resource_versions`.
"""

RESOURCE_NAMES = 3
TYPE_URL, NONCE = 4, 5
"""The numbers of these fields of a State of the World request."""

MAX_ACK_FIELDS = 10
"""How many fields beside names an ACK may have. It has three, and the node if the client repeats it."""

States = Callable[[TypeSnapshot], bool]
"""Whether a client that comes back states that it has these resources of a type."""

OTHER_FIELDS = 100
"""How many other fields a request may have. It has fewer than ten."""


def parse_request(kind: type[Request], data: bytes) -> Request:
    """Parse a request of the message type `kind`. Raises PeerError when the bytes are no such message.

    It is for requests that `check_request` allows: a million names would stop the server for a second.
    """
    try:
        request: Request = kind.FromString(data)
    except DecodeError as error:
        raise PeerError("INVALID_ARGUMENT", f"not a {kind.DESCRIPTOR.name}: {error}") from None
    return request


def check_request(kind: type[DiscoveryRequest | DeltaDiscoveryRequest], data: bytes, max_names: int) -> int:
    """Return how many names an encoded request has, without parsing it.

    Raises PeerError if one of its fields has more than `max_names` names, if its node is too large, if it has many
    other fields, and if the bytes are no message. It stops at the first field too many.
    """
    node, numbers = FIELDS[kind]
    at, end, others, node_size, names = 0, len(data), 0, 0, dict.fromkeys(numbers, 0)
    try:
        while at < end:
            tag, size = data[at], data[at + 1]
            if tag < 128 and size < 128 and tag & 7 == LENGTH_DELIMITED:
                at += 2
            else:
                tag, size, at = read_head(data, at)
            at += size
            if (number := tag >> 3) in names and tag & 7 == LENGTH_DELIMITED:
                names[number] += 1
                if names[number] > max_names:
                    raise PeerError("RESOURCE_EXHAUSTED", f"more than {max_names} names in a request")
                continue
            others += 1
            if others > OTHER_FIELDS:
                raise PeerError("INVALID_ARGUMENT", f"more than {OTHER_FIELDS} fields that are not names")
            node_size += size if number == node else 0
            if node_size > MAX_NODE_SIZE:
                raise PeerError("INVALID_ARGUMENT", f"node has more than {MAX_NODE_SIZE} bytes")
    except (IndexError, ValueError):
        at = -1
    if at != end:
        raise PeerError("INVALID_ARGUMENT", f"not a {kind.DESCRIPTOR.name}: a field is malformed")
    return sum(names.values())


def read_state(request: DiscoveryRequest | DeltaDiscoveryRequest) -> States | None:
    """Return what the first request for a type states that the client has; None if it has nothing of the type."""
    if isinstance(request, DiscoveryRequest):
        version_info = request.version_info
        return (lambda of_type: of_type.version == version_info) if version_info else None
    versions = dict(request.initial_resource_versions)
    return (lambda of_type: of_type.versions == versions) if versions else None


def read_repeat(data: bytes, names: bytes) -> tuple[bytes, bytes] | None:
    """Return the `type_url` and the nonce of an encoded request that has these encoded `resource_names`, and no others.

    None for any other request. It takes microseconds: only the other fields are read.
    """
    if len(data) - len(names) > MAX_NODE_SIZE:
        return None
    at, fields, found = 0, dict.fromkeys((TYPE_URL, NONCE), b""), False
    try:
        for _ in range(MAX_ACK_FIELDS):
            if not found and data.startswith(names, at):
                found, at = True, at + len(names)
            if at >= len(data):
                return (fields[TYPE_URL], fields[NONCE]) if found and at == len(data) else None
            tag, at = read_varint(data, at)
            if tag & 7 != LENGTH_DELIMITED or tag >> 3 == RESOURCE_NAMES:
                return None
            size, at = read_varint(data, at)
            if tag >> 3 in fields:
                fields[tag >> 3] = data[at : at + size]
            at += size
    except (IndexError, ValueError):
        pass  # it ends within a field: parsing says so
    return None


def check_node(node: Node) -> None:
    """Raise PeerError for a node without an id, or with a field that is too long for logs, metrics and status."""
    if not node.id:
        raise PeerError("INVALID_ARGUMENT", "a first request needs a node with an id")
    where = node.locality
    for name, value in (
        ("node.id", node.id),
        ("node.cluster", node.cluster),
        ("node.locality", f"{where.region}{where.zone}{where.sub_zone}"),
        ("node.user_agent_name", node.user_agent_name),
        ("node.user_agent_version", node.user_agent_version),
    ):
        check_length(name, value)
    if len(node.client_features) > MAX_FEATURES:
        raise PeerError("INVALID_ARGUMENT", f"node.client_features has more than {MAX_FEATURES} entries")


def check_length(name: str, value: str) -> None:
    """Raise PeerError for a field that is too long for logs, metrics and status."""
    if len(value) > MAX_NODE_BYTES or len(value.encode()) > MAX_NODE_BYTES:
        raise PeerError("INVALID_ARGUMENT", f"{name} has more than {MAX_NODE_BYTES} bytes")
