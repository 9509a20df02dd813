"""What one change costs: counted in calls of functions, which no busy machine disturbs, not in time."""

import gc
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from tests.inventories import Translator
from xds.catalog.assembly.workspace import LastGood
from xds.catalog.model.locality import Locality
from xds.resources.view import NodeKind
from xds.snapshot.store import SnapshotStore
from xds.sources.document import Document

CALLERS = 5
"""How many services call the one that changes; each other service is called by its neighbour."""


class Mesh:
    """A catalog of one file a service, with a sidecar of each service connected, and one that may call all."""

    def __init__(self, services: int) -> None:
        self.last_good = LastGood()
        self.translator = Translator()
        outcome = self.last_good.update({f"{number}.yaml": write(number) for number in range(services)})
        self.store = SnapshotStore(self.translator.build(outcome.catalog))
        self.kinds = [*(NodeKind(f"service-{number}") for number in range(services)), NodeKind("anyone")]
        for kind in self.kinds:
            self.store.acquire(kind)

    def edit(self, number: int, weight: int) -> set[NodeKind]:
        """Change a service's weight; name whom that concerns."""
        outcome = self.last_good.update({f"{number}.yaml": write(number, weight)})
        return {*self.store.update(self.translator.build(outcome.catalog, self.store.inventory))}


def write(number: int, weight: int = 1, words: str = "locality: any") -> Document:
    """Write one service's file."""
    upstreams = "" if number == 0 else "service-0" if number <= CALLERS else f"service-{number - 1}"
    where = f"address: 10.0.{number // 250}.{number % 250}, port: 80, zone: a"
    text = (
        f"services:\n  service-{number}:\n    balance: weighted\n    {words}\n"
        f"    endpoints: [{{{where}, weight: {weight}}}, '[::1]:80']\n"
        f"    upstreams: [{upstreams}]\n"
    )
    return Document(f"{number}.yaml", text.encode())


def count_calls(work: Callable[[], object]) -> int:
    """Count the calls of functions, Python's and C's, while something is done."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    gc.disable()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
        gc.enable()
    return calls


def test_one_change_costs_the_same_among_any_number_of_services_and_nodes() -> None:
    """From the file's bytes to the changes of those whom it concerns; nobody else is looked at."""
    few, many = Mesh(20), Mesh(200)
    costs = []
    for mesh in (few, many):
        for weight in (2, 3):  # what is made once is made
            concerned = mesh.edit(0, weight)
            assert concerned == {*mesh.kinds[1 : CALLERS + 1], NodeKind("anyone")}
        costs.append(count_calls(partial(mesh.edit, 0, 4)))
    assert costs[0] == costs[1]


def test_turning_failover_on_costs_what_its_callers_cost() -> None:
    """Only nodes that say where they are and see the service get another view, among any number of others."""
    costs = []
    for mesh in (Mesh(20), Mesh(200)):
        located = [replace(kind, locality=Locality("eu", "a")) for kind in mesh.kinds[1 : CALLERS + 1]]
        for kind in located:
            mesh.store.acquire(kind)
        for words in ("locality: failover", "locality: any", "locality: failover"):
            outcome = mesh.last_good.update({"0.yaml": write(0, 1, words)})
            changes = mesh.store.update(mesh.translator.build(outcome.catalog, mesh.store.inventory))
            assert located[0] in changes
        edited = mesh.last_good.update({"0.yaml": write(0, 2, "locality: failover")})
        inventory = mesh.translator.build(edited.catalog, mesh.store.inventory)
        costs.append(count_calls(partial(mesh.store.update, inventory)))
    assert costs[0] == costs[1]


ROUTING = CALLERS + 1
"""A service whose own routes name others; its neighbour calls it."""


class RoutedMesh(Mesh):
    """A mesh with such a service, that routes to the one that changes."""

    def __init__(self, services: int) -> None:
        super().__init__(services)
        self.write(ROUTING, "service-0")

    def write(self, number: int, target: str = "", words: str = "") -> set[NodeKind]:
        """Change where a service routes to, and its other words; name whom that concerns."""
        document = write(number)
        text = f"{(document.content or b'').decode()}{words}"
        if target:
            text += f"    routes: [{{prefix: /v2, to: {target}}}]\n"
        outcome = self.last_good.update({document.name: Document(document.name, text.encode())})
        return {*self.store.update(self.translator.build(outcome.catalog, self.store.inventory))}


def test_a_change_concerns_the_callers_of_a_service_that_routes_to_what_changed() -> None:
    """Beside its own callers; in the same work among any number of others, endpoints in less."""
    few, many = RoutedMesh(20), RoutedMesh(200)
    costs = []
    for mesh in (few, many):
        callers = {*mesh.kinds[1 : CALLERS + 1], NodeKind(f"service-{ROUTING + 1}"), NodeKind("anyone")}
        for weight in (2, 3):  # what is made once is made
            assert mesh.edit(0, weight) == callers
        for retries in (1, 3, 1):
            assert mesh.write(0, words=f"    retries: {retries}\n") == callers
        costs.append(count_calls(partial(mesh.write, 0, words="    retries: 3\n")))
    assert costs[0] == costs[1]


def test_a_route_to_another_service_moves_the_callers() -> None:
    """They are sent its cluster; nobody else is looked at."""
    few, many = RoutedMesh(20), RoutedMesh(200)
    costs = []
    for mesh in (few, many):
        concerned = mesh.write(ROUTING, "service-9")
        assert concerned == {NodeKind(f"service-{ROUTING + 1}"), NodeKind("anyone")}
        assert mesh.write(ROUTING, "service-12") == concerned
        costs.append(count_calls(partial(mesh.write, ROUTING, "service-9")))
    assert costs[0] == costs[1]


def test_a_node_that_goes_costs_the_same_among_any_number_of_others() -> None:
    """A network that breaks takes thousands at once."""
    few, many = (count_calls(partial(mesh.store.release, mesh.kinds[7])) for mesh in (Mesh(20), Mesh(200)))
    assert few == many
