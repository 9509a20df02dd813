"""Providers: checks what each provider yields, gives the valid endpoints to a registry, and keeps what is refused."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from xds.catalog.catalog import Catalog
from xds.endpoints.endpoint_set import Endpoints
from xds.endpoints.instance import parse_update
from xds.endpoints.registry import Registry
from xds.errors import Problem
from xds.sources.source import InstanceId, InstanceUpdate


@dataclass(frozen=True, slots=True)
class ProviderState:
    """The instances of a provider that are not served as it describes them.

    - `refused` has the problems of each invalid instance. Its last valid endpoint stays served.
    - `withheld` has, by service, the number of valid instances that are not served: see `Registry.withheld`.
    """

    name: str
    refused: Mapping[InstanceId, tuple[Problem, ...]]
    withheld: Mapping[str, int]

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
            yield _describe_withheld(self.name, service, count)


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
        parsed = parse_update(provider, update)
        self._registry.put(provider, parsed.endpoints, full=update.full, refused=frozenset(parsed.refused))
        known = self._refused.get(provider, {})
        gone = known.keys() if update.full else update.instances.keys()
        self._refused[provider] = {name: found for name, found in known.items() if name not in gone} | parsed.refused
        return [one for name, found in parsed.refused.items() if known.get(name) != found for one in found]

    def publish(self) -> tuple[Endpoints, list[Problem]]:
        """Return the current endpoints, and a problem for each service of which more instances are withheld."""
        endpoints, before = self._registry.publish(), self._withheld
        self._withheld = self._registry.withheld
        return endpoints, [
            _describe_withheld(provider, service, count)
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
        return tuple(ProviderState(name, found, withheld.get(name, {})) for name, found in self._refused.items())


def _describe_withheld(provider: str, service: str, count: int) -> Problem:
    subject = "1 instance with an IP address is" if count == 1 else f"{count} instances with an IP address are"
    message = f"{subject} not served: TLS has no name to verify in the certificate: write `sni` or `subject_alt_names`"
    return Problem(provider, 0, 0, f"services.{service}.tls", message)
