"""Short runs of the benchmarks. The tests check what the benchmarks measure, not the times."""

import pytest
from click.testing import CliRunner

from tests.bench.__main__ import main
from tests.bench.asked import measure_asked
from tests.bench.burst import measure_burst
from tests.bench.endpoints import measure_flood, measure_one
from tests.bench.floor import measure_floor
from tests.bench.load import measure_load
from tests.bench.push import measure_push
from tests.bench.routes import measure_routes
from tests.bench.running import start_fleet
from tests.bench.soak import measure_soak
from tests.bench.storm import measure_storm
from xds.cli.demo.ports import LOOPBACK, free_port
from xds.cli.demo.processes import ChildError


@pytest.mark.parametrize("folder", [False, True], ids=["one file", "a folder of files"])
def test_one_changed_endpoint_sends_one_assignment_however_many_services_there_are(*, folder: bool) -> None:
    """The bytes of a change do not grow with the catalog. Those of the first load do."""
    few, many = ({step: size for step, _, size in measure_load(n, folder=folder).rows} for n in (5, 50))
    for variant in ("delta", "sotw"):
        assert many[f"first full responses, {variant}"] > 8 * few[f"first full responses, {variant}"]
        assert 0 < many[f"one endpoint: response, {variant}"] == few[f"one endpoint: response, {variant}"]


def test_the_command_prints_a_table() -> None:
    """The README has the command `python -m tests.bench load`."""
    answer = CliRunner().invoke(main, ["load", "--services", "5"], catch_exceptions=False)
    assert "parse and check" in answer.output
    assert "5 services × 10 endpoints in a folder of files" in answer.output


def test_a_changed_endpoint_reaches_all_views_as_instance_or_yaml() -> None:
    """Both result in the same assignment. The bytes are those of its endpoints."""
    few, many = measure_one(10, services=20, repeats=1), measure_one(100, services=20, repeats=1)
    assert many.bytes > 7 * few.bytes > 0


def test_a_flood_of_changes_is_merged() -> None:
    """The flood ends, and it has a cost."""
    assert measure_flood(changes=100, services=20, seconds=0.2).cores > 0


@pytest.mark.parametrize(("variant", "clusters"), [("delta", None), pytest.param("sotw", 3, marks=pytest.mark.whole)])
def test_every_client_sees_every_change(variant: str, clusters: int | None) -> None:
    """In this short run, all of the few clients get each change, and each change has a size."""
    figures = measure_push(variant, clients=5, clusters=clusters, services=20, changes=2, idle_seconds=0.05)
    assert 0 < figures.change_kb < 5 * 1.0
    assert figures.memory_mb > 0
    assert figures.client_cpu_ms > 0


@pytest.mark.whole
def test_a_change_is_seen_by_those_who_asked_with_and_without_a_file() -> None:
    """Of 10 clients of 40 services, half ask for the first. Nobody asks for the last one."""
    figures = measure_asked("delta", clients=10, services=40, changes=2, idle_seconds=0.2)
    assert figures.asked == 5
    assert min(figures.file_cpu_ms, figures.memory_cpu_ms, figures.bare_cpu_ms) > 0


@pytest.mark.whole
def test_a_bare_server_sends_the_same_as_xds() -> None:
    """Its clients sync and see each change. Otherwise this test would not end."""
    figures = measure_floor("sotw", clients=3, services=10, changes=2, idle_seconds=0.05)
    assert figures.change_cpu_ms > 0
    assert figures.sync_cpu_s > 0


def test_an_edited_route_reaches_the_client() -> None:
    """This holds also while endpoints change. An edit sends the routes of one port alone.

    Those of the first port take 0.9 MB, and those of the second, copied into each of its virtual hosts, 1.3 MB.
    """
    figures = measure_routes(routes=1100, services=5, edits=2, idle_seconds=0.05)
    assert 0 < figures.quiet_p50_ms <= figures.quiet_p99_ms
    assert 0 < figures.churn_p50_ms <= figures.churn_p99_ms
    assert 0 < figures.edit_kb < 1400


def test_a_client_that_reconnects_gets_nothing_again() -> None:
    """This holds after a restart and after lost connections. Another client gets its changes meanwhile."""
    figures = measure_storm("delta", clients=5, services=10, pushes=3, storms=1)
    assert figures.resources_again == 0
    assert figures.bytes_per_client == 0
    assert figures.storm_pushes > 0


@pytest.mark.parametrize("variant", [pytest.param("delta", marks=pytest.mark.whole), "sotw"])
def test_every_client_gets_the_last_change_of_a_burst(variant: str) -> None:
    """The clients get fewer messages than there are changes."""
    figures = measure_burst(variant, clients=5, services=10, changes=100, seconds=0.3)
    assert figures.saved_s >= 0.29
    assert 0 < figures.most_messages < 50


@pytest.mark.whole
@pytest.mark.parametrize("variant", ["delta", "sotw"])
def test_a_soak_ends_with_every_client_connected(variant: str) -> None:
    """Connections were lost and responses refused. The figures count these events."""
    figures = measure_soak(variant, clients=5, services=5, seconds=3, samples=1)
    assert [sample.connected for sample in figures.samples] == [5]
    assert figures.edits > 0
    assert 0 < figures.stall_p99_ms <= figures.stall_ms


def test_the_wait_for_a_silent_fleet_ends() -> None:
    """A fleet without a server times out. A fleet that ended has its exit code in the error."""
    with start_fleet(f"{LOOPBACK}:{free_port()}", "delta", 1, None, 1) as fleet:
        with pytest.raises(TimeoutError, match=r"did not report 'synced' within 0\.1 s"):
            fleet.next("synced", 0.1)
        fleet.close()
        with pytest.raises(ChildError, match="ended with 0 before it reported 'synced'"):
            fleet.next("synced")
