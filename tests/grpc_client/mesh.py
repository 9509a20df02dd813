"""A mesh of real processes without Envoy: instances of a gRPC service, `xds serve`, and clients of `xds:///`."""

import json
import shutil
import struct
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.chance import by_chance
from tests.ecs import read_log
from tests.grpc_client.caller import METHOD
from tests.warm import start_control_plane
from xds.catalog.model.locality import NOWHERE, Locality
from xds.cli.demo.processes import Child, ControlPlane, free_port

NAMES = ("api-1", "api-2", "api-3")
RATE = 800.0
"""Calls a second of one client. The limit is there because tests share the machine."""

PYTHON = (sys.executable, "-m", "tests.grpc_client.caller")
"""The client in Python. Its arguments are the target and the calls a second."""

NODE_FOLDER = Path(__file__).parent / "node"
NODE = (shutil.which("node") or "node", str(NODE_FOLDER / "caller.js"))
"""The client in Node, with the same arguments."""

NEEDS_NODE = pytest.mark.skipif(
    not (shutil.which("node") and (NODE_FOLDER / "node_modules").is_dir()),
    reason="needs Node.js and its gRPC client: npm install --no-package-lock --prefix tests/grpc_client/node",
)


@contextmanager
def start_instance(
    name: str, utilization: float | None = None, status: grpc.StatusCode = grpc.StatusCode.OK
) -> Iterator[str]:
    """Run an instance that answers every call with its name and load, or with an error. Yield its address."""
    service, _, method = METHOD[1:].partition("/")

    def say(_request: bytes, context: grpc.ServicerContext) -> bytes:
        if status is not grpc.StatusCode.OK:
            context.abort(status, name)
        if utilization is not None:  # an OrcaLoadReport: cpu_utilization and rps_fractional
            report = struct.pack("<bdbd", 0x09, utilization, 0x31, 100.0)
            context.set_trailing_metadata((("endpoint-load-metrics-bin", report),))
        return name.encode()

    answer: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(say)
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: answer}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(5).wait()  # a graceful end: the server answers the calls that it has started


class Caller(Child):
    """A client process that calls without end. `answers` grows."""

    output: Path

    @property
    def answers(self) -> list[str]:
        """The name of the instance that answered, in the order of the calls."""
        return self.output.read_text().split("\n")[:-1]

    @property
    def failures(self) -> list[str]:
        """The calls that failed."""
        return [answer for answer in self.answers if answer.startswith("!")]

    async def reach(self, *names: str) -> int:
        """Wait until all of `names` and nobody else answered the last calls, 50 for each.

        Return the number of calls.
        """
        return await self.shown(lambda answers: {*answers} == {*names}, 50 * len(names), f"reach {', '.join(names)}")

    async def shown(self, is_so: Callable[[list[str]], bool], calls: int, what: str) -> int:
        """Wait until this number of calls, all started after now, satisfy a condition. Return the number of calls."""
        since = len(self.answers)

        def probe() -> int:
            answers = self.answers
            return len(answers) if len(answers) >= since + calls and is_so(answers[-calls:]) else 0

        return await self.until(probe, what)

    async def next(self, calls: int, since: int) -> list[str]:
        """Wait for this number of answers after the first `since`."""
        await self.until(lambda: len(self.answers) >= since + calls, f"make {calls} calls")
        return self.answers[since : since + calls]


def start_caller(
    control_plane: ControlPlane,
    folder: Path,
    target: str = "xds:///api-service",
    cluster: str = "web",
    locality: Locality = NOWHERE,
    program: Sequence[str] = PYTHON,
) -> Caller:
    """Start a client of the node `cluster`, whose bootstrap names the control plane and nothing else."""
    bootstrap = {
        "xds_servers": [
            {
                "server_uri": control_plane.address,
                "channel_creds": [{"type": "insecure"}],
                "server_features": ["xds_v3"],
            }
        ],
        "node": {"id": f"{cluster}-1", "cluster": cluster, "locality": locality._asdict()},
    }
    output = folder / "caller.txt"
    command = [*program, target, str(RATE)]
    environment = {"GRPC_XDS_BOOTSTRAP_CONFIG": json.dumps(bootstrap)}
    caller = Caller("caller", command, folder, output=output, environment=environment)
    caller.output = output
    return caller


class Mesh:
    """A control plane with a catalog of `api-service`, and a client of it."""

    def __init__(self, folder: Path, control_plane: ControlPlane, caller: Caller) -> None:
        self.catalog = folder / "catalog.yaml"
        self.control_plane = control_plane
        self.caller = caller

    def log(self, event: str) -> list[dict[str, Any]]:
        """Return the control plane's log lines of one kind."""
        return read_log(self.control_plane.log.read_text(), event)

    def write(self, balance: Any, endpoints: Sequence[str | dict[str, Any]], **service: Any) -> None:
        """Save the catalog as an editor does that replaces the file."""
        write_catalog(self.catalog, balance, endpoints, **service)


@asynccontextmanager
async def start_mesh(
    folder: Path,
    target: str = "xds:///api-service",
    may_fail: int = 0,
    locality: Locality = NOWHERE,
    program: Sequence[str] = PYTHON,
) -> AsyncIterator[Mesh]:
    """Run `xds serve` on the folder's catalog, and a client.

    The client may refuse nothing, and no more calls may fail than the limit.
    """
    with start_control_plane(
        folder / "catalog.yaml", free_port(), folder, "--admin", "off", "--log", "json"
    ) as control_plane:
        await control_plane.ready()
        with start_caller(control_plane, folder, target, locality=locality, program=program) as caller:
            mesh = Mesh(folder, control_plane, caller)
            yield mesh
            caller.stop()
            assert len(caller.failures) <= may_fail, caller.failures
            assert mesh.log("NACK") == []


MESH = {"strangers": "serve", "brake": "off"}
"""The client's `node.cluster` is no service, and an edit may remove the only service."""


def write_catalog(path: Path, balance: Any, endpoints: Sequence[str | dict[str, Any]], **service: Any) -> None:
    """Return a catalog of `api-service`."""
    entry = {"protocol": "grpc", "balance": balance, "endpoints": list(endpoints), **service}
    fresh = path.with_name(".catalog.yaml.new")
    fresh.write_text(json.dumps({"services": {"api-service": entry}, "mesh": MESH}))
    fresh.replace(path)


def weigh(addresses: list[str], *weights: int) -> list[dict[str, Any]]:
    """Return endpoints of the instances with these weights."""
    return [{"address": address, "weight": weight} for address, weight in zip(addresses, weights, strict=True)]


def are_shared(answers: Sequence[str], *weights: int) -> bool:
    """Whether chance explains the answers of `NAMES` by these weights."""
    counts = Counter(answers)
    assert counts.keys() <= {*NAMES}
    shares = [weight / sum(weights) for weight in weights]
    return all(counts[name] in by_chance(len(answers), share) for name, share in zip(NAMES, shares, strict=True))
