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
    """Whether a client that takes the new version of a resource loses what works, since it lacks what that names.

    `unusable` are clusters or secrets that it lacks. In a RouteConfiguration each virtual host counts by itself, in a
    Listener each filter chain. A new one that names any of these harms nothing, unless it takes the place of one that
    is gone, or takes connections from a filter chain for many hosts.
    """
    was, now = _split(before), _split(after)
    patterns = [_find(name) for name in unusable]
    newly = {
        part
        for part, content in now.items()
        if any(pattern in content and pattern not in was.get(part, b"") for pattern in patterns)
    }
    return bool(newly) and any(part in newly or part not in now or _takes_many(part) for part in was)


def _find(name: str) -> bytes:
    """Return the bytes of a name in an encoded message: its length and its text."""
    text = name.encode()
    return encode_varint(len(text)) + text


Part = str | frozenset[str]
"""What a part of a resource is for: the name of a virtual host, or the hosts of a filter chain; "" is the whole."""


def _takes_many(part: Part) -> bool:
    """Whether a filter chain may have connections for hosts that it does not name."""
    return isinstance(part, frozenset) and (not part or any(host.startswith("*") for host in part))


def _split(resource: Resource) -> Mapping[Part, bytes]:
    """Return the virtual hosts of a RouteConfiguration, or the filter chains of a Listener; any other as one part."""
    packed = Any.FromString(resource.body)
    try:
        if packed.type_url.endswith(".RouteConfiguration"):
            hosts = RouteConfiguration.FromString(packed.value).virtual_hosts
            return {host.name: host.SerializeToString() for host in hosts} or {"": packed.value}
        if packed.type_url.endswith(".Listener"):
            return _split_listener(Listener.FromString(packed.value)) or {"": packed.value}
    except DecodeError:
        pass
    return {"": packed.value}


def _split_listener(listener: Listener) -> Mapping[Part, bytes]:
    """Return the filter chains by their hosts, and beside them the rest of the Listener."""
    parts: dict[Part, bytes] = {}
    for chain in listener.filter_chains:
        hosts = frozenset(chain.filter_chain_match.server_names)
        parts[hosts] = parts.get(hosts, b"") + chain.SerializeToString()
    if parts:
        listener.ClearField("filter_chains")
        parts[""] = listener.SerializeToString()
    return parts
