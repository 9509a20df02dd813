"""Batch: what one response carries, encoded once for all streams that are sent the same."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from xds.snapshot.snapshot import TypeSnapshot

MAX_ENCODED = 64
"""How many different responses one TypeSnapshot keeps encoded; a client that asks for oddities cannot add more."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one response carries: the version of each resource by name, the names that are gone, and the bytes.

    `body` is the encoded response but for its nonce, so that all streams that are sent the same share it;
    `version_info` is that of the whole type. A heartbeat's resources have no body: the client has them.
    """

    versions: Mapping[str, str]
    removed: tuple[str, ...]
    body: bytes
    version_info: str
    is_heartbeat: bool = False


def share(snapshot: TypeSnapshot, key: object, make: Callable[[], Batch]) -> Batch:
    """Give the batch that was made for this key before, or make it.

    The key names the type too: types that have no resources share one empty TypeSnapshot.
    """
    batch: Batch | None = snapshot.encoded.get(key)
    if batch is None:
        if len(snapshot.encoded) >= MAX_ENCODED:
            snapshot.encoded.clear()
        batch = snapshot.encoded[key] = make()
    return batch
