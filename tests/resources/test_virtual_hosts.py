"""The virtual hosts of a gateway's listener: which routes they have, and what is encoded again."""

import json
import random
from typing import Any

import pytest

from tests.envoy_server.test_matching import ASKED_HOSTS, make_request, make_route, read_host
from tests.inventories import build_inventory
from xds.catalog.assembly.workspace import Workspace
from xds.catalog.catalog import Catalog
from xds.catalog.matching import Request, find_route, normalize_path
from xds.catalog.text.addresses import find_covering_hosts
from xds.resources.decode import decode
from xds.resources.resource import Resource
from xds.resources.routes.virtual_hosts import EncodedRoutes, find_places
from xds.resources.view import NodeKind, build_view
from xds.snapshot.building import build_snapshot
from xds.sources.document import Document
from xds.wire import ROUTE_CONFIGURATION

API = {"endpoints": ["10.0.0.4:5000"]}


def read(routes: list[dict[str, Any]], workspace: Workspace | None = None, **services: Any) -> Catalog:
    """Return a catalog with a gateway of these routes."""
    text = {"services": {"api": API} | services, "gateways": {"edge": {"port": 10000, "routes": routes}}}
    return (workspace or Workspace()).update({"a.yaml": Document("a.yaml", json.dumps(text).encode())})


def make_routes(hosts: int, others: int) -> list[dict[str, Any]]:
    """Return routes by host, which do not take every request, and routes without a host."""
    by_host = [{"host": f"h{number}.example.com", "prefix": "/own", "to": "api"} for number in range(hosts)]
    return by_host + [{"prefix": f"/p{number}", "to": "api"} for number in range(others)]


def build(catalog: Catalog) -> Resource:
    """Return the gateway's RouteConfiguration."""
    inventory = build_inventory(catalog)
    snapshot = build_snapshot(build_view(inventory, NodeKind("edge")), inventory)
    return snapshot.of(ROUTE_CONFIGURATION).resources["edge"]


def test_a_virtual_host_finds_the_route_that_the_whole_list_finds() -> None:
    """Envoy looks into the virtual host of the most specific host alone."""
    chance = random.Random(5)
    found = set[int | None]()
    for _ in range(300):
        routes = read([make_route(chance, number) for number in range(6)]).gateways["edge"].routes
        places = find_places(routes)
        assert places is not None
        for method, host, path, headers in (make_request(chance) for _ in range(20)):
            request = Request(read_host(host), normalize_path(path), method, headers)
            own, wider = [request.host], [one for one in find_covering_hosts(request.host) if one != request.host]
            wild = sorted(wider, key=len, reverse=True)
            of_host = next((places[one] for one in own + wild if one in places), ())
            index = find_route([routes[place] for place in of_host], request)
            place = None if index is None else of_host[index]
            assert place == find_route(routes, request)
            found.add(place)
    assert found == {None, *range(6)}
    assert len(ASKED_HOSTS) > 5


def test_routes_after_one_that_takes_every_request_are_left_out() -> None:
    """A route with raw fields for its match stays: it may match what no route of the catalog does."""
    raw = {"to": "api", "envoy": {"route": {"match": {"connect_matcher": {}}}}}
    by_host = {"host": "a.example.com", "to": "api"}
    routes = read([{"prefix": "/a", "to": "api"}, by_host, {"prefix": "/b", "to": "api"}, raw]).gateways["edge"].routes
    assert find_places(routes) == {"*": [0, 2, 3], "a.example.com": [0, 1, 3]}


def test_many_hosts_and_many_routes_for_any_host_do_not_multiply() -> None:
    """Then there is one virtual host. A route for a host is there twice: for a Host header without a port, and with."""
    few, many = build(read(make_routes(50, 50))), build(read(make_routes(500, 500)))
    assert len(many.body) < 1_000_000
    assert len(decode(few)["virtual_hosts"]) == 51
    [only] = decode(many)["virtual_hosts"]
    assert only["domains"] == ["*"]
    assert len(only["routes"]) == 2 * (2 * 500 + 500)  # and each for safe methods, and for others


def test_many_hosts_alone_keep_their_virtual_hosts() -> None:
    """Nothing multiplies without routes for wider hosts."""
    routes = [{"host": [f"{n}-{m}.example.com" for m in range(100)], "to": "api"} for n in range(200)]
    places = find_places(read(routes).gateways["edge"].routes)
    assert places is not None
    assert len(places) == 20_000


@pytest.mark.parametrize("by_header", [False, True])
def test_only_routes_that_changed_are_encoded_again(*, by_header: bool) -> None:
    """All others are the identical bytes, as long as their services are the same."""
    workspace, encoded = Workspace(), EncodedRoutes()
    routes = [{"host": "a", "to": "web"}, *({"prefix": f"/{number}", "to": "api"} for number in range(9))]

    def encode(catalog: Catalog) -> list[bytes]:
        of_gateway = catalog.gateways["edge"].routes
        return encoded.encode("edge", of_gateway, catalog.services, limited=False, by_header=by_header)

    before = encode(read(routes, workspace, web=API))
    routes[3]["timeout"] = "7s"
    after = encode(read(routes, workspace, web=API))
    assert [index for index in range(10) if before[index] is not after[index]] == [3]
    assert before[3] != after[3]
    moved = encode(read(routes, workspace, web={"endpoints": ["10.0.0.5:5000"]}))
    assert [index for index in range(10) if after[index] is not moved[index]] == []
    again = encode(read(routes, workspace, web={**API, "timeouts": {"request": "9s"}}))
    assert [index for index in range(10) if after[index] is not again[index]] == [0]
    assert after[0] != again[0]
    assert encoded.encode("edge", (), {}, limited=False, by_header=by_header) == []


def test_a_listener_whose_routes_did_not_change_keeps_its_configuration() -> None:
    """It is the identical object: also after changes of endpoints, and of other listeners."""

    def write(timeout: int, web: dict[str, Any]) -> Catalog:
        routes = [[{"to": "web"}], [{"to": "api", "timeout": f"{timeout}s"}]]
        listeners = [{"port": 80 + place, "routes": some} for place, some in enumerate(routes)]
        text = {"services": {"api": API, "web": web}, "gateways": {"edge": {"listeners": listeners}}}
        return workspace.update({"a.yaml": Document("a.yaml", json.dumps(text).encode())})

    workspace, inventory, built = Workspace(), None, []
    for timeout, web in (
        (1, API),
        (2, {"endpoints": ["a:1"]}),
        (3, {"endpoints": ["a:1"], "timeouts": {"request": "7s"}}),
    ):
        inventory = build_inventory(write(timeout, web), inventory)
        snapshot = build_snapshot(build_view(inventory, NodeKind("edge")), inventory)
        built.append(snapshot.of(ROUTE_CONFIGURATION).resources)
    assert [built[0][name] is built[1][name] for name in ("edge/80", "edge/81")] == [True, False]
    assert built[1]["edge/80"].version != built[2]["edge/80"].version
