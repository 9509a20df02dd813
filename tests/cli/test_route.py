"""`xds route`: which route a request takes, where it is written, and why none does. tests/envoy_server/test_matching.py
holds the rules against a real Envoy.
"""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.cli.asking import run
from tests.server.administered import administered
from xds.cli import main
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT

CATALOG = """
services:
  web: {upstreams: [api, db]}
  api:
    endpoints: [{address: "10.0.0.4:5000", weight: 3}, "10.0.0.5:5000"]
    balance: weighted
    routes: [{prefix: /v2/, to: next}]
  next: {endpoints: ["10.0.0.6:5000"], upstreams: []}
  gone: {upstreams: []}
  db: {protocol: tcp, local_port: 5432, endpoints: ["10.0.1.1:5432"]}
gateways:
  edge:
    port: 8080
    routes:
      - {host: shop.example.com, path: /old, redirect: {path: /new}}
      - {host: shop.example.com, method: POST, prefix: /v2, headers: {x-team: a}, to: {api: 95, next: 5}}
      - {host: "*.example.com", regex: "/users/[0-9]+", query: {q: "*"}, to: api}
      - {path: /gone, to: gone}
  many:
    listeners:
      - {port: 80, routes: [{respond: {status: 204}}]}
      - port: 8443
        routes: [{to: next}]
        tls: {certificates: [{certificate: /c.pem, key: /c.key, hosts: [shop.example.com]}]}
"""


@pytest.fixture
def catalog(tmp_path: Path) -> str:
    """Write the catalog and return its path."""
    path = tmp_path / "catalog.yaml"
    path.write_text(CATALOG)
    return str(path)


def route(*arguments: str) -> tuple[int, list[str]]:
    """Run the command, and return its exit code and its lines without repeated spaces and folders of files."""
    result = CliRunner().invoke(main, ["route", *arguments])
    lines = [re.sub(r"/\S*/(?=\w+\.yaml)", "", line) for line in result.output.splitlines()]
    return result.exit_code, [" ".join(line.split()) for line in lines]


@pytest.mark.parametrize(
    ("url", "more", "told"),
    [
        ("http://shop.example.com/old", [], ["1. shop.example.com/old → redirect: {path: /new}", "catalog.yaml:15"]),
        ("Shop.Example.com:8080/v2", ["--method", "POST", "-H", "X-Team: a"], ["2. POST", "→ 95% api, 5% next", ":16"]),
        (
            "http://a.b.example.com/users/7?q",
            [],
            ["3. *.example.com paths that match", "75.0%", "gateways.edge.routes[2]"],
        ),
        ("http://a.example.com//users/./7?q=1", [], ["the routes see the path /users/7?q=1", "3. "]),
        ("http://x/v2/a", ["--node", "many"], ["1. any path → respond: {status: 204}", "listeners[0].routes[0]"]),
        ("https://shop.example.com/", ["--node", "many"], ["→ next", "listeners[1].routes[0]"]),
        ("http://api/v2/x", ["--node", "web"], ["1. /v2/… → next", "services.api.routes[0]", "10.0.0.6:5000"]),
        ("http://api/v1", ["--node", "web"], ["2. any path → api", "services.api at catalog.yaml:4", "25.0%"]),
        ("tcp://db", ["--node", "web"], ["at 127.0.0.1:5432", "each connection → db"]),
    ],
)
def test_a_request_takes_the_route_that_is_told(catalog: str, url: str, more: list[str], told: list[str]) -> None:
    """With its place in the catalog, its targets and their endpoints."""
    node = more if "--node" in more else ["--node", "edge", *more]
    code, lines = route(url, *node, "--catalog", catalog)
    assert code == 0, lines
    for words in told:
        assert words in "\n".join(lines)


@pytest.mark.parametrize(
    ("url", "more", "told"),
    [
        ("http://other/old", ["--node", "edge"], ["404: no route takes it", "shop.example.com/old: not by its host"]),
        (
            "http://shop.example.com/v2",
            ["--node", "edge"],
            ["404", "POST shop.example.com/v2… with x-team: a: not by its method, headers.x-team"],
        ),
        (
            "http://a.example.com/users/7",
            ["--node", "edge"],
            ["404", "not by its query.q", "edge.routes[2] at catalog.yaml:17"],
        ),
        ("http://x/gone", ["--node", "edge"], ["503: no endpoint can get it"]),
        ("http://x:9/", ["--node", "edge"], ["no connection: edge listens at 8080, not at 9"]),
        ("http://x:8443/", ["--node", "many"], ["no answer: port 8443 expects TLS"]),
        ("https://other/", ["--node", "many"], ["no certificate of port 8443 is for the host other"]),
        ("https://x/", ["--node", "edge"], ["port 8080 has no `tls`"]),
        ("http://apj/", ["--node", "web"], ["404: web knows no service apj: did you mean http://api/?"]),
        ("http://next/", ["--node", "web"], ["404: next is not among the `upstreams` of web"]),
        ("http://x/", [], ["there are several gateways: write --node edge or many"]),
        ("http://x/", ["--node", "edgy"], ["no service or gateway edgy: did you mean `edge`?"]),
    ],
)
def test_a_request_that_nothing_takes_exits_with_1(catalog: str, url: str, more: list[str], told: list[str]) -> None:
    """The output has the answer that Envoy gives, and the fields that keep the request from the nearest routes."""
    code, lines = route(url, "--catalog", catalog, *more)
    assert code == 1, lines
    for words in told:
        assert words in "\n".join(lines)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["ftp://x/"], "has the scheme ftp"),
        (["http:///x"], "has no host"),
        (["http://x:99999/"], "is no URL"),
        (["http://x/", "-H", "nothing"], "is no header"),
        (["http://x/", "-H", "Host: y"], "is that of the URL"),
    ],
)
def test_what_is_no_request_is_a_wrong_usage(catalog: str, arguments: list[str], told: str) -> None:
    """The message has the mend."""
    code, lines = route(*arguments, "--catalog", catalog)
    assert code == 2
    assert told in " ".join(lines)


async def test_a_running_server_is_asked_by_default() -> None:
    """For its only gateway, for a name of the catalog, and for a connected node."""
    async with administered() as admin:
        code, printed, said = await run("route", "http://x/", "--admin", admin.address)
        assert (code, said) == (0, "")
        assert "1. any path → api" in printed
        assert "gateways.edge.routes[0] at c.yaml:6" in printed
        await admin.connect().take(CLUSTER, CLUSTER_LOAD_ASSIGNMENT)
        await admin.until("SYNCED", CLUSTER_LOAD_ASSIGNMENT)
        for node in ("web", "web-1"):
            code, printed, said = await run(
                "route", "http://api/", "--admin", admin.address, "--node", node, "-o", "json"
            )
            assert (code, said) == (0, "")
            finding = json.loads(printed)
            assert (finding["route"]["place"], finding["status"], finding["misses"]) == ("c.yaml:2", None, [])
            assert [one["percent"] for one in finding["choices"][0]["endpoints"]] == [75.0, 25.0]
