"""The catalog of a chaos run, as data. `@NAME` stands for an address or a port, which only a running mesh knows."""

import copy
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, Self

Json = dict[str, Any]

INSTANCES: Final = {"a": ("a-1", "a-2", "a-3"), "b": ("b-1", "b-2", "b-3")}
"""The instances of each zone. All of them answer all the time, whatever the catalog says."""

ZONES: Final = {name: zone for zone, names in INSTANCES.items() for name in names}

GATEWAYS: Final = ("edge-a", "edge-b")

SIDECAR: Final = "web"

CALLED: Final = "localhost"
"""The service that the sidecar's application calls: a client of the sidecar sends this name as its Host."""

MAIN: Final = "main.yaml"

FILES: Final = ("base.yaml", "more.yaml", "team/one.yaml", "team/two.yaml")
"""The files that have services. The gateways and the mesh are in MAIN."""

SERVICES: Final = 6
"""How many services there are at the start beside CALLED and SIDECAR."""


@dataclass
class World:
    """What the operator means: services with the file of each, gateways, and the mesh. Edits change it in place.

    A gateway has `routes`, `fields`, and how its listeners are written: as `port`, or as a list of one or two.
    """

    services: dict[str, Json] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    gateways: dict[str, Json] = field(default_factory=dict)
    mesh: Json = field(default_factory=dict)
    number: int = 0
    """The last number that a new service, route or value got."""

    def next(self) -> int:
        """Return a number that nothing has yet."""
        self.number += 1
        return self.number

    def copy(self) -> Self:
        """Return a copy that can be changed."""
        return copy.deepcopy(self)

    @property
    def names(self) -> list[str]:
        """The services that an edit may rename and remove."""
        return [name for name in self.services if name not in (CALLED, SIDECAR)]

    @property
    def called(self) -> list[str]:
        """The services that have endpoints."""
        return [name for name in self.services if name != SIDECAR]

    @property
    def upstreams(self) -> list[str]:
        """The services that the sidecar's application calls."""
        found: list[str] = self.services[SIDECAR]["upstreams"]
        return found

    def files(self) -> dict[str, str]:
        """Return the text of each file."""
        services: dict[str, Json] = {file: {} for file in FILES}
        for name, one in self.services.items():
            services[self.places[name]][name] = one
        gateways = {name: _write_gateway(name, one) for name, one in self.gateways.items()}
        texts = {file: {"services": found} for file, found in services.items()}
        return {name: f"{json.dumps(one)}\n" for name, one in (*texts.items(), (MAIN, self._main(gateways)))}

    def _main(self, gateways: Json) -> Json:
        return {"gateways": gateways, "mesh": {"brake": "off", **self.mesh}}


def _write_gateway(name: str, gateway: Json) -> Json:
    place = {"address": "127.0.0.1", "port": f"@{name}"}
    whole = {**gateway["fields"], "routes": gateway["routes"]}
    if not gateway["listeners"]:
        return {**place, **whole}
    ports = [place, {**place, "port": f"@{name}-2"}]
    return {**whole, "listeners": ports[: gateway["listeners"]]}


def make_world(chance: Random) -> World:
    """Return a first catalog: each service has a route at both gateways, and some are upstreams of the sidecar."""
    world = World()
    for number in range(SERVICES):
        add_service(world, chance, f"s{world.next()}", FILES[number % len(FILES)])
    add_service(world, chance, CALLED, FILES[0])
    world.services[SIDECAR] = {"upstreams": [CALLED, *world.names[:3]], "sidecar": f"@{SIDECAR}"}
    world.places[SIDECAR] = FILES[0]
    routes = [{"prefix": f"/{name}/", "to": name} for name in world.names]
    for name in GATEWAYS:
        whole = [*copy.deepcopy(routes), {"prefix": "/", "to": chance.choice(world.names)}]
        world.gateways[name] = {"routes": whole, "fields": {}, "listeners": 0}
    return world


def add_service(world: World, chance: Random, name: str, place: str) -> None:
    """Add a service with some instances."""
    world.services[name] = {"endpoints": [make_endpoint(one) for one in chance.sample(sorted(ZONES), 3)]}
    world.places[name] = place


def make_endpoint(instance: str) -> Json:
    """Return an instance as an endpoint."""
    return {"address": f"@{instance}", "region": "eu", "zone": ZONES[instance]}


def targets_of(route: Json) -> list[str]:
    """Return the services to which a route leads."""
    to = route.get("to", {})
    return [to] if isinstance(to, str) else list(to)


def who_may_answer(world: World, names: list[str]) -> list[str]:
    """Return the instances that may answer for some services, if any."""
    return sorted({one["address"][1:] for name in names for one in world.services[name]["endpoints"]})


def fill(text: str, values: Mapping[str, str | int]) -> str:
    """Put addresses and ports into a text of the catalog."""
    return re.sub(r'"@([\w-]+)"', lambda found: json.dumps(values[found[1]]), text)
