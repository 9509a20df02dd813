"""A route's `fallback` gets the requests of a target that is down, and no others."""

import json
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.chance import by_chance
from tests.envoy_server.echo import Echo, start_echo
from tests.envoy_server.mesh import ONE_VARIANT, VARIANTS, Mesh, answered, send, settled, under, until
from xds.cli.demo.load import Load
from xds.cli.demo.processes import Envoy, free_port

CHECK = {"http": "/health", "interval": "100ms", "timeout": "90ms", "healthy_threshold": 1, "unhealthy_threshold": 1}
SHARES = {"v2": 30, "v1": 70}
REQUESTS = 600


def make_catalog(v1: Echo, *v2: Echo, **fields: Any) -> str:
    """Return a catalog whose gateway shares requests between `v2` and `v1`, with `v1` as fallback."""
    services = {
        "v1": {"endpoints": [v1.endpoint]},
        "v2": {"endpoints": [one.endpoint for one in v2], "health_check": CHECK, **fields},
    }
    gateway = {"address": "127.0.0.1", "port": "GATEWAY", "routes": [{"to": SHARES, "fallback": "v1"}]}
    return json.dumps({"services": services, "gateways": {"edge": gateway}}).replace('"GATEWAY"', "GATEWAY")


async def healthy(envoy: Envoy, echo: Echo, *, well: bool) -> None:
    """Wait until Envoy's workers know whether an endpoint of `v2` is healthy."""

    def is_so() -> bool:
        found = envoy.admin.hosts("v2").get(echo.endpoint)
        return found is not None and found.healthy is well

    await until(is_so)
    await settled(envoy)


@pytest.mark.parametrize("variant", ONE_VARIANT)
async def test_the_fallback_gets_the_share_of_a_target_that_is_down(tmp_path: Path, variant: str) -> None:
    """No request fails while `v2` has no endpoints, or all of its endpoints are unhealthy. Then `v1` answers all.

    As soon as `v2` is up, it has its share again.
    """
    with start_echo("v1") as v1, start_echo("v2") as v2, Mesh(tmp_path, make_catalog(v1)) as mesh:
        envoy = await mesh.start_gateway(variant)
        assert await send(mesh.load(), REQUESTS) == Counter(v1=REQUESTS)
        mesh.write(make_catalog(v1, v2))
        await healthy(envoy, v2, well=True)
        for _ in range(2):
            counts = await send(mesh.load(), REQUESTS)
            assert counts["v1"] + counts["v2"] == REQUESTS
            assert counts["v2"] in by_chance(REQUESTS, 0.3)
            v2.status = 503
            await healthy(envoy, v2, well=False)
            assert await send(mesh.load(), REQUESTS) == Counter(v1=REQUESTS)
            v2.status = 200
            await healthy(envoy, v2, well=True)
        await mesh.take(make_catalog(v1))
        await until(lambda: not envoy.admin.hosts("v2"))
        await settled(envoy)
        assert await send(mesh.load(), REQUESTS) == Counter(v1=REQUESTS)


async def test_a_target_that_is_down_in_part(tmp_path: Path) -> None:
    """Of three endpoints one is healthy: it bears 140% of its part, and the fallback the rest of the share.

    That needs `panic_threshold: 0%`. Otherwise unhealthy endpoints of the target get requests too.
    """
    with start_echo("v1") as v1, start_echo("v2") as well, start_echo("v2") as ill, start_echo("v2") as worse:
        catalog = make_catalog(v1, well, ill, worse, panic_threshold="0%")
        with Mesh(tmp_path, catalog) as mesh:
            envoy = await mesh.start_gateway()
            for echo in (ill, worse):
                echo.status = 503
            await healthy(envoy, well, well=True)
            for echo in (ill, worse):
                await healthy(envoy, echo, well=False)
            counts = await send(mesh.load(), REQUESTS)
            assert counts["v1"] + counts["v2"] == REQUESTS
            share = int(100 / 3 * 1.4) / 100
            assert counts["v2"] in by_chance(REQUESTS, 0.3 * share)


async def test_callers_apply_the_fallback_of_a_service_that_they_call(tmp_path: Path) -> None:
    """The service itself answers for a version that no endpoint runs. An edit of the target fails nothing."""
    port = free_port()

    def catalog(**route: Any) -> str:
        host: dict[str, Any] = {"endpoints": [v1.endpoint], "routes": [route], "upstreams": []}
        services = {
            "localhost": host,
            "v2": {"endpoints": [], "upstreams": []},
            "v3": {"endpoints": [], "upstreams": []},
            "web": {"upstreams": ["localhost"], "sidecar": port},
        }
        return json.dumps({"services": services})

    with start_echo("v1") as v1, Mesh(tmp_path, catalog(to="v2", fallback="localhost")) as mesh:
        envoy = await mesh.start_envoy("web-1", "web")
        await envoy.listening(f"127.0.0.1:{port}")
        load = Load(f"http://localhost:{port}/", 400)
        assert await send(load, 50) == Counter(v1=50)
        for target in ("v3", "v2"):
            await mesh.take(catalog(to=target, fallback="localhost"))
            name = f"fallback/{target}/localhost"
            await until(partial(envoy.admin.stats, f"cluster.{name}."))
            load = Load(f"http://localhost:{port}/", 400)
            assert await send(load, 50) == Counter(v1=50)


@pytest.mark.parametrize("variant", VARIANTS)
async def test_a_fallback_is_edited_under_load_without_a_failure(tmp_path: Path, variant: str) -> None:
    """Four edits add a fallback, replace it and remove it. Envoy gets its cluster before the routes that name it."""
    with start_echo("v1") as v1, start_echo("v2") as v2:

        def catalog(fallback: str | None) -> str:
            made = json.loads(make_catalog(v1, v2).replace("GATEWAY", '"GATEWAY"'))
            made["services"]["v3"] = {"endpoints": []}
            [route] = made["gateways"]["edge"]["routes"]
            if fallback is None:
                del route["fallback"]
            else:
                route["fallback"] = fallback
            return json.dumps(made).replace('"GATEWAY"', "GATEWAY")

        with Mesh(tmp_path, catalog(None)) as mesh:
            envoy = await mesh.start_gateway(variant)
            await healthy(envoy, v2, well=True)
            async with under(mesh.load()) as load:
                for fallback in ("v1", "v3", "v1", None):
                    await mesh.take(catalog(fallback))
                    await answered(load, 100)
            counts = Counter(answer.instance for answer in load.answers)
            assert counts["v1"] + counts["v2"] == len(load.answers)
