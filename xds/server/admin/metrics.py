"""The Prometheus metrics of the server, except those of endpoints.

A scrape reads the current state (clients, catalog, processes) and the counters that each process keeps
(`observe/counters.py`). Clients choose their names: a label has them with escapes, and names that look the same then
count together.
"""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from xds import __version__
from xds.endpoints.endpoint_set import CATALOG
from xds.errors import Severity
from xds.resources.inventory import Inventory
from xds.resources.view import Standing
from xds.server.clients.ask import MAX_NACKED, Answers, Counts
from xds.server.clients.documents import AppliedState
from xds.server.clients.status import State
from xds.server.observe.counters import (
    MAX_CLUSTERS,
    OTHER,
    SECONDS,
    CatalogCounters,
    Histogram,
    Pushes,
    StreamCounters,
    sum_counters,
)
from xds.session.subscription import REASONS
from xds.wire import TYPE_URLS, short_type
from xds.wording import printable

MAX_NODES = MAX_NACKED
"""The maximum number of clients that labels name: the number of series must not grow with the mesh."""

LOADS = ("accepted", "refused", "held", "failed")
"""The results of reading the catalog. "held" takes away too much; "failed" is a bug in xds."""


class Metrics:
    """Makes the metrics. It keeps the counters of processes that have ended too, so that no counter decreases."""

    def __init__(self, catalog_counters: CatalogCounters) -> None:
        self._catalog_counters = catalog_counters
        self._counters_by_pid: dict[int, StreamCounters] = {}
        self._clusters: set[str] = set()

    def build_registry(
        self, answers: Answers[Counts], inventory: Inventory, applied: AppliedState, now: float
    ) -> CollectorRegistry:
        """Return a registry for one scrape.

        `answers` are the counts of each process. `applied` is what is served of the source. `now` is a time.time().
        """
        self._counters_by_pid.update((counts.pid, counts.counters) for counts in answers.all)
        counters = sum_counters(self._counters_by_pid.values(), self._clusters)
        registry = CollectorRegistry()
        metrics = [
            *_describe_clients(answers),
            *_describe_streams(counters),
            *_describe_catalog(inventory, applied),
            *_describe_applied(applied, now),
            *_describe_loads(self._catalog_counters),
            *_describe_processes({number: counts.pid for number, counts in answers.by_worker.items()}),
        ]
        registry.register(FixedCollector(metrics))
        return registry


class FixedCollector(Collector):
    """A collector, in prometheus_client's sense, of metrics that are already made."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        """Return every metric."""
        return self._metrics


def _describe_clients(answers: Answers[Counts]) -> Iterator[Metric]:
    yield _gauge("xds_info", "The version of xds that runs", ["version"], {(__version__,): 1})
    by_variant: Counter[tuple[str, ...]] = Counter({("sotw",): 0, ("delta",): 0})
    states: Counter[tuple[str, ...]] = Counter({(short_type(kind), state): 0 for kind in TYPE_URLS for state in State})
    for counts in answers.all:
        by_variant.update({(variant,): number for variant, number in counts.variants.items()})
        states.update({(short_type(kind), state): number for (kind, state), number in counts.states.items()})
    yield _gauge("xds_connected_clients", "Connected clients", ["variant"], by_variant)
    yield _gauge("xds_subscriptions", "Clients by type and by their state for it", ["type", "state"], states)
    nacked = [
        (printable(node_id), printable(cluster), short_type(kind))
        for one in answers.all
        for node_id, cluster, kind in one.nacked
    ]
    documentation = f"1 for each client that refuses what it is served ({MAX_NODES} clients at most)"
    yield _gauge("xds_nacked", documentation, ["node_id", "cluster", "type"], dict.fromkeys(nacked[:MAX_NODES], 1))
    words = "Open streams that have sent no request yet"
    yield GaugeMetricFamily("xds_streams_without_request", words, sum(counts.silent for counts in answers.all))
    yield _describe_unnamed(answers)
    served = Counter(kind for kind, _ in set[tuple[str, int]]().union(*(counts.versions for counts in answers.all)))
    versions: dict[tuple[str, ...], int] = {(short_type(kind),): served[kind] for kind in TYPE_URLS}
    yield _gauge("xds_versions_in_use", "Different versions of a type that clients are served", ["type"], versions)
    yield GaugeMetricFamily("xds_silent_workers", "Workers that did not answer in time", len(answers.silent))


def _describe_unnamed(answers: Answers[Counts]) -> Metric:
    """Return the number of clients whose cluster the catalog does not name. Clients choose the names: few are named."""
    unnamed: Counter[tuple[str, str]] = Counter()
    for counts in answers.all:
        unnamed.update(counts.unnamed)
    series: Counter[tuple[str, ...]] = Counter({(OTHER, standing): 0 for standing in Standing if standing != "named"})
    for place, ((cluster, standing), number) in enumerate(unnamed.most_common()):
        series[printable(cluster) if place < MAX_CLUSTERS else OTHER, standing] += number
    words = "Clients whose node.cluster the catalog does not name, and what they are served"
    return _gauge("xds_unnamed_clients", words, ["cluster", "standing"], series)


def _describe_streams(counters: StreamCounters) -> Iterator[Metric]:
    refusals = CounterMetricFamily("xds_nacks", "Responses that clients refused", labels=["type", "cluster"])
    nacks = Counter({(type_url, OTHER): 0 for type_url in TYPE_URLS})
    for (type_url, cluster), number in counters.nacks.items():
        nacks[type_url, printable(cluster)] += number
    for (type_url, cluster), number in nacks.items():
        refusals.add_metric([short_type(type_url), cluster], number)
    pushes = CounterMetricFamily("xds_pushes", "Responses sent, by the reason", labels=["type", "reason"])
    sizes = CounterMetricFamily("xds_push_bytes", "Bytes of the responses sent", labels=["type", "reason"])
    documentation = "From when a response is made until gRPC has accepted it for sending"
    durations = HistogramMetricFamily("xds_push_duration_seconds", documentation, labels=["type"])
    for type_url in TYPE_URLS:
        for reason in REASONS:
            counted = counters.pushes.get((type_url, reason), Pushes())
            pushes.add_metric([short_type(type_url), reason], counted.count)
            sizes.add_metric([short_type(type_url), reason], counted.bytes)
        _add(durations, counters.push_durations.get(type_url, Histogram()), [short_type(type_url)])
    yield from (refusals, pushes, sizes, durations)
    yield CounterMetricFamily("xds_log_dropped", "Lines of the log that were dropped", counters.dropped_lines)


def _describe_processes(pids: dict[int, int]) -> Iterator[Metric]:
    """Yield the metrics of each process (memory, CPU, open files). Those of a worker have its number as a label."""
    families: dict[str, Metric] = {}
    for number, pid in pids.items():
        labels = {"worker": str(number)} if number else {}
        for found in ProcessCollector(pid=partial(str, pid), registry=None).collect():
            family = families.setdefault(found.name, Metric(found.name, found.documentation, found.type))
            for sample in found.samples:
                family.add_sample(sample.name, labels, sample.value)
    yield from families.values()
    yield from PlatformCollector(registry=None).collect()


def _describe_applied(applied: AppliedState, now: float) -> Iterator[Metric]:
    yield GaugeMetricFamily("xds_catalog_ok", "1 when every file is served as it is now", int(applied.is_ok))
    documentation = "Files whose last good state is served"
    yield GaugeMetricFamily("xds_catalog_refused_files", documentation, len(applied.refused_files))
    documentation = "Files that are not served through a fault of xds"
    yield GaugeMetricFamily("xds_catalog_failed_files", documentation, len(applied.failed_files))
    documentation = "What would be removed, and waits for a confirmation"
    held: Counter[tuple[str, ...]] = Counter({("service",): 0, ("gateway",): 0, ("instance",): 0})
    for one in applied.held:
        held["instance",] += one.instances
        held["service",] += len(one.services) if not one.instances else 0
        held["gateway",] += len(one.gateways)
    yield _gauge("xds_catalog_held_removals", documentation, ["kind"], held)
    documentation = "Age of the state from disk that is served for want of a good catalog, 0 if there is none"
    age = 0.0 if applied.restored_from is None else max(1.0, now - applied.restored_from)
    yield GaugeMetricFamily("xds_catalog_restored_age_seconds", documentation, age)
    documentation = "1 while the last good state cannot be stored on disk"
    yield GaugeMetricFamily("xds_catalog_state_failed", documentation, int(applied.state_failure is not None))


def _describe_catalog(inventory: Inventory, applied: AppliedState) -> Iterator[Metric]:
    catalog, endpoints = inventory.catalog, inventory.count_endpoints()
    resources: Counter[tuple[str, ...]] = Counter(
        (short_type(type_url),) for parts in inventory.parts.values() for type_url in parts.resources
    )
    yield _gauge("xds_resources", "Resources that services contribute", ["type"], resources)
    yield GaugeMetricFamily("xds_catalog_services", "Services of the catalog", len(catalog.services))
    yield GaugeMetricFamily("xds_catalog_endpoints", "Endpoints of the catalog", endpoints[CATALOG])
    yield GaugeMetricFamily("xds_catalog_gateways", "Gateways of the catalog", len(catalog.gateways))
    for name, documentation, by_source in (
        ("endpoints", "Served endpoints from a source beside the catalog", endpoints),
        (
            "refused_instances",
            "Instances with a mistake; their last valid state is served",
            {one.name: len(one.refused) for one in applied.providers},
        ),
        (
            "withheld_instances",
            "Valid instances that are not served",
            {one.name: one.withheld_count for one in applied.providers},
        ),
    ):
        values: dict[tuple[str, ...], int] = {(one.name,): by_source[one.name] for one in applied.providers}
        yield _gauge(f"xds_source_{name}", documentation, ["source"], values)


def _describe_loads(counters: CatalogCounters) -> Iterator[Metric]:
    loads = CounterMetricFamily("xds_catalog_loads", "Reads of the catalog or of changed files", labels=["result"])
    for result in LOADS:
        loads.add_metric([result], counters.loads[result])
    yield loads
    problems: dict[tuple[str, ...], int] = {
        (severity.value,): counters.problems[severity.value] for severity in Severity
    }
    yield _gauge("xds_catalog_problems", "Errors and warnings in the current catalog", ["severity"], problems)
    documentation = "When the catalog was last accepted, as Unix time"
    yield GaugeMetricFamily("xds_catalog_last_accepted_timestamp_seconds", documentation, counters.accepted_at)
    for name, documentation, histogram in (
        ("catalog_parse", "Time to parse and check the changed files", counters.parses),
        ("resource_build", "Time to build the changed resources", counters.builds),
        ("config_propagation", "From when a saved file is noticed until the last client answers", counters.propagation),
    ):
        family = HistogramMetricFamily(f"xds_{name}_duration_seconds", documentation, labels=[])
        _add(family, histogram, [])
        yield family


def _gauge(name: str, documentation: str, labels: list[str], values: "dict[tuple[str, ...], int]") -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=labels)
    for key, value in values.items():
        family.add_metric(list(key), value)
    return family


def _add(family: HistogramMetricFamily, histogram: Histogram, labels: list[str]) -> None:
    bounds = [*map(str, SECONDS), "+Inf"]
    buckets = list(zip(bounds, map(float, accumulate(histogram.buckets)), strict=True))
    family.add_metric(labels, buckets, histogram.nanoseconds / 1e9)
