"""Batch: the content of one response, and the store that lets streams share equal results.

A result (an encoded response, a set of names) is kept at the TypeSnapshot from which it was computed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from xds.snapshot.snapshot import TypeSnapshot

T = TypeVar("T")

MAX_SHARED = 64
"""How many shared results one TypeSnapshot keeps: a bound on what clients with unusual requests can add."""

LARGE = 32
"""From how many names on a result is shared. For fewer names, computing it again is cheaper than the lookup."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The content of one response: the version of each resource by name, the removed names, and the bytes.

    `body` is the encoded response without its nonce, so that all streams that are sent the same response share it.
    `version_info` is the version of the whole type. The resources of a heartbeat have no body, since the client has
    them already.
    """

    versions: Mapping[str, str]
    removed: tuple[str, ...]
    body: bytes
    version_info: str
    is_heartbeat: bool = False


def is_large(names: int) -> bool:
    """Whether a result for this number of names is shared."""
    return names >= LARGE


def share(snapshot: TypeSnapshot, key: object, make: Callable[[], T]) -> T:
    """Return the snapshot's shared result for `key`, or call `make` and keep its result. Callers must not change it.

    The key must contain the type_url if the result depends on it: types without resources share one empty TypeSnapshot.
    """
    value: T | None = snapshot.shared.get(key)
    if value is None:
        if len(snapshot.shared) >= MAX_SHARED:
            snapshot.shared.clear()
        value = snapshot.shared[key] = make()
    return value
