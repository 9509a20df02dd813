"""A resource: one named, encoded Envoy message, and its version."""

from dataclasses import dataclass
from hashlib import blake2b

from xds.wire import encode_any


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource as it goes over the wire.

    `body` is the encoded google.protobuf.Any; `version` is 16 hexadecimal digits, a hash of the content, so that
    it is the same on every replica and after a restart. Resources are equal when their names and content are.
    """

    name: str
    version: str
    body: bytes


def encode_resource(type_url: str, name: str, message: bytes) -> Resource:
    """Wrap the encoded `message` of the type `type_url`."""
    return Resource(name, blake2b(message, digest_size=8).hexdigest(), encode_any(type_url, message))
