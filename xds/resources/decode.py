"""Decodes resources for people who want to see what is served; nothing that is sent depends on it.

For fields that xds does not build it imports envoy-data-plane's classes, which takes a second the first time. To decode
many resources, call it in a thread, not in the event loop.
"""

import json
from functools import lru_cache
from typing import Any

from google.protobuf.any_pb2 import Any as WireAny
from google.protobuf.json_format import MessageToDict, MessageToJson
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from xds.catalog.raw.descriptors import EnvoyTypes
from xds.resources.resource import Resource
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, SECRET, endpoint_pb2, skeleton_pb2
from xds.wire.messages import pack
from xds.wire.pool import build_pool, has_unknown, parse_known

REDACTED = "[redacted]"
SENSITIVE = frozenset(
    {"private_key", "private_key_provider", "pkcs12", "password", "session_ticket_keys", "generic_secret"}
)
"""The fields of a Secret that are never shown; Envoy's own config_dump redacts the same fields."""


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


def _write(message: Message, pool: Any = None) -> dict[str, Any]:
    written = MessageToJson(
        message, preserving_proto_field_name=True, indent=None, descriptor_pool=pool or build_pool()
    )
    decoded: dict[str, Any] = json.loads(written)  # MessageToDict returns mappings of several types
    return decoded


def _decode_any(type_url: str, value: bytes) -> dict[str, Any]:
    """Decode any message of Envoy, whose types may have to be imported first."""
    types = EnvoyTypes()
    kind = GetMessageClass(types.FindMessageTypeByName(type_url.rpartition("/")[2]))
    return _write(kind.FromString(value), types)


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
