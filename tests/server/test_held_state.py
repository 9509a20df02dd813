"""What nodes refused: the server remembers it when their streams end, and on disk when it stops itself."""

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.server.administered import Administered, Sidecar, administered
from xds.catalog.model.locality import NOWHERE, Locality
from xds.cli.demo.processes import await_until
from xds.resources.resource import encode_resource
from xds.resources.view import NodeKind
from xds.server.held_state import HeldState
from xds.server.streams import memories as memories_module
from xds.server.streams.memories import Memories, NodeStream
from xds.session.memory import Drain, Memory
from xds.session.subscription import Nack
from xds.wire import CLUSTER, LISTENER

OLD = "services: {kept: {endpoints: ['127.0.0.1:1']}, old: {endpoints: ['127.0.0.1:2']}}\n"
NEW = OLD.replace("old:", "new:")
EDGE = NodeStream("edge-1", NodeKind("edge"))
ZONED = NodeStream("web-1", NodeKind("web", grpc=True, locality=Locality("eu", "eu-1")), LISTENER)
ONE = encode_resource(LISTENER, "l", b"one")
REFUSED = Memory(
    {LISTENER: {"m": "1"}},
    {LISTENER: frozenset({"m"})},
    {LISTENER: {"k": encode_resource(LISTENER, "k", b"two", ttl_ms=5)}},
    {LISTENER: {"l": ONE}},
    (Nack(LISTENER, "no", ("m",)),),
)
DRAINING = Memory({}, {}, {}, {LISTENER: {"l": ONE}}, drains=(Drain(3, (ONE,), 1.5), Drain(4, (), 2.5)))


async def refuse_new(admin: Administered) -> Sidecar:
    """Return a sidecar that has the old services and refuses the one in the place of `old`."""
    sidecar = admin.connect(cluster="anyone")
    await sidecar.take()
    await admin.serving.edit(NEW)
    assert [one.name for one in (await sidecar.read()).resources] == ["new"]
    await sidecar.refuse("new: no")
    await admin.until("NACKED")
    return sidecar


async def leave(admin: Administered, sidecar: Sidecar) -> None:
    """End a sidecar's stream."""
    sidecar.call.cancel()
    await await_until(lambda: not [*admin.serving.servicer.streams()], 10)


async def names_of_first(sidecar: Sidecar) -> list[str]:
    """Return the names of all clusters that a new stream is sent."""
    return sorted(one.name for one in (await sidecar.ask()).resources)


async def test_a_stream_begins_with_what_the_last_one_of_its_node_kept() -> None:
    """Also one that does not answer. Other nodes have what is in the catalog."""
    async with administered(OLD) as admin:
        await leave(admin, await refuse_new(admin))
        for _ in range(2):
            back = admin.connect(cluster="anyone")
            assert await names_of_first(back) == ["kept", "new", "old"]
            await leave(admin, back)
        assert await names_of_first(admin.connect("web-2", "anyone")) == ["kept", "new"]


async def test_what_is_corrected_is_forgotten() -> None:
    """The client accepts the new service."""
    async with administered(OLD) as admin:
        sidecar = await refuse_new(admin)
        await admin.serving.edit(NEW.replace("new: {", "new: {balance: random, "))
        await sidecar.read()
        assert len(admin.serving.servicer.shared.memories.lasting) == 0
        await sidecar.accept()
        assert [*(await sidecar.read()).removed_resources] == ["old"]
        await sidecar.accept()
        await admin.until("SYNCED")
        await leave(admin, sidecar)
        assert await names_of_first(admin.connect(cluster="anyone")) == ["kept", "new"]


async def test_it_is_forgotten_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """The node does not come back."""
    async with administered(OLD) as admin:
        await leave(admin, await refuse_new(admin))
        monkeypatch.setattr(memories_module, "KEEP_SECONDS", 0.0)
        assert await names_of_first(admin.connect(cluster="anyone")) == ["kept", "new"]


async def test_a_refusal_of_an_earlier_stream_is_told_and_then_settled() -> None:
    """The server may have been started again between the two."""
    async with administered(OLD) as admin:
        await leave(admin, await refuse_new(admin))
        back = admin.connect(cluster="anyone")
        await back.ask()
        await back.refuse("new: still no")
        await admin.until("NACKED")
        [client] = (await admin.get("/status"))["clients"]
        assert [(one["name"], one["reason"], one["refused"]) for one in client["held"]][:1] == [
            ("old", "refused", ["Cluster new"])
        ]


async def test_memories_are_read_from_the_file_as_they_were(tmp_path: Path) -> None:
    """Nodes share resources there. When nothing is kept any more, there is no file."""
    path = tmp_path / "data" / "x.held"
    state, kept = HeldState(path), Memories()
    state.begin(kept)
    for key in (EDGE, ZONED):
        kept.put(key, REFUSED, None)
    await state.stop()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().count(ONE.version) == 1
    again, read = HeldState(path), Memories()
    with capture_logs() as logs:
        again.begin(read)
    assert read.lasting == {EDGE: REFUSED, ZONED: REFUSED}
    assert [line["nodes"] for line in logs] == [["edge-1", "web-1"]]
    for key in (EDGE, ZONED):
        read.put(key, None, None)
    await again.stop()
    assert not path.exists()


async def test_a_drain_is_stored(tmp_path: Path) -> None:
    """Nobody has refused anything, so that nothing is said of it."""
    path = tmp_path / "x.held"
    state, kept = HeldState(path), Memories()
    state.begin(kept)
    kept.put(EDGE, DRAINING, None)
    await state.stop()
    read = Memories()
    with capture_logs() as logs:
        HeldState(path).begin(read)
    assert read.lasting == {EDGE: DRAINING}
    assert logs == []


async def test_what_waits_for_an_answer_is_not_stored(tmp_path: Path) -> None:
    """It changes with each edit, and matters for milliseconds."""
    path = tmp_path / "x.held"
    state, kept = HeldState(path), Memories()
    state.begin(kept)
    kept.put(EDGE, Memory({}, {}, {}, {LISTENER: {"l": ONE}}), None)
    await state.stop()
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 1, "resources": [], "nodes": [{}]}'])
async def test_a_damaged_file_is_not_used(tmp_path: Path, content: bytes) -> None:
    """The server starts without it, and says so."""
    path = tmp_path / "x.held"
    path.write_bytes(content)
    kept = Memories()
    with capture_logs() as logs:
        HeldState(path).begin(kept)
    assert kept.lasting == {}
    assert [line["log_level"] for line in logs] == ["error"]


async def test_a_file_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    """The server goes on."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    state, kept = HeldState(blocked / "x.held"), Memories()
    with capture_logs() as logs:
        state.begin(kept)
        kept.put(EDGE, REFUSED, None)
        await state.stop()
    events = [line["event"] for line in logs if line["log_level"] == "warning"]
    assert events == ["what nodes refused cannot be stored: name a folder with --data, or write --no-data"]


def test_few_memories_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that changed last."""
    monkeypatch.setattr(memories_module, "MAX_MEMORIES", 2)
    kept = Memories()
    keys: list[Any] = [NodeStream(f"n{number}", NodeKind("edge", locality=NOWHERE)) for number in range(3)]
    for key in keys:
        kept.put(key, REFUSED, None)
    assert [*kept.lasting] == keys[1:]
    assert {CLUSTER, LISTENER} >= kept.lasting[keys[1]].refused.keys()
