"""The metrics: made of what is so when they are scraped, so that a push pays for none of them."""

from collections import Counter
from collections.abc import Iterator
from functools import partial

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from xds import __version__
from xds.resources.inventory import Inventory
from xds.server.census import MAX_NACKED, Answers, Counts
from xds.server.status import State
from xds.wire import TYPE_URLS, short_type

MAX_NODES = MAX_NACKED
"""How many clients at most are named by a label: a metric's labels must not grow with the mesh."""

Tally = Counter[tuple[str, str]]


class Metrics:
    """Makes what is scraped. It keeps what processes counted, those that are gone too: no counter goes back."""

    def __init__(self) -> None:
        self._tallies: dict[int, Tally] = {}

    def build_registry(
        self, answers: Answers[Counts], inventory: Inventory, refused_files: tuple[str, ...]
    ) -> CollectorRegistry:
        """Give a registry for one scrape."""
        self._tallies.update((counts.pid, counts.tally) for counts in answers.all)
        tally = sum(self._tallies.values(), Tally())
        registry = CollectorRegistry()
        registry.register(_Scrape([*_describe_clients(answers, tally), *_describe_catalog(inventory, refused_files)]))
        return registry


class _Scrape(Collector):
    """What there is, as prometheus_client wants it."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        """Give every metric."""
        return self._metrics


def _describe_clients(answers: Answers[Counts], tally: Tally) -> Iterator[Metric]:
    yield _gauge("xds_info", "What runs", ["version"], {(__version__,): 1})
    by_variant: Counter[tuple[str, ...]] = Counter({("sotw",): 0, ("delta",): 0})
    states: Counter[tuple[str, ...]] = Counter({(short_type(kind), state): 0 for kind in TYPE_URLS for state in State})
    for counts in answers.all:
        by_variant.update({(variant,): number for variant, number in counts.variants.items()})
        states.update({(short_type(kind), state): number for (kind, state), number in counts.states.items()})
    yield _gauge("xds_connected_clients", "Connected clients", ["variant"], by_variant)
    yield _gauge("xds_subscriptions", "Clients by how they stand with a type", ["type", "state"], states)
    nacked = [(node_id, cluster, short_type(kind)) for one in answers.all for node_id, cluster, kind in one.nacked]
    words = f"1 for a client that refuses what it is served (the first {MAX_NODES} are named)"
    yield _gauge("xds_nacked", words, ["node_id", "cluster", "type"], dict.fromkeys(nacked[:MAX_NODES], 1))
    for what, words in (("nacks", "Responses that clients refused"), ("pushes", "Responses sent")):
        family = CounterMetricFamily(f"xds_{what}", words, labels=["type"])
        for type_url in TYPE_URLS:
            family.add_metric([short_type(type_url)], tally[what, type_url])
        yield family
    yield GaugeMetricFamily("xds_silent_workers", "Workers that do not answer for their clients", len(answers.silent))
    yield from _describe_processes({number: counts.pid for number, counts in answers.by_worker.items()})


def _describe_processes(pids: dict[int, int]) -> Iterator[Metric]:
    """Give the metrics of each process; a worker's are labelled by its number."""
    families: dict[str, Metric] = {}
    for number, pid in pids.items():
        labels = {"worker": str(number)} if number else {}
        for found in ProcessCollector(pid=partial(str, pid), registry=None).collect():
            family = families.setdefault(found.name, Metric(found.name, found.documentation, found.type))
            for sample in found.samples:
                family.add_sample(sample.name, labels, sample.value)
    yield from families.values()


def _describe_catalog(inventory: Inventory, refused_files: tuple[str, ...]) -> Iterator[Metric]:
    catalog = inventory.catalog
    endpoints = sum(len(service.endpoints) for service in catalog.services.values())
    resources: Counter[tuple[str, ...]] = Counter(
        (short_type(type_url),) for parts in inventory.parts.values() for type_url in parts.resources
    )
    yield _gauge("xds_resources", "Resources that services contribute", ["type"], resources)
    yield GaugeMetricFamily("xds_catalog_ok", "1 when every file is served as it is", int(not refused_files))
    yield GaugeMetricFamily("xds_catalog_refused_files", "Files whose last good state is served", len(refused_files))
    yield GaugeMetricFamily("xds_catalog_services", "Services of the catalog", len(catalog.services))
    yield GaugeMetricFamily("xds_catalog_endpoints", "Endpoints of the catalog", endpoints)
    yield GaugeMetricFamily("xds_catalog_gateways", "Gateways of the catalog", len(catalog.gateways))


def _gauge(name: str, words: str, labels: list[str], values: "dict[tuple[str, ...], int]") -> Metric:
    family = GaugeMetricFamily(name, words, labels=labels)
    for key, value in values.items():
        family.add_metric(list(key), value)
    return family
