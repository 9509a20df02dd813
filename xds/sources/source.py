"""What a source promises: of documents, which hold policy, and of instances, which are the endpoints of services.

The two differ in how often they change. A document is read by people, has positions, and passes the whole catalog's
checks. An instance changes a thousand times as often, passes no YAML, and is checked alone.
"""

from collections.abc import AsyncGenerator, Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol

from xds.sources.document import Document

InstanceId = tuple[str, str]
"""The service that an instance answers for, and the instance's own name, unique among its provider's of that service.

A change of the address keeps the name: it is the same instance.
"""


class DocumentSource(Protocol):
    """Where policy comes from.

    `read` returns the full set; `watch` then yields, without end, what is not as it was when it was last read or
    yielded. Nothing that happens after `read` is missed, a repeat is allowed, and half a set is never yielded: a source
    that cannot see everything yields nothing for what it cannot see.
    """

    noticed_at: int
    """When what `watch` yielded last was noticed, before it was read; time.monotonic_ns()."""

    def read(self, last: Mapping[str, Document] = ...) -> dict[str, Document]:
        """Return every document there is now, by name, and those of `last` that cannot be seen now.

        `last` are the documents that an earlier process served last. Those that are surely gone are left out.
        """
        ...

    @property
    def digest(self) -> str:
        """A hash of the set as it was last read or yielded, equal for the same contents wherever they are."""
        ...

    @property
    def unfinished(self) -> tuple[str, ...]:
        """The names of documents that are still being written, and so are not yielded yet."""
        ...

    def yield_again(self, names: Collection[str]) -> AbstractSet[str]:
        """Ask to yield these documents, and no others, also when somebody saves them again with the same content.

        Return those of which that can be noticed. It must be a save of just these: a program that writes all documents
        anew says nothing about one of them.
        """
        ...

    def watch(self) -> AsyncGenerator[dict[str, Document | None]]:
        """Yield changed documents by name, None for one that is gone."""
        ...


@dataclass(frozen=True, slots=True)
class InstanceUpdate:
    """A provider's instances: plain values, as in the catalog's `endpoints`, not checked yet.

    None stands for an instance that is gone. In a `full` update, every instance that is not named is gone. `asked` is
    whether every removal was asked for by itself, so that many of them are no accident of the provider.
    """

    instances: Mapping[InstanceId, object | None]
    full: bool = False
    asked: bool = False


class InstanceSource(Protocol):
    """Where endpoints come from: a registry, Consul, Kubernetes. The promise of such a provider:

    - The first update that `watch` yields is the full set. Until then nothing is known of the provider's instances, so
      what was served of them stays. A source whose first update is no full set has failed.
    - Later updates hold what changed, or the full set again. A repeat is allowed and costs little.
    - Half a set is never yielded as a full one. A provider that loses its connection yields nothing until it has the
      full set again.
    """

    @property
    def name(self) -> str:
        """The provider's name, unique in a server and the same after a restart, such as `consul`."""
        ...

    def watch(self) -> AsyncGenerator[InstanceUpdate]:
        """Yield updates, without end."""
        ...
