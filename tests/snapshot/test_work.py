"""The cost of one change, counted in function calls and not in time, so that a busy machine makes no difference."""

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
"""The number of services that call the changed one. Each other service has one caller: the next service."""


class Mesh:
    """A catalog of one file per service, with a connected sidecar for each service, and one node that may call all."""

    def __init__(self, services: int) -> None:
        self.last_good = LastGood()
        self.translator = Translator()
        mesh = Document("mesh.yaml", b"mesh: {strangers: serve}")
        written = {f"{number}.yaml": write(number) for number in range(services)}
        outcome = self.last_good.update({**written, "mesh.yaml": mesh})
        self.store = SnapshotStore(self.translator.build(outcome.catalog))
        self.kinds = [*(NodeKind(f"service-{number}") for number in range(services)), NodeKind("anyone")]
        for kind in self.kinds:
            self.store.acquire(kind)

    def edit(self, number: int, weight: int) -> set[NodeKind]:
        """Change a service's weight. Return the nodes that receive a change."""
        outcome = self.last_good.update({f"{number}.yaml": write(number, weight)})
        return {*self.store.update(self.translator.build(outcome.catalog, self.store.inventory))}


def write(number: int, weight: int = 1, line: str = "locality: any") -> Document:
    """Return the file of one service."""
    upstreams = "" if number == 0 else "service-0" if number <= CALLERS else f"service-{number - 1}"
    where = f"address: 10.0.{number // 250}.{number % 250}, port: 80, zone: a"
    text = (
        f"services:\n  service-{number}:\n    balance: weighted\n    {line}\n"
        f"    endpoints: [{{{where}, weight: {weight}}}, '[::1]:80']\n"
        f"    upstreams: [{upstreams}]\n"
    )
    return Document(f"{number}.yaml", text.encode())


def count_calls(work: Callable[[], object]) -> int:
    """Return how many functions, Python's and C's, are called during the work."""
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


def test_a_change_costs_the_same_for_any_number_of_services_and_nodes() -> None:
    """The cost covers all steps, from the file's bytes to the changes. Only the nodes that the change concerns are
    looked at.
    """
    few, many = Mesh(20), Mesh(200)
    costs = []
    for mesh in (few, many):
        for weight in (2, 3):  # the first edits also build what is cached
            concerned = mesh.edit(0, weight)
            assert concerned == {*mesh.kinds[1 : CALLERS + 1], NodeKind("anyone")}
        costs.append(count_calls(partial(mesh.edit, 0, 4)))
    assert costs[0] == costs[1]


def test_turning_failover_on_costs_the_same_for_any_number_of_other_nodes() -> None:
    """Only nodes that state their locality and see the service get a new view."""
    costs = []
    for mesh in (Mesh(20), Mesh(200)):
        located = [replace(kind, locality=Locality("eu", "a")) for kind in mesh.kinds[1 : CALLERS + 1]]
        for kind in located:
            mesh.store.acquire(kind)
        for line in ("locality: failover", "locality: any", "locality: failover"):
            outcome = mesh.last_good.update({"0.yaml": write(0, 1, line)})
            changes = mesh.store.update(mesh.translator.build(outcome.catalog, mesh.store.inventory))
            assert located[0] in changes
        edited = mesh.last_good.update({"0.yaml": write(0, 2, "locality: failover")})
        inventory = mesh.translator.build(edited.catalog, mesh.store.inventory)
        costs.append(count_calls(partial(mesh.store.update, inventory)))
    assert costs[0] == costs[1]


ROUTING = CALLERS + 1
"""A service with routes of its own to another service. The next service calls it."""


class RoutedMesh(Mesh):
    """A mesh in which the service `ROUTING` has a route to the service that changes."""

    def __init__(self, services: int) -> None:
        super().__init__(services)
        self.write(ROUTING, "service-0")

    def write(self, number: int, target: str = "", line: str = "") -> set[NodeKind]:
        """Change a service's route target and its other keys. Return the nodes that receive a change."""
        document = write(number)
        text = f"{(document.content or b'').decode()}{line}"
        if target:
            text += f"    routes: [{{prefix: /v2, to: {target}}}]\n"
        outcome = self.last_good.update({document.name: Document(document.name, text.encode())})
        return {*self.store.update(self.translator.build(outcome.catalog, self.store.inventory))}


def test_a_change_also_concerns_callers_of_a_service_that_routes_to_the_changed_one() -> None:
    """The changed service's own callers receive it too. The cost does not depend on the number of other services."""
    few, many = RoutedMesh(20), RoutedMesh(200)
    costs = []
    for mesh in (few, many):
        callers = {*mesh.kinds[1 : CALLERS + 1], NodeKind(f"service-{ROUTING + 1}"), NodeKind("anyone")}
        for weight in (2, 3):  # the first edits also build what is cached
            assert mesh.edit(0, weight) == callers
        for retries in (1, 3, 1):
            assert mesh.write(0, line=f"    retries: {retries}\n") == callers
        costs.append(count_calls(partial(mesh.write, 0, line="    retries: 3\n")))
    assert costs[0] == costs[1]


def test_a_new_route_target_changes_only_the_callers_views() -> None:
    """They receive the target's cluster. No other node is looked at."""
    few, many = RoutedMesh(20), RoutedMesh(200)
    costs = []
    for mesh in (few, many):
        concerned = mesh.write(ROUTING, "service-9")
        assert concerned == {NodeKind(f"service-{ROUTING + 1}"), NodeKind("anyone")}
        assert mesh.write(ROUTING, "service-12") == concerned
        costs.append(count_calls(partial(mesh.write, ROUTING, "service-9")))
    assert costs[0] == costs[1]


def test_a_node_that_disconnects_costs_the_same_for_any_number_of_other_nodes() -> None:
    """This matters when a network fails and thousands of nodes disconnect at once."""
    few, many = (count_calls(partial(mesh.store.release, mesh.kinds[7])) for mesh in (Mesh(20), Mesh(200)))
    assert few == many
