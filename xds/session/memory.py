"""Memory: what a client's next stream begins with, if the client has refused a part of an edit, or drains listeners.

A stream that ends takes nothing down, nor does a server or a client that starts again: the client is served what
worked. It is forgotten as soon as the catalog has another version of what was refused. What a draining listener names
stays until the drain ends, unless the client has started again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from xds.resources.resource import Resource
from xds.session.subscription import Nack


@dataclass(frozen=True, slots=True)
class Drain:
    """Listeners as they were before the client accepted a change of them, whose connections may live on.

    Also clusters as they were before a change which needs a secret that the client lacks. `until` is when the drain
    ends, of the caller's clock; a session does not need it.
    """

    number: int
    resources: tuple[Resource, ...]
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class Memory:
    """What a client is served against the catalog, by type and name.

    `refused` are the versions that it refused, `nacks` its messages. Those in `unserved` are not sent again, since even
    a client that has what worked would lose it: a listener at the address of another, and a secret that a listener
    would wait for. `older` are the versions in place of what is refused or would harm. `removed` are resources that the
    catalog no longer has. `drains` are those that go on.
    """

    refused: Mapping[str, Mapping[str, str]]
    unserved: Mapping[str, frozenset[str]]
    older: Mapping[str, Mapping[str, Resource]]
    removed: Mapping[str, Mapping[str, Resource]]
    nacks: tuple[Nack, ...] = ()
    drains: tuple[Drain, ...] = ()

    @property
    def lasts(self) -> bool:
        """Whether it outlives the process. All else is what an answer is awaited for."""
        return bool(self.refused or self.drains)

    def for_new_client(self) -> "Memory | None":
        """Return what is true of a client that has started again: it drains nothing, and has nothing to lose."""
        return replace(self, drains=()) if self.refused else None
