"""What becomes of open TCP connections when their endpoint leaves: the facts that the catalog's document states."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.envoy_server.mesh import Mesh, answering, settled, until
from xds.cli.demo.processes import free_port

CHECK = {"tcp": True, "interval": "100ms", "timeout": "90ms", "healthy_threshold": 1, "unhealthy_threshold": 1}
CLOSE = {"cluster": {"close_connections_on_host_health_failure": True}}


def make_catalog(*endpoints: Any, **fields: Any) -> str:
    """Return a catalog of the TCP service `db` behind a gateway."""
    gateway = {"address": "127.0.0.1", "port": "GATEWAY", "routes": [{"to": "db"}]}
    services = {"db": {"protocol": "tcp", "endpoints": list(endpoints), **fields}}
    return json.dumps({"services": services, "gateways": {"edge": gateway}}).replace('"GATEWAY"', "GATEWAY")


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back each line."""
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()


class Client:
    """One connection through the gateway."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def is_open(self) -> bool:
        """Whether a line comes back."""
        try:
            self.writer.write(b"x\n")
            return await self.reader.readline() == b"x\n"
        except ConnectionError:
            return False


@asynccontextmanager
async def connected(mesh: Mesh) -> AsyncIterator[Client]:
    """Open a connection through the gateway, and send a line over it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", mesh.gateway_port)
    client = Client(reader, writer)
    assert await client.is_open()
    yield client
    writer.close()


@pytest.mark.parametrize("how", ["removed", "drained", "unhealthy"])
async def test_a_connection_outlives_its_endpoint_in_the_catalog(tmp_path: Path, how: str) -> None:
    """An endpoint that is removed, drained or unhealthy by hand gets no new connection and keeps those that it has.

    Neither of the fields of a Cluster that close connections changes that.
    """
    raw = {"cluster": {**CLOSE["cluster"], "common_lb_config": {"close_connections_on_host_set_change": True}}}
    ports = free_port(), free_port()
    old, new = (f"127.0.0.1:{port}" for port in ports)
    left = {"removed": [], "drained": [{"address": old, "drain": True}]}
    rest = left.get(how, [{"address": old, "health": "unhealthy"}])
    async with AsyncExitStack() as stack:
        for port in ports:
            await stack.enter_async_context(answering(echo, "127.0.0.1", port))
        mesh = stack.enter_context(Mesh(tmp_path, make_catalog(old, envoy=raw)))
        envoy = await mesh.start_gateway()
        client = await stack.enter_async_context(connected(mesh))
        await mesh.take(make_catalog(*rest, new, envoy=raw))
        await until(lambda: new in envoy.admin.hosts("db"))
        await settled(envoy)
        assert await client.is_open()


@pytest.mark.parametrize("closes", [True, False])
async def test_a_failed_check_closes_connections_if_the_cluster_says_so(tmp_path: Path, *, closes: bool) -> None:
    """The endpoint still answers; its health check at another port fails."""
    port, check_port = free_port(), free_port()
    address, check = f"127.0.0.1:{port}", {**CHECK, "port": check_port}
    catalog = make_catalog(address, health_check=check, **({"envoy": CLOSE} if closes else {}))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(answering(echo, "127.0.0.1", port))
        checked = await stack.enter_async_context(AsyncExitStack())
        await checked.enter_async_context(answering(echo, "127.0.0.1", check_port))
        mesh = stack.enter_context(Mesh(tmp_path, catalog))
        envoy = await mesh.start_gateway()
        await until(lambda: envoy.admin.hosts("db")[address].healthy)
        await settled(envoy)
        client = await stack.enter_async_context(connected(mesh))
        await checked.aclose()
        await until(lambda: not envoy.admin.hosts("db")[address].healthy)
        await settled(envoy)
        assert await client.is_open() is not closes
