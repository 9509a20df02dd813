"""A real Prometheus finds real Envoys through `xds serve`, and every metric in a rule exists."""

import asyncio
import json
from pathlib import Path

from tests.envoy_server.mesh import make_catalog, scripted_instance, until
from tests.envoy_server.watched import WatchedMesh
from tests.prometheus.dashboards import ABSENT, find_rule_metrics
from tests.prometheus.programs import find_program, started
from xds.catalog.model.locality import Locality
from xds.catalog.text.addresses import Listen
from xds.cli.demo.envoy_admin import http_get
from xds.cli.demo.processes import Envoy, free_port


async def start_envoy(mesh: WatchedMesh, node_id: str, node_cluster: str, *, scraped: bool = True) -> tuple[Envoy, int]:
    """Start an Envoy. If it is `scraped`, it states the address of its metrics."""
    port = free_port()
    place = Listen("127.0.0.1", port) if scraped else None
    return await mesh.start_envoy(node_id, node_cluster, locality=Locality("eu", "eu-1a"), metrics=place), port


async def test_prometheus_finds_envoys_and_every_metric_that_a_rule_names(tmp_path: Path) -> None:
    """No edit is needed.

    Prometheus scrapes Envoys only while they are connected. It evaluates the rules, and they report failures.
    """
    find_program("prometheus")
    async with scripted_instance(500) as failing:
        with WatchedMesh(tmp_path, make_catalog([failing], endpoint_stats=True)) as mesh:
            gateway, port = await start_envoy(mesh, "edge-1", "edge")
            gateway_address = f"127.0.0.1:{mesh.gateway_port}"
            await gateway.listening(gateway_address)
            await start_envoy(mesh, "mute-1", "web", scraped=False)
            assert mesh.get("/v1/sd/prometheus") == [
                {
                    "targets": [f"127.0.0.1:{port}"],
                    "labels": {"node_id": "edge-1", "cluster": "edge", "region": "eu", "zone": "eu-1a"},
                }
            ]
            for path in ("/", "/config_dump", "/stats", "/quitquitquit", "/stats/prometheus/../../config_dump"):
                assert http_get(f"127.0.0.1:{port}", path)[0] == 404
            async with started(tmp_path, mesh.admin) as prometheus:
                await until(lambda: set(prometheus.targets()) == {"edge-1"})
                sidecar, _ = await start_envoy(mesh, "web-1", "web")
                await until(lambda: set(prometheus.targets()) == {"edge-1", "web-1"})
                labels = prometheus.targets()["web-1"]
                assert (labels["instance"], labels["cluster"], labels["zone"]) == ("web-1", "web", "eu-1a")

                mesh.write(make_catalog([failing], balance="random", endpoint_stats=True))
                await until(lambda: mesh.log("catalog changed"))
                await until(lambda: "propagation_duration_seconds_count 1.0" in http_get(mesh.admin, "/metrics")[1])

                failures = 'service:errors:ratio_rate1m{envoy_cluster_name="api-service"} == 1'
                async with asyncio.timeout(30):
                    while not prometheus.query(failures):
                        status, _ = await asyncio.to_thread(http_get, gateway_address, "/api/data", 10.0)
                        assert status == 500
                names = find_rule_metrics() - ABSENT
                assert len(names) > 8
                assert [name for name in sorted(names) if not prometheus.query(name)] == []
                groups = prometheus.get("rules")["groups"]
                assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}

                sidecar.kill()
                await until(lambda: set(prometheus.targets()) == {"edge-1"})

                # Envoy cannot use this. It refuses, and the metric exists.
                mesh.catalog.write_text(
                    json.dumps({**json.loads(mesh.catalog.read_text()), "gateways": refused(mesh.gateway_port)})
                )
                await until(lambda: prometheus.query('ALERTS{alertname="SidecarRefused",node_id="edge-1"}'))
                assert prometheus.query("xds_nacked")


def refused(port: int) -> dict[str, object]:
    """Return a gateway at an address that no machine has (RFC 5737)."""
    return {"edge": {"address": "192.0.2.1", "port": port, "routes": [{"prefix": "/", "to": "api-service"}]}}


def test_the_rules_name_as_many_metrics_as_expected() -> None:
    """The test above looks for these metrics."""
    found = find_rule_metrics()
    assert {"envoy_cluster_upstream_rq_xx", "xds_catalog_ok", "xds_nacked"} <= found
