"""Access logs as a log store reads them: a JSON line for each request with ECS fields and types, and the filters."""

import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.chance import by_chance
from tests.ecs import flatten
from tests.envoy_server.mesh import Mesh, answered, send, under, until
from tests.envoy_server.test_sidecar import ask
from xds.cli.demo.processes import Envoy, Instance, free_port

ECS = {
    "@timestamp": str,
    "destination.address": str,
    "destination.bytes": int,
    "destination.ip": str,
    "destination.port": int,
    "ecs.version": str,
    "error.message": str,
    "event.category": list,
    "event.dataset": str,
    "event.duration": int,
    "event.kind": str,
    "event.type": list,
    "http.request.body.bytes": int,
    "http.request.id": str,
    "http.request.method": str,
    "http.response.body.bytes": int,
    "http.response.status_code": int,
    "http.version": str,
    "network.protocol": str,
    "network.transport": str,
    "source.bytes": int,
    "source.ip": str,
    "source.port": int,
    "tls.client.server_name": str,
    "trace.id": str,
    "url.domain": str,
    "url.path": str,
    "url.scheme": str,
    "user_agent.original": str,
}
"""Fields of the Elastic Common Schema 8.17 and their types in JSON."""

ENVOY = {
    "attempts": int,
    "connection_termination_details": str,
    "grpc_status": int,
    "response_code_details": str,
    "response_flags": str,
    "upstream_cluster": str,
}
"""Envoy's own fields of a line, below `envoyproxy`."""


def read(text: str) -> list[dict[str, Any]]:
    """Read an access log from Envoy's output. Each line is JSON, and each field belongs to ECS or Envoy."""
    lines = [dict(flatten(json.loads(line))) for line in text.splitlines() if line.startswith("{")]
    types = ECS | {f"envoyproxy.{name}": kind for name, kind in ENVOY.items()}
    for line in lines:
        assert {name: type(value) for name, value in line.items()} == {name: types[name] for name in line}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["@timestamp"])
    return lines


def end(envoy: Envoy) -> str:
    """Stop an Envoy, which then flushes its logs, and return its output."""
    envoy.stop()
    return envoy.log.read_text()


def call(port: int) -> bytes:
    """Call a gRPC method without a body, and return the answer."""
    return send_raw(port, "POST /a.B/C HTTP/1.1", "host: dead", "content-type: application/grpc", "content-length: 0")


def send_raw(port: int, *lines: str, body: str = "") -> bytes:
    """Send raw bytes as a request, and return the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall("\r\n".join([*lines, "connection: close", "", body]).encode())
        answer = b""
        while more := connection.recv(65536):
            answer += more
    return answer


async def test_each_request_and_connection_is_a_line_of_json(tmp_path: Path, instances: list[Instance]) -> None:
    """Every kind of request has a line. Enabling the log for the whole mesh fails no request."""
    tcp = free_port()
    services: dict[str, Any] = {
        "api": {"endpoints": [instances[0].address]},
        "db": {"protocol": "tcp", "endpoints": [instances[0].address]},
        "dead": {"endpoints": [f"127.0.0.1:{free_port()}"], "retries": 1},
    }
    routes = [{"prefix": "/dead", "to": "dead"}, {"prefix": "/api", "to": "api"}, {"prefix": "/a.B", "to": "dead"}]
    listeners: list[dict[str, Any]] = [{"port": "GATEWAY", "routes": routes}, {"port": tcp, "routes": [{"to": "db"}]}]
    edge: dict[str, Any] = {"listeners": [{"address": "127.0.0.1", **one} for one in listeners]}

    def catalog(**fields: Any) -> str:
        whole: dict[str, Any] = {"services": services, "gateways": {"edge": edge}, **fields}
        return json.dumps(whole).replace('"GATEWAY"', "GATEWAY")

    with Mesh(tmp_path, catalog()) as mesh:
        envoy = await mesh.start_gateway()
        port = mesh.gateway_port

        def updated() -> int:
            return envoy.admin.stats("listener_in_place_updated")["listener_manager.listener_in_place_updated"]

        async with under(mesh.load(200)) as load:
            mesh.write(catalog(mesh={"access_log": "on"}))
            await until(lambda: updated() == 2)
            await answered(load, 50)  # over the old connections, which Envoy drains
        assert mesh.log("catalog changed")[0]["xds.changed"] == ["mesh"]
        for _ in range(60):
            assert ask(port)[0] == 200
        ask(port, "/api/data?token=secret", **{"User-Agent": 'a "quoted"\\ Ä\t'.encode().decode("latin-1")})
        ask(port, "/api/data", **{"User-Agent": "no UTF-8: Ä"})
        send_raw(port, 'GET /api/"quoted"\\n%0a%C3%84 HTTP/1.1', "host: shop.example.com:80", "x-request-id: known")
        send_raw(port, "POST /api HTTP/1.1", "host: a", "content-length: 3", body="abc")
        assert ask(port, "/nowhere")[0] == 404
        assert ask(port, "/dead")[0] == 503
        assert b"grpc-status: 14" in call(port)
        assert ask(tcp)[0] == 200
        lines = read(end(envoy))
    lines = [line for line in lines if not line.get("user_agent.original", "").startswith("xds-demo")]
    assert [line["http.response.status_code"] for line in lines[:60]] == [200] * 60
    first, bad, odd, post, nowhere, dead, grpc, bytes_ = lines[60:]
    assert (first["http.request.method"], first["http.response.status_code"]) == ("GET", 200)
    assert (first["url.path"], first["network.protocol"]) == ("/api/data", "http")
    assert first["user_agent.original"].startswith('a "quoted"\\ Ä')
    assert bad["user_agent.original"].startswith("no UTF-8: ")
    assert first["destination.address"] == instances[0].address
    assert first["envoyproxy.upstream_cluster"] == "api"
    assert (first["source.ip"], first["envoyproxy.response_flags"]) == ("127.0.0.1", "-")
    assert 10_000 < first["event.duration"] < 10_000_000_000
    assert not any("secret" in json.dumps(line) for line in lines)
    assert odd["url.path"] == "/api/%22quoted%22/n%0a%C3%84"  # the gateway has normalized it
    assert odd["url.domain"] == "shop.example.com:80"
    assert (post["http.request.method"], post["http.request.body.bytes"]) == ("POST", 3)
    assert (nowhere["http.response.status_code"], nowhere["envoyproxy.response_flags"]) == (404, "NR")
    assert (dead["http.response.status_code"], dead["envoyproxy.attempts"]) == (503, 2)
    assert "UF" in dead["envoyproxy.response_flags"]
    assert (grpc["http.response.status_code"], grpc["envoyproxy.grpc_status"]) == (200, 14)
    assert bytes_["event.category"] == ["network"]
    assert bytes_["destination.bytes"] > bytes_["source.bytes"] > 0
    assert bytes_["event.duration"] > 10_000


async def test_access_logs_can_be_errors_only_or_a_sample(tmp_path: Path, instances: list[Instance]) -> None:
    """One sidecar logs failed requests to a file, another one logs nothing. A gateway logs a random quarter."""
    ports = {name: free_port() for name in ("failing", "silent", "db")}
    file = tmp_path / "access.log"
    dead = f"127.0.0.1:{free_port()}"
    services: dict[str, Any] = {
        "api": {"endpoints": [instances[0].address], "upstreams": []},
        "dead": {"endpoints": [dead], "retries": 0, "upstreams": []},
        "db": {"protocol": "tcp", "local_port": ports["db"], "endpoints": [dead], "upstreams": []},
        "failing": {"sidecar": ports["failing"], "upstreams": ["api", "dead", "db"]},
        "silent": {"sidecar": ports["silent"], "upstreams": ["api"], "access_log": "off"},
    }
    edge = {"port": "GATEWAY", "routes": [{"to": "api"}], "access_log": {"sample": "25%"}}
    fields = {"mesh": {"access_log": {"errors": True, "file": str(file)}}, "gateways": {"edge": edge}}
    catalog = json.dumps({"services": services} | fields).replace('"GATEWAY"', "GATEWAY")
    with Mesh(tmp_path, catalog) as mesh:
        envoys = {"edge": await mesh.start_envoy("edge-1", "edge")}
        await envoys["edge"].listening(f"0.0.0.0:{mesh.gateway_port}")
        for name in ("failing", "silent"):
            envoys[name] = await mesh.start_envoy(f"{name}-1", name)
            await envoys[name].listening(f"127.0.0.1:{ports[name]}")
        for name in ("failing", "silent"):
            for _ in range(5):
                assert ask(ports[name], Host="api")[0] == 200
        strange = '/"quoted"\\n%0a'
        assert b" 503 " in send_raw(ports["failing"], f"GET {strange} HTTP/1.1", "host: dead")
        assert ask(ports["failing"], Host="nobody")[0] == 404
        assert b"grpc-status: 14" in call(ports["failing"])
        with pytest.raises(ConnectionError):
            ask(ports["db"])
        await send(mesh.load(), 800)
        outputs = {name: read(end(envoy)) for name, envoy in envoys.items()}
    assert outputs["failing"] == outputs["silent"] == []
    assert len(outputs["edge"]) in by_chance(800, 0.25)
    lines = read(file.read_text())
    statuses = [line.get("http.response.status_code") for line in lines]
    assert statuses == [503, 404, 200, None]
    assert lines[0]["url.path"] == strange
    assert [line["envoyproxy.response_flags"].split(",")[0] for line in lines] == ["UF", "NR", "UF", "UF"]
