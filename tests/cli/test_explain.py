"""`xds explain`: what it prints about a request, from a catalog and from a running server, and its exit status."""

import io
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from tests.cli.asking import run
from tests.server.administered import administered
from xds.catalog.model.locality import Locality
from xds.cli import main
from xds.cli.demo.processes import free_port
from xds.cli.explain.explanation import explain as explain_service
from xds.cli.explain.known import read_files
from xds.cli.explain.screen import draw
from xds.wire import CLUSTER, LISTENER

CATALOG = """
services:
  web: {upstreams: [api, db]}
  api:
    balance: weighted
    endpoints:
      - {address: "10.0.0.4:5000", weight: 3, zone: eu-1a}
      - {address: "10.0.0.5:5000", weight: 1, zone: eu-1b}
      - {address: "10.0.0.6:5000", drain: true}
  next: {balance: random, endpoints: ["[::1]:5000"]}
  db: {protocol: tcp, local_port: 5432, endpoints: ["10.0.1.1:5432"]}
  gone: {endpoints: []}
gateways:
  edge:
    port: 8080
    routes:
      - {path: /old, redirect: {host: shop.example.com}}
      - {path: /gone, to: gone}
      - {method: POST, prefix: /v2, headers: {x-team: a}, to: {api: 95, next: 5}, timeout: 3s, retries: 0}
"""


@pytest.fixture
def catalog(tmp_path: Path) -> str:
    """Write the catalog and return its path."""
    path = tmp_path / "catalog.yaml"
    path.write_text(CATALOG)
    return str(path)


def explain(*arguments: str) -> tuple[int, list[str]]:
    """Run the command, and return its exit code and its lines without repeated spaces and folders of files."""
    result = CliRunner().invoke(main, ["explain", *arguments])
    lines = [re.sub(r"/\S*/(?=\w+\.yaml)", "", line) for line in result.output.splitlines()]
    return result.exit_code, [" ".join(line.split()) for line in lines]


def test_explain_leaves_out_the_tracing_collector(catalog: str, tmp_path: Path) -> None:
    """No request goes to the cluster of the collector."""
    traced = tmp_path / "traced" / "catalog.yaml"
    traced.parent.mkdir()
    traced.write_text(f"{CATALOG}\nmesh: {{tracing: 'collector:4317'}}\n")
    for node in ("web", "edge"):
        assert explain("api", "--catalog", str(traced), "--node", node) == explain(
            "api", "--catalog", catalog, "--node", node
        )


def test_explain_describes_a_sidecars_request(catalog: str) -> None:
    """The output has the listener, the route, the number of tries and the endpoints with their shares."""
    code, lines = explain("api", "--catalog", catalog, "--node", "web")
    assert code == 0
    assert lines == [
        "A request for api from a node of web",
        "",
        "It arrives at 127.0.0.1:15001 (listener sidecar), for api. The first match is used:",
        "1. any path → api",
        "services.api at catalog.yaml:4",
        "timeout: 15s (the default)",
        "retries: {attempts: 2} (the default)",
        "of GET, HEAD and OPTIONS: on connect-failure, refused-stream, reset, gateway-error",
        "of methods that are not safe to repeat, such as POST: "
        "on connect-failure, refused-stream, reset-before-request",
        "",
        "Cluster api: round robin: each endpoint in turn, in proportion to its weight (catalog.yaml:4)",
        "balance: weighted (catalog.yaml:5)",
        "timeouts: {connect: 1s} (the default)",
        "outlier_detection: {consecutive_failures: 5, max_ejection_percent: 50%} (the default)",
        "ENDPOINT WEIGHT HEALTH PRIORITY LOCALITY SHARE",
        "10.0.0.4:5000 3 healthy 0 eu-1a 75.0%",
        "10.0.0.5:5000 1 healthy 0 eu-1b 25.0%",
        "10.0.0.6:5000 1 draining 1 - 0.0%",
    ]


def test_a_gateways_route_with_two_services(catalog: str) -> None:
    """The output has the route's match, its shares, and each service's own policy. Other routes are left out."""
    code, lines = explain("next", "--catalog", catalog, "--node", "edge")
    assert code == 0
    assert "3. POST /v2… with x-team: a → 95% api, 5% next" in lines
    assert "gateways.edge.routes[2] at catalog.yaml:19" in lines
    assert "no retries (gateways.edge.routes[2].retries, catalog.yaml:19)" in lines
    assert "timeout: 3s" in lines
    assert not any("/old" in line for line in lines)
    assert (
        "Cluster next: random: each request goes to a random endpoint, whatever the weights (catalog.yaml:10)" in lines
    )
    assert "[::1]:5000 1 healthy 0 - 100.0%" in lines


def test_a_services_own_routes_and_subsets(tmp_path: Path) -> None:
    """A caller's sidecar applies them. The output has each version's endpoints, and the versions without any."""
    path = tmp_path / "catalog.yaml"
    path.write_text("""
services:
  api:
    endpoints:
      - {address: "10.0.0.4:5000", metadata: {version: "1.0"}}
      - {address: "10.0.0.5:5000", metadata: {version: ["2.0", "2.1"]}}
    retries: 0
    subsets: {v1: {version: "1.0"}, v2: {version: "2.0"}, v3: {version: "3.0"}}
    routes: [{prefix: /v3, to: api/v3}, {path: /next, to: next}, {to: {api/v1: 95, api/v2: 5}}]
  next: {endpoints: ["10.0.0.6:5000"], retries: 0, upstreams: []}
  web: {upstreams: [api]}
""")
    code, lines = explain("api", "--catalog", str(path), "--node", "web")
    assert code == 0
    assert '1. /v3… → api/v3 (version: "3.0")' in lines
    assert "2. /next → next" in lines
    assert '3. any path → 95% api/v1 (version: "1.0"), 5% api/v2 (version: "2.0")' in lines
    assert "4. any path → api" in lines
    assert [line for line in lines if line.startswith("10.")] == [
        "10.0.0.6:5000 1 healthy 0 - 100.0%",
        "10.0.0.4:5000 1 healthy 0 - 100.0%",
        "10.0.0.5:5000 1 healthy 0 - 100.0%",
        "10.0.0.4:5000 1 healthy 0 - 50.0%",
        "10.0.0.5:5000 1 healthy 0 - 50.0%",
    ]
    assert lines.count("no endpoint: requests to it are answered 503") == 1


def test_tcp_connections_use_a_port_of_their_own(catalog: str) -> None:
    """The output names the port of the service."""
    code, lines = explain("db", "--catalog", catalog, "--node", "web")
    assert code == 0
    assert "It arrives at 127.0.0.1:5432 (listener tcp/db). The first match is used:" in lines
    assert "1. each connection → db" in lines


def test_a_service_without_endpoints_exits_with_1(catalog: str) -> None:
    """The output describes what the caller sees."""
    code, lines = explain("gone", "--catalog", catalog, "--node", "edge")
    assert code == 1
    assert "no endpoint: requests to it are answered 503" in lines


@pytest.mark.parametrize(
    ("service", "node", "message"),
    [
        ("ap", "web", "web has no cluster for a service ap: did you mean `api`?"),
        (
            "next",
            "web",
            "web has no cluster for a service next: "
            "is it in the catalog, and among the `upstreams` of the node's service?",
        ),
        ("db", "db", "db has a cluster db, but no listener or route that leads to it"),
    ],
)
def test_a_request_that_cannot_arrive_exits_with_1(catalog: str, service: str, node: str, message: str) -> None:
    """The output has the reason or the nearest name."""
    assert explain(service, "--catalog", catalog, "--node", node) == (1, [message])


def test_a_catalog_with_mistakes_exits_with_1(tmp_path: Path) -> None:
    """The messages are the same as from `xds check`."""
    path = tmp_path / "catalog.yaml"
    path.write_text("services: {api: {blance: random}}")
    code, lines = explain("api", "--catalog", str(path))
    assert code == 1
    assert "did you mean `balance`?" in lines[0]


def test_json_has_the_same_content(catalog: str) -> None:
    """Scripts get the shares in percent."""
    result = CliRunner().invoke(main, ["explain", "api", "--catalog", catalog, "--output", "json"])
    document = json.loads(result.stdout)
    assert [one["percent"] for one in document["choices"][0]["endpoints"]] == [75.0, 25.0, 0.0]
    assert document["ways"][0]["targets"] == [{"name": "api", "cluster": "api", "subset": {}, "percent": 100.0}]


async def test_explain_can_ask_a_running_server() -> None:
    """The server answers for a connected node, or for a sidecar without a service if the command names no node."""
    async with administered() as admin:
        await admin.connect().take(CLUSTER, LISTENER)
        await admin.until("SYNCED", LISTENER)
        code, printed, errors = await run("explain", "api", "--admin", admin.address)
        assert (code, errors) == (0, "")
        assert "Cluster api: " in printed
        code, printed, errors = await run("explain", "api", "--admin", admin.address, "--node", "web-l")
        assert (code, printed) == (1, "")
        assert errors == "no node 'web-l' is connected: did you mean `web-1`?\n"
        code, _, errors = await run("explain", "api", "--admin", admin.address, "--node", "web-1", "--zone", "eu-1b")
        assert code == 2
        assert "sends its own locality" in errors
        code, printed, errors = await run("explain", "api", "--admin", admin.address, "--node", "edge")
        assert (code, errors) == (0, "")
        assert "gateways.edge.routes[0] at c.yaml:6" in printed
        code, printed, errors = await run("explain", "apj", "--admin", admin.address, "--node", "web-1")
        assert (code, errors) == (1, "web-1 has no cluster for a service apj: did you mean `api`?\n")


async def test_without_a_server_the_exit_code_is_3() -> None:
    """One line explains what to check."""
    code, _, errors = await run("explain", "api", "--admin", f"127.0.0.1:{free_port()}")
    assert code == 3
    assert "is `xds serve` running" in errors


def test_explain_has_every_field_of_a_route_as_it_is_written(tmp_path: Path) -> None:
    """The output has the fields of a route, and none of another route."""
    path = tmp_path / "catalog.yaml"
    path.write_text("""
services: {api: {endpoints: ["10.0.0.4:5000"], retries: 0}}
gateways:
  edge:
    port: 8080
    routes:
      - {path: /a, to: api, rate_limit: {requests: 5}, cors: {origins: ["*"]}}
      - {template: "/b/{c}", headers: {x-d: {prefix: e}}, to: api, websocket: true}
""")
    code, lines = explain("api", "--catalog", str(path), "--node", "edge")
    assert code == 0
    first, second = lines.index("1. /a → api"), lines.index("2. paths like /b/{c} with x-d: e… → api")
    assert {'cors: {origins: ["*"]}', "rate_limit: {requests: 5}"} <= set(lines[first:second])
    assert "websocket: true" in lines[second:]
    assert not any(line.startswith(("cors", "rate_limit")) for line in lines[second:])


def test_a_nodes_locality_decides_which_endpoints_come_first(tmp_path: Path) -> None:
    """The node's own zone comes first."""
    path = tmp_path / "near.yaml"
    path.write_text(CATALOG.replace("  api:\n", "  api:\n    locality: failover\n"))
    _, lines = explain("api", "--catalog", str(path), "--node", "web", "--zone", "eu-1b")
    assert lines[0] == "A request for api from a node of web in eu-1b"
    assert [line.split()[-1] for line in lines if line.startswith("10.0.0.")] == ["0.0%", "100.0%", "0.0%"]


def test_explain_states_whether_a_service_is_zone_aware(tmp_path: Path) -> None:
    """Every service with localities says so in Envoy's terms."""
    path = tmp_path / "aware.yaml"
    for locality, expected in (("any", False), ("zone_aware", True)):
        path.write_text(CATALOG.replace("  api:\n", f"  api:\n    locality: {locality}\n"))
        _, lines = explain("api", "--catalog", str(path), "--node", "web")
        assert any("zone aware" in line for line in lines) is expected


def test_fields_that_xds_never_writes_hide_nothing(tmp_path: Path) -> None:
    """A route with such a field still leads to its service."""
    path = tmp_path / "raw.yaml"
    path.write_text("""
services: {api: {endpoints: ["10.0.0.4:5000"], retries: 0}}
gateways:
  edge:
    port: 8080
    routes: [{to: api, timeout: 3s, envoy: {route: {route: {internal_redirect_policy: {}}}}}]
""")
    code, lines = explain("api", "--catalog", str(path), "--node", "edge")
    assert code == 0
    assert "1. any path → api" in lines
    assert "timeout: 3s" in lines
    assert "envoy: {route: {route: {internal_redirect_policy: {}}}}" in lines


def test_shares_by_load_are_not_promised(tmp_path: Path) -> None:
    """A caller in a locality keeps its requests there, which the equal shares do not show."""
    path = tmp_path / "load.yaml"
    path.write_text(CATALOG.replace("balance: weighted", "balance: load_aware_locality").replace("weight: 3, ", ""))
    _, lines = explain("api", "--catalog", str(path), "--node", "web", "--zone", "eu-1a")
    [policy] = [line for line in lines if line.startswith("Cluster api: ")]
    assert policy == (
        "Cluster api: load-aware locality: "
        "the endpoints in Envoy's own locality, and others as load requires (load.yaml:4)"
    )
    assert any(line.startswith("load-aware: ") and line.endswith("real shares differ") for line in lines)


def test_settings_of_a_cluster_are_shown(tmp_path: Path) -> None:
    """Times, connections and the panic threshold in words, and the names of Envoy's own fields."""
    path = tmp_path / "set.yaml"
    path.write_text("""
services:
  api:
    endpoints: ["10.0.0.4:5000"]
    timeouts: {idle: 20s}
    panic_threshold: 10%
    connection_pool: {idle_timeout: 1m, max_requests_per_connection: 9}
    keepalive: {idle: 30s}
    envoy: {cluster: {per_connection_buffer_limit_bytes: 65536}}
  web: {upstreams: [api]}
""")
    _, lines = explain("api", "--catalog", str(path), "--node", "web")
    assert {
        "timeouts: {idle: 20s} (set.yaml:5)",
        "timeouts: {connect: 1s} (the default)",
        "panic_threshold: 10% (set.yaml:6)",
        "connection_pool: {idle_timeout: 1m, max_requests_per_connection: 9} (set.yaml:7)",
        "keepalive: {idle: 30s} (set.yaml:8)",
        "envoy: {cluster: {per_connection_buffer_limit_bytes: 65536}} (set.yaml:9)",
    } <= set(lines)


def test_no_fact_of_a_retry_is_lost(tmp_path: Path) -> None:
    """The statuses of `on` are told, also those that a route adds to the service's other fields."""
    path = tmp_path / "retries.yaml"
    path.write_text("""
services:
  api:
    endpoints: ["10.0.0.4:5000"]
    retries: {on: [503, connect-failure], back_off: {base: 50ms}}
  web: {upstreams: [api]}
gateways:
  edge: {port: 8080, routes: [{path: /a, to: api, retries: {attempts: 5, on: [500, reset], per_try: 1s}}, {to: api}]}
""")
    _, lines = explain("api", "--catalog", str(path), "--node", "edge")
    assert (
        "retries: {attempts: 5, on: [500, reset], per_try: 1s, back_off: {base: 50ms}} (over those at retries.yaml:5)"
        in lines
    )
    assert (
        "retries: {attempts: 2, on: [503, connect-failure], back_off: {base: 50ms}} "
        "(services.api.retries, retries.yaml:5)"
    ) in lines
    assert "of methods that are not safe to repeat, such as POST: on connect-failure" in lines


def test_routes_are_numbered_as_in_the_catalog(tmp_path: Path) -> None:
    """Envoy has two routes for each with retries. A rewrite is told as it is written."""
    path = tmp_path / "many.yaml"
    routes = [{"prefix": f"/{number}/", "to": "api", "rewrite": {"prefix": "/"}} for number in range(10)]
    services = {"api": {"endpoints": ["10.0.0.4:5000"]}}
    path.write_text(json.dumps({"services": services, "gateways": {"edge": {"port": 80, "routes": routes}}}))
    code, lines = explain("api", "--catalog", str(path), "--node", "edge")
    assert code == 0
    for number in range(10):
        place = lines.index(f"{number + 1}. /{number}/… → api")
        assert lines[place + 1] == f"gateways.edge.routes[{number}] at many.yaml:1"
        assert lines[place + 2] == "rewrite: {prefix: /}"
    assert not any(line.startswith("11.") for line in lines)


@pytest.mark.parametrize(("node", "near"), [("edgee", ": did you mean `edge`?"), ("zzz", ": it has api, db")])
def test_a_node_that_the_catalog_does_not_name_is_an_error(catalog: str, node: str, near: str) -> None:
    """It is not taken for a sidecar in silence."""
    code, [line] = explain("api", "--catalog", catalog, "--node", node)
    assert code == 1
    assert line.startswith(f"the catalog has no service or gateway {node}{near}")


async def test_a_connected_node_that_the_catalog_does_not_name_is_told() -> None:
    """Its node.cluster may be misspelt."""
    async with administered() as admin:
        await admin.connect("edge-1", "edgee").take(CLUSTER, LISTENER)
        await admin.until("SYNCED", LISTENER, "edge-1")
        _, printed, said = await run("explain", "api", "--admin", admin.address, "--node", "edge-1")
        assert "the catalog has no service or gateway edgee: did you mean `edge`?" in printed + said


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("address", ["10.0.0.4:5000", "orders-7f6d9c5b8d-x2x4z.eu-west-1.internal:5000"])
def test_endpoints_fit_the_terminal(tmp_path: Path, width: int, address: str) -> None:
    """An address and its share are neither wrapped nor cut. What else there is room for stands between them."""
    path = tmp_path / "catalog.yaml"
    endpoints = [{"address": address, "region": "eu-west-1", "zone": "eu-west-1a"}]
    path.write_text(json.dumps({"services": {"api": {"endpoints": endpoints}}}))
    console = Console(width=width, file=io.StringIO(), record=True, highlight=False)
    console.print(draw(explain_service("api", read_files(path, None, dict.fromkeys(Locality._fields, ""))), width))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= width
    heading, row = lines[-2:]
    assert row.split()[0] == address
    assert "100.0%" in row
    assert ("LOCALITY" in heading) == (width == 120 or (width == 80 and len(address) < 20))
