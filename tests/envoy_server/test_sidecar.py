"""Sidecars and gateways as applications see them: by Host on one local port, by a port for TCP, and by routes."""

import http.client
import json
import socket
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.envoy_server.mesh import Mesh, until
from tests.grpc_client.caller import METHOD
from tests.grpc_client.mesh import start_instance
from xds.cli.demo.processes import Instance, free_port


def ask(port: int, path: str = "/api/data", *, method: str = "GET", **headers: str) -> tuple[int, str]:
    """Send one request, and return the status and the instance that answered."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        body = response.read().decode()
    finally:
        connection.close()
    return response.status, json.loads(body)["instance"] if response.status == 200 else body


def catalog_of(services: dict[str, Any], **gateways: Any) -> str:
    """Return a catalog as JSON, which is valid YAML."""
    return json.dumps({"services": services, "gateways": gateways} if gateways else {"services": services})


@pytest.mark.parametrize("variant", ["delta", "sotw"])
async def test_a_sidecar_routes_by_host_to_its_upstreams(
    tmp_path: Path, instances: list[Instance], variant: str
) -> None:
    """One local port serves each upstream by its name, with or without a port. Another name gets 404."""
    one, two, three = (instance.address for instance in instances)
    port = free_port()
    services: dict[str, dict[str, Any]] = {
        "web": {"upstreams": ["users", "orders"], "sidecar": port},
        "users": {"endpoints": [one]},
        "orders": {"endpoints": [two]},
        "secret": {"endpoints": [three]},
    }
    with Mesh(tmp_path, catalog_of(services)) as mesh:
        envoy = await mesh.start_envoy("web-1", "web", variant)
        await envoy.listening(f"127.0.0.1:{port}")
        assert ask(port, Host="users") == (200, "api-1")
        assert ask(port, Host="orders") == (200, "api-2")
        assert ask(port, Host="orders:8080") == (200, "api-2")
        assert ask(port, Host="secret")[0] == 404
        services["web"]["upstreams"] = ["users", "secret"]
        mesh.write(catalog_of(services))
        await until(lambda: ask(port, Host="secret") == (200, "api-3"))
        assert ask(port, Host="orders")[0] == 404


async def test_a_sidecar_offers_a_tcp_service_on_its_own_port(tmp_path: Path, instances: list[Instance]) -> None:
    """It passes bytes unchanged. Here they are HTTP, and the Host does not matter."""
    local, port = free_port(), free_port()
    services = {
        "web": {"upstreams": ["db"], "sidecar": port},
        "db": {"protocol": "tcp", "local_port": local, "endpoints": [instances[0].address]},
    }
    with Mesh(tmp_path, catalog_of(services)) as mesh:
        envoy = await mesh.start_envoy("web-1", "web")
        await envoy.listening(f"127.0.0.1:{local}")
        assert ask(local, Host="whoever") == (200, "api-1")


async def test_envoy_resolves_the_host_names_of_endpoints(tmp_path: Path, instances: list[Instance]) -> None:
    """One endpoint has a name and another an address. Then an edit leaves only addresses."""
    port = free_port()
    named = [f"localhost:{instances[0].address.rpartition(':')[2]}", instances[1].address]
    web = {"upstreams": ["api"], "sidecar": port}
    with Mesh(tmp_path, catalog_of({"web": web, "api": {"endpoints": named}})) as mesh:
        envoy = await mesh.start_envoy("web-1", "web")
        await envoy.listening(f"127.0.0.1:{port}")
        await until(lambda: len(envoy.admin.hosts("api")) == 2)
        assert {ask(port, Host="api")[1] for _ in range(4)} == {"api-1", "api-2"}
        addresses = [instances[1].address, instances[2].address]
        mesh.write(catalog_of({"web": web, "api": {"endpoints": addresses}}))
        await until(lambda: set(envoy.admin.hosts("api")) == set(addresses))
        assert {ask(port, Host="api")[1] for _ in range(4)} == {"api-2", "api-3"}


async def test_a_gateway_takes_the_first_route_that_matches(tmp_path: Path, instances: list[Instance]) -> None:
    """Routes match by host, exact path, prefix and headers, in the catalog's order across all hosts."""
    services = {name: {"endpoints": [one.address]} for name, one in zip("abc", instances, strict=True)}
    routes = [
        {"path": "/api/data", "headers": {"x-team": "b"}, "to": "b"},
        {"host": "*.example.com", "prefix": "/api", "to": "c"},
        {"host": "shop.example.com", "to": "b"},
        {"prefix": "/api/", "to": "a"},
    ]
    gateway = {"address": "127.0.0.1", "port": "GATEWAY", "routes": routes}
    with Mesh(tmp_path, catalog_of(services, edge=gateway).replace('"GATEWAY"', "GATEWAY")) as mesh:
        await mesh.start_gateway()
        port = mesh.gateway_port
        assert ask(port) == (200, "api-1")
        assert ask(port, **{"X-Team": "b"}) == (200, "api-2")
        assert ask(port, **{"X-Team": "c"}) == (200, "api-1")
        assert ask(port, Host="shop.example.com") == (200, "api-3")
        assert ask(port, Host="shop.example.com", **{"x-team": "b"}) == (200, "api-2")
        assert ask(port, "/elsewhere", Host="other.com")[0] == 404


async def test_grpc_calls_go_over_http2(tmp_path: Path) -> None:
    """Round robin applies to each call, though the client has a single connection."""
    port = free_port()
    with start_instance("grpc-1") as one, start_instance("grpc-2") as two:
        services = {
            "web": {"upstreams": ["api"], "sidecar": port},
            "api": {"protocol": "grpc", "endpoints": [one, two]},
        }
        with Mesh(tmp_path, catalog_of(services)) as mesh:
            envoy = await mesh.start_envoy("web-1", "web")
            await envoy.listening(f"127.0.0.1:{port}")
            options = [("grpc.default_authority", "api")]
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
                call: Any = channel.unary_unary(METHOD)
                answers = [(await call(b"")).decode() for _ in range(10)]
            assert sorted(answers) == ["grpc-1"] * 5 + ["grpc-2"] * 5


REFUSED = {"prefix": "/", "respond": {"status": 404}}


def ask_raw(port: int, request: str) -> int:
    """Send one request as it is, and return the status."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request.encode())
        return int(connection.makefile("rb").readline().split()[1])


async def test_gateways_and_sidecars_have_the_same_options(tmp_path: Path, instances: list[Instance]) -> None:
    """HTTP/1.0, a host that ends in a dot, and large headers are refused unless the catalog takes them."""
    large = f"x-large: {'x' * 65000}\r\n"
    requests = {
        "HTTP/1.0": "GET /api/data HTTP/1.0\r\nhost: api\r\n\r\n",
        "without a host": "GET /api/data HTTP/1.0\r\n\r\n",
        "dot": "GET /api/data HTTP/1.1\r\nhost: api.\r\n\r\n",
        "large": f"GET /api/data HTTP/1.1\r\nhost: api\r\n{large}\r\n",
        "slashes": "GET //api//data HTTP/1.1\r\nhost: api\r\n\r\n",
        "dots": "GET /x/../api/data HTTP/1.1\r\nhost: api\r\n\r\n",
    }
    http = {"accept_http_10": True, "default_host_for_http_10": "api", "strip_trailing_host_dot": True}
    paths = {"normalize_path": True, "merge_slashes": True}
    limits = {"header_size": "96KiB"}
    ports = {name: free_port() for name in ("usual", "open", "edge", "open-edge")}
    services: dict[str, dict[str, Any]] = {
        "api": {"endpoints": [instances[0].address], "routes": [{"path": "/api/data", "to": "api"}, REFUSED]},
        "usual": {"sidecar": ports["usual"], "upstreams": ["api"]},
        "open": {
            "sidecar": {"listen": ports["open"], "limits": limits, "http": {**http, **paths}},
            "upstreams": ["api"],
        },
    }
    edge = {"address": "127.0.0.1", "routes": [{"host": "api", "path": "/api/data", "to": "api"}]}
    raw_port, raw = free_port(), {"http_connection_manager": {"max_request_headers_kb": 96}}
    services["raw"] = {"sidecar": {"listen": raw_port, "envoy": raw}}
    open_edge = {"limits": limits, "http": {**http, "normalize_path": False, "merge_slashes": False}}
    gateways = {
        "edge": {**edge, "port": ports["edge"]},
        "open-edge": {**edge, "port": ports["open-edge"], **open_edge},
    }
    found: dict[str, dict[str, int]] = {}
    with Mesh(tmp_path, catalog_of(services, **gateways)) as mesh:
        for name, port in {**ports, "raw": raw_port}.items():
            envoy = await mesh.start_envoy(f"{name}-1", name)
            await envoy.listening(f"127.0.0.1:{port}")
            found[name] = {request: ask_raw(port, text) for request, text in requests.items()}
    never = {"HTTP/1.0": 426, "without a host": 426, "dot": 404, "large": 431}
    always = dict.fromkeys(("HTTP/1.0", "without a host", "dot", "large"), 200)
    assert found == {
        "usual": {**never, "slashes": 404, "dots": 404},
        "open": {**always, "slashes": 200, "dots": 200},
        "edge": {**never, "slashes": 200, "dots": 200},
        "open-edge": {**always, "slashes": 404, "dots": 404},
        "raw": {**never, "large": 200, "slashes": 404, "dots": 404},
    }
