"""From an encoded resource back to words: for people who ask what is served, never for what is sent.

It is slow (up to milliseconds a resource): whoever calls it for many does so off the event loop.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, cast

from betterproto2 import Casing
from envoy_data_plane.envoy.config.cluster import v3 as _cluster
from envoy_data_plane.envoy.config.endpoint import v3 as _endpoint
from envoy_data_plane.envoy.config.listener import v3 as _listener
from envoy_data_plane.envoy.config.route import v3 as _route
from envoy_data_plane.envoy.extensions.transport_sockets.tls import v3 as _tls
from envoy_data_plane.google.protobuf import Any as AnyMessage
from google.protobuf.any_pb2 import Any as WireAny
from google.protobuf.json_format import MessageToDict

from xds.catalog.raw.types import Field, find_fields, find_type
from xds.resources.clusters import cluster as clusters
from xds.resources.listeners import listener as listeners
from xds.resources.resource import Resource
from xds.resources.routes import configuration as routes
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, SECRET, endpoint_pb2, skeleton_pb2
from xds.wire.varint import LENGTH_DELIMITED, encode_varint, read_varint

KNOWN = (_cluster, _endpoint, _listener, _route, _tls, clusters, listeners, routes)
"""A class can be decoded once its module is imported: those of the types, and those that stand inside them."""

REDACTED = "[redacted]"
SENSITIVE = frozenset(
    {"private_key", "private_key_provider", "pkcs12", "password", "session_ticket_keys", "generic_secret"}
)
"""What of a Secret nobody is shown; Envoy's own config_dump leaves out the same."""

NAMES_AS_THEY_ARE = cast("Casing", str)
"""betterproto2's fields have Envoy's names; its own snake case would write `consecutive_5_xx` for `consecutive_5xx`."""


def decode(resource: Resource) -> dict[str, Any]:
    """Give a resource as Envoy's documentation and its config_dump write it, in JSON's types.

    Defaults are left out, 64-bit numbers are strings (protobuf's JSON), and what is secret is not told. Parts of it
    may be shared with what was given before: copy what you want to change.
    """
    packed = WireAny.FromString(resource.body)
    if packed.type_url == CLUSTER:
        return _decode_cluster(packed.value)
    if packed.type_url == CLUSTER_LOAD_ASSIGNMENT:
        return _decode_load_assignment(packed.value)
    decoded = _decode(packed.type_url, packed.value)
    return _redact(decoded) if packed.type_url == SECRET else decoded


def _decode_cluster(value: bytes) -> dict[str, Any]:
    """Decode a cluster's policy once for all that share it."""
    frame = skeleton_pb2.Cluster.FromString(value)
    name = frame.name
    frame.ClearField("name")
    return {"name": name, **_decode_policy(frame.SerializeToString(deterministic=True))}


@lru_cache(maxsize=1024)
def _decode_policy(value: bytes) -> dict[str, Any]:
    return _decode(CLUSTER, value)


def _decode_load_assignment(value: bytes) -> dict[str, Any]:
    """Decode endpoints by our own message, in a tenth of the time, if it knows every field that is there."""
    message = endpoint_pb2.ClusterLoadAssignment.FromString(value)
    message.DiscardUnknownFields()
    if message.ByteSize() != len(value):
        return _decode(CLUSTER_LOAD_ASSIGNMENT, value)
    decoded: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
    return decoded


def _decode(type_url: str, value: bytes) -> dict[str, Any]:
    try:
        decoded: dict[str, Any] = AnyMessage(type_url=type_url, value=value).to_dict(casing=NAMES_AS_THEY_ARE)
    except ValueError:  # raw fields took the place of others
        value = settle(find_type(type_url.rpartition("/")[2]), value)
        decoded = AnyMessage(type_url=type_url, value=value).to_dict(casing=NAMES_AS_THEY_ARE)
    del decoded["@type"]
    return decoded


def _redact(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: REDACTED
        if name in SENSITIVE and not _is_file(value)
        else _redact(value)
        if isinstance(value, dict)
        else value
        for name, value in fields.items()
    }


def _is_file(value: Any) -> bool:
    """Tell whether this is only where an Envoy finds something on its own machine."""
    return isinstance(value, dict) and value.keys() == {"filename"}


WIDTHS = {1: 8, 5: 4}


def settle(kind: type, message: bytes) -> bytes:
    """Give the same message with one field of each oneof, in those inside it too."""
    fields = {field.number: field for field in find_fields(kind).values()}
    kept: list[tuple[int, bytes, bytes]] = []
    for number, head, payload in _split(message):
        field = fields.get(number)
        if field is None:
            kept.append((number, head, payload))
            continue
        if field.oneof:
            kept = [one for one in kept if one[0] == number or _group(fields, one[0]) != field.oneof]
        if _is_message(field) and not field.repeated and any(one[0] == number for one in kept):
            [before] = [one for one in kept if one[0] == number]
            kept.remove(before)
            payload = before[2] + payload  # they merge
        kept.append((number, head, payload))
    return b"".join(_join(fields.get(number), head, payload) for number, head, payload in kept)


def _join(field: Field | None, head: bytes, payload: bytes) -> bytes:
    if head[0] & 7 != LENGTH_DELIMITED:
        return head + payload
    if field is not None and _is_message(field):
        payload = settle(field.type, payload)
    return head + encode_varint(len(payload)) + payload


def _is_message(field: Field) -> bool:
    return field.kind == "message" and not field.key_kind


def _group(fields: Mapping[int, Field], number: int) -> str | None:
    return fields[number].oneof if number in fields else None


def _split(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Give each field's number, its tag, and what follows, without the length."""
    start = 0
    while start < len(message):
        tag, at = read_varint(message, start)
        head, wire_type = message[start:at], tag & 7
        if wire_type == LENGTH_DELIMITED:
            length, at = read_varint(message, at)
            end = at + length
        elif wire_type in WIDTHS:
            end = at + WIDTHS[wire_type]
        else:
            _, end = read_varint(message, at)
        yield tag >> 3, head, message[at:end]
        start = end
