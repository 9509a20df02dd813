"""Services outside the mesh: names that Envoy resolves, TLS with verified certificates, and the Host that fits."""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from tests.certificates import Authority, KeyPair, make_authority
from tests.envoy_server.echo import Echo, start_echo
from tests.envoy_server.mesh import Mesh, scripted_instance, until
from tests.envoy_server.test_health import CHECK, catalog_of, checked
from tests.envoy_server.test_routes import ask, make_catalog
from xds.cli.demo.processes import free_port


class Outside:
    """Servers with a name and a certificate each. `asked` has the hosts that their clients sent by SNI."""

    def __init__(self, folder: Path) -> None:
        self.authority = make_authority(folder / "ours")
        self.stranger = make_authority(folder / "strangers")
        self.asked: list[str | None] = []
        self.echoes: dict[str, Echo] = {}
        self.stack = ExitStack()

    def start(self, name: str, own: KeyPair, clients: Authority | None = None) -> str:
        """Start a server, and return its port as `:443`.

        With `clients`, it requires a certificate of that authority.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(own.certificate, own.key)
        context.set_alpn_protocols(["http/1.1"])
        context.sni_callback = lambda _socket, host, _context: self.asked.append(host)
        if clients is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(clients.ca)
        echo = self.echoes[name] = self.stack.enter_context(start_echo(name, context))
        return f":{echo.server_port}"


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Outside]:
    """Create an authority that Envoy trusts, and one that it does not trust."""
    outside = Outside(tmp_path)
    with outside.stack:
        yield outside


def route(*names: str) -> list[dict[str, Any]]:
    """Route each service's name as a path to the service."""
    return [{"path": f"/{name}", "to": name} for name in names]


async def test_a_valid_certificate_is_accepted(tmp_path: Path, outside: Outside) -> None:
    """The name may be the endpoint's, the SNI, or a name for an address. Envoy can send a certificate of its own."""
    ours = outside.authority
    ca, mine = str(ours.ca), ours.issue("edge.example.com")
    own = {"certificate": str(mine.certificate), "key": str(mine.key)}
    local = outside.start("local", ours.issue("localhost"))
    alias = outside.start("alias", ours.issue("*.example.com"))
    mutual = outside.start("mutual", ours.issue("localhost"), clients=ours)
    services: dict[str, dict[str, Any]] = {
        "local": {"endpoints": [f"localhost{local}"], "tls": {"ca": ca}},
        "logical": {"endpoints": [f"localhost{local}"], "tls": {"ca": ca}, "dns": "logical"},
        "callers": {"endpoints": [f"localhost{local}"], "tls": {"ca": ca}, "host": "off"},
        "alias": {"endpoints": [f"localhost{alias}"], "tls": {"ca": ca, "sni": "api.example.com"}},
        "address": {"endpoints": [f"127.0.0.1{alias}"], "tls": {"ca": ca, "subject_alt_names": ["x.example.com"]}},
        "named": {"endpoints": [f"127.0.0.1{alias}"], "tls": {"ca": ca, "sni": "y.example.com"}, "host": "z.com"},
        "mutual": {"endpoints": [f"localhost{mutual}"], "tls": {"ca": ca, **own}},
    }
    expected = {
        "local": ("localhost", "localhost"),
        "logical": ("localhost", "localhost"),
        "callers": ("shop.example.com", "localhost"),
        "alias": ("api.example.com", "api.example.com"),
        "address": ("shop.example.com", None),
        "named": ("z.com", "y.example.com"),
        "mutual": ("localhost", "localhost"),
    }
    with Mesh(tmp_path, make_catalog(services, *route(*services))) as mesh:
        await mesh.start_gateway()
        for name, (host, asked) in expected.items():
            outside.asked.clear()
            response = ask(mesh, f"/{name}", Host="shop.example.com")
            assert response.status == 200, name
            assert dict(response.asked["headers"])["host"] == host
            assert outside.asked == [asked]


async def test_an_invalid_certificate_lets_no_request_through(tmp_path: Path, outside: Outside) -> None:
    """The name, the authority or the date is wrong, or Envoy's own certificate is missing."""
    ours = outside.authority
    ca = str(ours.ca)
    local = outside.start("local", ours.issue("localhost"))
    other = outside.start("other", ours.issue("api.example.com"))
    unknown = outside.start("unknown", outside.stranger.issue("localhost"))
    expired = outside.start("expired", ours.issue("localhost", file="expired", expired=True))
    mutual = outside.start("mutual", ours.issue("localhost"), clients=ours)
    services: dict[str, dict[str, Any]] = {
        "other": {"endpoints": [f"localhost{other}"], "tls": {"ca": ca}},
        "unknown": {"endpoints": [f"localhost{unknown}"], "tls": {"ca": ca}},
        "expired": {"endpoints": [f"localhost{expired}"], "tls": {"ca": ca}},
        "worlds": {"endpoints": [f"localhost{local}"], "tls": True},
        "asked": {"endpoints": [f"127.0.0.1{local}"], "tls": {"ca": ca, "sni": "api.example.com"}},
        "names": {"endpoints": [f"localhost{local}"], "tls": {"ca": ca, "subject_alt_names": ["api.example.com"]}},
        "address": {"endpoints": [f"127.0.0.1{other}"], "tls": {"ca": ca, "subject_alt_names": ["127.0.0.1"]}},
        "nobody": {"endpoints": [f"localhost{mutual}"], "tls": {"ca": ca}},
    }
    with Mesh(tmp_path, make_catalog(services, *route(*services))) as mesh:
        await mesh.start_gateway()
        for name in services:
            assert ask(mesh, f"/{name}").status == 503, name
        assert [echo.requests for echo in outside.echoes.values()] == [[]] * 5


async def test_grpc_works_over_tls(tmp_path: Path, outside: Outside) -> None:
    """Calls and health checks use HTTP/2 over TLS with the endpoint's name."""
    own, ca = outside.authority.issue("localhost"), outside.authority.ca
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
    credentials = grpc.ssl_server_credentials([(own.key.read_bytes(), own.certificate.read_bytes())])
    port = server.add_secure_port(f"127.0.0.1:{free_port()}", credentials)
    await server.start()
    service = {
        "endpoints": [f"localhost:{port}"],
        "protocol": "grpc",
        "tls": {"ca": str(ca)},
        "health_check": {"grpc": "", "interval": "100ms", "timeout": "90ms"},
    }
    try:
        with Mesh(tmp_path, make_catalog({"calls": service}, {"to": "calls"})) as mesh:
            envoy = await mesh.start_gateway()
            await until(lambda: envoy.admin.stats("cluster.calls.health_check.success$").popitem()[1] > 1)
            async with grpc.aio.insecure_channel(f"127.0.0.1:{mesh.gateway_port}") as channel:
                stub: Any = health_pb2_grpc.HealthStub(channel)  # the stubs of the package lack the methods
                answer = await stub.Check(health_pb2.HealthCheckRequest())
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
    finally:
        await server.stop(0)


async def test_a_check_can_have_another_port_and_other_tls_than_requests(tmp_path: Path, outside: Outside) -> None:
    """Only the checks differ: requests reach the endpoint's own port, with the service's own TLS or without."""
    own, ca = outside.authority.issue("localhost"), {"ca": str(outside.authority.ca), "sni": "localhost"}
    safe = outside.start("safe", own)
    async with scripted_instance(200) as plain, scripted_instance(503) as failing:
        clear, bad, over_tls = (int(one.rpartition(":")[2]) for one in (plain, failing, safe))
        services: dict[str, dict[str, Any]] = {
            "well": {"endpoints": [failing], "health_check": {"http": "/", "port": clear}},
            "ill": {"endpoints": [plain], "health_check": {"http": "/", "port": bad}},
            "named": {"endpoints": [f"localhost:{bad}"], "health_check": {"http": "/", "port": clear}},
            "clear": {"endpoints": [f"127.0.0.1{safe}"], "tls": ca, "health_check": {"http": "/", "port": clear}},
            "off": {"endpoints": [f"127.0.0.1{safe}"], "tls": ca, "health_check": {"tcp": True, "tls": False}},
            "safe": {"endpoints": [plain], "health_check": {"http": "/", "tls": ca, "port": over_tls}},
            "unsafe": {"endpoints": [plain], "health_check": {"http": "/", "tls": {**ca, "sni": "x.com"}}},
        }
        services["clear"]["health_check"]["tls"] = "off"
        services["unsafe"]["health_check"]["port"] = over_tls
        for service in services.values():
            service["health_check"] |= CHECK
            service["outlier_detection"] = "off"
        ill = {"ill", "unsafe"}
        with Mesh(tmp_path, catalog_of(**services)) as mesh:
            envoy = await mesh.start_gateway()
            for name, service in services.items():
                address = service["endpoints"][0].replace("localhost", "127.0.0.1")
                assert await checked(envoy, address, name) == (name not in ill), name
            answers = {n: await asyncio.to_thread(ask, mesh, f"/{n}/") for n in services if n not in ill}
    statuses = {name: answer.status for name, answer in answers.items()}
    assert statuses == {"well": 503, "named": 503, "clear": 200, "off": 200, "safe": 200}
