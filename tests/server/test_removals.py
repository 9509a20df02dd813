"""Removals that are held: how they are told, confirmed and undone, and who may confirm them."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.cli.asking import run
from tests.server.editing import EDGE, JSON, Editing, editing, write
from tests.server.providing import MemorySource
from xds.catalog.assembly import workspace

SERVICES = [f"s{number}" for number in range(6)]
FILES = {**{name: write(name) for name in SERVICES}, "edge": EDGE}
ALL = sorted([*SERVICES, "edge"])
MOST = SERVICES[1:]


async def remove_most(mesh: Editing) -> None:
    """Delete most files, and wait until that is held."""
    mesh.save(**dict.fromkeys(MOST))
    await mesh.until(lambda status: status["held"])


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_removal_of_most_is_held_until_it_is_confirmed(tmp_path: Path, workers: int) -> None:
    """Until then it is served, is no success anywhere, and holds up no other edit."""
    with capture_logs() as logs:
        async with editing(tmp_path / "catalog", FILES, workers=workers) as mesh:
            await remove_most(mesh)
            status = await mesh.status()
            assert mesh.served == ALL
            assert status["catalog"]["ok"] is False
            [held] = status["held"]
            assert (held["source"], held["services"], held["gateways"]) == ("catalog", MOST, [])
            assert held["files"] == [str(mesh.folder / f"{name}.yaml") for name in MOST]
            mesh.save(s0=write("s0", weight=7), new=write("new"))
            await mesh.until(lambda status: status["catalog"]["services"] == 7)
            assert (await mesh.confirm())[0] == 200
            assert mesh.served == ["edge", "new", "s0"]
            status = await mesh.status()
            assert (status["catalog"]["ok"], status["held"]) == (True, [])
    [told] = [line for line in logs if "HELD" in line["event"]]
    assert (told["log_level"], told["removed"], told["held"]) == ("error", MOST, held["id"])
    assert "xds apply --yes" in told["event"]


async def test_the_commands_show_and_confirm_a_removal(tmp_path: Path) -> None:
    """`xds status` and `--wait` fail, `xds apply` shows the differences, and with `--yes` lets it go."""
    async with editing(tmp_path / "catalog", FILES) as mesh:
        admin = ("--admin", mesh.address)
        assert await run("apply", *admin) == (0, "nothing is held\n", "")
        assert (await run("apply", *admin, "--yes"))[0] == 0
        await remove_most(mesh)
        code, printed, _ = await run("status", *admin)
        assert code == 1
        assert "see `xds apply`: it would remove 5 services (s1, s2, s3, s4, s5)" in printed
        code, _, said = await run("status", *admin, "--wait", "60", "--catalog", str(mesh.folder))
        assert (code, "the server holds a removal: see `xds apply`" in said) == (1, True)
        code, printed, _ = await run("apply", *admin)
        assert code == 1
        assert f"{mesh.folder}/s1.yaml (deleted)" in printed
        assert "    -  s1: {balance: weighted" in printed
        assert mesh.served == ALL
        assert (await run("apply", *admin, "--id", "another", "--yes"))[0] == 1
        code, printed, _ = await run("apply", *admin, "--yes")
        assert (code, printed.splitlines()[-1]) == (0, "confirmed: it is removed")
        assert mesh.served == ["edge", "s0"]
        assert (await run("status", *admin))[0] == 0
        assert (await run("status", *admin, "--wait", "60", "--catalog", str(mesh.folder)))[0] == 0


async def test_the_metrics_count_what_is_held(tmp_path: Path) -> None:
    """By kind, so that an alert can be made of it."""
    async with editing(tmp_path / "catalog", FILES) as mesh:
        mesh.save(**dict.fromkeys(MOST), edge="services: {}\n")
        await mesh.until(lambda status: status["held"] and status["held"][0]["gateways"])
        held = {f'xds_catalog_held_removals{{kind="{kind}"}} {n}.0' for kind, n in (("service", 5), ("gateway", 1))}
        assert held | {"xds_catalog_ok 0.0", 'xds_catalog_loads_total{result="held"} 1.0'} <= await mesh.scrape()


async def test_a_second_save_confirms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same state, saved again, is meant."""
    monkeypatch.setattr(workspace, "AGAIN_S", 0.0)
    async with editing(tmp_path / "catalog", {"all": write(*SERVICES), "edge": EDGE}) as mesh:
        mesh.save(all=write("s0"))
        await mesh.until(lambda status: status["held"])
        assert mesh.served == ALL
        mesh.save(all=write("s0"))
        await mesh.until(lambda status: not status["held"])
        assert mesh.served == ["edge", "s0"]


async def test_time_confirms_where_the_catalog_says_so(tmp_path: Path) -> None:
    """No edit is needed for that."""
    files = {**FILES, "mesh": "mesh: {brake: {confirm_after: 300ms}}\n"}
    async with editing(tmp_path / "catalog", files) as mesh:
        mesh.save(**dict.fromkeys(MOST))
        await mesh.until(lambda status: status["catalog"]["services"] == 1)
        assert mesh.served == ["edge", "s0"]


async def test_restored_files_end_it(tmp_path: Path) -> None:
    """Nothing is held any more, and nothing was removed."""
    async with editing(tmp_path / "catalog", FILES) as mesh:
        await remove_most(mesh)
        mesh.save(**{name: write(name) for name in MOST})
        await mesh.until(lambda status: status["catalog"]["ok"])
        assert mesh.served == ALL
        assert (await mesh.ask("/apply?id=x", "POST", JSON))[0] == 409


REQUESTS_OF_PAGES: list[tuple[str, dict[str, str], int]] = [
    ("GET", JSON, 405),
    ("POST", {}, 415),
    ("POST", {"Content-Type": "text/plain"}, 415),
    ("POST", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ("POST", {**JSON, "Host": "mesh.example.com"}, 403),
    ("POST", {**JSON, "Origin": "http://127.0.0.1:18002"}, 403),
    ("POST", {**JSON, "Origin": "null"}, 403),
    ("POST", {**JSON, "Sec-Fetch-Site": "cross-site"}, 403),
    ("OPTIONS", {"Origin": "http://a.example.com", "Access-Control-Request-Method": "POST"}, 403),
    ("PUT", JSON, 405),
]


async def test_no_page_in_a_browser_can_confirm(tmp_path: Path) -> None:
    """A page can send neither JSON nor a request without Origin to another site."""
    async with editing(tmp_path / "catalog", FILES) as mesh:
        await remove_most(mesh)
        [held] = (await mesh.status())["held"]
        for method, headers, code in REQUESTS_OF_PAGES:
            answer = await mesh.ask(f"/apply?id={held['id']}", method, headers)
            assert (answer[0], mesh.served) == (code, ALL), (method, headers)
            assert "error" in answer[1]


INSTANCES: dict[tuple[str, str], object | None] = {
    (name, number): f"127.0.0.1:{port}{number}" for port, name in enumerate(SERVICES, 500) for number in "12"
}


def count(mesh: Editing) -> int:
    """Return the number of endpoints that are served."""
    return mesh.control_plane._ads.store.inventory.count_endpoints().total()


async def test_a_source_that_has_nothing_any_more_is_held(tmp_path: Path) -> None:
    """Its instances stay until they come back, or until it is confirmed."""
    source = MemorySource()
    files = {"all": "services:\n" + "".join(f"  {name}: {{}}\n" for name in SERVICES)}
    with capture_logs() as logs:
        async with editing(tmp_path / "catalog", files, source) as mesh:
            source.say(INSTANCES, full=True)
            await mesh.until(lambda status: status["sources"][0]["endpoints"] == 12)
            source.say({}, full=True)
            status = await mesh.until(lambda status: status["held"])
            [held] = status["held"]
            assert (held["source"], held["instances"], held["services"]) == ("memory", 12, SERVICES)
            assert (count(mesh), status["catalog"]["ok"]) == (12, False)
            source.say(dict(list(INSTANCES.items())[:10]), full=True)
            await mesh.until(lambda status: not status["held"] and status["sources"][0]["endpoints"] == 10)
            source.say({}, full=True)
            await mesh.until(lambda status: status["held"])
            assert (await mesh.confirm())[0] == 200
            assert count(mesh) == 0
            assert (await mesh.status())["catalog"]["ok"] is True
    assert len([line for line in logs if "HELD" in line["event"]]) == 2


async def test_most_services_without_instances_are_held_and_single_ones_not(tmp_path: Path) -> None:
    """A deployment that is scaled down is no accident. Several updates of one moment count together."""
    source = MemorySource()
    files = {"all": "services:\n" + "".join(f"  {name}: {{}}\n" for name in SERVICES)}
    async with editing(tmp_path / "catalog", files, source) as mesh:
        source.say(INSTANCES, full=True)
        await mesh.until(lambda status: status["sources"][0]["endpoints"] == 12)
        source.say({("s0", "1"): None, ("s0", "2"): None})
        await mesh.until(lambda status: status["sources"][0]["endpoints"] == 10)
        for name in ("s1", "s2", "s3", "s4"):
            source.say({(name, "1"): None, (name, "2"): None, ("s5", "3"): "127.0.0.1:9"})
        await mesh.until(lambda status: status["held"])
        assert count(mesh) == 11
        source.say({("s1", "1"): "127.0.0.1:1", ("s2", "1"): "127.0.0.1:2"})
        await mesh.until(lambda status: not status["held"])
        assert count(mesh) == 5


async def test_the_log_tells_how_a_removal_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is confirmed in some way, or undone. The change that follows names the files."""
    monkeypatch.setattr(workspace, "AGAIN_S", 0.0)
    files = {"all": write(*SERVICES), "edge": EDGE, "mesh": "mesh: {brake: {confirm_after: 1h}}\n"}
    name = str(tmp_path / "catalog" / "all.yaml")
    with capture_logs() as logs:
        async with editing(tmp_path / "catalog", files) as mesh:

            async def hold() -> str:
                mesh.save(all=write("s0"))
                held = (await mesh.until(lambda status: status["held"]))["held"]
                assert held[0]["reason"] == "5 of 6 services would be gone, more than 50%"
                return str(held[0]["id"])

            async def restore() -> None:
                mesh.save(all=write(*SERVICES))
                await mesh.until(lambda status: status["catalog"]["ok"] and status["catalog"]["services"] == 6)

            held_id = await hold()
            await restore()
            await hold()
            await mesh.confirm()
            await restore()
            await hold()
            mesh.save(all=write("s0"))
            await mesh.until(lambda status: not status["held"])
            await restore()
            await hold()
            mesh.save(mesh="mesh: {brake: {confirm_after: 10ms}}\n")
            await mesh.until(lambda status: not status["held"])
    told = [line for line in logs if "removal" in line["event"]]
    assert [line["event"].split(":")[0] for line in told] == [
        "removal HELD",
        "removal not held any more",
        *["removal HELD", "removal confirmed"] * 3,
    ]
    assert {line["held"] for line in told} == {held_id}
    assert [line["by"] for line in told if "by" in line] == [
        "`xds apply --yes`",
        "a second save",
        "`brake.confirm_after`",
    ]
    assert {line["second_save"] for line in told if "HELD" in line["event"]} == {"confirms it too"}
    changes = [line for line in logs if line["event"] == "catalog changed" and line.get("removed") == MOST]
    assert [line["changed_files"] for line in changes] == [[name]] * 3


async def test_a_removal_that_breaks_a_reference_is_held_and_not_refused(tmp_path: Path) -> None:
    """The log names the files once. When it is confirmed and cannot go, that is told."""
    with capture_logs() as logs:
        async with editing(tmp_path / "catalog", {**FILES, "edge": EDGE.replace("s0", "s1")}) as mesh:
            await remove_most(mesh)
            assert [line for line in logs if "REFUSED" in line["event"]] == []
            code, _, said = await run("apply", "--admin", mesh.address, "--yes")
            assert code == 1
            assert said == (
                f"confirmed, but not removed until it leaves no mistake, see `xds check`: {mesh.folder}/s1.yaml\n"
            )
            assert mesh.served == ["edge", "s0", "s1"]
            mesh.save(edge=EDGE)
            await mesh.until(lambda status: status["catalog"]["ok"])
            assert mesh.served == ["edge", "s0"]
    names = [str(tmp_path / "catalog" / f"{name}.yaml") for name in MOST]
    [held] = [line for line in logs if "HELD" in line["event"]]
    assert (held["files"], held["second_save"]) == (names, "does not confirm it")
    [confirmed] = [line for line in logs if line["event"] == "removal confirmed"]
    [refused] = [line for line in logs if "REFUSED" in line["event"]]
    assert (refused["files"], confirmed["files"]) == (names[:1], names[1:])


async def test_a_folder_below_the_catalog_that_is_emptied_is_held(tmp_path: Path) -> None:
    """It may have been moved or unmounted, however few services it has. It can be removed nevertheless."""
    folder = tmp_path / "catalog"
    (folder / "team").mkdir(parents=True)
    (folder / "team" / "x.yaml").write_text(write("x"))
    with capture_logs() as logs:
        async with editing(folder, FILES) as mesh:
            (folder / "team").rename(tmp_path / "team")
            await mesh.until(lambda status: status["held"])
            assert mesh.served == sorted([*ALL, "x"])
            code, printed, _ = await run("apply", "--admin", mesh.address)
            assert (code, f"the folder {folder}/team has no YAML file any more" in printed) == (1, True)
            (tmp_path / "team").rename(folder / "team")
            await mesh.until(lambda status: not status["held"])
            (folder / "team" / "x.yaml").rename(folder / "team" / "x.yaml.bak")
            await mesh.until(lambda status: status["held"])
            await mesh.confirm()
            assert mesh.served == ALL
    assert [line["log_level"] for line in logs if "HELD" in line["event"]] == ["error", "error"]


async def test_how_a_removal_of_endpoints_ended_is_told(tmp_path: Path) -> None:
    """As that of files is."""
    source = MemorySource()
    files = {"all": "services:\n" + "".join(f"  {name}: {{}}\n" for name in SERVICES)}
    with capture_logs() as logs:
        async with editing(tmp_path / "catalog", files, source) as mesh:
            for _ in range(2):
                source.say(INSTANCES, full=True)
                await mesh.until(lambda status: status["sources"][0]["endpoints"] == 12 and not status["held"])
                source.say({}, full=True)
                held = (await mesh.until(lambda status: status["held"]))["held"]
            assert held[0]["reason"] == "the source has no instance any more of what is served"
            await mesh.confirm()
    told = [(line["event"].partition(":")[0], line.get("by")) for line in logs if line["event"].startswith("removal")]
    assert told == [
        ("removal of endpoints HELD", None),
        ("removal not held any more", None),
        ("removal of endpoints HELD", None),
        ("removal confirmed", "`xds apply --yes`"),
    ]
