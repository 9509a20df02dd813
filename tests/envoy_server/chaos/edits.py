"""What an operator does to the catalog. Each edit changes a world, and returns what it did; None: it does not apply."""

from collections.abc import Callable
from random import Random
from typing import Any, Final

from tests.envoy_server.chaos.world import (
    CALLED,
    FILES,
    GATEWAYS,
    SERVICES,
    SIDECAR,
    ZONES,
    Json,
    World,
    add_service,
    make_endpoint,
    targets_of,
)

Edit = Callable[[World, Random], str | None]

MIN_SERVICES, MAX_SERVICES = SERVICES - 2, 2 * SERVICES

POLICIES: Final[dict[str, list[Any]]] = {
    "balance": ["random", "weighted", "least_request", {"least_request": {"choices": 3}}, "ring_hash", "maglev"],
    "affinity": [{"header": "x-user"}, {"source": True}],
    "retries": ["off", 1, {"attempts": 3, "back_off": {"base": "20ms"}}],
    "timeouts": [{"request": "20s"}, {"connect": "3s"}],
    "circuit_breakers": [{"requests": 900}, {"connections": 800, "pending_requests": 700}],
    "outlier_detection": ["off", {"consecutive_failures": 9}],
    "health_check": [{"http": "/health", "interval": "5s"}, {"tcp": True, "interval": "4s"}],
    "slow_start": [{"window": "5s"}],
    "keepalive": [{"idle": "60s"}],
    "connection_pool": [{"idle_timeout": "1m"}, {"max_requests_per_connection": 50}],
    "overprovisioning": ["120%", "200%"],
    "locality": ["failover", "any"],
    "endpoint_stats": [True],
    "host": ["example.com"],
    "subsets": [{"v2": {"version": "2.0"}}],
}
"""Fields of a service, with values under which each request still has an answer."""

ROUTE_FIELDS: Final[dict[str, list[Any]]] = {
    "timeout": ["20s", "30s"],
    "retries": [1, {"attempts": 3}],
    "request_headers": [{"set": {"x-team": "a"}}, {"remove": ["x-internal"]}],
    "response_headers": [{"set": {"x-served": "yes"}}],
    "rewrite": [{"prefix": "/rewritten/"}],
    "rate_limit": [{"requests": 100_000, "per": "1s"}],
    "cors": [{"origins": ["https://shop.example.com"]}],
    "max_body": ["1MiB"],
    "websocket": [True],
}

GATEWAY_FIELDS: Final[dict[str, list[Any]]] = {
    "limits": [{"buffer": "64KiB"}, {"streams": 50}],
    "http": [{"merge_slashes": False}],
    "access_log": ["errors", "off"],
    "trusted_hops": [1],
}

MESH_FIELDS: Final[dict[str, list[Any]]] = {
    "tracing": [{"otlp": "127.0.0.1:9", "sample": "0.01%"}],
    "access_log": ["errors"],
    "endpoint_stats": [True],
}


def _change_field(fields: Json, choices: dict[str, list[Any]], chance: Random) -> str:
    """Give one of these fields another value, or none."""
    name = chance.choice(list(choices))
    values = [one for one in choices[name] if one != fields.get(name)]
    if name in fields and (not values or chance.random() < 0.5):
        del fields[name]
        return f"without {name}"
    fields[name] = chance.choice(values)
    return f"{name}: {fields[name]}"


def _is_active(endpoint: Json) -> bool:
    return not endpoint.get("drain") and endpoint.get("health") != "unhealthy"


def _idle_or_spare(endpoints: list[Json], chance: Random) -> Json | None:
    """Return an endpoint without which the service has an active one left; None without any."""
    active = [one for one in endpoints if _is_active(one)]
    spare = [one for one in endpoints if len(active) > 1 or one not in active]
    return chance.choice(spare) if spare else None


def add_endpoint(world: World, chance: Random) -> str | None:
    """Add an instance to a service."""
    name = chance.choice(world.called)
    endpoints = world.services[name]["endpoints"]
    missing = sorted(ZONES.keys() - {one["address"][1:] for one in endpoints})
    if not missing:
        return None
    endpoints.insert(chance.randint(0, len(endpoints)), make_endpoint(chance.choice(missing)))
    return f"{name} gets an endpoint"


def remove_endpoint(world: World, chance: Random) -> str | None:
    """Remove an endpoint, but not the last active one."""
    name = chance.choice(world.called)
    endpoints = world.services[name]["endpoints"]
    if not (one := _idle_or_spare(endpoints, chance)):
        return None
    endpoints.remove(one)
    return f"{name} loses {one['address']}"


def replace_endpoints(world: World, chance: Random) -> str:
    """Give a service other instances, as a release does."""
    name = chance.choice(world.called)
    world.services[name]["endpoints"] = [
        make_endpoint(one) for one in chance.sample(sorted(ZONES), chance.randint(1, len(ZONES)))
    ]
    return f"{name} gets other endpoints"


def drain_endpoint(world: World, chance: Random) -> str | None:
    """Drain an endpoint, or end its drain."""
    name = chance.choice(world.called)
    if not (one := _idle_or_spare(world.services[name]["endpoints"], chance)):
        return None
    one["drain"] = not one.get("drain")
    return f"{name}: drain of {one['address']} is {one['drain']}"


def change_health(world: World, chance: Random) -> str | None:
    """Mark an endpoint by hand."""
    name = chance.choice(world.called)
    if not (one := _idle_or_spare(world.services[name]["endpoints"], chance)):
        return None
    one["health"] = chance.choice(["healthy", "degraded", "unhealthy"])
    return f"{name}: {one['address']} is {one['health']}"


def change_endpoint(world: World, chance: Random) -> str:
    """Change the weight, priority or metadata of an endpoint."""
    name = chance.choice(world.called)
    one = chance.choice(world.services[name]["endpoints"])
    values: dict[str, Any] = {
        "weight": chance.randint(1, 20),
        "priority": chance.randint(0, 2),
        "metadata": {"version": f"{world.next()}.0"},
    }
    key = chance.choice(list(values))
    one[key] = values[key]
    if key == "priority":
        world.services[name].pop("locality", None)  # `failover` makes the priorities
    return f"{name}: {one['address']} has {key} {one[key]}"


def change_policy(world: World, chance: Random) -> str:
    """Change how a service is called."""
    name = chance.choice(world.called)
    words = _change_field(world.services[name], POLICIES, chance)
    if world.services[name].get("locality") == "failover":
        for one in world.services[name]["endpoints"]:
            one.pop("priority", None)
    return f"{name}: {words}"


def new_service(world: World, chance: Random) -> str | None:
    """Add a service with routes, and sometimes as an upstream."""
    if len(world.services) >= MAX_SERVICES:
        return None
    name = f"s{world.next()}"
    add_service(world, chance, name, chance.choice(FILES))
    for gateway in GATEWAYS:
        world.gateways[gateway]["routes"].insert(0, {"prefix": f"/{name}/", "to": name})
    if chance.random() < 0.5:
        world.upstreams.append(name)
    return f"{name} is new"


def remove_service(world: World, chance: Random) -> str | None:
    """Remove a service, in the same edit as all that leads to it."""
    if len(world.services) <= MIN_SERVICES:
        return None
    name = chance.choice(world.names)
    del world.services[name]
    other = chance.choice(world.names)
    for gateway in GATEWAYS:
        routes = world.gateways[gateway]["routes"]
        routes[-1]["to"] = other if name in targets_of(routes[-1]) else routes[-1]["to"]
        world.gateways[gateway]["routes"] = [one for one in routes if name not in targets_of(one)]
    own = world.services[CALLED]
    if any(name in targets_of(one) for one in own.get("routes", [])):
        del own["routes"]
    world.services[SIDECAR]["upstreams"] = [one for one in world.upstreams if one != name]
    return f"{name} is removed"


def rename_service(world: World, chance: Random) -> str:
    """Rename a service, in the same edit as all that leads to it."""
    old, new = chance.choice(world.names), f"s{world.next()}"
    world.services = {new if name == old else name: one for name, one in world.services.items()}
    world.places[new] = world.places[old]
    owners = [*world.gateways.values(), world.services[CALLED]]
    for route in (route for one in owners for route in one.get("routes", [])):
        to = route["to"]
        names = {new if name == old else name: weight for name, weight in to.items()} if isinstance(to, dict) else {}
        route["to"] = names or (new if to == old else to)
    world.services[SIDECAR]["upstreams"] = [new if one == old else one for one in world.upstreams]
    return f"{old} is now {new}"


def move_service(world: World, chance: Random) -> str:
    """Move a service to another file."""
    name = chance.choice([*world.services])
    world.places[name] = chance.choice([file for file in FILES if file != world.places[name]])
    return f"{name} is now in {world.places[name]}"


def change_upstreams(world: World, chance: Random) -> str:
    """Change what the sidecar's application may call."""
    world.services[SIDECAR]["upstreams"] = [CALLED, *(name for name in world.names if chance.random() < 0.5)]
    return f"the sidecar calls {', '.join(world.upstreams)}"


def change_target(world: World, chance: Random) -> str:
    """Lead a route, often that of the steady load, to another service, or to two."""
    gateway = chance.choice(GATEWAYS)
    routes = world.gateways[gateway]["routes"]
    route = routes[-1] if chance.random() < 0.5 else chance.choice(routes)
    one, two = chance.sample(world.called, 2)
    route["to"] = {one: 90, two: 10} if chance.random() < 0.3 else one
    return f"{gateway} leads {route['prefix']} to {route['to']}"


def change_routes(world: World, chance: Random) -> str:
    """Add, remove or move a route, or change one of its fields. The last stays the last: it takes all requests."""
    gateway = chance.choice(GATEWAYS)
    routes = world.gateways[gateway]["routes"]
    what = chance.choice(["add", "remove", "move", "field", "field"])
    if what == "add" or len(routes) < 3:
        routes.insert(0, {"prefix": f"/r{world.next()}/", "to": chance.choice(world.called)})
        return f"{gateway} gets the route {routes[0]['prefix']}"
    if what == "field":
        route = chance.choice(routes)
        return f"{gateway}, route {route['prefix']}: {_change_field(route, ROUTE_FIELDS, chance)}"
    route = routes.pop(chance.randrange(len(routes) - 1))
    if what == "move":
        routes.insert(chance.randrange(len(routes)), route)
    return f"{gateway}: the route {route['prefix']} is {what}d"


def change_own_routes(world: World, chance: Random) -> str:
    """Change the routes that the service of the steady load has for its callers."""
    name = chance.choice(world.called)
    world.services[CALLED]["routes"] = [{"prefix": f"/r{world.next()}/", "to": name}]
    return f"{CALLED} has a route to {name}"


def rename_listener(world: World, chance: Random) -> str:
    """Write the listeners of a gateway in another way: that renames them, at the same port."""
    gateway = chance.choice(GATEWAYS)
    before = world.gateways[gateway]["listeners"]
    world.gateways[gateway]["listeners"] = after = chance.choice([n for n in range(3) if n != before])
    return f"{gateway}: {after} listeners in place of {before}"


def change_listener(world: World, chance: Random) -> str:
    """Change a field of a gateway's listeners: their connections drain."""
    gateway = chance.choice(GATEWAYS)
    return f"{gateway}: {_change_field(world.gateways[gateway]['fields'], GATEWAY_FIELDS, chance)}"


def change_mesh(world: World, chance: Random) -> str:
    """Change what applies to all Envoys."""
    return f"mesh: {_change_field(world.mesh, MESH_FIELDS, chance)}"


EDITS: Final[tuple[Edit, ...]] = (
    add_endpoint,
    remove_endpoint,
    replace_endpoints,
    drain_endpoint,
    change_health,
    change_endpoint,
    change_policy,
    new_service,
    remove_service,
    rename_service,
    move_service,
    change_upstreams,
    change_target,
    change_routes,
    change_own_routes,
    rename_listener,
    change_listener,
    change_mesh,
)
