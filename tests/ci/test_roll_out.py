"""From a commit to the mesh: the pipelines' own commands with a real control plane and a real Envoy."""

import fcntl
import hashlib
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.ci.pipelines import MAIN, PIPELINES, PULL_REQUEST, Repository, Run
from tests.warm import start_control_plane
from xds.catalog.text.addresses import Listen
from xds.cli.demo.envoy_admin import http_get
from xds.cli.demo.processes import await_until, free_port, start_envoy
from xds.resources.bootstrap.bootstrap import ApiType, build_bootstrap
from xds.resources.decode import decode_message

NOT_OURS = "192.0.2.1"
"""An address that no machine has (RFC 5737): the checker cannot know that, but Envoy notices it."""


class Site:
    """A mesh of one gateway with a catalog from a repository. `ready` has rolled out the first commit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.catalogs = folder / "srv"
        self.admin = f"127.0.0.1:{free_port()}"
        self.environment = {
            "XDS_CATALOGS": str(self.catalogs),
            "XDS_ADMIN": self.admin,
            "XDS_WAIT": "60",
            "XDS_CLIENTS": "1",
        }
        self.repository = Repository(folder, self.write("one"))
        self.children = ExitStack()

    def write(self, body: str, address: str = "127.0.0.1", word: str = "respond") -> dict[str, str]:
        """Return a catalog whose gateway answers everything with this text."""
        route = f'{{{word}: {{body: "{body}"}}}}'
        gateway = f"{{address: {address}, port: {self.port}, routes: [{route}]}}"
        return {"edge.yaml": f"gateways:\n  edge: {gateway}\n"}

    async def start(self) -> None:
        """Check out the first commit, and start a control plane and an Envoy with it."""
        artifact = self.repository.publish(self.folder / "dist")
        self.first = artifact.rename(self.folder / artifact.name)
        checksum = artifact.with_name(f"{artifact.name}.sha256")
        checksum.rename(self.folder / checksum.name)
        _, output = self.roll_out("--first", str(self.first))
        assert "is in place, without waiting" in output
        options = ["--admin", self.admin]
        self.control_plane = self.children.enter_context(
            start_control_plane(self.catalogs, free_port(), self.folder, *options)
        )
        await self.control_plane.ready()
        host, _, port = self.control_plane.address.rpartition(":")
        place = (Listen(host, int(port)), Listen("127.0.0.1", 0))
        bootstrap = build_bootstrap("edge-1", "edge", *place, ApiType("delta"))
        self.envoy = self.children.enter_context(start_envoy(json.dumps(decode_message(bootstrap)), self.folder))
        await self.envoy.listening(f"127.0.0.1:{self.port}")

    def run(self, pipeline: str, event: str) -> Run:
        """Run a pipeline."""
        return self.repository.run(pipeline, event, self.environment)

    def roll_out(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Run the roll-out command alone."""
        return self.repository.call("ci/roll-out", *arguments, environment={**self.environment, **environment})

    def publish(self, body: str, address: str = "127.0.0.1") -> Path:
        """Commit a catalog and publish it with the command alone. Return the artifact."""
        self.repository.commit(self.write(body, address))
        return self.repository.publish(self.folder / "dist")

    def answer(self) -> str:
        """Return the gateway's answer."""
        return http_get(f"127.0.0.1:{self.port}", "/")[1]

    async def answers(self, body: str) -> None:
        """Wait until the gateway answers so. Envoy accepts a change shortly before its threads use it."""
        await await_until(lambda: self.answer() == body, 20)

    def current(self) -> str:
        """Return the commit that is in use."""
        return (self.catalogs / "current").readlink().name


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """Return a mesh that serves `one`."""
    made = Site(tmp_path)
    with made.children:
        await made.start()
        await made.answers("one")
        yield made


def tamper(artifact: Path, *, checksum: bool = False) -> None:
    """Add a byte to an artifact, on request with a checksum that fits."""
    artifact.write_bytes(artifact.read_bytes() + b"\0")
    if checksum:
        digest = hashlib.sha256(artifact.read_bytes()).hexdigest()
        artifact.with_name(f"{artifact.name}.sha256").write_text(f"{digest}  {artifact.name}\n")


async def test_a_good_change_is_shown_and_then_in_effect(site: Site) -> None:
    """The pull request shows the change and changes nothing. On main, the change is in effect when the job ends."""
    before = site.current()
    commit = site.repository.commit(site.write("two"))
    shown = site.run("github", PULL_REQUEST)
    assert shown.code == 0
    for text in (shown.output, shown.summary):
        assert "ok: 1 gateway in 1 file" in text
        assert "~ RouteConfiguration edge  for edge" in text
    assert (site.current(), site.answer()) == (before, "one")

    old = [site.catalogs / ".releases" / f"{number:040x}" for number in range(12)]
    for number, release in enumerate(old):  # as if they had been rolled out long ago
        release.mkdir()
        os.utime(release, (number, number))
    rolled_out = site.run("github", MAIN)
    assert rolled_out.code == 0
    assert "\nin effect after " in rolled_out.output
    assert rolled_out.summary.endswith(f"{commit} is in effect.\n")
    assert site.current() == commit
    await site.answers("two")
    left = {path.name for path in (site.catalogs / ".releases").iterdir()}
    assert left == {before, commit, *(release.name for release in old[-8:])}  # the last ten


async def test_a_catalog_that_envoy_refuses_is_rolled_back(site: Site) -> None:
    """The pipeline fails with Envoy's message, and the catalog before is in effect again.

    An older one can be restored on request.
    """
    assert site.roll_out(str(site.publish("two")))[0] == 0
    await site.answers("two")
    before = site.current()

    commit = site.repository.commit(site.write("three", NOT_OURS))
    run = site.run("jenkins", MAIN)
    assert run.code == 1
    assert run.commands[-1] == "ci/roll-out dist/catalog-*.tar"
    assert "edge-1 NACKED Listener edge" in run.output
    assert f"cannot bind '{NOT_OURS}:" in run.output
    assert f"{commit} is NOT in effect: rolling back." in run.output
    assert run.output.endswith(f"{before} is in effect again.\n")
    assert (site.current(), site.answer()) == (before, "two")

    assert site.roll_out(str(site.first))[0] == 0
    await site.answers("one")


async def test_an_interrupted_roll_out_is_rolled_back(site: Site) -> None:
    """An example is a cancelled job, or a time limit while a client has not answered."""
    before = site.current()
    artifact = site.publish("two")
    os.kill(site.envoy.pid, signal.SIGSTOP)
    try:
        running = site.repository.start("ci/roll-out", str(artifact), environment=site.environment)
        await await_until(lambda: site.current() != before, 60)
        running.send_signal(signal.SIGTERM)
        await await_until(lambda: site.current() == before, 60)
    finally:
        os.kill(site.envoy.pid, signal.SIGCONT)
    output, _ = running.communicate(timeout=60)
    assert running.returncode == 1, output
    assert "It was interrupted: rolling back." in output
    assert output.endswith(f"{before} is in effect again.\n")
    assert site.answer() == "one"


async def test_a_folder_that_nobody_serves_is_not_in_effect(tmp_path: Path) -> None:
    """All clients accept a catalog from another folder, so the command does not report a roll-out."""
    site = Site(tmp_path)
    first, catalog = site.repository.publish(tmp_path / "first"), site.repository.folder / "catalog"
    artifact = site.publish("two")
    site.repository.commit(site.write("three"))
    with start_control_plane(catalog, free_port(), tmp_path, "--admin", site.admin) as control_plane:
        await control_plane.ready()
        code, output = site.roll_out(str(first))
        assert (code, "to roll back to: check XDS_CATALOGS" in output) == (2, True)
        assert site.roll_out("--first", str(artifact))[0] == 0
        code, output = site.roll_out(str(first), XDS_WAIT="1", XDS_CLIENTS="")
        assert code == 3
        assert "the server has not loaded this catalog" in output
        assert f"{first.stem.removeprefix('catalog-')} is NOT in effect" in output


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_mistake_stops_the_pipeline(tmp_path: Path, pipeline: str) -> None:
    """The output has its file, line and column. The pipeline publishes nothing and rolls out nothing."""
    site = Site(tmp_path)
    site.repository.commit(site.write("two", word="repsond"))
    run = site.run(pipeline, MAIN)
    assert run.code == 1
    assert re.search(r"^catalog/edge.yaml:2:\d+: error: .*: did you mean `respond`\?$", run.output, re.MULTILINE)
    assert run.commands[-1] == "ci/check catalog"
    assert not (tmp_path / "store").exists()


def test_a_missing_control_plane_is_reported(tmp_path: Path) -> None:
    """The report comes before any change. The roll-out command alone reports the same."""
    site = Site(tmp_path)
    assert site.roll_out("--first", str(site.publish("one")))[0] == 0
    before = site.current()
    site.repository.commit(site.write("two"))
    run = site.run("jenkins", MAIN)
    assert run.code == 2
    assert f"cannot ask {site.admin}: Connection refused: is `xds serve` running" in run.output
    assert run.commands[-1] == "ci/diff catalog"
    code, output = site.roll_out(str(site.repository.publish(tmp_path / "dist")))
    assert code == 2
    assert output.endswith("The control plane does not answer. Nothing was changed.\n")
    assert site.current() == before


def test_only_a_published_artifact_is_rolled_out(tmp_path: Path) -> None:
    """The command also refuses a roll-out that could overlap with another one. It changes nothing."""
    site = Site(tmp_path)
    artifact = site.publish("one")
    site.catalogs.mkdir()
    with (site.catalogs / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, output = site.roll_out("--first", str(artifact))
        assert (code, "Another roll-out is running. Nothing was changed." in output) == (2, True)
    code, output = site.roll_out("--first", "dist/../../catalog-x.tar")
    assert (code, "is not named catalog-COMMIT.tar. Nothing was changed." in output) == (2, True)
    tamper(artifact)
    code, output = site.roll_out("--first", str(artifact))
    assert (code, "does not match its checksum. Nothing was changed." in output) == (2, True)
    assert not (site.catalogs / "current").is_symlink()


def test_one_commit_is_one_catalog(tmp_path: Path) -> None:
    """A catalog that was rolled out under a name never changes."""
    site = Site(tmp_path)
    artifact = site.publish("one")
    assert site.roll_out("--first", str(artifact))[0] == 0
    code, output = site.roll_out("--first", str(artifact))
    assert (code, "this is not the first. Nothing was changed." in output) == (2, True)
    (site.catalogs / "current").unlink()
    tamper(artifact, checksum=True)
    code, output = site.roll_out("--first", str(artifact))
    assert (code, "Another catalog was rolled out as " in output) == (2, True)


def test_the_same_commit_is_the_same_artifact(tmp_path: Path) -> None:
    """It has the same bytes and only committed files.

    The command reports other files, and replaces an older artifact.
    """
    repository = Repository(tmp_path, {"a.yaml": "services: {}\n"})
    first = repository.publish(tmp_path / "one").read_bytes()
    (repository.folder / "catalog" / "a.yaml").write_text("services: {b: {}}\n")
    (repository.folder / "catalog" / "b.yaml").write_text("services: {c: {}}\n")
    _, output = repository.call("ci/publish", "catalog", str(tmp_path / "two"), check=True)
    assert "changes that are not committed are left out" in output
    [second] = (tmp_path / "two").glob("*.tar")
    assert second.read_bytes() == first
    repository.commit({})
    third = repository.publish(tmp_path / "two")
    assert third.name != second.name
    assert third.read_bytes() != first
