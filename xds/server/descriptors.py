"""Descriptors: how many files and connections this process may have open, and how many of them each port may use.

What reads the catalog, the watcher and the admin need few. So some are kept for them, whatever clients do.
"""

import contextlib
import resource
from dataclasses import dataclass

KEPT = 256
"""How many descriptors no connection may use, at most; where there are few, a quarter of all."""

ADMIN = 256
"""How many connections the admin may have, at most; where there are few, an eighth of all."""

MOST = 2**30
"""What counts as no limit."""


@dataclass(frozen=True, slots=True)
class ConnectionShares:
    """How many connections may be open at each port."""

    grpc: int
    rest: int
    admin: int
    registry: int = 0


def raise_open_files() -> None:
    """Raise the limit of open descriptors as far as this process may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # macOS has a lower limit than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def read_open_files() -> int:
    """Return how many descriptors this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else min(soft, MOST)


def share_connections(*, has_rest: bool, has_registry: bool = False) -> ConnectionShares:
    """Return how many connections each port of this process may have."""
    limit = read_open_files()
    free = limit - min(KEPT, limit // 4)
    admin = min(ADMIN, free // 8)
    quarter = (free - admin) // 4
    rest, registry = quarter if has_rest else 0, quarter if has_registry else 0
    return ConnectionShares(free - admin - rest - registry, rest, admin, registry)
