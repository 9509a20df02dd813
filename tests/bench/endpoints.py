"""The cost of a changed endpoint as an instance and as YAML: CPU time of one process, and bytes.

Every figure covers the whole path from a source's update to the new snapshots of 20 views with all services. The bytes
are those of the changed resource.
"""

import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from tests.bench.figures import Row, write_number
from xds.catalog.assembly.workspace import Workspace
from xds.endpoints.instance import parse_update
from xds.endpoints.registry import Registry
from xds.resources.inventory import build_inventory
from xds.resources.view import NodeKind
from xds.snapshot.store import SnapshotStore
from xds.sources.document import Document
from xds.sources.source import InstanceUpdate
from xds.wire import CLUSTER_LOAD_ASSIGNMENT

VIEWS = 20
PROVIDER = "bench"
TICK_SECONDS = 0.05
"""The period in which changes of a flood are merged, since a busy server merges what arrives meanwhile."""


@dataclass(frozen=True, slots=True)
class OneChange:
    """The median cost of one changed endpoint of a service of this size."""

    endpoints: int
    instance_cpu_ms: float
    yaml_cpu_ms: float
    bytes: int


@dataclass(frozen=True, slots=True)
class Flood:
    """The cost of a second of changes, as a part of one core."""

    changes: int
    services: int
    cores: float


class Mesh:
    """Services and the views of 20 kinds of sidecar. Each view has every service."""

    def __init__(self, services: int, endpoints: int, *, in_yaml: bool) -> None:
        self.endpoints = endpoints
        self.documents = {
            f"{number}.yaml": write(number, endpoints if in_yaml else 0, weight=1) for number in range(services)
        }
        self.workspace, self.registry = Workspace(), Registry()
        self.catalog = self.workspace.update(self.documents)
        self.registry.put_catalog(self.catalog)
        if not in_yaml:
            full = {(f"service-{n}", f"i{i}"): item(n, i, 1) for n in range(services) for i in range(endpoints)}
            self.put(InstanceUpdate(full, full=True))
        self.store = SnapshotStore(build_inventory(self.catalog, self.registry.publish()))
        for number in range(VIEWS):
            self.store.acquire(NodeKind(f"service-{number}"))

    def put(self, update: InstanceUpdate) -> None:
        """Apply an update to the registry as a server does."""
        parsed = parse_update(PROVIDER, update)
        self.registry.put(PROVIDER, parsed.endpoints, full=update.full)

    def publish(self) -> int:
        """Apply the changes to all views, and return the number of affected views."""
        inventory = build_inventory(self.catalog, self.registry.publish(), self.store.inventory)
        return len(self.store.update(inventory))

    def change(self, weight: int) -> None:
        """Change an endpoint as an instance of a source."""
        self.put(InstanceUpdate({("service-0", "i0"): item(0, 0, weight)}))
        assert self.publish() == VIEWS

    def edit(self, weight: int) -> None:
        """Change an endpoint by an edit of its file."""
        self.catalog = self.workspace.update({"0.yaml": write(0, self.endpoints, weight=weight)})
        self.registry.put_catalog(self.catalog)
        assert self.publish() == VIEWS

    def size(self) -> int:
        """Return the size of the service's assignment in bytes."""
        return len(self.store.inventory.parts["service-0"].resources[CLUSTER_LOAD_ASSIGNMENT].body)


def item(service: int, index: int, weight: int) -> dict[str, object]:
    """Return an instance as a provider sends it."""
    address = f"10.{service // 250 + index // 2500}.{service % 250}.{index % 2500 // 10}"
    return {"address": address, "port": 8000 + index % 10, "weight": weight}


def write(number: int, endpoints: int, *, weight: int) -> Document:
    """Return a service's file. `weight` is that of its first endpoint."""
    sidecar = f"    sidecar: {16000 + number}\n" if number < VIEWS else ""
    items = (item(number, index, 1 if index else weight) for index in range(endpoints))
    lines = "".join(
        f'      - {{address: "{one["address"]}:{one["port"]}", weight: {one["weight"]}}}\n' for one in items
    )
    listed = f"    endpoints:\n{lines}" if endpoints else ""
    text = f"services:\n  service-{number}:\n    balance: weighted\n{sidecar}{listed}"
    return Document(f"{number}.yaml", text.encode())


def measure_one(endpoints: int, services: int, repeats: int) -> OneChange:
    """Measure one changed endpoint of a service with this number of endpoints, among `services`."""
    costs, size = [], 0
    for in_yaml in (False, True):
        mesh = Mesh(max(VIEWS, services), endpoints, in_yaml=in_yaml)
        weights = count(2)
        change: Callable[[int], None] = mesh.edit if in_yaml else mesh.change
        change(next(weights))
        costs.append(statistics.median(cost(change, next(weights)) for _ in range(repeats)))
        size = mesh.size()
    return OneChange(endpoints, costs[0] * 1e3, costs[1] * 1e3, size)


def cost(work: Callable[[int], None], argument: int) -> float:
    """Return the CPU seconds of a piece of work."""
    start = time.process_time()
    work(argument)
    return time.process_time() - start


def measure_flood(changes: int, services: int, endpoints: int = 10, seconds: float = 3.0) -> Flood:
    """Measure `changes` a second of random endpoints. Changes within a tick are merged."""
    mesh = Mesh(services, endpoints, in_yaml=False)
    chance = random.Random(1)
    per_tick = round(changes * TICK_SECONDS)
    ticks = round(seconds / TICK_SECONDS)
    spent = 0.0
    for _ in range(ticks):
        drawn = [
            (chance.randrange(services), chance.randrange(endpoints), chance.randint(1, 1000)) for _ in range(per_tick)
        ]
        start = time.process_time()
        for service, index, weight in drawn:
            mesh.put(InstanceUpdate({(f"service-{service}", f"i{index}"): item(service, index, weight)}))
        mesh.publish()
        spent += time.process_time() - start
    return Flood(changes, services, spent / seconds)


def describe_endpoints(figures: dict[str, Any]) -> tuple[Row, Row]:
    """Return the figures of one changed endpoint, and those of the flood."""
    sizes, flood = figures["one"], figures["flood"]
    return (
        (
            "one changed endpoint of a service of "
            f"{', '.join(format(one['endpoints'], ',') for one in sizes)}, from an instance source (`endpoints`)",
            f"{' / '.join(format(one['instance_cpu_ms'], '.2f') for one in sizes)} ms of CPU, from the source's "
            f"update to the snapshots of 20 views; by an edit of YAML "
            f"{' / '.join(write_number(one['yaml_cpu_ms']) for one in sizes)} ms; the resource has "
            f"{' / '.join(format(one['bytes'], ',') for one in sizes)} bytes",
        ),
        (
            f"{flood['changes']:,} changed endpoints a second over {flood['services']:,} services, 20 views "
            "(`endpoints`)",
            f"{flood['cores']:.2f} of a core",
        ),
    )
