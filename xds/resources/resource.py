"""A resource: one named, encoded Envoy message, and its version."""

from dataclasses import dataclass
from hashlib import blake2b

from xds.wire import encode_any


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource as it goes over the wire.

    `body` is the encoded google.protobuf.Any; `version` is 16 hexadecimal digits, a hash of the content, so that
    it is the same on every replica and after a restart. Resources are equal when their names and content are.
    With a `ttl_ms`, clients drop the resource that many milliseconds after they last heard of it; 0 is for ever.
    """

    name: str
    version: str
    body: bytes
    ttl_ms: int = 0


def encode_resource(type_url: str, name: str, message: bytes, ttl_ms: int = 0) -> Resource:
    """Wrap the encoded `message` of the type `type_url`; its version is another with another time to live."""
    content = blake2b(message, digest_size=8, salt=ttl_ms.to_bytes(8, "big"))
    return Resource(name, content.hexdigest(), encode_any(type_url, message), ttl_ms)
