"""Endpoint health: by Envoy's health checks, and by the results of real requests."""

import asyncio
import json
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from tests.envoy_server.mesh import Mesh, answering, make_catalog, scripted_instance, settled, until
from xds.cli.demo.processes import Envoy, Instance, free_port

CHECK = {"interval": "100ms", "timeout": "90ms", "healthy_threshold": 1, "unhealthy_threshold": 1}


STATUSES: list[tuple[int, dict[str, Any], bool]] = [
    (200, {}, True),
    (404, {}, False),
    (404, {"expect": [404]}, True),
    (404, {"expect": ["200-299"]}, False),
    (204, {"expect": ["200-299", 404], "host": "shop.example.com"}, True),
    (299, {"expect": ["200-299"]}, True),
]


async def checked(envoy: Envoy, address: str, service: str = "api-service") -> bool:
    """Wait until Envoy has checked an endpoint a few times, and return whether it is healthy."""
    stats = f"cluster.{service}.health_check.attempt"
    attempts = envoy.admin.stats(stats).get(stats, 0)
    await until(lambda: envoy.admin.stats(stats)[stats] >= attempts + 3)
    return envoy.admin.hosts(service)[address].healthy


def catalog_of(**services: dict[str, Any]) -> str:
    """Return a catalog of services. A gateway routes each service's name as a path to the service."""
    routes = [{"prefix": f"/{name}/", "to": name, "rewrite": {"prefix": "/"}} for name in services]
    gateway = {"address": "127.0.0.1", "port": "GATEWAY", "routes": routes}
    return json.dumps({"services": services, "gateways": {"edge": gateway}}).replace('"GATEWAY"', "GATEWAY")


async def test_the_statuses_that_count_as_healthy(tmp_path: Path) -> None:
    """Only 200 counts unless the catalog has other statuses. A range includes both of its ends."""
    async with AsyncExitStack() as stack:
        services, expected = {}, {}
        for number, (status, check, well) in enumerate(STATUSES):
            address = await stack.enter_async_context(scripted_instance(status))
            check = {"http": "/health", **CHECK, **check}
            services[f"s{number}"] = {"endpoints": [address], "health_check": check}
            expected[f"s{number}", address] = well
        with Mesh(tmp_path, catalog_of(**services)) as mesh:
            envoy = await mesh.start_gateway()
            assert {(name, one): await checked(envoy, one, name) for name, one in expected} == expected


async def test_a_check_sends_the_host_of_the_catalog(tmp_path: Path) -> None:
    """An instance that serves a single host is healthy only if the check uses that host."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        status = 200 if b"host: shop.example.com\r\n" in head.lower() else 421
        writer.write(f"HTTP/1.1 {status} So\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".encode())
        await writer.drain()

    async with answering(answer, "127.0.0.1", port := free_port()):
        address = f"127.0.0.1:{port}"
        services = {
            name: {
                "endpoints": [address],
                "health_check": {"http": "/health", "host": f"{name}.example.com", **CHECK},
            }
            for name in ("shop", "api")
        }
        with Mesh(tmp_path, catalog_of(**services)) as mesh:
            envoy = await mesh.start_gateway()
            assert await checked(envoy, address, "shop")
            assert not await checked(envoy, address, "api")


async def test_a_tcp_check_needs_only_a_connection(tmp_path: Path) -> None:
    """The endpoint's answer does not matter. An endpoint without a listener is unhealthy."""
    dead = f"127.0.0.1:{free_port()}"
    async with scripted_instance(500) as address:
        with Mesh(tmp_path, make_catalog([address, dead], health_check={"tcp": True, **CHECK})) as mesh:
            envoy = await mesh.start_gateway()
            assert await checked(envoy, address)
            assert not await checked(envoy, dead)


async def test_a_grpc_check_asks_the_health_service(tmp_path: Path) -> None:
    """The check covers the whole server or one service. Here it asks the control plane's own health service."""
    with Mesh(tmp_path, make_catalog([])) as mesh:
        await mesh.control_plane.ready()
        address, services = mesh.control_plane.address, {"all": "", "none": "no.such.Service"}
        await mesh.take(
            catalog_of(
                **{
                    name: {"endpoints": [address], "protocol": "grpc", "health_check": {"grpc": service, **CHECK}}
                    for name, service in services.items()
                }
            )
        )
        envoy = await mesh.start_gateway()
        assert await checked(envoy, address, "all")
        assert not await checked(envoy, address, "none")


LIMITS: list[tuple[int, Any, int | None]] = [
    (503, {}, 5),
    (500, {}, None),
    (500, {"consecutive_5xx": 3}, 3),
    (503, {"consecutive_failures": 2}, 2),
    (503, "off", None),
]


async def test_an_endpoint_that_keeps_failing_is_ejected(tmp_path: Path, instances: list[Instance]) -> None:
    """After some consecutive failures it gets no requests. A 500 counts only on request, and `off` never ejects."""
    async with scripted_instance(503) as bad, scripted_instance(500) as worse:
        services = {
            f"s{number}": {
                "endpoints": [bad if status == 503 else worse, instances[0].address],
                "retries": 0,
                "outlier_detection": detection,
            }
            for number, (status, detection, _) in enumerate(LIMITS)
        }
        with Mesh(tmp_path, catalog_of(**services)) as mesh:
            envoy = await mesh.start_gateway()
            for (name, service), (status, detection, limit) in zip(services.items(), LIMITS, strict=True):
                load = mesh.load(path=f"/{name}/api/data")
                await load.send(40 if limit is None else 2 * limit)
                assert (status, detection, len(load.failures)) == (status, detection, 20 if limit is None else limit)
                if limit is not None:
                    failing: str = service["endpoints"][0]
                    await until(lambda: not envoy.admin.hosts(name)[failing].healthy)  # noqa: B023 - the loop awaits it
                    await settled(envoy)
                    await load.send(20)
                    assert len(load.failures) == limit


async def test_an_ejected_endpoint_comes_back(tmp_path: Path, instances: list[Instance]) -> None:
    """It comes back after the time in the catalog."""
    detection = {"consecutive_failures": 1, "interval": "100ms", "base_ejection_time": "1s"}
    async with scripted_instance(503) as failing:
        catalog = make_catalog([failing, instances[0].address], retries=0, outlier_detection=detection)
        with Mesh(tmp_path, catalog) as mesh:
            envoy = await mesh.start_gateway()
            start = time.monotonic()
            await mesh.load(100).send(4)
            await until(lambda: not envoy.admin.hosts("api-service")[failing].healthy)
            await until(lambda: envoy.admin.hosts("api-service")[failing].healthy)  # Envoy's default is 30 s
            assert time.monotonic() - start > 0.9
