"""The dashboards' queries with a real Prometheus, a real control plane, and a real Envoy under load."""

import asyncio
import json
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.envoy_server.mesh import under, until
from tests.envoy_server.watched import WatchedMesh
from tests.prometheus.dashboards import ABSENT, FILES, find_metrics, find_rule_metrics, list_queries
from tests.prometheus.programs import Prometheus, find_program, started
from xds.catalog.model.locality import Locality
from xds.catalog.text.addresses import Listen
from xds.cli.demo.processes import free_port, start_instance

QUIET = {
    "control-plane.json: Refusals A",
    "control-plane.json: Clients that reject A",
    "control-plane.json: Alerts A",
    "control-plane.json: Problems of the catalog C",
    "control-plane.json: Problems of the catalog D",
    "control-plane.json: Size of the catalog E",
}
"""The queries that find nothing in a healthy mesh whose endpoints are all in the catalog."""

EXPECTED = {
    ("api", "127.0.0.1", 1): 0.75,
    ("api", "127.0.0.1", 2): 0.25,
    ("named", "localhost", 1): 2 / 3,
    ("named", "127.0.0.1", 2): 1 / 3,
    ("far", "127.0.0.1", 1): 0.0,
    ("far", "127.0.0.1", 2): 1.0,
}
"""The share of each instance, by service and by its name in the catalog."""


def make_catalog(first: int, second: int) -> str:
    """Return a catalog of three services, each with the same two instances at these loopback ports."""
    here = [f"127.0.0.1:{first}", f"127.0.0.1:{second}"]
    services = {
        "api": {"balance": "weighted", "endpoints": weigh(here[0], 3, here[1], 1)},
        "named": {"balance": "weighted", "endpoints": weigh(f"localhost:{first}", 2, here[1], 1)},
        "far": {
            "locality": "failover",
            "endpoints": [{"address": here[0], "zone": "eu-1b"}, {"address": here[1], "zone": "eu-1a"}],
        },
    }
    routes = [{"prefix": f"/{name}/", "rewrite": {"prefix": "/api/"}, "to": name} for name in services]
    gateway = {"address": "127.0.0.1", "port": "GATEWAY", "routes": routes}
    catalog = {"mesh": {"endpoint_stats": True}, "services": services, "gateways": {"edge": gateway}}
    return json.dumps(catalog).replace('"GATEWAY"', "GATEWAY")


def weigh(first: str, weight: int, second: str, other: int) -> list[dict[str, object]]:
    """Return two endpoints with their weights."""
    return [{"address": first, "weight": weight}, {"address": second, "weight": other}]


def read_shares(prometheus: Prometheus, record: str) -> dict[tuple[str, str, str], float]:
    """Return each share of a recorded series by service, endpoint and address."""
    names = ("envoy_cluster_name", "endpoint", "envoy_endpoint_address")
    return {(labels[names[0]], labels[names[1]], labels[names[2]]): value for labels, value in prometheus.query(record)}


async def test_every_dashboard_query_finds_data(tmp_path: Path) -> None:
    """Every query is valid, every metric exists, and the observed shares are the expected ones."""
    find_program("prometheus")
    ports = [free_port(), free_port()]
    with WatchedMesh(tmp_path, make_catalog(*ports)) as mesh:
        for number, port in enumerate(ports, 1):
            await mesh.children.enter_context(start_instance(f"api-{number}", port, tmp_path)).ready()
        metrics = Listen("127.0.0.1", free_port())
        envoy = await mesh.start_envoy("edge-1", "edge", locality=Locality("eu", "eu-1a"), metrics=metrics)
        await envoy.listening(f"127.0.0.1:{mesh.gateway_port}")
        expected = {
            (service, f"{host}:{ports[number - 1]}", f"127.0.0.1:{ports[number - 1]}"): pytest.approx(share)
            for (service, host, number), share in EXPECTED.items()
        }
        async with (
            started(tmp_path, mesh.admin) as prometheus,
            under(mesh.load(100, "/api/data")),
            under(mesh.load(100, "/named/data")),
            under(mesh.load(50, "/far/data")),
        ):
            await until(lambda: read_shares(prometheus, "node:endpoint_share:expected") == expected)
            await until(lambda: read_shares(prometheus, "service:endpoint_share:expected_rate1m") == expected)
            for observed, of in (
                ("node:endpoint_share:observed_rate1m", "node:endpoint_share:expected"),
                ("service:endpoint_share:observed_rate1m", "service:endpoint_share:expected_rate1m"),
            ):
                agreeing = f"abs({observed} - {of}) < 0.03"
                await until(lambda: len(prometheus.query(agreeing)) == len(expected))  # noqa: B023 the loop awaits it
            # An edit, for the metrics of edits.
            mesh.write(make_catalog(*ports).replace('"weight": 3', '"weight": 2'))
            async with asyncio.timeout(20):
                while (quiet := await asyncio.to_thread(find_empty, prometheus)) != QUIET:
                    print(quiet ^ QUIET)

            names = set(prometheus.get("label/__name__/values"))
            asked = find_rule_metrics().union(
                *(find_metrics(query.expression) for path in FILES for query in list_queries(path))
            )
            assert len(asked) > 45
            assert asked - names == ABSENT


def find_empty(prometheus: Prometheus) -> set[str]:
    """Run every query, and return those that find nothing."""
    found = set()
    for query in (query for path in FILES for query in list_queries(path)):
        expression = quote(query.fill(service="api", node="edge-1"))
        if query.instant:
            result = prometheus.get(f"query?query={expression}")["result"]
        else:
            now = time.time()
            result = prometheus.get(f"query_range?query={expression}&start={now - 10}&end={now}&step=5")["result"]
        found |= set() if result else {query.where}
    return found
