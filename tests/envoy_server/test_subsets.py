"""Versions of one service, distinguished by labels of its endpoints. A real Envoy chooses among them."""

import json
from functools import partial
from pathlib import Path
from typing import Any

from tests.chance import by_chance, in_turn, to_reach_all
from tests.envoy_server.mesh import Mesh, answered, counts_since, send, settled, under, until
from tests.envoy_server.test_policies import RING
from tests.envoy_server.test_sidecar import ask
from xds.catalog.model.locality import Locality
from xds.cli.demo.processes import Instance, free_port

SUBSETS: dict[str, dict[str, Any]] = {
    "v1": {"version": "1.0"},
    "v2": {"version": "2.0"},
    "v2-stable": {"version": "2.0", "stage": "stable"},
    "third": {"number": 3, "canary": True},
    "nobody": {"version": "9.0"},
}


def make_catalog(instances: list[Instance], *routes: dict[str, Any], host: str = "127.0.0.1", **service: Any) -> str:
    """Return a catalog of `api`. Its first two endpoints have versions, and the third has another label."""
    ports = [instance.address.rpartition(":")[2] for instance in instances]
    labels: list[dict[str, Any]] = [
        {"version": "1.0"},
        {"version": ["2.0", "2.1"], "stage": "stable"},
        {"number": 3, "canary": True},
    ]
    endpoints = [{"address": f"{host}:{port}", "metadata": one} for port, one in zip(ports, labels, strict=True)]
    api = {"endpoints": endpoints, "subsets": SUBSETS, **service}
    gateway = {"address": "127.0.0.1", "port": "GATEWAY", "routes": list(routes)}
    return json.dumps({"services": {"api": api}, "gateways": {"edge": gateway}}).replace('"GATEWAY"', "GATEWAY")


async def test_a_canary_shares_requests_between_versions_of_a_service(
    tmp_path: Path, instances: list[Instance]
) -> None:
    """Of 600 requests about one in twenty goes to the canary, and none to another version. No edit fails a request."""

    def share(v1: int, v2: int) -> str:
        return make_catalog(instances, {"to": {"api/v1": v1, "api/v2": v2}})

    with Mesh(tmp_path, share(95, 5)) as mesh:
        envoy = await mesh.start_gateway()
        counts = await send(mesh.load(), 600)
        assert counts["api-1"] + counts["api-2"] == 600
        assert counts["api-2"] in by_chance(600, 0.05)

        def reloads() -> int:
            return envoy.admin.stats("rds.edge.config_reload$")["http.edge.rds.edge.config_reload"]

        def has_reloaded(before: int) -> bool:
            return reloads() > before

        async with under(mesh.load(200)) as load:
            for shares, only in (((0, 1), "api-2"), ((1, 0), "api-1")):
                before = reloads()
                mesh.write(share(*shares))
                await until(partial(has_reloaded, before))
                since = await settled(envoy)
                await answered(load, 100)
                assert counts_since(load, since).keys() == {only}


BALANCES: dict[str, dict[str, Any]] = {
    "in-turn": {"balance": "weighted"},
    "by-maglev": {"balance": "maglev", "affinity": {"header": "x-user"}},
    "by-ring": {"balance": "ring_hash", "affinity": {"header": "x-user"}},
    "by-chance": {"balance": "random"},
    "named": {"balance": "least_request"},
}


async def test_each_subset_has_its_own_endpoints(tmp_path: Path, instances: list[Instance]) -> None:
    """Labels may be text, numbers, booleans or lists, with any balance. An empty subset has no endpoint.

    Without a subset, a request may reach all endpoints. Endpoints have IP addresses, or host names that Envoy resolves.
    """
    services = {}
    for name, fields in BALANCES.items():
        host = "localhost" if name == "named" else "127.0.0.1"
        services[name] = json.loads(make_catalog(instances, host=host, **fields).replace("GATEWAY", "1"))["services"][
            "api"
        ]
    routes: list[dict[str, Any]] = [
        {"headers": {"x-service": name, "x-to": subset}, "to": f"{name}/{subset}", "retries": 0}
        for name in BALANCES
        for subset in SUBSETS
    ]
    routes += [{"headers": {"x-service": name}, "to": name} for name in BALANCES]
    gateway = {"address": "127.0.0.1", "port": "GATEWAY", "routes": routes}
    catalog = json.dumps({"services": services, "gateways": {"edge": gateway}}).replace('"GATEWAY"', "GATEWAY")
    with Mesh(tmp_path, catalog) as mesh:
        envoy = await mesh.start_gateway()
        await until(lambda: len(envoy.admin.hosts("named")) == 3)

        def find(name: str, users: int, **headers: str) -> set[tuple[int, str]]:
            each = ({"x-service": name, "x-user": str(user), **headers} for user in range(users))
            return {ask(mesh.gateway_port, **one) for one in each}

        expected = {"v1": "api-1", "v2": "api-2", "v2-stable": "api-2", "third": "api-3"}
        for name in BALANCES:
            for subset, instance in expected.items():
                assert find(name, 6, **{"x-to": subset}) == {(200, instance)}
            assert {status for status, _ in find(name, 3, **{"x-to": "nobody"})} == {503}
            assert find(name, to_reach_all(3, RING)) == {(200, "api-1"), (200, "api-2"), (200, "api-3")}


async def test_weights_and_draining_apply_within_a_subset(tmp_path: Path, instances: list[Instance]) -> None:
    """Weights share the subset's requests 3:1, whatever the others weigh. A drained endpoint gets nothing."""
    catalog = json.loads(make_catalog(instances, {"to": "api/v2"}, balance="weighted").replace("GATEWAY", "1"))
    for endpoint, weight in zip(catalog["services"]["api"]["endpoints"], (6, 3, 1), strict=True):
        endpoint["weight"] = weight
    catalog["services"]["api"]["endpoints"][2]["metadata"] = {"version": "2.0"}
    with Mesh(tmp_path, json.dumps(catalog).replace('"port": 1', '"port": GATEWAY')) as mesh:
        envoy = await mesh.start_gateway()
        counts = await send(mesh.load(), 100)
        assert counts["api-2"] in in_turn(100, 0.75, 2)
        assert counts["api-2"] + counts["api-3"] == 100
        catalog["services"]["api"]["endpoints"][1]["drain"] = True
        mesh.write(json.dumps(catalog).replace('"port": 1', '"port": GATEWAY'))
        await until(lambda: ask(mesh.gateway_port) == ask(mesh.gateway_port) == (200, "api-3"))
        assert await send(mesh.load(), 40) == {"api-3": 40}
        assert len(envoy.admin.hosts("api")) == 3


async def test_localities_apply_within_a_subset(tmp_path: Path, instances: list[Instance]) -> None:
    """Locality weights share the subset's requests. Requests go elsewhere if the subset has no endpoint nearby."""
    made = json.loads(make_catalog(instances).replace("GATEWAY", "1"))["services"]["api"]["endpoints"]
    first, second, third = made
    third["metadata"] = second["metadata"]
    places: list[Any] = [{"weights": {"a": 75, "b": 25}}, "failover"]
    endpoints = [{**first, "zone": "a"}, {**second, "zone": "a"}, {**third, "zone": "b"}]
    services = {
        name: {"endpoints": endpoints, "locality": place, "subsets": SUBSETS}
        for name, place in zip(("weighed", "near"), places, strict=True)
    }
    routes = [
        {"query": {"ask": how}, "to": to}
        for how, to in {"share": "weighed/v2", "near": "near/v2", "far": "near/v1", "any": "near"}.items()
    ]
    gateway = {"address": "127.0.0.1", "port": "GATEWAY", "routes": routes}
    catalog = json.dumps({"services": services, "gateways": {"edge": gateway}}).replace('"GATEWAY"', "GATEWAY")
    with Mesh(tmp_path, catalog) as mesh:
        envoy = await mesh.start_envoy("edge-1", "edge", locality=Locality(zone="b"))
        await envoy.listening(f"127.0.0.1:{mesh.gateway_port}")
        counts = await send(mesh.load(path="/api/data?ask=share"), 100)
        assert counts["api-2"] in in_turn(100, 0.75, 2)
        assert counts["api-2"] + counts["api-3"] == 100
        for how, instance in {"near": "api-3", "far": "api-1", "any": "api-3"}.items():
            assert await send(mesh.load(path=f"/api/data?ask={how}"), 20) == {instance: 20}


async def test_a_host_name_that_is_one_endpoint_has_its_labels(tmp_path: Path, instances: list[Instance]) -> None:
    """It is in the subsets of its labels and in no other."""
    port = instances[0].address.rpartition(":")[2]
    api = {
        "endpoints": [{"address": f"localhost:{port}", "metadata": {"version": "1.0"}}],
        "subsets": SUBSETS,
        "dns": "logical",
    }
    routes = [{"headers": {"x-to": name}, "to": f"api/{name}", "retries": 0} for name in ("v1", "v2")] + [{"to": "api"}]
    gateway = {"address": "127.0.0.1", "port": "GATEWAY", "routes": routes}
    catalog = json.dumps({"services": {"api": api}, "gateways": {"edge": gateway}}).replace('"GATEWAY"', "GATEWAY")
    with Mesh(tmp_path, catalog) as mesh:
        envoy = await mesh.start_gateway()
        await until(lambda: len(envoy.admin.hosts("api")) == 1)
        assert ask(mesh.gateway_port) == ask(mesh.gateway_port, **{"x-to": "v1"}) == (200, "api-1")
        assert ask(mesh.gateway_port, **{"x-to": "v2"})[0] == 503


async def test_tcp_connections_go_to_a_subset(tmp_path: Path, instances: list[Instance]) -> None:
    """This holds for a gateway to a TCP service too. Here the bytes are HTTP."""
    with Mesh(tmp_path, make_catalog(instances, {"to": "api/v2"}, protocol="tcp")) as mesh:
        await mesh.start_gateway()
        assert [ask(mesh.gateway_port) for _ in range(6)] == [(200, "api-2")] * 6
        mesh.write(make_catalog(instances, {"to": "api/third"}, protocol="tcp"))
        await until(lambda: ask(mesh.gateway_port) == (200, "api-3"))


async def test_a_service_sends_its_callers_to_its_own_versions(tmp_path: Path, instances: list[Instance]) -> None:
    """A header selects the version at the callers' sidecars. Without the header, a request gets the first version."""
    port = free_port()
    routes = [{"headers": {"x-canary": "*"}, "to": "api/v2"}, {"to": "api/v1"}]
    catalog = json.loads(make_catalog(instances, {"to": "api"}, routes=routes).replace("GATEWAY", "1"))
    catalog["services"]["web"] = {"upstreams": ["api"], "sidecar": port}
    with Mesh(tmp_path, json.dumps(catalog)) as mesh:
        envoy = await mesh.start_envoy("web-1", "web")
        await envoy.listening(f"127.0.0.1:{port}")
        assert [ask(port, Host="api") for _ in range(6)] == [(200, "api-1")] * 6
        assert [ask(port, Host="api", **{"x-canary": "yes"}) for _ in range(6)] == [(200, "api-2")] * 6
