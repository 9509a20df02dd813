"""A fault of ours in one document holds up no other, is an error in the status, and is tried again."""

from pathlib import Path
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs

from tests.cli.asking import run
from tests.server.editing import EDGE, editing, write
from tests.server.serving import DELTA_ADS, delta, read_delta
from xds.catalog.assembly import workspace
from xds.catalog.reading.fragment import parse_fragment
from xds.cli.demo.processes import await_until
from xds.resources import inventory
from xds.resources.view import NodeKind, NodeView
from xds.server import failures
from xds.server.streams.ads import AdsServicer
from xds.server.streams.faults import FAULT_SECONDS, MAX_KINDS, Faults
from xds.server.streams.stream import Stream
from xds.session.order import UpdateOrder
from xds.snapshot.store import SnapshotStore
from xds.sources.document import Document
from xds.sources.files.watch import FileSource


def break_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the parser fail for a document that names `bad`."""

    def parse(document: Document) -> object:
        if b"bad" in (document.content or b""):
            raise KeyError("a bug")
        return parse_fragment(document)

    monkeypatch.setattr(workspace, "parse_fragment", parse)


def break_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the translation fail for a service `bad`, after the catalog was taken."""
    real = inventory._Builder.build

    def build(self: Any, name: str) -> None:
        if name == "bad":
            raise KeyError("a bug")
        real(self, name)

    monkeypatch.setattr(inventory._Builder, "build", build)


def break_push(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the push fail for an inventory with a service `bad`, as a view that cannot be built does."""
    real = AdsServicer.publish

    async def publish(self: AdsServicer, changed: inventory.Inventory) -> int:
        if "bad" in changed.catalog.services:
            raise KeyError("a bug")
        return await real(self, changed)

    monkeypatch.setattr(AdsServicer, "publish", publish)


def digest(path: Path) -> str:
    """Return the digest of a catalog."""
    source = FileSource(path)
    source.read()
    return source.digest


@pytest.mark.parametrize("break_it", [break_parse, break_build, break_push])
async def test_a_document_that_meets_a_bug_is_not_taken_and_the_others_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, break_it: Any
) -> None:
    """The digest is not that of the files, `--wait` and `xds status` fail, and once the bug is gone all is served."""
    monkeypatch.setattr(failures, "FIRST_RETRY_S", 0.05)
    monkeypatch.setattr(failures, "MAX_RETRY_S", 0.1)
    with capture_logs() as logs:
        async with editing(tmp_path / "catalog", {"a": write("s0", "a"), "edge": EDGE}) as mesh:
            with monkeypatch.context() as broken:
                break_it(broken)
                mesh.save(b=write("bad"), a=write("s0", "a", weight=5), c=write("c"), d=write("d"))
                status = await mesh.until(lambda status: status["failed_files"])
                assert mesh.served == ["a", "c", "d", "edge", "s0"]
                assert status["failed_files"] == [str(mesh.folder / "b.yaml")]
                assert status["catalog"]["ok"] is False
                assert status["catalog"]["digest"] != digest(mesh.folder)
                mesh.save(e=write("e"))
                status = await mesh.until(lambda status: status["catalog"]["services"] == 5)
                assert status["catalog"]["digest"] != digest(mesh.folder)
                code, printed, _ = await run("status", "--admin", mesh.address)
                assert (code, "not served through a bug in xds" in printed) == (1, True)
                wait = ("--wait", "60", "--catalog", str(mesh.folder))
                code, _, said = await run("status", "--admin", mesh.address, *wait)
                assert (code, "1 file met a bug in xds" in said) == (1, True)
            status = await mesh.until(lambda status: status["catalog"]["ok"])
            assert mesh.served == ["a", "bad", "c", "d", "e", "edge", "s0"]
            assert status["catalog"]["digest"] == digest(mesh.folder)
    told = [line for line in logs if "NOT APPLIED" in line["event"]]
    assert [line["files"] for line in told] == [[str(tmp_path / "catalog" / "b.yaml")]]


async def test_a_node_whose_view_meets_a_bug_is_told_and_is_an_error_until_it_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its stream ends with a reason, and the log has one line without a traceback. Other nodes are served."""
    real = SnapshotStore._build_view

    def build(self: SnapshotStore, kind: NodeKind) -> NodeView:
        if kind.cluster == "edge":
            raise KeyError("a bug")
        return real(self, kind)

    async with (
        editing(tmp_path / "catalog", {"a": write("s0"), "edge": EDGE}) as mesh,
        grpc.aio.insecure_channel(f"127.0.0.1:{mesh.control_plane.port}") as channel,
    ):

        async def connect(cluster: str) -> Any:
            call: Any = channel.stream_stream(DELTA_ADS)()
            await call.write(delta(cluster=cluster))
            return call

        with capture_logs() as logs, monkeypatch.context() as broken:
            broken.setattr(SnapshotStore, "_build_view", build)
            refused = await connect("edge")
            assert await refused.code() is grpc.StatusCode.INTERNAL
            assert await refused.details() == "a bug in xds: its log has the error"
            other = await connect("s0")
            await read_delta(other)
            [line] = [one for one in logs if one["log_level"] == "error"]
            assert (line["cluster"], line["error"]) == ("edge", "KeyError('a bug')")
            assert (await mesh.status())["failed_clusters"] == ["edge"]
            code, printed, _ = await run("status", "--admin", mesh.address)
            assert (code, "through a bug in xds, see its log: edge" in printed) == (1, True)
            code, _, said = await run("status", "--admin", mesh.address, "--wait", "0")
            assert (code != 0, "1 cluster met a bug in xds" in said) == (True, True)
        mended = await connect("edge")
        await read_delta(mended)
        assert (await mesh.status())["failed_clusters"] == []


@pytest.mark.parametrize(("kind", "method"), [(UpdateOrder, "begin"), (Stream, "recall")])
async def test_a_node_that_meets_a_bug_at_its_first_request_holds_no_view(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type, method: str
) -> None:
    """Otherwise every further try would keep one more stream that is gone."""

    def fail(*_arguments: object, **_named: object) -> None:
        raise KeyError("a bug")

    async with (
        editing(tmp_path / "catalog", {"a": write("s0")}) as mesh,
        grpc.aio.insecure_channel(f"127.0.0.1:{mesh.control_plane.port}") as channel,
    ):
        monkeypatch.setattr(kind, method, fail)
        call: Any = channel.stream_stream(DELTA_ADS)()
        await call.write(delta(cluster="s0"))
        assert await call.code() is grpc.StatusCode.INTERNAL
        ads = mesh.control_plane._ads
        await await_until(lambda: not ads.store._views and not [*ads.streams()], 10)


def test_a_fault_counts_while_nodes_try_again() -> None:
    """Nodes that are gone, or that come in ever new kinds, leave no fault for ever."""
    now = 0.0
    faults = Faults(lambda: now)
    for number in range(2 * MAX_KINDS):
        faults.note(NodeKind(f"c{number:03}"))
    assert faults.clusters == [f"c{number:03}" for number in range(MAX_KINDS, 2 * MAX_KINDS)]
    now = FAULT_SECONDS
    faults.note(NodeKind("c199"))
    assert faults.clusters == ["c199"]
    faults.mend(NodeKind("c199"))
    assert faults.clusters == []


async def test_a_document_that_is_mended_is_taken_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not wait until it would be tried again."""
    monkeypatch.setattr(failures, "FIRST_RETRY_S", 1000.0)
    break_parse(monkeypatch)
    async with editing(tmp_path / "catalog", {"a": write("s0", "a"), "edge": EDGE}) as mesh:
        mesh.save(a=write("s0", "bad"))
        await mesh.until(lambda status: status["failed_files"])
        mesh.save(a=write("s0", "a", "good"))
        status = await mesh.until(lambda status: status["catalog"]["ok"])
        assert mesh.served == ["a", "edge", "good", "s0"]
        assert status["catalog"]["digest"] == digest(mesh.folder)
