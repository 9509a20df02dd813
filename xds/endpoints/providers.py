"""Providers: checks what each provider yields, gives the valid endpoints to a registry, and keeps what is refused."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from xds.catalog.catalog import Catalog
from xds.catalog.model.endpoint import Endpoint
from xds.endpoints.endpoint_set import REGISTERED, Endpoints, Key
from xds.endpoints.instance import Parsed, parse_update
from xds.endpoints.registry import Registry
from xds.errors import Problem
from xds.sources.source import InstanceId, InstanceUpdate


@dataclass(frozen=True, slots=True)
class ProviderState:
    """The instances of a provider that are not served as it describes them.

    - `refused` has the problems of each invalid instance. Its last valid endpoint stays served.
    - `withheld` has, by service, the number of valid instances that are not served: see `Registry.withheld`.
      Those of `closed` services are withheld since the service takes none that register themselves.
    """

    name: str
    refused: Mapping[InstanceId, tuple[Problem, ...]]
    withheld: Mapping[str, int]
    closed: frozenset[str] = frozenset()

    @property
    def withheld_count(self) -> int:
        """How many instances are withheld."""
        return sum(self.withheld.values())

    @property
    def problem_count(self) -> int:
        """How many problems there are."""
        return sum(map(len, self.refused.values())) + len(self.withheld)

    def problems(self) -> Iterator[Problem]:
        """Yield all problems: those of refused instances, and one for each service with withheld instances."""
        for found in self.refused.values():
            yield from found
        for service, count in self.withheld.items():
            yield _describe_withheld(self.name, service, count, is_closed=service in self.closed)


@dataclass(slots=True)
class _Merged:
    """Updates of one provider, as one update."""

    changes: dict[InstanceId, Endpoint | None] = field(default_factory=dict)
    refused: set[InstanceId] = field(default_factory=set)
    full: bool = False
    asked: bool = True

    def add(self, update: InstanceUpdate, parsed: Parsed) -> None:
        """Add an update that came after the others."""
        self.asked = self.asked and update.asked
        if update.full:
            self.full = True
            self.changes = {name: was for name, was in self.changes.items() if name in parsed.refused}
            self.refused.clear()
        self.refused -= update.instances.keys()
        self.refused |= parsed.refused.keys()
        self.changes |= parsed.endpoints


class Providers:
    """The state of each provider, and the registry with their endpoints.

    `names` are the providers that are known from the start.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._registry = Registry()
        self._refused: dict[str, dict[InstanceId, tuple[Problem, ...]]] = {name: {} for name in names}
        self._withheld: Mapping[str, Mapping[str, int]] = {}

    def put_catalog(self, catalog: Catalog) -> None:
        """Apply the endpoints in the catalog."""
        self._registry.put_catalog(catalog)

    def put(self, provider: str, update: InstanceUpdate) -> list[Problem]:
        """Apply the valid instances of an update, and return the problems that the provider did not have before."""
        return self.put_all([(provider, update)])

    def put_all(self, updates: Iterable[tuple[str, InstanceUpdate]], share: float | None = None) -> list[Problem]:
        """Apply the valid instances of updates, and return the problems that their providers did not have before.

        `updates` are providers' names and updates, in the order in which they came. Those of one provider count as one
        update, also for `share`, which is that of `Registry.put`.
        """
        problems: list[Problem] = []
        merged: dict[str, _Merged] = {}
        for provider, update in updates:
            parsed = parse_update(provider, update)
            merged.setdefault(provider, _Merged()).add(update, parsed)
            known = self._refused.get(provider, {})
            gone = known.keys() if update.full else update.instances.keys()
            kept = {name: found for name, found in known.items() if name not in gone}
            self._refused[provider] = kept | parsed.refused
            problems += (one for name, found in parsed.refused.items() if known.get(name) != found for one in found)
        for provider, one in merged.items():
            held = None if one.asked else share
            self._registry.put(provider, one.changes, full=one.full, refused=frozenset(one.refused), share=held)
        return problems

    @property
    def held(self) -> Mapping[str, frozenset[tuple[str, Key]]]:
        """The instances that providers removed and that are served nevertheless: see `Registry.held`."""
        return self._registry.held

    def explain_held(self, provider: str) -> str:
        """Return in words for the operator why instances of a provider are held."""
        return self._registry.explain_held(provider)

    def release(self, provider: str) -> None:
        """Remove the instances of a provider that are held."""
        self._registry.release(provider)

    def publish(self) -> tuple[Endpoints, list[Problem]]:
        """Return the current endpoints, and a problem for each service of which more instances are withheld."""
        endpoints, before = self._registry.publish(), self._withheld
        self._withheld = self._registry.withheld
        return endpoints, [
            _describe_withheld(provider, service, count, is_closed=self._is_closed(provider, service))
            for service, counts in self._withheld.items()
            for provider, count in counts.items()
            if count > before.get(service, {}).get(provider, 0)
        ]

    @property
    def states(self) -> tuple[ProviderState, ...]:
        """The state of each provider, as it was published last. Later changes do not change it."""
        withheld: dict[str, dict[str, int]] = {}
        for service, counts in self._withheld.items():
            for provider, count in counts.items():
                withheld.setdefault(provider, {})[service] = count
        return tuple(
            ProviderState(name, found, of_provider, frozenset(one for one in of_provider if self._is_closed(name, one)))
            for name, found in self._refused.items()
            for of_provider in [withheld.get(name, {})]
        )

    def _is_closed(self, provider: str, service: str) -> bool:
        return provider == REGISTERED and self._registry.is_closed(service)


def _describe_withheld(provider: str, service: str, count: int, *, is_closed: bool) -> Problem:
    if is_closed:
        subject = "1 instance that registers itself is" if count == 1 else f"{count} instances that register are"
        message = f"{subject} not served: the service lists its endpoints: add `registered`"
        return Problem(provider, 0, 0, f"services.{service}.endpoints", message)
    subject = "1 instance with an IP address is" if count == 1 else f"{count} instances with an IP address are"
    message = f"{subject} not served: TLS has no name to verify in the certificate: write `sni` or `subject_alt_names`"
    return Problem(provider, 0, 0, f"services.{service}.tls", message)
