"""Batch: what one response carries, encoded once for all streams that are sent the same."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from xds.snapshot.snapshot import TypeSnapshot

T = TypeVar("T")

MAX_SHARED = 64
"""How much one TypeSnapshot keeps for others to share; a client that asks for oddities cannot add more."""

LARGE = 32
"""From how many names on it is worth while to look whether another stream worked the same out before."""


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


def is_large(names: int) -> bool:
    """Tell whether what follows from so many names is to be shared."""
    return names >= LARGE


def share(snapshot: TypeSnapshot, key: object, make: Callable[[], T]) -> T:
    """Give what was made of the snapshot for this key before, or make it: one value for all, never to be changed.

    The key names the type too: types that have no resources share one empty TypeSnapshot.
    """
    value: T | None = snapshot.shared.get(key)
    if value is None:
        if len(snapshot.shared) >= MAX_SHARED:
            snapshot.shared.clear()
        value = snapshot.shared[key] = make()
    return value
