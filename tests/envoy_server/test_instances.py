"""A real Envoy balances over endpoints from a source beside the catalog."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from tests.envoy_server.mesh import send, under, until
from tests.server.providing import MemorySource, provided
from xds.catalog.text.addresses import Listen
from xds.cli.demo.load import Load
from xds.cli.demo.processes import Instance, free_port, start_envoy
from xds.resources.bootstrap.bootstrap import ApiType, build_bootstrap
from xds.resources.decode import decode_message

CATALOG = """\
services:
  api-service: {{balance: weighted}}
gateways:
  edge: {{address: 127.0.0.1, port: {port}, routes: [{{prefix: /, to: api-service}}]}}
"""


def item(instance: Instance, weight: int = 1) -> dict[str, object]:
    """Return an instance as a provider sends it."""
    return {"address": instance.address, "weight": weight}


@asynccontextmanager
async def mesh(folder: Path, source: MemorySource) -> AsyncIterator[Load]:
    """Run a control plane that follows a source, and a gateway. Yield a client of the gateway."""
    port = free_port()
    async with provided(folder, CATALOG.format(port=port), source) as control_plane:
        server, admin = Listen("127.0.0.1", control_plane.port), Listen("127.0.0.1", 0)
        bootstrap = build_bootstrap("edge-1", "edge", server, admin, ApiType.DELTA)
        with ExitStack() as children:
            envoy = children.enter_context(start_envoy(json.dumps(decode_message(bootstrap)), folder, name="edge-1"))
            await envoy.listening(f"127.0.0.1:{port}")
            yield Load(f"http://127.0.0.1:{port}/api/data", 400)


async def test_instances_are_balanced_by_weight_and_come_and_go_under_load(
    tmp_path: Path, instances: list[Instance]
) -> None:
    """There are first none, then two with weights, and then one leaves under load. No request fails."""
    first, second, _ = instances
    source = MemorySource()
    async with mesh(tmp_path, source) as load:
        source.say({("api-service", one.name): item(one) for one in (first, second)}, full=True)
        await settle(load, {first.name: 4, second.name: 4})
        source.say({("api-service", first.name): item(first, 3)})
        await settle(load, {first.name: 6, second.name: 2})
        assert await send(load, 200) == {first.name: 150, second.name: 50}
        async with under(load):
            source.say({("api-service", first.name): None})
            await until(lambda: {answer.instance for answer in load.answers[-50:]} == {second.name})


async def settle(load: Load, expected: dict[str, int]) -> None:
    """Wait until 8 requests have the expected answers, and then discard the answers."""
    async with asyncio.timeout(20):
        while True:
            load.answers.clear()
            await load.send(8)
            if Counter(answer.instance for answer in load.answers) == expected:
                load.answers.clear()
                return
