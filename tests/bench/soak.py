"""A soak: minutes of random edits, lost connections and refusals, and what remains of them in the server."""

import random
import statistics
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self
from urllib.request import urlopen

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.bench.documents import make_name
from tests.bench.figures import Row, write_number
from tests.bench.fleet import FIRST_MARK
from tests.bench.running import Server, start_fleet, start_server, write_catalog
from xds.cli.demo.ports import free_port

PROBE_SECONDS = 0.02
"""The interval of health checks. The longest answer time bounds the largest stall of the server's loop."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The state of the idle server with every client connected."""

    seconds: float
    memory_mb: float
    files: int
    threads: int
    connected: int


@dataclass(frozen=True, slots=True)
class Figures:
    """A soak: its events, the server's state during it, and the longest time that the server took to answer."""

    variant: str
    clients: int
    services: int
    seconds: float
    edits: int
    drops: int
    nacks: int
    samples: list[Sample]
    stall_ms: float
    stall_p99_ms: float


def measure_soak(variant: str, clients: int, services: int, seconds: float, samples: int = 9) -> Figures:
    """Run for this time, and take samples at equal intervals."""
    chance = random.Random(4)
    done = {"edits": 0, "drops": 0, "nacks": 0}
    taken: list[Sample] = []
    with ExitStack() as stack:
        admin = f"127.0.0.1:{free_port()}"
        catalog = stack.enter_context(write_catalog(services))
        server = stack.enter_context(start_server(catalog, admin=admin))
        fleet = stack.enter_context(start_fleet(server.address, variant, clients, None, services))
        fleet.next("synced")
        probe = stack.enter_context(Probe(server.address))
        began = time.monotonic()
        mark = FIRST_MARK
        for number in range(samples):
            until = began + seconds * (number + 1) / samples
            while time.monotonic() < until:
                mark += 1
                service = chance.randrange(services)
                catalog.save(service, mark)
                done["edits"] += 1
                if chance.random() < 0.3:
                    lost = chance.randint(1, max(1, clients // 20))
                    fleet.tell(drop=lost)
                    done["drops"] += lost
                if chance.random() < 0.1:
                    fleet.tell(nack=3)
                    done["nacks"] += 3
                time.sleep(chance.uniform(0.0, 0.4))
            # The first of two more edits uses up the remaining refusals. The second reaches every client.
            for _ in range(2):
                mark += 1
                catalog.save(service, mark)
                server.rest()
            fleet.tell(**{"await": {make_name(service): mark}})
            fleet.next("converged")
            server.rest()
            taken.append(_sample(server, admin, time.monotonic() - began))
        return Figures(
            variant,
            clients,
            services,
            seconds=time.monotonic() - began,
            **done,
            samples=taken,
            stall_ms=max(probe.delays) * 1000,
            stall_p99_ms=statistics.quantiles(probe.delays, n=100, method="inclusive")[98] * 1000,
        )


class Probe:
    """Asks a server for its health, again and again, in its own thread."""

    def __init__(self, address: str) -> None:
        self.delays: list[float] = []
        self._address = address
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def _ask(self) -> None:
        with grpc.insecure_channel(self._address) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            while not self._ending.wait(PROBE_SECONDS):
                asked = time.monotonic()
                health.Check(health_pb2.HealthCheckRequest(), timeout=60)
                self.delays.append(time.monotonic() - asked)


def _sample(server: Server, admin: str, seconds: float) -> Sample:
    with urlopen(f"http://{admin}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    connected = sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith("xds_connected_clients{"))
    return Sample(seconds, server.memory(), server.files(), server.threads(), connected)


def describe_soak(cells: list[dict[str, Any]]) -> Row:
    """Return the figures of the soaks of both variants together, and how the memory of each changed."""
    return (
        f"{sum(cell['seconds'] for cell in cells) / 60:.0f} minutes of random edits, lost connections and "
        f"refusals (`soak`), {cells[0]['clients']} clients, delta / State of the World",
        f"{sum(cell['edits'] for cell in cells):,} edits, {sum(cell['drops'] for cell in cells):,} connections "
        f"lost; memory changed by {' / '.join(format(growth(cell), '+.1f') for cell in cells)} MB from the second "
        "third of the time to the last; "
        f"the slowest answer took {write_number(max(cell['stall_ms'] for cell in cells))} ms",
    )


def growth(soak: dict[str, Any]) -> float:
    """Return the growth of a soak's mean memory from the second third of its samples to the last, in MB."""
    memory: list[float] = [sample["memory_mb"] for sample in soak["samples"]]
    third = max(1, len(memory) // 3)
    return statistics.mean(memory[-third:]) - statistics.mean(memory[-2 * third : -third] or memory[:1])
