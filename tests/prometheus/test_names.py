"""Names that Envoy could take apart: each name that the catalog takes has right metrics in a real Prometheus."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.certificates import KeyPair, make_authority
from tests.envoy_server.mesh import until
from tests.envoy_server.watched import WatchedMesh
from tests.prometheus.programs import Prometheus, find_program, started
from xds.catalog.text.addresses import Listen
from xds.cli.demo.envoy_admin import http_get
from xds.cli.demo.processes import free_port, start_instance
from xds.resources.stats import ENVOYS_OWN, write_stat_path

NAMES = (
    *("plain", "orders.v1", "orders_v1", "orders-v1", "1.2.3.4", "9", "0-a", "a..b", "upstream_rq.total", "xds_orders"),
    *("mesh", "mesh.otlp", "http.grpc", "cluster.x", "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p"),
)
"""Services that are alike but for their names."""

EMPTY = ("nobody", "nobody.v1", "xds_nobody")
"""Services without an endpoint."""

GATEWAY = "edge.v1"


def make_catalog(instance: int, ports: Iterable[int], local_port: int, tls_port: int, pair: KeyPair) -> str:
    """Return a catalog of these services behind a gateway with several listeners, and of two TCP services.

    One listener has TLS; one file is its certificate, and what the certificates of its clients are checked with.
    """
    endpoints = [f"127.0.0.1:{instance}"]
    services: dict[str, object] = {name: {"endpoints": endpoints} for name in NAMES}
    services |= {name: {} for name in EMPTY}
    services |= {
        name: {"protocol": "tcp", "local_port": local_port + place, "endpoints": endpoints, "upstreams": []}
        for place, name in enumerate(("db", "db.v1"))
    }
    services["caller.v1"] = {"endpoints": endpoints, "upstreams": ["db", "db.v1", "orders.v1"]}
    routes = [{"prefix": f"/{name}/", "rewrite": {"prefix": "/api/"}, "to": name} for name in (*NAMES, *EMPTY)]
    listeners: list[dict[str, object]] = [{"address": "127.0.0.1", "port": port} for port in ports]
    certificates = [{"certificate": str(pair.certificate), "key": str(pair.key)}]
    tls = {"certificates": certificates, "client_ca": str(pair.certificate)}
    listeners.append({"address": "127.0.0.1", "port": tls_port, "tls": tls})
    gateways = {GATEWAY: {"listeners": listeners, "routes": routes}, "other": {"port": free_port(), "routes": routes}}
    return json.dumps({"mesh": {"endpoint_stats": True}, "services": services, "gateways": gateways})


@asynccontextmanager
async def asking(mesh: WatchedMesh, names: Iterable[str]) -> AsyncIterator[None]:
    """Send requests for these services through the gateway while the block runs. They may fail."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for name in names:
            tasks.create_task(mesh.load(10, f"/{name}/data").send(until=stop))
        try:
            yield
        finally:
            stop.set()


def find_services(prometheus: Prometheus, expression: str) -> set[str]:
    """Return the services of an expression's series."""
    return {labels.get("envoy_cluster_name", "") for labels, _ in prometheus.query(expression)}


def find_metrics(prometheus: Prometheus, label: str, value: str) -> set[str]:
    """Return the names of the metrics that have a label with that value."""
    return {labels["__name__"] for labels, _ in prometheus.query(f'{{{label}="{value}", job="envoy"}}')}


def find_prefixes(admin: str, label: str) -> dict[str, set[str]]:
    """Return the names of the metrics of an Envoy by the values of a label."""
    _, text = http_get(admin, "/stats/prometheus", 10.0)
    found: dict[str, set[str]] = {}
    for name, value in re.findall(rf'^(\w+)\{{[^}}]*\b{label}="([^"]*)"', text, re.MULTILINE):
        found.setdefault(value, set()).add(name)
    return found


async def test_every_name_has_right_metrics(tmp_path: Path) -> None:
    """Services that are alike have the same metrics, and the rules and alerts see each of them under its name."""
    find_program("prometheus")
    instance, ports, local_port, tls_port = free_port(), [free_port(), free_port()], free_port(), free_port()
    pair = make_authority(tmp_path / "certs.d").issue("a.example.com", file="web~1.v2")
    with WatchedMesh(tmp_path, make_catalog(instance, ports, local_port, tls_port, pair)) as mesh:
        await mesh.children.enter_context(start_instance("api-1", instance, tmp_path)).ready()
        place, other = Listen("127.0.0.1", free_port()), Listen("127.0.0.1", free_port())
        gateway = await mesh.start_envoy("edge-1", GATEWAY, metrics=place)
        sidecar = await mesh.start_envoy("caller-1", "caller.v1", metrics=other)
        await gateway.listening(f"127.0.0.1:{ports[0]}")
        await gateway.listening(f"127.0.0.1:{tls_port}")
        await sidecar.listening(f"127.0.0.1:{local_port + 1}")
        mesh.gateway_port = ports[0]
        async with started(tmp_path, mesh.admin) as prometheus, asking(mesh, (*NAMES, "nobody.v1")):
            rate = "service:requests:rate1m"
            await until(lambda: {*NAMES} <= find_services(prometheus, rate))
            expected = find_metrics(prometheus, "envoy_cluster_name", "plain")
            assert {"envoy_cluster_upstream_rq_xx", "envoy_cluster_endpoint_rq_total"} <= expected
            for name in NAMES:
                assert find_metrics(prometheus, "envoy_cluster_name", name) == expected, name
            empty = 'envoy_cluster_membership_healthy{node_id="edge-1"} == 0'
            await until(lambda: {*EMPTY} <= find_services(prometheus, empty))
            alerting = 'ALERTS{alertname="ServiceWithoutHealthyEndpoints"}'
            await until(lambda: {*EMPTY} == find_services(prometheus, alerting))
            await until(lambda: {"nobody.v1"} == find_services(prometheus, "service:errors:ratio_rate1m > 0.05"))
            await until(lambda: {*NAMES} <= find_services(prometheus, "node:endpoint_share:expected"))
            await until(lambda: {*NAMES} <= find_services(prometheus, "node:endpoint_share:observed_rate1m"))
            left = "node:certificate_left:seconds > 0"
            secrets = {
                f"edge~v1/{kind}{write_stat_path(str(pair.certificate))}" for kind in ("certificate", "client_ca")
            }
            await until(lambda: {*secrets} == {one["envoy_tls_certificate"] for one, _ in prometheus.query(left)})
            assert secrets == {
                one["envoy_xds_resource_name"] for one, _ in prometheus.query("envoy_sds_update_success")
            }
        http = find_prefixes(gateway.admin.address, "envoy_http_conn_manager_prefix")
        assert {*http} >= ENVOYS_OWN
        of_listeners = {value: names for value, names in http.items() if value.startswith("edge")}
        assert {*of_listeners} == {f"edge~v1/127~0~0~1_{port}" for port in (*ports, tls_port)}
        assert len({frozenset(names) for names in of_listeners.values()}) == 1
        assert "envoy_http_downstream_rq_xx" in of_listeners[f"edge~v1/127~0~0~1_{ports[0]}"]
        tcp = find_prefixes(sidecar.admin.address, "envoy_tcp_prefix")
        assert {*tcp} == {"tcp/db", "tcp/db~v1"}
        assert tcp["tcp/db"] == tcp["tcp/db~v1"]
        for envoy in (gateway, sidecar):
            _, text = http_get(envoy.admin.address, "/stats/prometheus", 10.0)
            assert [line for line in text.splitlines() if re.match(r"\w+_(v1|0_0_1|d_web|pem)_", line)] == []
