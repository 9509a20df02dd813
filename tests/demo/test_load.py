"""The load counts every request that it sends, whatever the result."""

import asyncio
import time
from pathlib import Path

import pytest

from xds.cli.demo.load import Load
from xds.cli.demo.processes import await_until, free_port, start_instance


async def test_every_request_is_counted_by_the_instance_that_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are as many answers as requests. The load ignores a proxy in the environment."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    with start_instance("api-1", free_port(), tmp_path) as instance:
        await instance.ready()
        load = Load(f"http://{instance.address}/api/data", rate=500)
        await load.send(20)
        assert load.failures == []
        assert load.counts(["api-1", "api-2"]) == [20, 0]
        assert load.counts(["api-1"], since=time.monotonic()) == [0]
        assert 0 < load.percentile(0.5) <= load.percentile(0.99)


async def test_failures_are_reported_and_counted_for_no_instance(tmp_path: Path) -> None:
    """A refused connection and a 404 are failures. Neither stops the load."""
    with start_instance("api-1", free_port(), tmp_path) as instance:
        await instance.ready()
        missing = Load(f"http://{instance.address}/nowhere", rate=500)
        await missing.send(2)
    assert [failure[:3] for failure in missing.failures] == ["404", "404"]
    refused = Load(f"http://{instance.address}/api/data", rate=500)
    await refused.send(2)
    assert [failure.startswith("ConnectionRefusedError") for failure in refused.failures] == [True, True]
    assert refused.counts(["api-1"]) == [0]


async def test_a_load_without_a_number_runs_until_the_event(tmp_path: Path) -> None:
    """It ends after the event is set and the last answer has come."""
    with start_instance("api-1", free_port(), tmp_path) as instance:
        await instance.ready()
        load, done = Load(f"http://{instance.address}/api/data", rate=200), asyncio.Event()
        sending = asyncio.create_task(load.send(until=done))
        await await_until(lambda: len(load.answers) >= 10, 10)
        done.set()
        await sending
        assert load.failures == []
        assert load.counts(["api-1"]) == [len(load.answers)]
