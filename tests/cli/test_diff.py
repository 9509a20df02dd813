"""`xds diff`: its output, and its exit status, which follows diff(1)."""

import json
from pathlib import Path

from click.testing import CliRunner

from tests.cli.asking import run
from tests.server.administered import CATALOG, Administered, administered
from xds.cli import main
from xds.cli.demo.processes import free_port
from xds.wire.discovery_pb2 import Locality

EDITED = CATALOG.replace("weight: 3", "weight: 4")
OPEN = "mesh: {strangers: serve}\n"


async def diff(admin: Administered, folder: Path, catalog: str, *options: str) -> tuple[int, str, str]:
    """Write a catalog and compare it with what the server serves."""
    (folder / "new.yaml").write_text(catalog)
    return await run("diff", "new.yaml", "--admin", admin.address, *options, cwd=folder)


async def connect(admin: Administered, *clusters: str) -> None:
    """Connect a client of each cluster."""
    for cluster in clusters:
        await admin.connect(f"{cluster}-1", cluster).take()
        await admin.until("SYNCED", node_id=f"{cluster}-1")


async def test_the_same_catalog_changes_nothing(tmp_path: Path) -> None:
    """The form of the YAML does not matter. The exit code is 0."""
    async with administered() as admin:
        await connect(admin, "web", "edge")
        assert await diff(admin, tmp_path, f"# the same\n{CATALOG}") == (0, "nothing would change\n", "")


async def test_a_changed_weight_is_listed_once_for_all_nodes(tmp_path: Path) -> None:
    """The list has the affected nodes and the changed lines of the resource. The exit code is 1."""
    async with administered() as admin:
        await connect(admin, "web", "edge")
        code, printed, _ = await diff(admin, tmp_path, EDITED)
        lines = printed.splitlines()
        assert lines[0] == "~ ClusterLoadAssignment api  for edge, web"
        assert [line.split() for line in lines if line.lstrip()[:1] in ("-", "+") and "weight" in line] == [
            ["-", "load_balancing_weight:", "3"],
            ["+", "load_balancing_weight:", "4"],
        ]
        assert lines[-1] == "1 changed"
        assert code == 1


async def test_only_nodes_that_see_a_service_are_affected(tmp_path: Path) -> None:
    """A sidecar that does not call the service gets nothing, and the output does not name it."""
    async with administered() as admin:
        await connect(admin, "web", "users")
        added = CATALOG.replace("gateways:", "  orders: {endpoints: ['127.0.0.1:5004']}\ngateways:")
        code, printed, _ = await diff(admin, tmp_path, added)
        assert code == 1
        assert printed.splitlines()[:3] == [
            "+ Cluster orders  for users",
            "+ ClusterLoadAssignment orders  for users",
            "~ RouteConfiguration sidecar  for users",
        ]


async def test_a_removed_service_is_listed_with_a_minus(tmp_path: Path) -> None:
    """Each of its resources has a line with a minus."""
    async with administered() as admin:
        await connect(admin, "anyone")
        removed = "".join(line for line in CATALOG.splitlines(keepends=True) if "users" not in line) + OPEN
        _, printed, _ = await diff(admin, tmp_path, removed)
        assert printed.splitlines()[:2] == [
            "- Cluster users  for anyone",
            "- ClusterLoadAssignment users  for anyone",
        ]
        assert printed.splitlines()[-1] == "2 removed, 1 changed"


async def test_the_node_option_selects_the_nodes_to_compare(tmp_path: Path) -> None:
    """The option accepts nodes that are not connected.

    If no node is connected, the command compares all that the catalog names.
    """
    moved = CATALOG.replace("port: 8080", "port: 8081")
    async with administered() as admin:
        _, printed, _ = await diff(admin, tmp_path, moved)
        assert printed.splitlines()[0] == "~ Listener edge  for edge"
        await connect(admin, "web")
        assert (await diff(admin, tmp_path, moved))[0] == 0
        assert (await diff(admin, tmp_path, moved, "--node", "edge", "--node", "web"))[0] == 1


async def test_nodes_that_a_catalog_does_not_name_keep_what_they_have(tmp_path: Path) -> None:
    """This is a renamed gateway. A line tells it, and nothing would change for them, even if strangers are served."""
    async with administered() as admin:
        await connect(admin, "edge")
        renamed = CATALOG.replace("edge:", "edge-public:")
        keeps = (0, "nothing would change\n", "edge is not in this catalog: its nodes keep what they have\n")
        assert await diff(admin, tmp_path, renamed) == keeps
        assert await diff(admin, tmp_path, renamed + OPEN) == keeps


async def test_a_grpc_client_is_compared_by_its_own_resources(tmp_path: Path) -> None:
    """It has the same node.cluster as a sidecar but gets other resources."""
    async with administered() as admin:
        await admin.connect("app-1", "app", user_agent_name="gRPC C-core").take()
        await admin.until("SYNCED", node_id="app-1")
        code, printed, _ = await diff(admin, tmp_path, EDITED + OPEN)
        assert printed.splitlines()[0] == "~ ClusterLoadAssignment api  for app (gRPC)"
        assert code == 1


async def test_localities_are_compared_when_either_catalog_uses_them(tmp_path: Path) -> None:
    """A difference for every locality names none. A difference for some localities names them."""
    near = CATALOG.replace("api: {", "api: {locality: failover, ").replace(
        '{address: "127.0.0.1:5000", ', '{address: "127.0.0.1:5000", region: eu, zone: eu-1a, '
    )
    async with administered(near) as admin:
        for zone in ("eu-1a", "eu-1b", "us-1a"):
            region = zone.partition("-")[0]
            await admin.connect(f"web-{zone}", "web", locality=Locality(region=region, zone=zone)).take()
            await admin.until("SYNCED", node_id=f"web-{zone}")
        assert await diff(admin, tmp_path, near) == (0, "nothing would change\n", "")
        _, printed, _ = await diff(admin, tmp_path, near.replace("127.0.0.1:5001", "127.0.0.1:5002"))
        lines = [line for line in printed.splitlines() if line.startswith("~")]
        assert lines == [
            "~ ClusterLoadAssignment api  for web in eu/eu-1a, web in eu/eu-1b",
            "~ ClusterLoadAssignment api  for web in us/us-1a",
        ]
        _, printed, _ = await diff(admin, tmp_path, near.replace("locality: failover, ", ""))
        assert printed.splitlines()[0] == "~ ClusterLoadAssignment api  for web in eu/eu-1a, web in eu/eu-1b"
        assert "us-1a" not in printed
        _, printed, _ = await diff(admin, tmp_path, near.replace("api: {", "api: {panic_threshold: 0, "))
        assert printed.splitlines()[0] == "~ Cluster api  for web"


async def test_json_is_a_list_of_differences(tmp_path: Path) -> None:
    """Programs get each difference with both versions and the affected nodes."""
    async with administered() as admin:
        await connect(admin, "web")
        code, printed, _ = await diff(admin, tmp_path, EDITED, "--output", "json")
        [difference] = json.loads(printed)
        served = (await admin.get("/snapshot?cluster=web"))["clusters"]["web"]
        assert difference["version_info"] in [versions.get("api") for versions in served.values()]
        assert difference["new_version_info"] != difference["version_info"]
        assert (difference["change"], difference["type"], difference["name"], difference["clusters"]) == (
            "~",
            "ClusterLoadAssignment",
            "api",
            ["web"],
        )
        assert code == 1


async def test_mistakes_are_printed_as_by_check(tmp_path: Path) -> None:
    """A mistake has its place, the problem and the nearest valid name. The exit code is 2, as with diff(1)."""
    async with administered() as admin:
        code, printed, errors = await diff(admin, tmp_path, CATALOG.replace("balance", "blance"))
        assert (code, printed) == (2, "")
        assert errors.startswith("new.yaml:2:9: error: services.api.blance: ")
        assert "did you mean `balance`" in errors


async def test_an_unreachable_server_exits_with_2(tmp_path: Path) -> None:
    """One line explains what to check."""
    (tmp_path / "new.yaml").write_text(CATALOG)
    code, _, errors = await run("diff", "new.yaml", "--admin", f"127.0.0.1:{free_port()}", cwd=tmp_path)
    assert code == 2
    assert "is `xds serve` running" in errors
    assert len(errors.splitlines()) == 1


async def test_a_comparison_does_not_change_what_is_served(tmp_path: Path) -> None:
    """The server serves the same before and after."""
    async with administered() as admin:
        await connect(admin, "web")
        before = await admin.get("/snapshot?cluster=web")
        await diff(admin, tmp_path, EDITED)
        assert await admin.get("/snapshot?cluster=web") == before


def test_diff_help_has_examples() -> None:
    """The help text shows how to use the command."""
    assert "xds diff new-catalog.yaml" in CliRunner().invoke(main, ["diff", "--help"]).stdout
