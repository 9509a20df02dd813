"""Faults: the kinds of nodes whose view cannot be built through a bug in xds. Their streams end, and they try again."""

from collections.abc import Callable

from xds.resources.view import NodeKind

FAULT_SECONDS = 60.0
"""How long a fault counts after the last node that met it. Envoy tries again every 30 s at least."""

MAX_KINDS = 100
"""How many kinds are remembered. Clients choose them, so there must be a limit."""


class Faults:
    """Remembers which kinds of nodes met a bug, until a view of the kind is built or no node tries any more."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._met_at: dict[NodeKind, float] = {}

    def note(self, kind: NodeKind) -> None:
        """Note that a node of a kind met a bug now."""
        self._met_at.pop(kind, None)
        if len(self._met_at) >= MAX_KINDS:
            del self._met_at[next(iter(self._met_at))]
        self._met_at[kind] = self._clock()

    def mend(self, kind: NodeKind) -> None:
        """Note that a view of a kind is built."""
        self._met_at.pop(kind, None)

    @property
    def clusters(self) -> list[str]:
        """The values of `node.cluster` of these kinds."""
        since = self._clock() - FAULT_SECONDS
        return sorted({kind.cluster for kind, at in self._met_at.items() if at > since})
