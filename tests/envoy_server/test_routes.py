"""A gateway's routes as clients and services see them: shares, matches, rewrites, responses, headers, retries."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.chance import by_chance
from tests.envoy_server.echo import Echo, start_echo
from tests.envoy_server.mesh import Mesh, answered, counts_since, send, settled, under, until
from xds.cli.demo.processes import Instance


@pytest.fixture
def echo() -> Iterator[Echo]:
    """Start a service that answers with the request."""
    with start_echo("echo") as echo:
        yield echo


class Response(NamedTuple):
    """A response as the client gets it."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def asked(self) -> dict[str, Any]:
        """The request that the echo received."""
        found: dict[str, Any] = json.loads(self.body)
        return found


def ask(mesh: Mesh, path: str = "/", method: str = "GET", **headers: str) -> Response:
    """Send one request to the gateway. `x_a` is the header `x-a`."""
    connection = http.client.HTTPConnection("127.0.0.1", mesh.gateway_port, timeout=10)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        body = response.read().decode()
    finally:
        connection.close()
    return Response(response.status, {name.lower(): value for name, value in response.getheaders()}, body)


def make_catalog(services: dict[str, Any], *routes: dict[str, Any]) -> str:
    """Return a catalog of services and a gateway `edge` with these routes.

    A service is an endpoint or a mapping of its fields.
    """
    full = {name: {"endpoints": [one]} if isinstance(one, str) else one for name, one in services.items()}
    gateway = {"address": "127.0.0.1", "port": "GATEWAY", "routes": list(routes)}
    return json.dumps({"services": full, "gateways": {"edge": gateway}}).replace('"GATEWAY"', "GATEWAY")


@pytest.mark.parametrize("variant", ["delta", "sotw"])
async def test_services_share_a_route_by_weight(tmp_path: Path, instances: list[Instance], variant: str) -> None:
    """Of 600 requests, a service with weight 1 of 4 gets about a quarter. One with weight 0 gets none."""
    services = {f"v{index}": instance.address for index, instance in enumerate(instances, 1)}
    with Mesh(tmp_path, make_catalog(services, {"to": {"v1": 75, "v2": 25, "v3": 0}})) as mesh:
        await mesh.start_gateway(variant)
        counts = await send(mesh.load(), 600)
        assert counts["api-1"] + counts["api-2"] == 600
        assert counts["api-2"] in by_chance(600, 0.25)


async def test_a_canary_goes_from_0_to_100_percent_without_a_failure(tmp_path: Path, instances: list[Instance]) -> None:
    """Each edit takes effect. The last edit removes the old version."""
    v1, v2, _ = (instance.address for instance in instances)
    services: dict[str, Any] = {"v1": v1, "v2": v2}
    steps: list[tuple[dict[str, Any], str | dict[str, int], float]] = [
        (services, {"v1": 95, "v2": 5}, 0.05),
        (services, {"v1": 50, "v2": 50}, 0.5),
        (services, {"v1": 0, "v2": 100}, 1.0),
        ({"v2": v2}, "v2", 1.0),
    ]
    with Mesh(tmp_path, make_catalog({"v1": v1}, {"to": "v1"})) as mesh:
        envoy = await mesh.start_gateway()

        def reloads() -> int:
            return envoy.admin.stats("rds.edge.config_reload$")["http.edge.rds.edge.config_reload"]

        async def take(catalog: str) -> None:
            before = reloads()
            mesh.write(catalog)
            await until(lambda: reloads() > before)

        async with under(mesh.load(200)) as load:
            for known, to, share in steps:
                await take(make_catalog(known, {"to": to}))
                since = await settled(envoy)
                await answered(load, 200)
                counts = counts_since(load, since)
                assert counts["api-2"] in by_chance(counts.total(), share)


async def test_a_route_matches_by_method_query_and_regex(tmp_path: Path, echo: Echo) -> None:
    """Each match works alone and together with others. A request that matches no route gets 404."""
    routes: list[dict[str, Any]] = [
        {"method": "POST", "path": "/m", "respond": {"body": "post"}},
        {"method": ["GET", "PUT"], "path": "/m", "to": "echo"},
        {"query": {"v": "2", "debug": "*"}, "path": "/q", "respond": {"body": "both"}},
        {"query": {"v": "a%20b"}, "path": "/q", "respond": {"body": "encoded"}},
        {"regex": "/users/[0-9]+(/orders)?", "respond": {"body": "regex"}},
    ]
    with Mesh(tmp_path, make_catalog({"echo": echo.endpoint}, *routes)) as mesh:
        await mesh.start_gateway()
        assert ask(mesh, "/m", "POST").body == "post"
        assert ask(mesh, "/m").asked["method"] == "GET"
        assert ask(mesh, "/m", "PUT").asked["method"] == "PUT"
        assert ask(mesh, "/m", "DELETE").status == 404
        assert ask(mesh, "/q?a=1&v=2&debug=").body == "both"
        assert ask(mesh, "/q?v=2").status == 404
        assert ask(mesh, "/q?v=a%20b").body == "encoded"
        assert ask(mesh, "/users/17?x=1").body == "regex"
        assert ask(mesh, "/users/17/orders").body == "regex"
        assert ask(mesh, "/users/17/x").status == 404
        assert ask(mesh, "/x/users/17").status == 404


REWRITES: list[tuple[dict[str, Any], str, str]] = [
    ({"prefix": "/api", "rewrite": {"prefix": "/"}}, "/api/x?q=1", "/x?q=1"),
    ({"prefix": "/api", "rewrite": {"prefix": "/"}}, "/api", "/"),
    ({"prefix": "/api/", "rewrite": {"prefix": "/v2"}}, "/api/x", "/v2/x"),
    ({"prefix": "/api", "rewrite": {"prefix": "/v2"}}, "/api/x", "/v2/x"),
    ({"rewrite": {"prefix": "/v2"}}, "/x?q=/", "/v2/x?q=/"),
    ({"prefix": "/a.b", "rewrite": {"prefix": "/"}}, "/a.b/x", "/x"),
    ({"prefix": "/all", "rewrite": {"path": "/one"}}, "/all/x?q=1", "/one?q=1"),
    ({"path": "/all", "rewrite": {"path": "/one"}}, "/all?q=1", "/one?q=1"),
    ({"regex": "/u/([a-z]+)/(x|y)", "rewrite": {"path": r"/\2/\1"}}, "/u/ann/y?q=1", "/y/ann?q=1"),
]


async def test_a_path_rewrite_keeps_the_query(tmp_path: Path, echo: Echo) -> None:
    """The service gets the new path with the old query, and with the correct number of slashes."""
    routes = [{**route, "host": f"h{number}.com", "to": "echo"} for number, (route, _, _) in enumerate(REWRITES)]
    with Mesh(tmp_path, make_catalog({"echo": echo.endpoint}, *routes)) as mesh:
        await mesh.start_gateway()
        for number, (_, path, expected) in enumerate(REWRITES):
            asked = ask(mesh, path, Host=f"h{number}.com").asked["path"]
            assert (number, path, asked) == (number, path, expected)


async def test_envoy_accepts_the_largest_patterns_that_the_checker_accepts(tmp_path: Path, echo: Echo) -> None:
    """The patterns are a regex, alone and in a rewrite, a long prefix in a rewrite, and many methods."""
    methods = [
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "DELETE",
        "PATCH",
        "TRACE",
        "PROPFIND",
        "PROPPATCH",
        "MKCOL",
        "COPY",
        "MOVE",
    ]
    routes: list[dict[str, Any]] = [
        {"regex": "/x{93}", "respond": {"body": "regex"}},
        {"regex": "/y{91}", "to": "echo", "rewrite": {"path": "/rewritten"}},
        {"prefix": f"/{'z' * 89}", "to": "echo", "rewrite": {"prefix": "/"}},
        {"method": [*methods, "LOCK", "UNLOCK"], "path": "/m", "to": "echo", "retries": 0},
    ]
    with Mesh(tmp_path, make_catalog({"echo": echo.endpoint}, *routes)) as mesh:
        await mesh.start_gateway()
        assert ask(mesh, f"/{'x' * 93}").body == "regex"
        assert ask(mesh, f"/{'y' * 91}?q=1").asked["path"] == "/rewritten?q=1"
        assert ask(mesh, f"/{'z' * 89}/a").asked["path"] == "/a"
        assert ask(mesh, "/m", "PUT").status == 200


async def test_a_host_rewrite_replaces_the_clients_host(tmp_path: Path, echo: Echo) -> None:
    """The service gets the route's host instead of the client's."""
    route = {"to": "echo", "rewrite": {"host": "inner.example.com"}}
    with Mesh(tmp_path, make_catalog({"echo": echo.endpoint}, route)) as mesh:
        await mesh.start_gateway()
        assert ["host", "inner.example.com"] in ask(mesh, Host="shop.example.com").asked["headers"]


async def test_a_redirect_changes_only_what_it_names(tmp_path: Path, echo: Echo) -> None:
    """The other parts of the client's URL stay."""
    routes: list[dict[str, Any]] = [
        {"path": "/old", "redirect": {"path": "/new?from=old", "code": 301}},
        {"prefix": "/moved/", "redirect": {"https": True, "host": "www.example.com", "port": 8443, "prefix": "/"}},
        {"prefix": "/docs", "redirect": {"host": "docs.example.com", "prefix": "/", "code": 308}},
        {"host": "shop.example.com", "redirect": {"https": True, "code": 307}},
    ]
    with Mesh(tmp_path, make_catalog({"echo": echo.endpoint}, *routes, {"path": "/echo", "to": "echo"})) as mesh:
        await mesh.start_gateway()

        def find(path: str) -> tuple[int, str]:
            response = ask(mesh, path, Host="shop.example.com")
            return response.status, response.headers["location"]

        assert find("/old") == (301, "http://shop.example.com/new?from=old")
        assert find("/moved/x?q=1") == (302, "https://www.example.com:8443/x?q=1")
        assert find("/docs/x") == (308, "http://docs.example.com/x")
        assert find("/any?q=1") == (307, "https://shop.example.com/any?q=1")


async def test_a_route_can_answer_directly(tmp_path: Path, echo: Echo) -> None:
    """The status, body and headers come from the catalog. No service gets the request."""
    routes: list[dict[str, Any]] = [
        {"path": "/health", "respond": {"body": "wéll\n"}, "response_headers": {"set": {"Cache-Control": "no-store"}}},
        {"path": "/gone", "respond": {"status": 410}},
        {"path": "/long", "respond": {"status": 503, "body": "x" * 4096}},
    ]
    with Mesh(tmp_path, make_catalog({"echo": echo.endpoint}, *routes, {"to": "echo"})) as mesh:
        await mesh.start_gateway()
        health = ask(mesh, "/health")
        assert (health.status, health.body, health.headers["cache-control"]) == (200, "wéll\n", "no-store")
        assert ask(mesh, "/gone")[::2] == (410, "")
        assert ask(mesh, "/long")[::2] == (503, "x" * 4096)
        assert echo.requests == []


async def test_headers_are_set_added_and_removed(tmp_path: Path, echo: Echo) -> None:
    """A % in a value stays a %."""
    route = {
        "to": "echo",
        "request_headers": {"set": {"X-Team": "100% a", "x-b": "%REQ(x-c)%"}, "add": {"x-add": "2"}, "remove": ["X-C"]},
        "response_headers": {"set": {"x-served-by": "edge"}, "remove": ["X-Internal"]},
    }
    with Mesh(tmp_path, make_catalog({"echo": echo.endpoint}, route)) as mesh:
        await mesh.start_gateway()
        response = ask(mesh, x_team="b", x_add="1", x_c="secret")
        seen = [(name, value) for name, value in response.asked["headers"] if name in ("x-team", "x-b", "x-add", "x-c")]
        assert sorted(seen) == [("x-add", "1"), ("x-add", "2"), ("x-b", "%REQ(x-c)%"), ("x-team", "100% a")]
        assert response.headers["x-served-by"] == "edge"
        assert "x-internal" not in response.headers


async def test_a_route_has_its_own_timeout_and_retries(tmp_path: Path, echo: Echo) -> None:
    """They override the service's. The timeout cuts off a slow answer, and the retry replaces a bad answer."""
    routes: list[dict[str, Any]] = [
        {"prefix": "/fast", "to": "echo", "timeout": "200ms", "retries": 0},
        {"prefix": "/thrice", "to": "echo", "retries": 3},
        {"prefix": "/", "to": "echo"},
    ]
    service = {"endpoints": [echo.endpoint], "retries": 1}
    with Mesh(tmp_path, make_catalog({"echo": service}, *routes)) as mesh:
        await mesh.start_gateway()
        echo.delay = 1.0
        assert ask(mesh, "/fast").status == 504
        assert ask(mesh, "/slow").status == 200
        echo.delay, echo.status = 0.0, 503
        for path, tries in (("/fast", 1), ("/slow", 2), ("/thrice", 4)):
            echo.requests.clear()
            assert ask(mesh, path).status == 503
            assert len(echo.requests) == tries
            echo.status = 200
            assert ask(mesh, path).status == 200  # never five failures in a row
            echo.status = 503


async def test_a_mirror_gets_copies_and_clients_do_not_wait_for_it(tmp_path: Path, echo: Echo) -> None:
    """It gets about a tenth of 400 requests, with the client's Host. It fails all of them, and no client notices."""
    route = {"to": "echo", "mirror": {"to": "shadow", "percent": 10}}
    with start_echo("shadow") as shadow:
        shadow.status = 500
        services = {"echo": echo.endpoint, "shadow": shadow.endpoint}
        with Mesh(tmp_path, make_catalog(services, route)) as mesh:
            await mesh.start_gateway()
            await send(mesh.load(), 400)
            assert len(echo.requests) == 400
            assert len(shadow.requests) in by_chance(400, 0.1)
            hosts = {value for one in shadow.requests for name, value in one["headers"] if name == "host"}
            assert hosts == {f"127.0.0.1:{mesh.gateway_port}"}


async def test_a_route_can_have_several_hosts(tmp_path: Path, echo: Echo) -> None:
    """The first route that matches wins, whichever of its hosts a request names."""
    routes: list[dict[str, Any]] = [
        {"host": ["a.example.com", "*.example.org"], "path": "/one", "respond": {"status": 201}},
        {"host": ["b.example.com", "x.example.org"], "respond": {"status": 202}},
        {"to": "echo"},
    ]
    with Mesh(tmp_path, make_catalog({"echo": echo.endpoint}, *routes)) as mesh:
        await mesh.start_gateway()
        found = {
            (host, path): ask(mesh, path, Host=host).status
            for host in ("a.example.com", "b.example.com", "x.example.org", "y.example.org", "c.com")
            for path in ("/one", "/two")
        }
    assert found == {
        ("a.example.com", "/one"): 201,
        ("a.example.com", "/two"): 200,
        ("b.example.com", "/one"): 202,
        ("b.example.com", "/two"): 202,
        ("x.example.org", "/one"): 201,
        ("x.example.org", "/two"): 202,
        ("y.example.org", "/one"): 201,
        ("y.example.org", "/two"): 200,
        ("c.com", "/one"): 200,
        ("c.com", "/two"): 200,
    }
