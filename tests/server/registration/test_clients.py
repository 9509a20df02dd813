"""Clients of Consul as they come from PyPI, unmodified: they register, ask, wait and deregister."""

import asyncio
from typing import Any

import consul

from tests.server.registration.asking import asking


def use(port: int) -> None:
    """Do what a service and a discovery client do with py-consul."""
    client: Any = consul.Consul(host="127.0.0.1", port=port)
    check = consul.Check.http("http://127.0.0.1:5000/api/data", interval="10s", timeout="2s", deregister="10m")
    register = client.agent.service.register
    for number in (1, 2):
        register("api-service", f"api-{number}", "127.0.0.1", 5000 + number, tags=["v1"], check=check)
    register("job", "job-1", port=7, check=consul.Check.ttl("1h"), weights={"Passing": 3, "Warning": 1})
    assert sorted(client.agent.services()) == ["api-1", "api-2", "job-1"]
    assert client.catalog.services()[1] == {"api-service": ["v1"], "job": []}
    index, nodes = client.health.service("api-service", tag="v1")
    assert [node["Service"]["Port"] for node in nodes] == [5001, 5002]
    assert client.health.service("api-service", passing=True)[1] == []
    assert client.agent.check.ttl_pass("service:job-1", notes="fine")
    assert client.health.service("job", passing=True)[1][0]["Service"]["Weights"] == {"Passing": 3, "Warning": 1}
    client.agent.service.maintenance("job-1", True, reason="a test")
    assert [one["Status"] for one in client.health.checks("job")[1]] == ["critical", "passing"]
    client.agent.service.maintenance("job-1", False)
    waited, _ = client.health.service("api-service", index=index, wait="20ms")
    assert waited == index
    assert client.agent.service.deregister("api-1")
    later, nodes = client.health.service("api-service", index=index, wait="10s")
    assert (int(later) > int(index), [node["Service"]["ID"] for node in nodes]) == (True, ["api-2"])
    service = {"Service": "db", "ID": "db-1", "Port": 5432}
    client.catalog.register("legacy", "10.0.0.9", service=service)
    assert [node["Address"] for node in client.catalog.service("db")[1]] == ["10.0.0.9"]
    client.catalog.deregister("legacy", service_id="db-1")
    assert client.status.leader().startswith("127.0.0.1:")


async def test_py_consul_registers_and_finds_services() -> None:
    """As with a real Consul."""
    async with asking() as asked:
        await asyncio.to_thread(use, asked.port)
