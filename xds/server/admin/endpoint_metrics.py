"""The Prometheus metrics of endpoints: the share of a service's requests that each endpoint is expected to receive.

They are compared with the requests that Envoys count. They have their own path, since there is one series for each
endpoint of a service with `endpoint_stats`.
"""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily

from xds.catalog.model.locality import NOWHERE, Locality
from xds.resources.endpoints.expected_shares import is_foreseeable, share_endpoints
from xds.resources.inventory import Inventory, has_endpoint_stats
from xds.resources.stats import write_stat_name
from xds.server.admin.metrics import FixedCollector
from xds.server.clients.targets import Target
from xds.wording import printable

MAX_SERIES = 10_000
"""The maximum number of shares. A service that would exceed it is left out completely."""

NAME = "xds_endpoint_expected_share_ratio"
LABELS = ("envoy_cluster_name", "endpoint", *Locality._fields)
"""The labels: the cluster under the label that Envoy's metrics use, the endpoint, and the calling Envoy's locality."""


def find_localities(targets: Iterable[Target]) -> frozenset[Locality]:
    """Return the localities of the Envoys that are scraped; NOWHERE alone when there are none."""
    labels = (dict(target.labels) for target in targets)
    localities = frozenset(Locality(*(one.get(word, "") for word in Locality._fields)) for one in labels)
    return localities or frozenset({NOWHERE})


def build_endpoint_registry(inventory: Inventory, localities: frozenset[Locality]) -> CollectorRegistry:
    """Return a registry for one scrape, with the shares for Envoys in each of `localities`.

    It is slow: call it in a thread.
    """
    catalog = inventory.catalog
    documentation = "The expected part of a service's requests that an endpoint receives, from Envoys in that locality"
    shares = GaugeMetricFamily(NAME, documentation, labels=LABELS)
    omitted = 0
    for name, service in sorted(catalog.services.items()):
        if not has_endpoint_stats(service, catalog.mesh) or not is_foreseeable(service):
            continue
        endpoints = inventory.endpoints.of(name)
        if len(shares.samples) + len(endpoints) * len(localities) > MAX_SERIES:
            omitted += 1
            continue
        everywhere = None if name in inventory.reliant else share_endpoints(service, endpoints, NOWHERE)
        for locality in sorted(localities):
            for endpoint, share in (everywhere or share_endpoints(service, endpoints, locality)).items():
                shares.add_metric([write_stat_name(name), endpoint, *map(printable, locality)], share)
    documentation = f"Services whose shares are left out, since there would be more than {MAX_SERIES:,} in total"
    registry = CollectorRegistry()
    registry.register(
        FixedCollector(
            [shares, GaugeMetricFamily("xds_endpoint_expected_share_omitted_services", documentation, omitted)]
        )
    )
    return registry
