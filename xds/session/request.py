"""Parses requests from bytes."""

from typing import TypeVar

from google.protobuf.message import DecodeError

from xds.errors import PeerError
from xds.wire.discovery_pb2 import DeltaDiscoveryRequest, DiscoveryRequest

Request = TypeVar("Request", DiscoveryRequest, DeltaDiscoveryRequest)
"""The request message of either variant."""


def parse_request(kind: type[Request], data: bytes) -> Request:
    """Parse a request of the message type `kind`. Raises PeerError when the bytes are no such message."""
    try:
        request: Request = kind.FromString(data)
    except DecodeError as error:
        raise PeerError("INVALID_ARGUMENT", f"not a {kind.DESCRIPTOR.name}: {error}") from None
    return request
