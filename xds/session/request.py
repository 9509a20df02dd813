"""Requests: from bytes to a message, or to what is wrong with them."""

from typing import TypeVar

from google.protobuf.message import DecodeError

from xds.errors import PeerError
from xds.wire.discovery_pb2 import DeltaDiscoveryRequest, DiscoveryRequest

Request = TypeVar("Request", DiscoveryRequest, DeltaDiscoveryRequest)
"""Either variant's request."""


def parse_request(kind: type[Request], data: bytes) -> Request:
    """Parse a request of a kind; raise PeerError when the bytes are none."""
    try:
        request: Request = kind.FromString(data)
    except DecodeError as error:
        raise PeerError("INVALID_ARGUMENT", f"not a {kind.DESCRIPTOR.name}: {error}") from None
    return request
