"""The cost of a catalog: its first load and one changed endpoint, in CPU time of one process and in bytes."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from tests.bench.documents import NODE, make_documents
from tests.bench.figures import Row, write_number
from tests.inventories import Translator
from xds.catalog.assembly.workspace import Workspace
from xds.resources.view import kind_of
from xds.session.session import DELTA, SOTW, Response, Session, Variant
from xds.snapshot.snapshot import SnapshotChange
from xds.snapshot.store import SnapshotStore
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION
from xds.wire.discovery_pb2 import DeltaDiscoveryRequest, DiscoveryRequest

T = TypeVar("T")


@dataclass(slots=True)
class Rows:
    """Measured steps: a name, CPU milliseconds, and bytes, or 0 if bytes do not apply."""

    rows: list[tuple[str, float, int]] = field(default_factory=list)

    def timed(self, step: str, work: Callable[[], T], size: Callable[[T], int] = lambda _: 0) -> T:
        """Run the work and record its cost."""
        start = time.process_time()
        result = work()
        self.rows.append((step, (time.process_time() - start) * 1000, size(result)))
        return result


class Client:
    """A node that subscribes to everything and accepts it, without a socket."""

    def __init__(self, store: SnapshotStore, variant: Variant[Any]) -> None:
        self.variant = variant
        self.session: Session[Any] = Session(variant, lambda node: store.acquire(kind_of(node)).read, variant.name)
        self.names = sorted(store.inventory.parts)

    def ask_for_all(self) -> int:
        """Subscribe to each type as Envoy does. Return the size of the answers in bytes."""
        asked = {CLUSTER: [], CLUSTER_LOAD_ASSIGNMENT: self.names, LISTENER: [], ROUTE_CONFIGURATION: ["sidecar"]}
        return sum(self.accept(self._send(type_url, names)) for type_url, names in asked.items())

    def take(self, change: SnapshotChange) -> int:
        """Get a pushed change. Return its size in bytes."""
        return self.accept(self.session.on_change(change) or [])

    def accept(self, responses: list[Response]) -> int:
        """Acknowledge responses. Return their size, and that of all that followed, in bytes."""
        size = 0
        for response in responses:
            names = self.names if response.type_url == CLUSTER_LOAD_ASSIGNMENT and self.variant is SOTW else []
            size += len(response.body) + self.accept(self._send(response.type_url, names, response.nonce))
        return size

    def _send(self, type_url: str, names: list[str], nonce: str = "") -> list[Response]:
        request: DiscoveryRequest | DeltaDiscoveryRequest
        if self.variant is SOTW:
            names = names or (["sidecar"] if type_url == ROUTE_CONFIGURATION else [])
            request = DiscoveryRequest(node=NODE, type_url=type_url, resource_names=names, response_nonce=nonce)
        else:
            request = DeltaDiscoveryRequest(
                node=NODE, type_url=type_url, resource_names_subscribe=names, response_nonce=nonce
            )
        return self.session.on_request(request.SerializeToString()).responses


def measure_load(services: int, *, folder: bool) -> Rows:
    """Measure every step from the documents' bytes to the responses for a node that sees everything."""
    rows = Rows()
    documents = make_documents(services, folder=folder)
    text = sum(len(document.content or b"") for document in documents.values())
    workspace = Workspace()
    catalog = rows.timed("parse and check", lambda: workspace.update(documents), lambda _: text)
    translator = Translator()
    inventory = rows.timed("translate", lambda: translator.build(catalog))
    store = SnapshotStore(inventory)
    clients = [Client(store, DELTA), Client(store, SOTW)]
    for client in clients:
        rows.timed(f"first full responses, {client.variant.name}", client.ask_for_all, lambda size: size)

    changed = make_documents(services, folder=folder, weight=7)
    changed = {name: document for name, document in changed.items() if document != documents[name]}
    text = sum(len(document.content or b"") for document in changed.values())
    after = rows.timed("one endpoint: parse and check", lambda: workspace.update(changed), lambda _: text)
    new = rows.timed("one endpoint: translate", lambda: translator.build(after, inventory))
    changes = rows.timed("one endpoint: snapshot", lambda: store.update(new))
    for client in clients:
        step = partial(client.take, changes[kind_of(NODE)])
        rows.timed(f"one endpoint: response, {client.variant.name}", step, lambda size: size)
    return rows


def describe_load(layouts: dict[str, list[dict[str, Any]]]) -> Row:
    """Return the figures of one file and of a folder."""

    def sum_cpu(rows: list[dict[str, Any]]) -> tuple[float, float]:
        """Return the CPU time of a first load and of one change, in milliseconds."""
        change = sum(row["cpu_ms"] for row in rows if "one endpoint" in row["step"])
        return sum(row["cpu_ms"] for row in rows) - change, change

    file, folder = (sum_cpu(layouts[layout]) for layout in ("one file", "a folder of files"))
    return (
        "a catalog of 1,000 services as one file / as a folder (`load`)",
        f"{write_number(file[0])} / {write_number(folder[0])} ms of CPU from the text to both variants' "
        f"first responses; one changed endpoint {write_number(file[1])} / {write_number(folder[1])} ms",
    )
