"""The load: what is sent is what is counted, whatever becomes of it."""

import asyncio
import time
from pathlib import Path

import pytest

from xds.cli.demo.load import Load
from xds.cli.demo.processes import await_until, free_port, start_instance


async def test_every_request_is_counted_by_who_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many answers as requests, none through the proxy that the environment names."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    with start_instance("api-1", free_port(), tmp_path) as instance:
        await instance.ready()
        load = Load(f"http://{instance.address}/api/data", rate=500)
        await load.send(20)
        assert load.failures == []
        assert load.counts(["api-1", "api-2"]) == [20, 0]
        assert load.counts(["api-1"], since=time.monotonic()) == [0]
        assert 0 < load.percentile(0.5) <= load.percentile(0.99)


async def test_what_fails_is_told_and_answers_nobody(tmp_path: Path) -> None:
    """A refused connection and a status of 404 are failures; neither stops the load."""
    with start_instance("api-1", free_port(), tmp_path) as instance:
        await instance.ready()
        missing = Load(f"http://{instance.address}/nowhere", rate=500)
        await missing.send(2)
    assert [failure[:3] for failure in missing.failures] == ["404", "404"]
    refused = Load(f"http://{instance.address}/api/data", rate=500)
    await refused.send(2)
    assert [failure.startswith("ConnectError") for failure in refused.failures] == [True, True]
    assert refused.counts(["api-1"]) == [0]


async def test_load_goes_on_until_the_event(tmp_path: Path) -> None:
    """Without a number of requests, it ends when it is told to, and after the last answer."""
    with start_instance("api-1", free_port(), tmp_path) as instance:
        await instance.ready()
        load, done = Load(f"http://{instance.address}/api/data", rate=200), asyncio.Event()
        sending = asyncio.create_task(load.send(until=done))
        await await_until(lambda: len(load.answers) >= 10, 10)
        done.set()
        await sending
        assert load.failures == []
        assert load.counts(["api-1"]) == [len(load.answers)]
