"""The metrics of endpoints: the share of the requests that each is expected to get, beside what Envoys count.

They are asked for at a path of their own, since there is one for each endpoint of a service with `endpoint_stats`.
"""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily

from xds.catalog.model.locality import NOWHERE, Locality
from xds.resources.endpoints.expected_shares import is_foreseeable, share_endpoints
from xds.resources.inventory import Inventory, has_endpoint_stats
from xds.server.admin.metrics import Scrape
from xds.server.clients.targets import Target

MAX_SERIES = 10_000
"""How many shares at most are given: services beyond are left out whole."""

NAME = "xds_endpoint_expected_share_ratio"
LABELS = ("envoy_cluster_name", "endpoint", *Locality._fields)
"""What the shares are told by: the cluster as Envoy's own metrics call it, and where the calling Envoy is."""


def find_places(targets: Iterable[Target]) -> frozenset[Locality]:
    """Say where the Envoys are whose metrics are to be compared."""
    labels = (dict(target.labels) for target in targets)
    places = frozenset(Locality(*(one.get(word, "") for word in Locality._fields)) for one in labels)
    return places or frozenset({NOWHERE})


def build_endpoint_registry(inventory: Inventory, places: frozenset[Locality]) -> CollectorRegistry:
    """Give a registry for one scrape. It may take a while."""
    catalog = inventory.catalog
    words = "The part of a service's requests that an endpoint is to get by the catalog, from Envoys in that place"
    shares = GaugeMetricFamily(NAME, words, labels=LABELS)
    omitted = 0
    for name, service in sorted(catalog.services.items()):
        if not has_endpoint_stats(service, catalog.mesh) or not is_foreseeable(service):
            continue
        if len(shares.samples) + len(service.endpoints) * len(places) > MAX_SERIES:
            omitted += 1
            continue
        everywhere = None if name in inventory.reliant else share_endpoints(service, NOWHERE)
        for place in sorted(places):
            for endpoint, share in (everywhere or share_endpoints(service, place)).items():
                shares.add_metric([name, endpoint, *place], share)
    words = f"Services whose shares are left out, since all together would be more than {MAX_SERIES:,}"
    registry = CollectorRegistry()
    registry.register(
        Scrape([shares, GaugeMetricFamily("xds_endpoint_expected_share_omitted_services", words, omitted)])
    )
    return registry
