"""Compares the rules by which `xds route` finds a route with what a real Envoy does, over many routes and requests."""

import http.client
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.envoy_server.echo import start_echo
from tests.envoy_server.mesh import Mesh
from tests.sampling import is_whole
from xds.catalog.assembly.workspace import Workspace
from xds.catalog.matching import Request, find_route, normalize_path
from xds.catalog.model.route import Route
from xds.cli.demo.ports import free_port
from xds.sources.document import Document

HOSTS = ("a.example.com", "*.example.com", "*.a.example.com", "b.test", "*")
ASKED_HOSTS = (
    "a.example.com",
    "A.Example.com:8080",
    "x.a.example.com",
    "y.x.a.example.com",
    "example.com",
    "b.test",
    "c",
)
PATHS: dict[str, tuple[str, ...]] = {
    "prefix": ("/", "/a", "/a/", "/a/b", "/A", "/a%2Fb", "/~a"),
    "path": ("/a", "/a/b", "/a/", "/", "/a//b", "/b"),
    "regex": ("/a/[0-9]+", "/(a|b)/.*", "/a.?", "/[^/]+/x", "/[[:alpha:]]", r"/\w+/\d*"),
    "template": ("/a/{id}", "/a/*", "/**", "/a/**", "/{x}/b", "/v{major}/x", "/a/{rest=b/*}", "/*.html", "/"),
}
ASKED_PATHS = (
    *("/", "/a", "/a/", "/a/b", "/a/b/", "/a/7", "/a/7/x", "/b", "/b/", "/b/x", "/A", "/A/b", "/ab", "/v2/x", "/vx/x"),
    *("/a//b", "//a", "/a/../b", "/a/..", "/a/.", "/a/./b", "/../a", "/a/b/../..", "/a/%2e%2E/b", "/%61/b", "/a%2Fb"),
    *(
        "/a%2fb",
        "/%7Ea",
        "/a;x",
        "/a\\b",
        "/a/%20",
        "/a/{x}",
        "/a/b|c",
        "/a^",
        "/x.html",
        "/a/x.html",
        "/a/b/c",
        "/a/%41",
    ),
    *(
        "/a%5Bb",
        "/a[b]",
        "/a'b",
        "/a%27b",
        "/a%2Bb",
        "/a+b",
        "/a=b",
        "/a%",
        "/a%zz",
        "/a%25",
        "/...",
        "/a/...",
        "/a/.b",
    ),
)
TEXTS = ("1", "v1", "av1", "v")
WANTED: tuple[Any, ...] = (
    *("1", "*", {"absent": True}, {"prefix": "v"}, {"suffix": "1"}, {"contains": "v"}),
    *({"regex": "v[0-9]"}, {"exact": "*"}, {"regex": "a?v1"}),
)
METHODS = ("GET", "POST", "PUT", "OPTIONS")
LISTENERS, ROUTES = 40, 6


def make_route(chance: random.Random, number: int) -> dict[str, Any]:
    """Return a route of a catalog that answers with its number."""
    route: dict[str, Any] = {"respond": {"body": str(number)}}
    if chance.random() < 0.4:
        route["host"] = chance.choice(HOSTS)
    if chance.random() < 0.9:
        kind = chance.choice((*PATHS, "prefix"))
        route[kind] = chance.choice(PATHS[kind])
    if chance.random() < 0.3:
        route["method"] = chance.sample(METHODS, chance.choice((1, 2)))
    if chance.random() < 0.3:
        route["headers"] = {
            name: chance.choice(WANTED) for name in chance.sample(("x-a", "X-B"), chance.choice((1, 2)))
        }
    if chance.random() < 0.3:
        route["query"] = {name: chance.choice(WANTED) for name in chance.sample(("q", "r"), chance.choice((1, 2)))}
    return route


def make_request(chance: random.Random) -> tuple[str, str, str, dict[str, str]]:
    """Return a method, a host, a path with a query, and headers."""
    query = "&".join(
        chance.choice((f"{name}={chance.choice(TEXTS)}", f"{name}=", name))
        for name in chance.choices(("q", "r", "s"), k=chance.choice((0, 0, 1, 2, 3)))
    )
    path = chance.choice(ASKED_PATHS) + (f"?{query}" if query else "")
    headers = {name: chance.choice(TEXTS) for name in ("x-a", "x-b") if chance.random() < 0.5}
    return chance.choice(METHODS), chance.choice(ASKED_HOSTS), path, headers


def read_host(host: str) -> str:
    """Return a Host header as routes compare it."""
    return host.lower().partition(":")[0]


def make_crowd(size: int) -> list[dict[str, Any]]:
    """Return routes that take no request of these tests, of so many hosts and so many paths that all multiply."""
    answer = {"respond": {"status": 500}}
    by_host = [{"host": f"crowd-{number}.test", "prefix": "/own", **answer} for number in range(size)]
    return by_host + [{"prefix": f"/crowd-{number}/", **answer} for number in range(size)]


@pytest.mark.parametrize(("listeners", "crowd"), [(LISTENERS, 0), (4, 110)], ids=["virtual hosts", "one virtual host"])
async def test_the_same_route_is_found_as_by_envoy(tmp_path: Path, listeners: int, crowd: int) -> None:
    """Of random lists of routes, the rules choose for random requests the one that a real Envoy chooses, or none.

    Beside many other routes, there is one virtual host for all hosts.
    """
    chance = random.Random(random.randrange(10**9) if is_whole() else 7)
    ports: list[Any] = ["GATEWAY", *(free_port() for _ in range(listeners))]
    of_ports = [
        {
            "port": port,
            "address": "127.0.0.1",
            "routes": [make_route(chance, number) for number in range(ROUTES)] + make_crowd(crowd),
        }
        for port in ports
    ]
    text = json.dumps({"gateways": {"edge": {"listeners": of_ports}}}).replace('"GATEWAY"', "GATEWAY")
    read = Document("catalog.yaml", text.replace("GATEWAY", "1").encode())
    tables = [listener.routes for listener in Workspace().update({"catalog.yaml": read}).gateways["edge"].listeners]
    found = Counter[str]()
    with Mesh(tmp_path, text) as mesh:
        await mesh.start_gateway()
        for port, routes in zip([mesh.gateway_port, *ports[1:]], tables, strict=True):
            for method, host, path, headers in (make_request(chance) for _ in range(400 if is_whole() else 100)):
                request = Request(read_host(host), normalize_path(path), method, headers)
                expected = find_route(routes, request)
                status, body = ask(port, method, host, path, headers)
                assert (status, body) == ((404, "") if expected is None else (200, str(expected))), (
                    method,
                    host,
                    path,
                    headers,
                    request.path,
                    [describe(route) for route in routes],
                )
                found["none" if expected is None else "first" if expected == 0 else "later"] += 1
    print(found)
    assert all(found[kind] > 2 * listeners for kind in ("none", "first", "later"))


def describe(route: Route) -> str:
    """Return the conditions of a route, for a failed assertion."""
    return f"{route.host} {route.method} {route.prefix or route.path or route.regex or route.template} {route.headers}"


def ask(port: int, method: str, host: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
    """Send a request as it stands; return the status and the body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", host)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


async def test_preflights_are_answered_by_the_route_that_is_found(tmp_path: Path) -> None:
    """A route with `cors` answers preflights of requests that it takes, although these are OPTIONS themselves."""
    routes: list[dict[str, Any]] = [
        {"method": "PUT", "prefix": "/a", "to": "echo", "cors": {"origins": ["*"], "max_age": "1s"}},
        {"headers": {"x-a": "1"}, "prefix": "/b", "to": "echo", "cors": {"origins": ["*"], "max_age": "2s"}},
        {"prefix": "/", "to": "echo", "cors": {"origins": ["*"], "max_age": "3s"}},
    ]
    with start_echo("echo") as echo:
        gateway = {"port": "GATEWAY", "address": "127.0.0.1", "routes": routes}
        services = {"echo": {"endpoints": [f"127.0.0.1:{echo.server_port}"]}}
        text = json.dumps({"services": services, "gateways": {"edge": gateway}}).replace('"GATEWAY"', "GATEWAY")
        with Mesh(tmp_path, text) as mesh:
            await mesh.start_gateway()
            read = Document("catalog.yaml", text.replace("GATEWAY", "1").encode())
            model = Workspace().update({"catalog.yaml": read}).gateways["edge"].routes
            for path in ("/a", "/b", "/c"):
                for wanted in ("PUT", "GET"):
                    headers = {"origin": "http://x.test", "access-control-request-method": wanted}
                    index = find_route(model, Request("x", path, "OPTIONS", headers))
                    assert index is not None
                    assert max_age(mesh.gateway_port, path, headers) == str(index + 1), (path, wanted)


def max_age(port: int, path: str, headers: dict[str, str]) -> str | None:
    """Send a preflight; return the answer's header that tells the route."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("OPTIONS", path, headers=headers)
        return connection.getresponse().getheader("access-control-max-age")
    finally:
        connection.close()
