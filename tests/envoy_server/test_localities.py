"""Requests go where the localities of endpoints and Envoys send them. Tests compare shares with Envoy's formulas."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.chance import by_chance
from tests.envoy_server.instances import Instance, priority_shares, start_instances
from tests.envoy_server.mesh import VARIANTS, Mesh, settled, until
from tests.envoy_server.traffic import Traffic
from xds.catalog.model.locality import Locality
from xds.cli.demo.processes import Envoy, free_port

# A check that is late on a busy machine must not fail. One that is refused or answered with 503 fails at once.
CHECK = {"http": "/health", "interval": "200ms", "timeout": "10s", "healthy_threshold": 1, "unhealthy_threshold": 1}

EAST, WEST = Locality("eu", "a"), Locality("us", "c")


def write(services: dict[str, Any], **ports: int) -> str:
    """Return a catalog in which each gateway routes /NAME to the service NAME."""
    routes = [{"prefix": f"/{name}", "to": name} for name in services]
    gateways = {name: {"address": "127.0.0.1", "port": port, "routes": routes} for name, port in ports.items()}
    return json.dumps({"services": services, "gateways": gateways})


def assert_near(counts: Counter[str], what: str, **expected: float) -> None:
    """Chance explains the counts of zones by computed shares. A share of 0 or 1 must be exact.

    Envoy chooses the priority at random. Within a priority, round robin varies less than chance.
    """
    total = counts.total()
    print(what, {zone: f"{counts[zone] / total:.1%} of {share:.1%}" for zone, share in expected.items()})
    for zone, share in expected.items():
        assert counts[zone] in by_chance(total, share), (what, zone)


async def assert_exact(port: int, **expected: dict[str, int]) -> None:
    """The answers of services are as expected."""
    assert {name: dict(await Traffic(port, f"/{name}").send(80)) for name in expected} == expected


async def knows(envoy: Envoy, service: str, healthy: set[str]) -> None:
    """Wait until an Envoy and its worker have exactly these addresses as the healthy endpoints of a service."""
    await until(lambda: {one.address for one in envoy.admin.hosts(service).values() if one.healthy} == healthy)
    await settled(envoy)


def priorities_of(envoy: Envoy, cluster: str) -> set[int]:
    """Return the priorities of a cluster's endpoints in an Envoy."""
    statuses = json.loads(envoy.admin.get("/clusters?format=json"))["cluster_statuses"]
    return {
        host.get("priority", 0) for status in statuses if status["name"] == cluster for host in status["host_statuses"]
    }


async def test_shares_follow_envoys_formula_while_a_zone_dies(tmp_path: Path) -> None:
    """Before, during and after, each zone's share follows the formula, at Envoys in two regions. No request fails.

    For an Envoy in eu/a, the priorities are a, the rest of eu, and the rest. For an Envoy in us/c, they are c and eu.
    """
    east, west = free_port(), free_port()
    async with start_instances(a=("eu", 5), b=("eu", 3), c=("us", 4)) as instances:
        endpoints = [instance.endpoint() for instance in instances]
        api = {"locality": "failover", "health_check": CHECK, "retries": 6, "endpoints": endpoints}
        with Mesh(tmp_path, write({"api": api}, east=east, west=west)) as mesh:
            envoys = [
                await mesh.start_envoy("east-1", "east", "delta", EAST),
                await mesh.start_envoy("west-1", "west", "sotw", WEST),
            ]
            for envoy, port in zip(envoys, (east, west), strict=True):
                await envoy.listening(f"127.0.0.1:{port}")
            a, b, c = instances.of("a"), instances.of("b"), instances.of("c")
            dead: list[Instance] = []

            async def expect(what: str, of_east: list[tuple[int, int]], of_west: list[tuple[int, int]]) -> None:
                """Compute the shares from the healthy and all endpoints of each priority. They hold."""
                for envoy in envoys:
                    await knows(envoy, "api", {one.address for one in instances if one not in dead})
                near, region, rest = priority_shares(of_east)
                assert_near(instances.count_zones(await traffic[0].count()), f"eu/a, {what}:", a=near, b=region, c=rest)
                near, rest = priority_shares(of_west)
                well = {zone: sum(one not in dead for one in instances.of(zone)) for zone in "ab"}
                eu = {zone: rest * count / max(1, sum(well.values())) for zone, count in well.items()}
                assert_near(instances.count_zones(await traffic[1].count()), f"us/c, {what}:", **eu, c=near)

            async def change(dying: list[Instance], back: list[Instance]) -> None:
                for instance in dying:
                    instance.stop()
                for instance in back:
                    await instance.start()
                dead[:] = [instance for instance in (*dead, *dying) if instance not in back]

            traffic = [Traffic(port, "/api") for port in (east, west)]
            async with traffic[0].run(), traffic[1].run():
                await expect("before", [(5, 5), (3, 3), (4, 4)], [(4, 4), (8, 8)])
                await change(a[:2], [])
                await expect("2 of 5 in a dead", [(3, 5), (3, 3), (4, 4)], [(4, 4), (6, 8)])
                await change(a[2:4] + c[:2], [])
                await expect("4 of 5 in a, 2 of 4 in c", [(1, 5), (3, 3), (2, 4)], [(2, 4), (4, 8)])
                await change(a[4:], [])
                await expect("all of a, 2 of 4 in c", [(0, 5), (3, 3), (2, 4)], [(2, 4), (3, 8)])
                await change(b[:2], c[:2])
                await expect("all of a, 2 of 3 in b", [(0, 5), (1, 3), (4, 4)], [(4, 4), (1, 8)])
                await change([], a + b[:2])
                await expect("after", [(5, 5), (3, 3), (4, 4)], [(4, 4), (8, 8)])
            print(f"{sum(len(one.answers) for one in traffic)} requests, none failed")


async def test_explicit_priorities_locality_weights_and_panic(tmp_path: Path) -> None:
    """Covers explicit priorities with their factor, shares of zones, and too few healthy endpoints."""
    port = free_port()
    async with start_instances(a=("eu", 4), b=("eu", 4)) as instances:
        a = instances.of("a")
        all_of_them = [instance.endpoint() for instance in instances]
        checked: dict[str, Any] = {"health_check": CHECK, "retries": 0}
        stated = [instance.endpoint(priority=3 if instance.zone == "a" else 7) for instance in instances]
        named = [{**one, "address": one["address"].replace("127.0.0.1", "localhost")} for one in all_of_them]
        services: dict[str, dict[str, Any]] = {
            "stated": {**checked, "endpoints": stated, "overprovisioning": "120%"},
            "weights": {**checked, "endpoints": all_of_them, "locality": {"weights": {"a": 70, "eu/b": 30}}},
            "evacuated": {**checked, "endpoints": all_of_them, "locality": {"weights": {"a": 0, "b": 1}}},
            "panic": {**checked, "endpoints": all_of_them[:4]},
            "named": {"locality": "failover", "endpoints": named},
            "late": {**checked, "endpoints": all_of_them[:4], "panic_threshold": 20},
            "calm": {**checked, "endpoints": all_of_them[:4], "panic_threshold": 0},
        }
        with Mesh(tmp_path, write(services, edge=port)) as mesh:
            envoy = await mesh.start_envoy("edge-1", "edge", locality=Locality("eu", "b"))
            await envoy.listening(f"127.0.0.1:{port}")

            async def expect(service: str, healthy: int, **expected: float) -> None:
                counts = await Traffic(port, f"/{service}").send()
                assert_near(instances.count_zones(counts), f"{service}, {healthy} healthy:", **expected)

            async def make_unhealthy(*unhealthy: Instance) -> None:
                for instance in instances:
                    instance.unhealthy = instance in unhealthy
                for name, service in services.items():
                    if "health_check" in service:
                        of_service = {one["address"] for one in service["endpoints"]}
                        await knows(envoy, name, of_service - {one.address for one in unhealthy})

            await make_unhealthy()
            await knows(envoy, "named", {one.address for one in instances})
            await expect("stated", 8, a=1, b=0)
            await expect("weights", 8, a=0.7, b=0.3)
            await expect("evacuated", 8, a=0, b=1)
            # The endpoints of host names are in the cluster. Their localities follow edits as well.
            await expect("named", 8, a=0, b=1)
            mesh.write(write({**services, "named": {"endpoints": named}}, edge=port))
            await until(lambda: priorities_of(envoy, "named") == {0})
            await settled(envoy)
            await expect("named", 8, a=0.5, b=0.5)
            await make_unhealthy(*a[:2])
            first, second = priority_shares([(2, 4), (4, 4)], 120)
            await expect("stated", 6, a=first, b=second)
            # Half of a's endpoints, times 140%, are 0.7 of its weight.
            await expect("weights", 6, a=49 / 79, b=30 / 79)
            everyone, nobody = {one.name: 20 for one in a}, {"503 no healthy upstream": 80}
            await make_unhealthy(*a[:3])
            await assert_exact(port, panic=everyone, late={a[3].name: 80}, calm={a[3].name: 80})
            await make_unhealthy(*a)
            await expect("stated", 4, a=0, b=1)
            await assert_exact(port, panic=everyone, late=everyone, calm=nobody)


async def test_zone_aware_prefers_the_callers_own_zone(tmp_path: Path) -> None:
    """The own zone gets as many requests as leave every endpoint the same load. The callers' zones decide.

    Two of three callers are in a. With two thirds of the endpoints in a, all requests of an Envoy in a stay there. With
    a third, half of them stay and the rest goes to b. A service without the option uses round robin, and so does an
    Envoy whose bootstrap is not zone-aware.
    """
    port = free_port()
    async with start_instances(a=("", 4), b=("", 4)) as instances:
        a, b = ([instance.endpoint() for instance in instances.of(zone)] for zone in "ab")
        callers = [{"address": f"10.0.0.{n}:80", "zone": zone} for n, zone in enumerate("aab")]

        def catalog(endpoints: list[dict[str, Any]]) -> str:
            services = {
                "web": {"upstreams": ["api", "any"], "sidecar": port, "endpoints": callers},
                "api": {"locality": "zone_aware", "endpoints": endpoints},
                "any": {"endpoints": endpoints},
            }
            return json.dumps({"services": services})

        async def expect(service: str, what: str, **expected: float) -> None:
            assert_near(instances.count_zones(await Traffic(port, host=service).send()), what, **expected)

        async def has(envoy: Envoy, endpoints: list[dict[str, Any]]) -> None:
            addresses = {one["address"] for one in endpoints}
            await until(lambda: all({*envoy.admin.hosts(name)} == addresses for name in ("api", "any")))
            await settled(envoy)

        with Mesh(tmp_path, catalog(a + b[:2])) as mesh:
            for variant in VARIANTS:
                mesh.write(catalog(a + b[:2]))
                with await mesh.start_envoy(
                    f"web-{variant}", "web", variant, Locality(zone="a"), zone_aware=True
                ) as envoy:
                    await envoy.listening(f"127.0.0.1:{port}")
                    await until(lambda: len(envoy.admin.hosts("local_cluster")) == 3)
                    await has(envoy, a + b[:2])
                    await expect("api", f"{variant}, 4 of 6 in a:", a=1, b=0)
                    await expect("any", "any:", a=4 / 6, b=2 / 6)
                    mesh.write(catalog(a[:2] + b))
                    await has(envoy, a[:2] + b)
                    await expect("api", "2 of 6 in a:", a=1 / 2, b=1 / 2)
            with await mesh.start_envoy("web-plain", "web", locality=Locality(zone="a")) as envoy:
                await envoy.listening(f"127.0.0.1:{port}")
                await expect("api", "an Envoy that is not zone-aware:", a=2 / 6, b=4 / 6)
