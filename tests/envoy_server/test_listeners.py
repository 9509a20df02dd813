"""A gateway's listeners as clients see them: certificates by SNI, HTTP/2 and HTTP/3, passthrough, limits, edits."""

import http.client
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Any

import httpx
import pytest

from tests.certificates import Authority, KeyPair, make_authority
from tests.envoy_server.echo import Echo, start_echo
from tests.envoy_server.mesh import Mesh, answered, under, until
from xds.cli.demo.processes import Instance, free_port, start_envoy


def has_ipv6() -> bool:
    """Whether a socket of IPv6 can be had."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


NO_HEADERS: Mapping[str, str] = {}
SHOP, ORG, MOUNTED = "shop.example.com", "a.example.org", "mounted.example.com"


@pytest.fixture
def echo() -> Iterator[Echo]:
    """Start a service that answers with the request."""
    with start_echo("echo") as echo:
        yield echo


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Create a certificate authority with its files in `certs`."""
    return make_authority(tmp_path / "certs")


class TroubledMesh(Mesh):
    """A mesh in which an Envoy may refuse resources."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.children.close()


def write(services: Mapping[str, Any], *listeners: Mapping[str, Any], **gateway: Any) -> str:
    """Return a catalog whose gateway `edge` has these listeners on loopback."""
    placed = [{"address": "127.0.0.1", **listener} for listener in listeners]
    edge = {"listeners": placed, **gateway}
    return json.dumps({"services": services, "gateways": {"edge": edge}}).replace('"GATEWAY"', "GATEWAY")


def shown(pair: KeyPair, *hosts: str) -> dict[str, Any]:
    """Return a certificate as in a catalog."""
    return {"certificate": str(pair.certificate), "key": str(pair.key), **({"hosts": [*hosts]} if hosts else {})}


def get(
    port: int,
    host: str,
    path: str = "/",
    *,
    trust: Authority | None = None,
    client: KeyPair | None = None,
    http2: bool = False,
    headers: Mapping[str, str] = NO_HEADERS,
) -> httpx.Response:
    """Send one request. With an authority to `trust`, use TLS and verify that the certificate fits the host."""
    scheme, verify = "http", ssl.create_default_context()
    if trust is not None:
        scheme, verify = "https", ssl.create_default_context(cafile=str(trust.ca))
    if client is not None:
        verify.load_cert_chain(*client)
    with httpx.Client(trust_env=False, verify=verify, http2=http2, http1=not http2, timeout=10) as session:
        url = f"{scheme}://127.0.0.1:{port}{path}"
        return session.get(url, headers={"host": host, **headers}, extensions={"sni_hostname": host})


@contextmanager
def connect(
    port: int, host: str | None, authority: Authority, *alpn: str, named: bool = True
) -> Iterator[ssl.SSLSocket]:
    """Open a TLS connection for a host, or for none. If `named`, the certificate must be valid for the host."""
    context = ssl.create_default_context(cafile=str(authority.ca))
    context.check_hostname = named and host is not None
    context.set_alpn_protocols([*alpn])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
        context.wrap_socket(connection, server_hostname=host) as encrypted,
    ):
        yield encrypted


def serial(port: int, host: str, authority: Authority, *, named: bool = True) -> object:
    """Return the serial number of the certificate for a host. If `named`, it must be valid for the host."""
    with connect(port, host, authority, named=named) as encrypted:
        return (encrypted.getpeercert() or {})["serialNumber"]


async def test_each_host_of_a_port_has_its_own_certificate(tmp_path: Path, authority: Authority, echo: Echo) -> None:
    """Envoy selects it by SNI and refuses other hosts and none.

    HTTP/2 works by ALPN and, in plain text, by prior knowledge. HTTP/3 works too.
    """
    plain, port = free_port(), free_port()
    certificates = [
        shown(authority.issue(SHOP), SHOP),
        shown(authority.issue("*.example.org", file="org"), "*.example.org"),
    ]
    catalog = write(
        {"echo": {"endpoints": [echo.endpoint]}},
        {"port": plain, "routes": [{"host": SHOP, "redirect": {"https": True, "port": port}}, {"to": "echo"}]},
        {"port": port, "tls": {"certificates": certificates}, "http3": True},
        routes=[{"to": "echo"}],
    )
    with Mesh(tmp_path, catalog) as mesh:
        envoy = await mesh.start_envoy("edge-1", "edge", "sotw")
        await envoy.listening(f"127.0.0.1:{port}")
        for host in (SHOP, ORG):
            for http2, version in ((False, "HTTP/1.1"), (True, "HTTP/2")):
                response = get(port, host, trust=authority, http2=http2)
                assert (response.status_code, response.http_version) == (200, version)
        for unknown in ("other.example.com", "example.org", None):
            assert refuses(port, unknown, authority)
        with connect(port, SHOP, authority, "http/1.1", "h2") as encrypted:
            assert encrypted.selected_alpn_protocol() == "h2"
            assert encrypted.version() in ("TLSv1.2", "TLSv1.3")
        location = get(plain, SHOP, "/x?y=1").headers["location"]
        assert location == f"https://{SHOP}:{port}/x?y=1"
        assert get(port, SHOP, location.partition(str(port))[2], trust=authority).json()["path"] == "/x?y=1"
        assert get(plain, "other.com", http2=True).http_version == "HTTP/2"
        with pytest.raises(httpx.TransportError):
            get(port, SHOP)  # plain text on a TLS port
        # Responses announce HTTP/3. The HTTP/3 client is another Envoy.
        assert get(port, SHOP, trust=authority).headers["alt-svc"] == f'h3=":{port}"; ma=86400'
        client_port = free_port()
        bootstrap = make_http3_client(client_port, port, SHOP, authority.ca)
        client = mesh.children.enter_context(start_envoy(bootstrap, tmp_path, name="client"))
        await client.listening(f"127.0.0.1:{client_port}")
        response = get(client_port, SHOP, "/over/quic")
        assert (response.status_code, response.json()["path"]) == (200, "/over/quic")
        assert dict(response.json()["headers"])["x-forwarded-proto"] == "https"
        counted = envoy.admin.stats(f"{port}.downstream_cx_http3_total")
        assert list(counted.values()) == [1]


def make_http3_client(port: int, server: int, host: str, authority: Path, client: KeyPair | None = None) -> str:
    """Return the bootstrap of an Envoy that forwards from `port` by HTTP/3, as a client with a certificate."""
    extensions = "type.googleapis.com/envoy.extensions"
    router = {"@type": f"{extensions}.filters.http.router.v3.Router"}
    manager = {
        "@type": f"{extensions}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "client",
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
        "route_config": {
            "virtual_hosts": [
                {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "h3"}}]}
            ]
        },
    }
    context: dict[str, Any] = {"validation_context": {"trusted_ca": {"filename": str(authority)}}}
    if client is not None:
        files = {"certificate_chain": client.certificate, "private_key": client.key}
        context["tls_certificates"] = [{name: {"filename": str(file)} for name, file in files.items()}]
    tls = {"sni": host, "common_tls_context": context}
    cluster = {
        "name": "h3",
        "load_assignment": {
            "cluster_name": "h3",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": place(server)}}]}],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{extensions}.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http3_protocol_options": {}},
            }
        },
        "transport_socket": {
            "name": "envoy.transport_sockets.quic",
            "typed_config": {
                "@type": f"{extensions}.transport_sockets.quic.v3.QuicUpstreamTransport",
                "upstream_tls_context": tls,
            },
        },
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    listener = {"name": "client", "address": place(port), "filter_chains": [{"filters": filters}]}
    static = {"listeners": [listener], "clusters": [cluster]}
    return json.dumps({"admin": {"address": place(0)}, "static_resources": static})


def place(port: int) -> dict[str, Any]:
    """Return an address of loopback."""
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


async def test_a_new_certificate_is_used_and_a_missing_one_affects_no_other_host(
    tmp_path: Path, authority: Authority, instances: list[Instance]
) -> None:
    """Envoy uses the new certificate at once. The missing one causes a NACK, and other hosts and ports still work."""
    port = free_port()
    shop, missing = authority.issue(SHOP), KeyPair(authority.folder / "no.pem", authority.folder / "no.key")

    def catalog(*certificates: dict[str, Any]) -> str:
        listeners: list[dict[str, Any]] = [
            {"port": "GATEWAY"},
            {"port": port, "tls": {"certificates": [*certificates]}},
        ]
        api = {"api": {"endpoints": [instances[0].address]}}
        return write(api, *listeners, routes=[{"to": "api"}])

    mounted = mount(tmp_path, authority, "v1")
    sound = shown(shop, SHOP), shown(mounted, MOUNTED)
    with TroubledMesh(tmp_path, catalog(*sound)) as mesh:
        envoy = await mesh.start_gateway()
        async with under(mesh.load(100)) as load:
            await envoy.listening(f"127.0.0.1:{port}")
            old = serial(port, SHOP, authority)
            authority.issue(SHOP)
            await until(lambda: serial(port, SHOP, authority) != old)
            old = serial(port, MOUNTED, authority)
            mount(tmp_path, authority, "v2")
            await until(lambda: serial(port, MOUNTED, authority) != old)
            mesh.write(catalog(*sound, shown(missing, ORG)))
            await until(lambda: mesh.log("NACK"))
            [nack] = mesh.log("NACK")
            assert (nack["xds.node_id"], nack["xds.type"]) == ("edge-1", "Secret")
            assert nack["error.message"].startswith(f"Invalid path: {missing.certificate}")
            await until(lambda: refuses(port, ORG, authority))
            assert get(port, SHOP, "/api/data", trust=authority).status_code == 200
            authority.issue(ORG, file="no")
            await until(lambda: not refuses(port, ORG, authority))
            await answered(load, 20)


def mount(folder: Path, authority: Authority, version: str) -> KeyPair:
    """Write a certificate as Kubernetes mounts it: links through a link that switches to the newest version."""
    mounted = KeyPair(folder / "mounted" / "tls.crt", folder / "mounted" / "tls.key")
    newest = folder / "mounted" / version
    newest.mkdir(parents=True)
    for name, issued in zip(("tls.crt", "tls.key"), authority.issue(MOUNTED), strict=True):
        issued.rename(newest / name)
    (fresh := folder / "mounted" / "..data_new").symlink_to(version)
    fresh.replace(folder / "mounted" / "..data")
    for path in mounted:
        if not path.is_symlink():
            path.symlink_to(Path("..data") / path.name)
    return mounted


def refuses(port: int, host: str | None, authority: Authority) -> bool:
    """Whether the gateway refuses a host over TLS."""
    try:
        with connect(port, host, authority):
            return False
    except (ssl.SSLError, ConnectionError):
        return True


@contextmanager
def start_tls_server(pair: KeyPair, greeting: bytes) -> Iterator[str]:
    """Serve TLS on a free loopback port, and send `greeting` to every client. Yield the address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with suppress(OSError), context.wrap_socket(connection, server_side=True) as encrypted:
                encrypted.sendall(greeting)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
    thread.join(5)


async def test_passthrough_routes_by_sni_to_services_with_their_own_certificates(
    tmp_path: Path, authority: Authority, echo: Echo
) -> None:
    """Hosts may be exact or wildcards, and unknown hosts are refused.

    Other ports of the gateway serve TCP and terminate TLS.
    """
    port, tcp, ended = free_port(), free_port(), free_port()
    db, cache = authority.issue("db.example.com"), authority.issue("*.cache.example.com", file="cache")
    with start_tls_server(db, b"I am db") as db_address, start_tls_server(cache, b"I am cache") as cache_address:
        services = {
            name: {"protocol": "tcp", "endpoints": [address]}
            for name, address in (("db", db_address), ("cache", cache_address), ("bytes", echo.endpoint))
        }
        routes = [{"host": "db.example.com", "to": "db"}, {"host": "*.cache.example.com", "to": "cache"}]
        catalog = write(
            services,
            {"port": port, "tls": "passthrough", "routes": routes},
            {"port": tcp, "proxy_protocol": True, "routes": [{"to": "bytes"}]},
            {"port": ended, "tls": {"certificates": [shown(authority.issue(SHOP))]}, "routes": [{"to": "bytes"}]},
        )
        with Mesh(tmp_path, catalog) as mesh:
            envoy = await mesh.start_envoy("edge-1", "edge")
            for one in (port, tcp, ended):
                await envoy.listening(f"127.0.0.1:{one}")
            for host, greeting in (("db.example.com", b"I am db"), ("x.cache.example.com", b"I am cache")):
                with connect(port, host, authority) as encrypted:
                    assert encrypted.recv(100) == greeting
            assert refuses(port, SHOP, authority)
            assert refuses(port, None, authority)
            assert get(ended, SHOP, "/tls", trust=authority).json()["path"] == "/tls"
            assert send_raw(tcp, b"PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n").startswith(b"HTTP/1.1 200 ")
            assert send_raw(tcp, b"") == b""


def send_raw(port: int, before: bytes) -> bytes:
    """Send these bytes and a request, and return the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(before + b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        answer = b""
        with suppress(ConnectionError):
            while more := connection.recv(4096):
                answer += more
    return answer


async def test_client_certificates_header_limits_and_trusted_hops(
    tmp_path: Path, authority: Authority, echo: Echo
) -> None:
    """The gateway requires the authority's certificates, refuses large headers, and trusts a proxy's client address."""
    port, plain = free_port(), free_port()
    client = authority.issue("client")
    tls = {"certificates": [shown(authority.issue(SHOP))], "client_ca": str(authority.ca)}
    catalog = write(
        {"echo": {"endpoints": [echo.endpoint]}},
        {"port": port, "tls": tls, "http3": True},
        {"port": plain, "proxy_protocol": True},
        routes=[{"to": "echo"}],
        limits={"header_size": "2KiB", "buffer": "64KiB", "streams": 10, "idle": "300ms"},
        trusted_hops=1,
    )
    with Mesh(tmp_path, catalog) as mesh:
        envoy = await mesh.start_envoy("edge-1", "edge")
        await envoy.listening(f"127.0.0.1:{port}")
        with pytest.raises(httpx.TransportError):
            get(port, SHOP, trust=authority)
        hops = {"x-forwarded-for": "198.51.100.1, 203.0.113.9"}
        seen = dict(get(port, SHOP, trust=authority, client=client, headers=hops).json()["headers"])
        assert seen["x-forwarded-for"].startswith("198.51.100.1, 203.0.113.9,")
        assert seen["x-envoy-external-address"] == "203.0.113.9"
        long = {"x-long": "x" * 3000}
        assert get(port, SHOP, trust=authority, client=client, headers=long).status_code == 431
        for pair, status in ((client, 200), (None, 503)):  # from the client Envoy, when the gateway refuses it
            client_port = free_port()
            bootstrap = make_http3_client(client_port, port, SHOP, authority.ca, pair)
            quic = mesh.children.enter_context(start_envoy(bootstrap, tmp_path, name=f"client-{status}"))
            await quic.listening(f"127.0.0.1:{client_port}")
            assert get(client_port, SHOP).status_code == status
        answer = send_raw(plain, b"PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n").partition(b"\r\n\r\n")[2]
        assert dict(json.loads(answer)["headers"])["x-forwarded-for"] == "192.0.2.7"
        with socket.create_connection(("127.0.0.1", plain), timeout=10) as idle:
            idle.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n")
            assert idle.recv(100) == b""


async def test_edits_of_a_listener_fail_no_request_of_other_hosts(
    tmp_path: Path, authority: Authority, instances: list[Instance]
) -> None:
    """Edits change a certificate and a port, add a listener and remove one. Each takes effect, and no request fails."""
    first, second = free_port(), free_port()
    pairs = [authority.issue(SHOP), authority.issue(SHOP, file="second"), authority.issue(ORG)]

    def catalog(*listeners: dict[str, Any]) -> str:
        api = {"api": {"endpoints": [instances[0].address]}}
        return write(api, {"port": "GATEWAY"}, *listeners, routes=[{"to": "api"}])

    def over_tls(port: int, *certificates: dict[str, Any]) -> dict[str, Any]:
        return {"port": port, "tls": {"certificates": [*certificates]}}

    def is_open(port: int) -> bool:
        return f"127.0.0.1:{port}" in envoy.admin.listeners().values()

    org = shown(pairs[2], ORG)
    with Mesh(tmp_path, catalog(over_tls(first, shown(pairs[0], SHOP), org))) as mesh:
        envoy = await mesh.start_gateway()
        await envoy.listening(f"127.0.0.1:{first}")
        secure = Secure(first, ORG, authority)
        async with under(mesh.load(150)) as load:
            old = serial(first, SHOP, authority)
            with secure:  # of the same port, with another certificate
                mesh.write(catalog(over_tls(first, shown(pairs[1], SHOP), org)))
                await until(lambda: serial(first, SHOP, authority) != old)
                mesh.write(catalog(over_tls(first, shown(pairs[1], SHOP), org), over_tls(second, shown(pairs[0]))))
                await until(lambda: is_open(second))
                await answered(load, 50)
                await until(lambda: secure.requests > 20)
            mesh.write(catalog(over_tls(second, shown(pairs[0]))))
            await until(lambda: not is_open(first))
            assert serial(second, "any.example.net", authority, named=False) == old
            mesh.write(catalog())
            await until(lambda: not is_open(second))
            await answered(load, 50)
        stats = envoy.admin.stats("listener_in_place_updated")
        assert stats["listener_manager.listener_in_place_updated"] >= 1


class Secure:
    """A client of one host that sends requests over TLS, one after the other, while the block runs.

    No request may fail.
    """

    def __init__(self, port: int, host: str, authority: Authority) -> None:
        self.port, self.host, self.authority = port, host, authority
        self.requests = 0
        self.failures: list[str] = []

    def _send(self) -> None:
        context = ssl.create_default_context(cafile=str(self.authority.ca))
        with httpx.Client(trust_env=False, verify=context, base_url=f"https://127.0.0.1:{self.port}") as client:
            while not self._ended.is_set():
                try:
                    response = client.get("/api/data", extensions={"sni_hostname": self.host})
                    self.failures += [] if response.status_code == 200 else [str(response.status_code)]
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))
                self.requests += 1

    def __enter__(self) -> None:
        self._ended = Event()
        self._thread = Thread(target=self._send)
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()
        assert self.failures == []


ACTIVE = "listener_manager.total_listeners_active"


def status_of(host: str, port: int) -> int | None:
    """Return the status of one request; None if nobody listens."""
    connection = http.client.HTTPConnection(host, port, timeout=10)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    except ConnectionRefusedError:
        return None
    finally:
        connection.close()


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 on loopback")
async def test_a_listener_takes_ipv4_ipv6_or_both(tmp_path: Path, echo: Echo) -> None:
    """One word is both families, a list is several addresses, and `::` stands beside `0.0.0.0` at the same port."""
    both, each, listed = free_port(), free_port(), free_port()
    listeners = [
        {"port": both, "address": "any"},
        {"port": each, "address": "0.0.0.0"},  # noqa: S104 - in the test's own catalog
        {"port": each, "address": "::", "routes": [{"respond": {"status": 418}}]},
        {"port": listed, "address": ["127.0.0.1", "127.0.0.3", "::1"]},
    ]
    catalog = write({"echo": {"endpoints": [echo.endpoint]}}, *listeners, routes=[{"to": "echo"}])
    with Mesh(tmp_path, catalog) as mesh:
        envoy = await mesh.start_envoy("edge-1", "edge")
        await until(lambda: envoy.admin.stats(ACTIVE) == {ACTIVE: len(listeners)})
        statuses = {
            f"{host}:{port}": status_of(host, port)
            for port in (both, each, listed)
            for host in ("127.0.0.1", "127.0.0.2", "127.0.0.3", "::1")
        }
    assert statuses == {
        **dict.fromkeys((f"{host}:{both}" for host in ("127.0.0.1", "127.0.0.2", "127.0.0.3", "::1")), 200),
        **dict.fromkeys((f"{host}:{each}" for host in ("127.0.0.1", "127.0.0.2", "127.0.0.3")), 200),
        f"::1:{each}": 418,
        **dict.fromkeys((f"{host}:{listed}" for host in ("127.0.0.1", "127.0.0.3", "::1")), 200),
        f"127.0.0.2:{listed}": None,
    }
