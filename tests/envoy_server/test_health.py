"""Who is well: by the checks that Envoy makes, and by what real requests come to."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from tests.envoy_server.mesh import Mesh, answering, make_catalog, scripted_instance, settled, until
from xds.cli.demo.processes import Envoy, Instance, free_port

CHECK = {"interval": "100ms", "timeout": "90ms", "healthy_threshold": 1, "unhealthy_threshold": 1}


async def checked(envoy: Envoy, address: str) -> bool:
    """Wait until Envoy has checked an endpoint a few times; whether it finds it well."""
    stats = "cluster.api-service.health_check.attempt"
    attempts = envoy.admin.stats(stats).get(stats, 0)
    await until(lambda: envoy.admin.stats(stats)[stats] >= attempts + 3)
    return envoy.admin.hosts("api-service")[address].healthy


@pytest.mark.parametrize(
    ("status", "check", "well"),
    [
        (200, {}, True),
        (404, {}, False),
        (404, {"expect": [404]}, True),
        (404, {"expect": ["200-299"]}, False),
        (204, {"expect": ["200-299", 404], "host": "shop.example.com"}, True),
        (299, {"expect": ["200-299"]}, True),
    ],
)
async def test_statuses_that_are_well(tmp_path: Path, status: int, check: dict[str, Any], well: bool) -> None:
    """200 alone, unless the catalog says others; both ends of a range are in it."""
    async with scripted_instance(status) as address:
        with Mesh(tmp_path, make_catalog([address], health_check={"http": "/health", **CHECK, **check})) as mesh:
            assert await checked(await mesh.start_gateway(), address) is well


@pytest.mark.parametrize(("host", "well"), [("shop.example.com", True), ("api.example.com", False)])
async def test_a_check_asks_for_the_host_that_it_is_told(tmp_path: Path, host: str, well: bool) -> None:
    """An instance that serves one host only is well by that one, and no other."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        status = 200 if b"host: shop.example.com\r\n" in head.lower() else 421
        writer.write(f"HTTP/1.1 {status} So\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".encode())
        await writer.drain()

    async with answering(answer, "127.0.0.1", port := free_port()):
        check = {"http": "/health", "host": host, **CHECK}
        with Mesh(tmp_path, make_catalog([f"127.0.0.1:{port}"], health_check=check)) as mesh:
            assert await checked(await mesh.start_gateway(), f"127.0.0.1:{port}") is well


async def test_a_tcp_check_wants_a_connection(tmp_path: Path) -> None:
    """Whatever the endpoint would answer; one that nobody listens at is not well."""
    dead = f"127.0.0.1:{free_port()}"
    async with scripted_instance(500) as address:
        with Mesh(tmp_path, make_catalog([address, dead], health_check={"tcp": True, **CHECK})) as mesh:
            envoy = await mesh.start_gateway()
            assert await checked(envoy, address)
            assert not await checked(envoy, dead)


@pytest.mark.parametrize(("service", "well"), [("", True), ("no.such.Service", False)])
async def test_a_grpc_check_asks_the_health_service(tmp_path: Path, service: str, well: bool) -> None:
    """For the server as a whole, or for one service: here it is the control plane's own."""
    with Mesh(tmp_path, make_catalog([])) as mesh:
        await mesh.control_plane.ready()
        address = mesh.control_plane.address
        mesh.write(make_catalog([address], protocol="grpc", health_check={"grpc": service, **CHECK}))
        await until(lambda: mesh.log("catalog changed"))
        assert await checked(await mesh.start_gateway(), address) is well


@pytest.mark.parametrize(
    ("status", "detection", "limit"),
    [
        (503, {}, 5),
        (500, {}, None),
        (500, {"consecutive_5xx": 3}, 3),
        (503, {"consecutive_failures": 2}, 2),
        (503, "off", None),
    ],
)
async def test_an_endpoint_that_fails_is_taken_out(
    tmp_path: Path, instances: list[Instance], status: int, detection: Any, limit: int | None
) -> None:
    """After so many failures in a row it gets nothing more; a 500 counts only if asked for, and `off` never."""
    async with scripted_instance(status) as failing:
        catalog = make_catalog([failing, instances[0].address], retries=0, outlier_detection=detection)
        with Mesh(tmp_path, catalog) as mesh:
            envoy = await mesh.start_gateway()
            load = mesh.load()
            await load.send(40 if limit is None else 2 * limit)
            assert len(load.failures) == (20 if limit is None else limit)
            if limit is not None:
                await until(lambda: not envoy.admin.hosts("api-service")[failing].healthy)
                await settled(envoy)
                await load.send(20)
                assert len(load.failures) == limit


async def test_an_endpoint_comes_back(tmp_path: Path, instances: list[Instance]) -> None:
    """After the time that the catalog says."""
    detection = {"consecutive_failures": 1, "interval": "100ms", "base_ejection_time": "1s"}
    async with scripted_instance(503) as failing:
        catalog = make_catalog([failing, instances[0].address], retries=0, outlier_detection=detection)
        with Mesh(tmp_path, catalog) as mesh:
            envoy = await mesh.start_gateway()
            start = time.monotonic()
            await mesh.load(100).send(4)
            await until(lambda: not envoy.admin.hosts("api-service")[failing].healthy)
            await until(lambda: envoy.admin.hosts("api-service")[failing].healthy)  # Envoy's own time is 30 s
            assert time.monotonic() - start > 0.9
