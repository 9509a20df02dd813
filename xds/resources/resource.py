"""A resource: an encoded Envoy message with a name and a version."""

from dataclasses import dataclass
from hashlib import blake2b

from xds.wire import encode_any


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource as it is sent.

    `body` is the encoded google.protobuf.Any. `version` is 16 hexadecimal digits, a hash of the content, so that
    it is the same on every replica and after a restart. Resources are equal if their names and contents are.
    With a `ttl_ms`, clients remove the resource that many milliseconds after they last received it or its heartbeat;
    0 means no time to live.
    """

    name: str
    version: str
    body: bytes
    ttl_ms: int = 0


def encode_resource(type_url: str, name: str, message: bytes, ttl_ms: int = 0) -> Resource:
    """Return the resource of an encoded `message` of the type `type_url`; the version depends on `ttl_ms` too."""
    content = blake2b(message, digest_size=8, salt=ttl_ms.to_bytes(8, "big"))
    return Resource(name, content.hexdigest(), encode_any(type_url, message), ttl_ms)
