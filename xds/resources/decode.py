"""Decodes resources for people who want to see what is served; nothing that is sent depends on it.

It is slow for a resource with fields that xds does not build: the import of envoy-data-plane's classes takes a second,
and then each resource takes milliseconds. To decode many resources, call it in a thread, not in the event loop.
"""

import json
import re
from contextlib import suppress
from functools import lru_cache
from typing import Any

from google.protobuf.any_pb2 import Any as WireAny
from google.protobuf.json_format import MessageToDict, MessageToJson
from google.protobuf.message import Message

from xds.catalog.raw.types import find_fields, find_type
from xds.resources.merging import merge_fields
from xds.resources.resource import Resource
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, SECRET, endpoint_pb2, skeleton_pb2
from xds.wire.messages import pack
from xds.wire.pool import build_pool, has_unknown, parse_known
from xds.wire.varint import read_varint

PACKED = re.compile(rb"\n([\x15-\x7f]|[\x80-\xff]\x01)type\.googleapis\.com/")
"""The beginning of a google.protobuf.Any: the tag of its first field, the length of its type URL, and its prefix."""

REDACTED = "[redacted]"
SENSITIVE = frozenset(
    {"private_key", "private_key_provider", "pkcs12", "password", "session_ticket_keys", "generic_secret"}
)
"""The fields of a Secret that are never shown; Envoy's own config_dump redacts the same fields."""

WIDE = ("Int64Value", "UInt64Value")

UNCHANGED_NAMES = str
"""The casing that leaves names as they are: Envoy's. betterproto2's snake case would write `consecutive_5_xx`."""


def decode(resource: Resource) -> dict[str, Any]:
    """Return a resource in JSON's types, written as in Envoy's documentation and config_dump.

    Defaults are left out, 64-bit numbers are strings (protobuf's JSON), and secrets are redacted. Parts of the result
    may be shared with earlier results: copy what you want to change.
    """
    packed = WireAny.FromString(resource.body)
    if packed.type_url == CLUSTER:
        return _decode_cluster(packed.value)
    if packed.type_url == CLUSTER_LOAD_ASSIGNMENT:
        return _decode_load_assignment(packed.value)
    decoded = _decode(packed.type_url, packed.value)
    return _redact(decoded) if packed.type_url == SECRET else decoded


def decode_message(message: Message) -> dict[str, Any]:
    """Return one of Envoy's messages in JSON's types, written as in Envoy's documentation."""
    packed = pack(message)
    return _decode(packed.type_url, packed.value)


def _decode_cluster(value: bytes) -> dict[str, Any]:
    """Decode a cluster; its policy is decoded once for all clusters that share it."""
    frame = skeleton_pb2.Cluster.FromString(value)
    name = frame.name
    frame.ClearField("name")
    return {"name": name, **_decode_policy(frame.SerializeToString(deterministic=True))}


@lru_cache(maxsize=1024)
def _decode_policy(value: bytes) -> dict[str, Any]:
    return _decode(CLUSTER, value)


def _decode_load_assignment(value: bytes) -> dict[str, Any]:
    """Decode endpoints with xds's own message, which takes a tenth of the time, if it knows all of their fields."""
    message = endpoint_pb2.ClusterLoadAssignment.FromString(value)
    if has_unknown(message):
        return _decode(CLUSTER_LOAD_ASSIGNMENT, value)
    decoded: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
    return decoded


def _decode(type_url: str, value: bytes) -> dict[str, Any]:
    known = parse_known(type_url, value)
    return _decode_any(type_url, value) if known is None else _write(known)


def _write(message: Message) -> dict[str, Any]:
    written = MessageToJson(message, preserving_proto_field_name=True, indent=None, descriptor_pool=build_pool())
    decoded: dict[str, Any] = json.loads(written)  # MessageToDict returns mappings of several types
    return decoded


def _decode_any(type_url: str, value: bytes) -> dict[str, Any]:
    """Decode any message with envoy-data-plane's classes, which may have to be imported first."""
    kind: Any = find_type(type_url.rpartition("/")[2])
    import_types(value)
    decoded: dict[str, Any] = kind.parse(merge_fields(kind, value)).to_dict(casing=UNCHANGED_NAMES)
    quoted: dict[str, Any] = _quote_wide(decoded, kind)
    return quoted


def _quote_wide(value: Any, kind: Any) -> Any:
    """Return the value with wrapped 64-bit numbers as strings, as in protobuf's JSON; betterproto2 has numbers."""
    if isinstance(value, list):
        return [_quote_wide(one, kind) for one in value]
    if not isinstance(value, dict):
        return str(value) if getattr(kind, "__name__", "") in WIDE and isinstance(value, int) else value
    if value.get("@type"):
        kind = find_type(value["@type"].rpartition("/")[2])
    if kind.__module__.endswith(".google.protobuf"):  # a Struct or another well-known type, or an empty Any
        return value
    fields = find_fields(kind)
    return {
        name: value
        if field is None
        else {key: _quote_wide(one, field.type) for key, one in value.items()}
        if field.key_kind
        else _quote_wide(value, field.type)
        for name, value in value.items()
        for field in [fields.get(name)]
    }


def import_types(value: bytes) -> None:
    """Import the classes of all messages that are packed in an encoded message, which decoding needs."""
    for found in PACKED.finditer(value):
        length, _ = read_varint(found[1], 0)
        end = found.end(1) + length
        with suppress(LookupError):  # bytes that only look like a type
            find_type(value[found.end() : end].decode(errors="replace"))


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
    """Whether the value is only the path of a file on Envoy's machine."""
    return isinstance(value, dict) and value.keys() == {"filename"}
