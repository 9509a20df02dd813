"""The metrics: read from the streams and the catalog when they are scraped, so that a push pays for none of them."""

from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from xds import __version__
from xds.server.ads import AdsServicer
from xds.server.status import Client, State, gather_clients
from xds.wire import TYPE_URLS, short_type

MAX_NODES = 100
"""How many clients at most are named by a label: a metric's labels must not grow with the mesh."""


def build_registry(ads: AdsServicer, refused_files: Callable[[], tuple[str, ...]]) -> CollectorRegistry:
    """Give a registry of one server's metrics, and of its process."""
    registry = CollectorRegistry()
    registry.register(StatusCollector(ads, refused_files))
    ProcessCollector(registry=registry)
    return registry


class StatusCollector(Collector):
    """Counts when it is asked; it takes time with the number of clients, not with what they are served."""

    def __init__(self, ads: AdsServicer, refused_files: Callable[[], tuple[str, ...]]) -> None:
        self._ads = ads
        self._refused_files = refused_files

    def collect(self) -> Iterator[Metric]:
        """Give every metric as it is now."""
        yield _gauge("xds_info", "What runs", ["version"], {(__version__,): 1})
        clients = gather_clients(self._ads.streams())
        by_variant: Counter[tuple[str, ...]] = Counter({("sotw",): 0, ("delta",): 0})
        by_variant.update((client.variant,) for client in clients)
        yield _gauge("xds_connected_clients", "Connected clients", ["variant"], by_variant)
        yield from _count_states(clients)
        for what, words in (("nacks", "Responses that clients refused"), ("pushes", "Responses sent")):
            family = CounterMetricFamily(f"xds_{what}", words, labels=["type"])
            for type_url in TYPE_URLS:
                family.add_metric([short_type(type_url)], self._ads.tally[what, type_url])
            yield family
        yield from self._describe_catalog()

    def describe(self) -> list[Metric]:
        """Name nothing beforehand: a registry asks for this when the collector is registered."""
        return []

    def _describe_catalog(self) -> Iterator[Metric]:
        inventory, refused = self._ads.store.inventory, self._refused_files()
        catalog = inventory.catalog
        endpoints = sum(len(service.endpoints) for service in catalog.services.values())
        resources: Counter[tuple[str, ...]] = Counter(
            (short_type(type_url),) for parts in inventory.parts.values() for type_url in parts.resources
        )
        yield _gauge("xds_resources", "Resources that services contribute", ["type"], resources)
        yield GaugeMetricFamily("xds_catalog_ok", "1 when every file is served as it is", int(not refused))
        yield GaugeMetricFamily("xds_catalog_refused_files", "Files whose last good state is served", len(refused))
        yield GaugeMetricFamily("xds_catalog_services", "Services of the catalog", len(catalog.services))
        yield GaugeMetricFamily("xds_catalog_endpoints", "Endpoints of the catalog", endpoints)
        yield GaugeMetricFamily("xds_catalog_gateways", "Gateways of the catalog", len(catalog.gateways))


def _count_states(clients: list[Client]) -> Iterator[Metric]:
    """Count clients by type and state, and name those that refuse something."""
    states: Counter[tuple[str, ...]] = Counter()
    nacked: dict[tuple[str, ...], int] = {}
    for client in clients:
        for subscribed in client.types():
            kind, state = short_type(subscribed.type_url), subscribed.state
            states[kind, state] += 1
            if state is State.NACKED and len(nacked) < MAX_NODES:
                nacked[client.node.id, client.node.cluster, kind] = 1
    for type_url in TYPE_URLS:
        for state in State:
            states.setdefault((short_type(type_url), state), 0)
    yield _gauge("xds_subscriptions", "Clients by how they stand with a type", ["type", "state"], states)
    words = f"1 for a client that refuses what it is served (the first {MAX_NODES} are named)"
    yield _gauge("xds_nacked", words, ["node_id", "cluster", "type"], nacked)


def _gauge(name: str, words: str, labels: list[str], values: "dict[tuple[str, ...], int]") -> Metric:
    family = GaugeMetricFamily(name, words, labels=labels)
    for key, value in values.items():
        family.add_metric(list(key), value)
    return family
