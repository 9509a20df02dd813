"""Host names whose addresses change: Envoy asks a DNS server that the test runs."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from tests.envoy_server.mesh import Mesh, answering, make_catalog, send, until
from xds.catalog.text.addresses import Listen
from xds.cli.demo.processes import Envoy, free_port, start_envoy
from xds.resources.bootstrap.bootstrap import ApiType, build_bootstrap
from xds.resources.decode import decode_message

TTL = 600
"""The TTL of answers in seconds, as in Docker's DNS."""

A, AAAA = 1, 28


class Names(asyncio.DatagramProtocol):
    """A DNS server that answers for every name with the addresses in `addresses`, of both families."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport for the answers."""
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer a question for A or AAAA records. Any other question gets an empty answer."""
        end = data.index(b"\0", 12) + 5
        kind = struct.unpack("!H", data[end - 4 : end - 2])[0]
        family = {A: socket.AF_INET, AAAA: socket.AF_INET6}.get(kind)
        wanted = [one for one in self.addresses if family == (socket.AF_INET6 if ":" in one else socket.AF_INET)]
        records = [socket.inet_pton(family, address) for address in wanted] if family else []
        # The name is a reference to the question, which starts at byte 12.
        answers = [struct.pack("!HHHIH", 0xC00C, kind, 1, TTL, len(record)) + record for record in records]
        header = data[:2] + struct.pack("!HHHHH", 0x8180, 1, len(answers), 0, 0)
        self.transport.sendto(header + data[12:end] + b"".join(answers), addr)


@asynccontextmanager
async def instance(address: str, port: int) -> AsyncIterator[None]:
    """Run an instance whose name is its address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (await reader.readline()).strip():
            pass
        body = json.dumps({"instance": address})
        writer.write(f"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()

    async with answering(answer, address, port):
        yield


async def start_gateway(mesh: Mesh, folder: Path, resolver: int) -> Envoy:
    """Start the gateway's Envoy, which resolves names at this loopback port."""
    await mesh.control_plane.ready()
    host, _, port = mesh.control_plane.address.rpartition(":")
    server, admin = Listen(host, int(port)), Listen("127.0.0.1", 0)
    bootstrap = decode_message(build_bootstrap("edge-1", "edge", server, admin, ApiType.DELTA))
    bootstrap["typed_dns_resolver_config"] = {
        "name": "envoy.network.dns_resolver.cares",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
            "resolvers": [{"socket_address": {"address": "127.0.0.1", "port_value": resolver}}],
        },
    }
    envoy = mesh.children.enter_context(start_envoy(json.dumps(bootstrap), folder, name="edge-1"))
    await envoy.ready()
    await envoy.listening(f"127.0.0.1:{mesh.gateway_port}")
    return envoy


async def test_envoy_follows_changed_addresses_whatever_their_ttl(tmp_path: Path) -> None:
    """With `dns_refresh`, Envoy resolves a name again and again. Requests go to all current addresses."""
    one, two, three = "127.0.0.1", "127.0.0.2", "127.0.0.3"
    port, resolver = free_port(), free_port()
    names = Names(one, two)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: names, ("127.0.0.1", resolver))
    async with AsyncExitStack() as stack:
        stack.callback(transport.close)
        for address in (one, two, three):
            await stack.enter_async_context(instance(address, port))
        with Mesh(tmp_path, make_catalog([f"api.example.com:{port}"], dns_refresh="200ms")) as mesh:
            envoy = await start_gateway(mesh, tmp_path, resolver)
            assert await send(mesh.load(), 40) == {one: 20, two: 20}
            names.addresses = (two, three)
            await until(lambda: {host.rpartition(":")[0] for host in envoy.admin.hosts("api-service")} == {two, three})
            assert await send(mesh.load(), 40) == {two: 20, three: 20}


@pytest.mark.parametrize("listening", ["::1", "127.0.0.1"])
async def test_a_name_with_ipv4_and_ipv6_uses_the_family_that_answers(tmp_path: Path, listening: str) -> None:
    """With `dns: logical`, Envoy tries both, one after the other (happy eyeballs). No request fails."""
    port, resolver = free_port(), free_port()
    names = Names("127.0.0.1", "::1")
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: names, ("127.0.0.1", resolver))
    async with AsyncExitStack() as stack:
        stack.callback(transport.close)
        await stack.enter_async_context(instance(listening, port))
        fields = {"dns": "logical", "retries": 0, "outlier_detection": "off"}
        with Mesh(tmp_path, make_catalog([f"api.example.com:{port}"], **fields)) as mesh:
            await start_gateway(mesh, tmp_path, resolver)
            assert await send(mesh.load(), 20) == {listening: 20}
