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


@pytest.mark.parametrize(
    ("method", "headers", "code"),
    [
        ("GET", JSON, 405),
        ("POST", {}, 415),
        ("POST", {"Content-Type": "text/plain"}, 415),
        ("POST", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ("POST", {**JSON, "Host": "mesh.example.com"}, 403),
        ("POST", {**JSON, "Origin": "http://127.0.0.1:18002"}, 403),
        ("POST", {**JSON, "Origin": "null"}, 403),
        ("POST", {**JSON, "Sec-Fetch-Site": "cross-site"}, 403),
        ("OPTIONS", {"Origin": "http://a.example.com", "Access-Control-Request-Method": "POST"}, 405),
        ("PUT", JSON, 405),
    ],
)
async def test_no_page_in_a_browser_can_confirm(
    tmp_path: Path, method: str, headers: dict[str, str], code: int
) -> None:
    """A page can send neither JSON nor a request without Origin to another site."""
    async with editing(tmp_path / "catalog", FILES) as mesh:
        await remove_most(mesh)
        [held] = (await mesh.status())["held"]
        answer = await mesh.ask(f"/apply?id={held['id']}", method, headers)
        assert (answer[0], mesh.served) == (code, ALL)
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
