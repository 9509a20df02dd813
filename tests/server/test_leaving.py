"""Clients leave while others ask about them: nothing touches a call after its end."""

import asyncio

import pytest

from tests.server.administered import administered
from tests.server.serving import NODE, delta, make_catalog, read_delta, serving
from xds.cli.demo.envoy_admin import http_get
from xds.cli.demo.processes import await_until
from xds.server.clients.ask import describe_clients
from xds.server.clients.status import gather_clients
from xds.server.streams.call import CallEndedError

DELTA_CDS = "/envoy.service.cluster.v3.ClusterDiscoveryService/DeltaClusters"


async def test_a_stream_that_has_ended_is_still_described() -> None:
    """A status that began before the client left is about it, and reads nothing of its call."""
    async with serving(make_catalog("a")) as server:
        call = server.open()
        await call.write(delta())
        await read_delta(call)
        [stream] = server.servicer.streams()
        peer = stream.peer
        call.cancel()
        await await_until(lambda: not list(server.servicer.streams()), 10)
        assert stream.peer == peer
        [client] = gather_clients([stream])
        assert client.node == NODE
        with pytest.raises(CallEndedError):
            await stream._call.write(b"")
        stream.send([])
        stream.end("too late")
        await asyncio.sleep(0)


async def test_clients_leave_while_every_question_is_answered() -> None:
    """All questions about clients are asked without a pause, while 100 clients come and go."""
    async with administered(make_catalog("a")) as admin:
        ended = asyncio.Event()

        async def come_and_go() -> None:
            for _ in range(4):
                calls = [admin.serving.open(DELTA_CDS) for _ in range(100)]
                for call in calls:
                    await call.write(delta())
                await asyncio.gather(*(read_delta(call) for call in calls))
                for call in calls:
                    call.cancel()
                    await asyncio.sleep(0.001)
            ended.set()

        async def ask(path: str) -> int:
            answered = 0
            while not ended.is_set():
                answered += (await asyncio.to_thread(http_get, admin.address, path, 10.0))[0] in (200, 404)
            return answered

        paths = ["/status", "/metrics", "/metrics/endpoints", "/v1/sd/prometheus", "/dump?node=web-1"]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(come_and_go())
            asked = [tasks.create_task(ask(path)) for path in paths]
            while not ended.is_set():
                await describe_clients(admin.serving.servicer)
                await asyncio.sleep(0)
        await await_until(lambda: not list(admin.serving.servicer.streams()), 10)
    assert all(task.result() for task in asked)
