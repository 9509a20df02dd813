"""The metrics report the same shares as `xds explain`. Other tests compare those shares with counted requests."""

import pytest

from tests.inventories import build_inventory, welcome
from tests.resources.golden import FOLDER, HERE, read_catalog
from xds.catalog.model.balance import SHORT, Balance
from xds.catalog.model.endpoint import Endpoint, Health
from xds.catalog.model.locality import NOWHERE, Locality
from xds.catalog.model.service import Service
from xds.cli.explain.explanation import explain
from xds.cli.explain.known import Known, Written
from xds.endpoints.endpoint_set import collect_catalog
from xds.resources.endpoints.expected_shares import is_foreseeable, share_endpoints
from xds.resources.view import NodeKind
from xds.server.clients.documents import describe_kind


@pytest.mark.parametrize(
    ("name", "caller"),
    [
        ("balancing", NOWHERE),
        ("endpoint_health", NOWHERE),
        ("host_names", NOWHERE),
        ("ipv6", NOWHERE),
        ("localities", NOWHERE),
        ("localities", HERE),
        ("random_localities", HERE),
        ("weighted", NOWHERE),
    ],
)
def test_the_metrics_shares_equal_those_of_xds_explain(name: str, caller: Locality) -> None:
    """The shares are equal for every load balancer, health, priority and locality."""
    catalog = welcome(read_catalog(FOLDER / name / "catalog.yaml"))
    dump = describe_kind(build_inventory(catalog), NodeKind("anyone", locality=caller))
    known = Known(catalog, Written({}), dump)
    compared = 0
    for name, service in catalog.services.items():
        choices = [one for one in explain(name, known).choices if one.cluster == name and not one.subset]
        if not choices or not is_foreseeable(service):
            continue
        explained: dict[str, float] = {}
        for one in choices[0].endpoints:
            explained[one.address] = explained.get(one.address, 0.0) + one.percent / 100
        assert share_endpoints(service, collect_catalog(service.endpoints), caller) == pytest.approx(explained), name
        compared += 1
    assert compared


@pytest.mark.parametrize("policy", Balance)
def test_no_share_is_expected_where_reported_load_decides(policy: Balance) -> None:
    """Envoys compute such shares from what endpoints report."""
    service = Service(balance=SHORT[policy.value])
    assert is_foreseeable(service) is (policy not in (Balance.CLIENT_SIDE_WEIGHTED, Balance.LOAD_AWARE_LOCALITY))


def test_a_drained_endpoint_has_no_share_and_addresses_are_written_as_in_envoy() -> None:
    """A drained endpoint's share is 0. An IPv6 address is in brackets."""
    endpoints = (
        Endpoint("10.0.0.1", 80),
        Endpoint("::1", 80),
        Endpoint("a.internal", 80, drain=True),
        Endpoint("10.0.0.2", 80, health=Health.UNHEALTHY),
    )
    shares = share_endpoints(Service(endpoints=endpoints), collect_catalog(endpoints), NOWHERE)
    assert shares == {"10.0.0.1:80": 0.5, "[::1]:80": 0.5, "a.internal:80": 0.0, "10.0.0.2:80": 0.0}
