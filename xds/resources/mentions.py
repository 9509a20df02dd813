"""What encoded resources refer to, found in their bytes: also in fields and messages that xds does not know.

A name counts as mentioned if the bytes contain it as a whole string. So a name that only looks like a reference counts
too, such as a host of the same name. Who uses this may wait for too much, never for too little.
"""

from collections.abc import Collection, Mapping

from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError

from xds.resources.resource import Resource
from xds.wire.envoy.config_listener_v3_pb2 import Listener
from xds.wire.envoy.config_route_v3_pb2 import RouteConfiguration
from xds.wire.varint import encode_varint

AddressKey = tuple[int, str, int]
"""An address that a Listener binds: the transport protocol, the IP address and the port."""


def mentions(resource: Resource, name: str) -> bool:
    """Whether a resource contains this name."""
    return _find(name) in resource.body


def find_addresses(listener: Resource) -> frozenset[AddressKey]:
    """Return the addresses of a Listener. Envoy refuses a second Listener at the same address."""
    try:
        message = Listener.FromString(Any.FromString(listener.body).value)
    except DecodeError:
        return frozenset()
    places = [message.address, *(one.address for one in getattr(message, "additional_addresses", ()))]
    sockets = [place.socket_address for place in places if place.HasField("socket_address")]
    return frozenset((one.protocol, one.address, one.port_value) for one in sockets if one.port_value)


def would_harm(before: Resource, after: Resource, unusable: Collection[str]) -> bool:
    """Whether a client that takes the new version of a resource loses what works, since it lacks some clusters.

    `unusable` are these clusters. In a RouteConfiguration each virtual host counts by itself. A new virtual host that
    names such a cluster harms nothing, unless it takes the place of one that is gone.
    """
    was, now = _split(before), _split(after)
    patterns = [_find(name) for name in unusable]
    newly = {
        part
        for part, content in now.items()
        if any(pattern in content and pattern not in was.get(part, b"") for pattern in patterns)
    }
    return any(part in was for part in newly) or (bool(newly) and bool(was.keys() - now.keys()))


def _find(name: str) -> bytes:
    """Return the bytes of a name in an encoded message: its length and its text."""
    text = name.encode()
    return encode_varint(len(text)) + text


def _split(resource: Resource) -> Mapping[str, bytes]:
    """Return the encoded virtual hosts of a RouteConfiguration by name; any other resource as one part."""
    packed = Any.FromString(resource.body)
    if not packed.type_url.endswith(".RouteConfiguration"):
        return {"": packed.value}
    try:
        routes = RouteConfiguration.FromString(packed.value)
    except DecodeError:
        routes = RouteConfiguration()
    return {host.name: host.SerializeToString() for host in routes.virtual_hosts} or {"": packed.value}
