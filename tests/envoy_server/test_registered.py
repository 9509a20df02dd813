"""Services that register themselves over Consul's HTTP API, behind a real Envoy."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import consul

from tests.envoy_server.mesh import Mesh, send, settled, under, until
from xds.cli.demo.load import Load
from xds.cli.demo.processes import Instance, free_port

CATALOG = """\
services:
  api-service: {endpoints: registered}
gateways:
  edge: {address: 127.0.0.1, port: GATEWAY, routes: [{prefix: /, to: api-service}]}
"""


class RegisteringMesh(Mesh):
    """A mesh whose control plane has a registry."""

    def __init__(self, folder: Path, catalog: str) -> None:
        self.registry_port = free_port()
        self.options = ("--drain-time", "0", "--registry", f"127.0.0.1:{self.registry_port}")
        super().__init__(folder, catalog)


def address(instance: Instance) -> tuple[str, int]:
    """Return where an instance listens."""
    host, _, port = instance.address.rpartition(":")
    return host, int(port)


def seen(load: Load, last: int = 60) -> set[str]:
    """Return the instances that answered lately."""
    return {answer.instance for answer in load.answers[-last:]}


async def test_instances_register_are_balanced_drain_and_deregister_without_a_failed_request(
    tmp_path: Path, instances: list[Instance]
) -> None:
    """One is in maintenance, and one leaves, both under load."""
    names = [instance.name for instance in instances]
    with RegisteringMesh(tmp_path, CATALOG) as mesh:
        envoy = await mesh.start_gateway()
        client: Any = consul.Consul(host="127.0.0.1", port=mesh.registry_port)
        agent = client.agent

        def register() -> None:
            for instance in instances:
                check = consul.Check.ttl("1h")
                agent.service.register("api-service", instance.name, *address(instance), check=check)
                agent.check.ttl_pass(f"service:{instance.name}")

        await asyncio.to_thread(register)
        load = mesh.load()
        await answering(load, {*names})
        await settled(envoy)
        load.answers.clear()
        assert await send(load, 60) == dict.fromkeys(names, 20)
        load.answers.clear()
        async with under(load):
            await asyncio.to_thread(agent.service.maintenance, names[0], True)
            await until(lambda: seen(load) == {*names[1:]})
            await asyncio.to_thread(agent.service.maintenance, names[0], False)
            await until(lambda: seen(load) == {*names})
            await asyncio.to_thread(agent.service.deregister, names[1])
            await until(lambda: seen(load) == {names[0], names[2]})


async def answering(load: Load, expected: set[str]) -> None:
    """Wait until the gateway's requests reach these instances. Before, there may be none."""
    async with asyncio.timeout(20):
        while True:
            load.answers.clear()
            await load.send(12)
            if Counter(answer.instance for answer in load.answers).keys() == expected:
                return
