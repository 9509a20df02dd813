"""The cost of a start: CPU time of `xds --help`, `xds check`, and `xds serve` until its first client has everything.

Each is a process of its own with warm files: before the measured runs, one run makes Python compile the files and the
kernel read them. The benchmark kills a server at the moment that counts.
"""

import os
import queue
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as Packed

from tests.bench.cpu import await_end
from tests.bench.documents import NODE, make_documents
from tests.bench.figures import Row
from tests.bench.scale import CHANNEL
from xds.cli.demo.ports import LOOPBACK, free_port
from xds.wire import ADS, CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION
from xds.wire.discovery_pb2 import DiscoveryRequest, DiscoveryResponse, Node
from xds.wire.endpoint_pb2 import ClusterLoadAssignment
from xds.wire.skeleton_pb2 import Cluster

SECONDS = 60.0
"""The time limit for a start."""

XDS = (sys.executable, "-m", "xds")

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""The environment of users, in which Python keeps compiled files."""

EDGE = """
services:
  payments:
    protocol: http2
    dns: logical
    endpoints: ["payments.example.com:443"]
    tls: {sni: payments.example.com}
    retries: {attempts: 2}
gateways:
  edge:
    port: 8443
    tls: {certificates: [{certificate: /etc/edge/tls.crt, key: /etc/edge/tls.key}]}
    routes:
      - {prefix: /pay, to: payments, timeout: 5s}
      - {prefix: /, to: {service-0: 90, service-1: 10}}
"""
"""Parts that the plain catalog lacks: an outside service over TLS, a gateway with a certificate, and routes."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians of some runs with a catalog of this number of services. CPU is user and system time in seconds."""

    services: int
    catalog: str
    help_cpu_s: float
    check_cpu_s: float
    serve_cpu_s: float
    serve_most_cpu_s: float


def measure_start(services: int, runs: int, *, gateway: bool = False, warm: bool = True) -> Figures:
    """Measure a catalog of this size in a folder. With a `gateway`, it uses more of a catalog's fields.

    Only with `warm` the figures mean something: then a run of each goes before.
    """
    with tempfile.TemporaryDirectory() as room:
        folder = Path(room)
        write_catalog(folder, services, gateway=gateway)
        node = Node(id="edge-1", cluster="edge") if gateway else NODE
        measures: tuple[Callable[[], float], ...] = (
            lambda: run("--help"),
            lambda: run("check", str(folder)),
            lambda: serve(folder, node),
        )
        if warm:
            for measure in measures:
                measure()
        helped, checked, served = ([measure() for _ in range(runs)] for measure in measures)
    return Figures(
        services,
        "with a gateway" if gateway else "plain",
        help_cpu_s=statistics.median(helped),
        check_cpu_s=statistics.median(checked),
        serve_cpu_s=statistics.median(served),
        serve_most_cpu_s=max(served),
    )


def write_catalog(folder: Path, services: int, *, gateway: bool) -> None:
    """Write a folder of one file for each service. The gateway's file counts as one of them."""
    documents = make_documents(services - gateway, folder=True)
    for name, document in documents.items():
        (folder / name).write_bytes(document.content or b"")
    if gateway:
        (folder / "edge.yaml").write_text(EDGE)


def run(*arguments: str) -> float:
    """Run a command of xds that ends by itself. Return its CPU time."""
    with subprocess.Popen([*XDS, *arguments], env=ENVIRONMENT, stdout=subprocess.DEVNULL) as process:
        seconds, code = await_end(process)
    if code:
        raise RuntimeError(f"xds {' '.join(arguments)} ended with {code}")
    return seconds


def serve(catalog: Path, node: Node) -> float:
    """Start a server with default options, and let one client ask for everything. Return the CPU time until then."""
    address = f"{LOOPBACK}:{free_port()}"
    options = ["--catalog", str(catalog), "--listen", address, "--admin", f"{LOOPBACK}:{free_port()}"]
    with subprocess.Popen([*XDS, "serve", *options], env=ENVIRONMENT, stderr=subprocess.DEVNULL) as process:
        try:
            ask_for_all(address, node)
        finally:
            process.kill()
            seconds, _ = await_end(process)
    return seconds


def ask_for_all(address: str, node: Node) -> None:
    """Ask for clusters, their endpoints, listeners and their routes by ADS, as Envoy does, until all have arrived.

    The server may start after its client. Until it listens, the kernel refuses the connection.
    """
    requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    with grpc.insecure_channel(f"ipv4:{address}", options=CHANNEL) as channel:
        stream: Any = channel.stream_stream(f"/{ADS}/StreamAggregatedResources")
        responses = stream(iter(requests.get, None), timeout=SECONDS, wait_for_ready=True)

        def ask(type_url: str, names: Sequence[str] = ()) -> DiscoveryResponse:
            request = DiscoveryRequest(node=node, type_url=type_url, resource_names=names)
            requests.put(request.SerializeToString())
            response = DiscoveryResponse.FromString(next(responses))
            assert response.type_url == type_url
            request.version_info, request.response_nonce = response.version_info, response.nonce
            requests.put(request.SerializeToString())
            return response

        clusters = [Cluster.FromString(Packed.FromString(one).value) for one in ask(CLUSTER).resources]
        names = {cluster.name for cluster in clusters if not cluster.HasField("load_assignment")}
        found = [Packed.FromString(one).value for one in ask(CLUSTER_LOAD_ASSIGNMENT, sorted(names)).resources]
        assert {ClusterLoadAssignment.FromString(one).cluster_name for one in found} == names
        assert ask(LISTENER).resources
        assert ask(ROUTE_CONFIGURATION, ["sidecar" if node == NODE else node.cluster]).resources
        requests.put(None)
        responses.cancel()


def describe_start(cells: list[dict[str, Any]]) -> Row:
    """Return the figures of a start without a gateway and with one."""
    plain, _ = cells

    def both(name: str) -> str:
        return " / ".join(f"{cell[name]:.2f}" for cell in cells)

    return (
        f"a start with {plain['services']} services (`start`), without a gateway / with one",
        f"{both('serve_cpu_s')} s of CPU until the first client of `xds serve` has all; `xds check` "
        f"{both('check_cpu_s')} s; `xds --help` {plain['help_cpu_s']:.2f} s",
    )
