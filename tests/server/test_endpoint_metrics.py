"""The expected share of each endpoint as a Prometheus metric."""

import asyncio

import pytest

from tests.catalog.catalogs import parse
from tests.inventories import build_inventory
from tests.server.administered import CATALOG, administered
from xds.catalog.assembly.assembly import build_catalog
from xds.catalog.catalog import Catalog
from xds.catalog.model.locality import NOWHERE, Locality
from xds.cli.demo.envoy_admin import http_get
from xds.server.admin import endpoint_metrics
from xds.server.admin.endpoint_metrics import NAME, build_endpoint_registry
from xds.wire.discovery_pb2 import Locality as WireLocality
from xds.wire.node_metadata import encode_metrics_port

FAILOVER = """
mesh: {endpoint_stats: true}
services:
  api:
    locality: failover
    endpoints: [{address: "10.0.0.1:80", zone: a}, {address: "10.0.0.2:80", zone: b}]
  quiet: {endpoint_stats: false, endpoints: ["10.0.0.3:80"]}
  aware: {locality: zone_aware, endpoints: ["10.0.0.4:80"]}
  loaded: {balance: client_side_weighted, endpoints: ["10.0.0.5:80"]}
"""


def read(catalog: Catalog, *places: Locality) -> dict[tuple[str, str, str], float]:
    """Return each share by service, endpoint and the caller's zone, and the number of services that are left out."""
    registry = build_endpoint_registry(build_inventory(catalog), frozenset(places))
    samples = [sample for metric in registry.collect() for sample in metric.samples]
    assert [one.name for one in samples if one.name != NAME] == ["xds_endpoint_expected_share_omitted_services"]
    labels = ((one.labels, one.value) for one in samples)
    return {
        (of.get("envoy_cluster_name", ""), of.get("endpoint", ""), of.get("zone", "")): value for of, value in labels
    }


def test_each_calling_zone_has_its_own_expected_shares() -> None:
    """Only services with `endpoint_stats` have shares, if the catalog alone determines them."""
    assert read(build_catalog({"c.yaml": parse(FAILOVER)}), Locality(zone="a"), Locality(zone="b"), NOWHERE) == {
        ("api", "10.0.0.1:80", "a"): 1.0,
        ("api", "10.0.0.2:80", "a"): 0.0,
        ("api", "10.0.0.1:80", "b"): 0.0,
        ("api", "10.0.0.2:80", "b"): 1.0,
        ("api", "10.0.0.1:80", ""): 0.5,
        ("api", "10.0.0.2:80", ""): 0.5,
        ("", "", ""): 0.0,
    }


def test_the_number_of_shares_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service appears with all of its endpoints or not at all. A metric counts the services that are left out."""
    monkeypatch.setattr(endpoint_metrics, "MAX_SERIES", 3)
    shares = read(build_catalog({"c.yaml": parse(FAILOVER + '  last: {endpoints: ["10.0.0.6:80"]}')}), NOWHERE)
    assert {key[0] for key in shares} == {"api", "last", ""}
    shares = read(build_catalog({"c.yaml": parse(FAILOVER)}), NOWHERE, Locality(zone="a"))
    assert shares == {("", "", ""): 1.0}


async def test_the_admin_interface_has_shares_for_the_zones_of_envoys_with_metrics() -> None:
    """The shares have a path of their own and follow the current catalog."""
    async with administered(f"{CATALOG}mesh: {{endpoint_stats: true}}") as admin:

        async def scrape() -> set[str]:
            _, body = await asyncio.to_thread(http_get, admin.address, "/metrics/endpoints", 10.0)
            return {line for line in body.splitlines() if line.startswith(NAME) and '"api"' in line}

        where = 'envoy_cluster_name="api",region="",sub_zone="",zone=""'
        assert await scrape() == {
            f'{NAME}{{endpoint="127.0.0.1:5000",{where}}} 0.75',
            f'{NAME}{{endpoint="127.0.0.1:5001",{where}}} 0.25',
        }
        sidecar = admin.connect(locality=WireLocality(zone="z"), metadata=encode_metrics_port(9902))
        await sidecar.take()
        where = where.replace('zone=""', 'zone="z"').replace('sub_zone="z"', 'sub_zone=""')
        assert await scrape() == {
            f'{NAME}{{endpoint="127.0.0.1:5000",{where}}} 0.75',
            f'{NAME}{{endpoint="127.0.0.1:5001",{where}}} 0.25',
        }
        await admin.serving.edit(CATALOG)
        assert await scrape() == set()
