"""Traces as a collector gets them: one for each request, through gateway and sidecars, with the correct parents."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.chance import by_chance
from tests.collector import Collector, Span, start_collector
from tests.envoy_server.echo import start_echo
from tests.envoy_server.mesh import Mesh, MeshWithoutDrains, answered, send, under, until
from tests.envoy_server.test_access_logs import end, read
from tests.envoy_server.test_sidecar import ask
from tests.envoy_server.test_versions import OLDEST, needs_oldest
from tests.envoy_server.versions import find_binary
from xds.cli.demo import processes
from xds.cli.demo.processes import Envoy, Instance, free_port

STRANGER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
"""The traceparent of a client that asks for a trace."""


class Web(BaseHTTPRequestHandler):
    """An application that calls `api` through its sidecar and forwards the trace context."""

    sidecar = 0
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self) -> None:
        """Answer with the answer of `api`."""
        context = {name: value for name in ("traceparent", "tracestate") if (value := self.headers[name])}
        connection = HTTPConnection("127.0.0.1", self.sidecar, timeout=10)
        connection.request("GET", "/api/data", headers={"Host": "api", **context})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Write no log."""


@contextmanager
def start_web(sidecar: int) -> Iterator[str]:
    """Run the application beside the sidecar on this port. Yield its address."""
    handler = type("Handler", (Web,), {"sidecar": sidecar})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def make_catalog(web: str, api: str, sidecar: int, **mesh: Any) -> str:
    """Return a catalog of a gateway, a service `web` with its sidecar, and a service `api`."""
    services = {
        "web": {"endpoints": [web], "sidecar": sidecar, "upstreams": ["api"]},
        "api": {"endpoints": [api], "upstreams": []},
    }
    gateways = {"edge": {"address": "127.0.0.1", "port": "GATEWAY", "routes": [{"prefix": "/", "to": "web"}]}}
    return json.dumps({"services": services, "gateways": gateways, "mesh": mesh}).replace('"GATEWAY"', "GATEWAY")


def trace(spans: list[Span]) -> list[tuple[str, str, str]]:
    """Return the spans of one trace from parent to child, each with its service, kind and name."""
    children = {span.parent: span for span in spans}
    assert len(children) == len(spans) == len({span.span_id for span in spans})
    found, parent = [], ""
    while span := children.get(parent):
        found.append((span.service, span.kind, span.name))
        parent = span.span_id
    return found


async def test_a_request_through_gateway_and_sidecar_is_one_trace(tmp_path: Path) -> None:
    """Parents are correct, the access log has the same trace id, and spans have no query.

    No request fails when tracing starts.
    """
    sidecar = free_port()
    with start_collector() as collector, start_echo("api") as api, start_web(sidecar) as web:
        with Mesh(tmp_path, make_catalog(web, api.endpoint, sidecar, access_log="on")) as mesh:
            await mesh.control_plane.ready()
            side = await mesh.start_envoy("web-1", "web")
            await side.listening(f"127.0.0.1:{sidecar}")
            edge = await mesh.start_gateway()
            tracing = {"otlp": f"localhost:{collector.port}", "sample": "100%"}
            async with under(mesh.load(100)) as load:
                mesh.write(make_catalog(web, api.endpoint, sidecar, access_log="on", tracing=tracing))
                await until(lambda: {"edge", "web"} == {span.service for span in collector.spans})
                await answered(load, 50)
            status, _ = ask(mesh.gateway_port, "/last?token=secret")[:2]
            assert status == 200
            last = await until_found(collector, "/last")
            lines = read(end(edge)) + read(end(side))
        whole = [span for span in collector.spans if span.trace_id == last.trace_id]
    assert trace(whole) == [
        ("edge", "SERVER", "GET"),
        ("edge", "CLIENT", "GET web"),
        ("web", "SERVER", "GET"),
        ("web", "CLIENT", "GET api"),
    ]
    traces = Counter(span.trace_id for span in collector.spans if span.trace_id != last.trace_id)
    logged = [line["envoyproxy.upstream_cluster"] for line in lines if line.get("trace.id") == last.trace_id]
    assert logged == ["web", "api"]
    assert not any("secret" in str(span.attributes) for span in collector.spans)
    assert whole[0].attributes["http.url"]
    assert len(traces) > 20
    headers = dict(api.requests[-1]["headers"])
    assert headers["traceparent"].split("-")[1] == last.trace_id


@pytest.mark.whole
@needs_oldest
async def test_the_oldest_envoy_serves_and_sends_whole_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets the older form of the URL in the same bytes: the host alone, so that spans have no query here either."""
    monkeypatch.setattr(processes, "envoy_path", lambda: find_binary(OLDEST))
    sidecar = free_port()
    with start_collector() as collector, start_echo("api") as api, start_web(sidecar) as web:
        tracing = {"otlp": f"localhost:{collector.port}", "sample": "100%"}
        with Mesh(tmp_path, make_catalog(web, api.endpoint, sidecar, tracing=tracing)) as mesh:
            await mesh.control_plane.ready()
            side = await mesh.start_envoy("web-1", "web")
            await side.listening(f"127.0.0.1:{sidecar}")
            await mesh.start_gateway()
            status, _ = ask(mesh.gateway_port, "/last?token=secret")[:2]
            assert status == 200
            await until(lambda: len(collector.spans) == 4)
    assert [(service, kind) for service, kind, _ in trace(collector.spans)] == [
        ("edge", "SERVER"),
        ("edge", "CLIENT"),
        ("web", "SERVER"),
        ("web", "CLIENT"),
    ]
    hosts = {(one.service, one.attributes["http.url"]) for one in collector.spans}
    assert hosts == {("edge", f"127.0.0.1:{mesh.gateway_port}"), ("web", "api")}
    assert not any("secret" in str(span.attributes) for span in collector.spans)


async def until_found(collector: Collector, path: str) -> Span:
    """Wait for all four spans of the request for a path, and return the first."""

    def find() -> Span | None:
        first = next((one for one in collector.spans if path in str(one.attributes.get("http.url"))), None)
        return first if first and sum(one.trace_id == first.trace_id for one in collector.spans) == 4 else None

    await until(find)
    found = find()
    assert found is not None
    return found


async def test_the_gateway_samples_and_ignores_the_clients_decision(tmp_path: Path, instances: list[Instance]) -> None:
    """Chance alone decides at the gateway. Proxies behind it follow its decision, so a trace is complete or absent."""
    sidecar = free_port()
    with start_collector() as collector, start_web(sidecar) as web:
        tracing = {"otlp": collector.address, "sample": "20%"}
        with Mesh(tmp_path, make_catalog(web, instances[0].address, sidecar, access_log="on", tracing=tracing)) as mesh:
            await mesh.control_plane.ready()
            side = await mesh.start_envoy("web-1", "web")
            await side.listening(f"127.0.0.1:{sidecar}")
            edge = await mesh.start_gateway()
            forced = {"x-envoy-force-trace": "1", "x-client-trace-id": "7", "traceparent": STRANGER}
            for _ in range(200):
                ask(mesh.gateway_port, "/stranger", **forced)
            await send(mesh.load(), 600)
            for _ in range(3):
                ask(sidecar, "/own", Host="api", traceparent=STRANGER)
                ask(sidecar, "/unkept", Host="api", traceparent=STRANGER[:-1] + "0")
            await until(lambda: sum("/own" in str(one.attributes.get("http.url")) for one in collector.spans) == 6)
            await until(lambda: traced(edge) + traced(side) == len(collector.spans) and is_whole(collector))
            lines = read(end(edge))
    traces = Counter(span.trace_id for span in collector.spans)
    assert traces.pop(STRANGER.split("-")[1]) == 6
    assert set(traces.values()) == {4}
    assert len({line["trace.id"] for line in lines}) == 800  # requests that are not sampled have one too
    assert traces.keys() < {line["trace.id"] for line in lines}
    assert len(traces) in by_chance(800, 0.2)
    assert not any("/unkept" in str(span.attributes) for span in collector.spans)


def is_whole(collector: Collector) -> bool:
    """Whether every span of the gateway's traces has arrived."""
    return len(collector.of("web")) - 6 == len(collector.of("edge"))


def is_known(envoy: Envoy, collector: str) -> bool:
    """Whether an Envoy uses that collector and has nothing left to load."""
    host, _, port = collector.partition(":")
    cluster = str(envoy.admin.cluster("mesh/otlp"))
    return host in cluster and port in cluster


def traced(envoy: Envoy) -> int:
    """Return the number of spans that an Envoy sent."""
    return int(envoy.admin.stats("tracing")["tracing.opentelemetry.spans_sent"])


async def test_an_unreachable_collector_fails_no_request(tmp_path: Path, instances: list[Instance]) -> None:
    """No request waits, whether the port is closed or the name unknown. Envoy finds the collector when it comes."""
    names = [f"127.0.0.1:{free_port()}", "collector.invalid:4317"]

    def catalog(**mesh: Any) -> str:
        return make_catalog(instances[0].address, instances[0].address, free_port(), **mesh)

    with MeshWithoutDrains(tmp_path, catalog(tracing={"otlp": names[0], "sample": "100%"})) as mesh:
        edge = await mesh.start_gateway()
        async with under(mesh.load(200)) as load:
            for name in (names[1], names[0]):
                mesh.write(catalog(tracing={"otlp": name, "sample": "100%"}))
                await until(partial(is_known, edge, name))
                await answered(load, 200)
            with start_collector() as collector:
                mesh.write(catalog(tracing=collector.address))
                mesh.write(catalog(tracing={"otlp": collector.address, "sample": "50%"}))
                await until(lambda: collector.spans)
                mesh.write(catalog())
                await until(lambda: "cluster.mesh/otlp.upstream_cx_total" not in edge.admin.stats("mesh/otlp"))
                await answered(load, 100)
