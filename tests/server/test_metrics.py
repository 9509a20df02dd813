"""How the metrics count pushes, refusals, changes and loads."""

import asyncio
from pathlib import Path

import pytest

from tests.server.administered import CATALOG, administered
from tests.server.serving import make_catalog
from tests.warm import start_control_plane
from xds.cli.demo.envoy_admin import http_get
from xds.cli.demo.processes import await_until, free_port
from xds.server.observe.counters import MAX_CLUSTERS, OTHER, StreamCounters, sum_counters
from xds.session.subscription import REASONS
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT


def test_the_number_of_groups_has_a_limit_and_no_counter_decreases() -> None:
    """Clients choose `node.cluster`. The first names keep their own series, and the others are counted together."""
    of_processes = [StreamCounters(), StreamCounters()]
    groups: set[str] = set()
    seen: dict[tuple[str, str], int] = {}
    for number in range(2 * MAX_CLUSTERS):
        for counters, cluster in zip(of_processes, (f"a-{number}", f"b-{number}"), strict=True):
            counters.count_nacks(CLUSTER, cluster)
        total = sum_counters(of_processes, groups).nacks
        assert all(total[key] >= count for key, count in seen.items())
        seen = dict(total)
    assert sum(seen.values()) == 4 * MAX_CLUSTERS
    assert len(seen) <= MAX_CLUSTERS + 1
    assert seen[CLUSTER, OTHER] > 2 * MAX_CLUSTERS


async def test_pushes_are_counted_by_type_and_reason() -> None:
    """The metrics also have the bytes, and the time until the transport took each push."""
    async with administered() as admin:
        sidecar = admin.connect()
        first = await sidecar.ask()
        await sidecar.accept()
        await sidecar.take(CLUSTER_LOAD_ASSIGNMENT)
        await admin.serving.edit(CATALOG.replace("weight: 3", "weight: 2"))
        await sidecar.read()
        metrics = await admin.metrics()
        counts = {
            (kind, reason): metrics[f'xds_pushes_total{{reason="{reason}",type="{kind}"}}']
            for kind in ("Cluster", "ClusterLoadAssignment", "Listener")
            for reason in REASONS
        }
        assert {key: count for key, count in counts.items() if count} == {
            ("Cluster", "initial"): 1,
            ("ClusterLoadAssignment", "initial"): 1,
            ("ClusterLoadAssignment", "change"): 1,
        }
        size = len(first.SerializeToString())
        assert metrics['xds_push_bytes_total{reason="initial",type="Cluster"}'] == size
        assert metrics['xds_push_duration_seconds_count{type="ClusterLoadAssignment"}'] == 2
        assert metrics['xds_push_duration_seconds_bucket{le="+Inf",type="ClusterLoadAssignment"}'] == 2
        assert 0 < metrics['xds_push_duration_seconds_sum{type="ClusterLoadAssignment"}'] < 10
        assert metrics['xds_versions_in_use{type="Cluster"}'] == 1
        assert metrics['xds_versions_in_use{type="Listener"}'] == 0
        assert any(name.startswith("python_info{") for name in metrics)


async def test_a_change_is_complete_when_the_last_client_has_answered() -> None:
    """An ACK or a NACK is an answer, and the server no longer waits for a client that leaves.

    A change that no client gets has no completion.
    """
    async with administered() as admin:
        servicer = admin.serving.servicer
        first, second, third = (admin.connect(f"web-{number}") for number in range(3))
        for sidecar in (first, second, third):
            await sidecar.take()
        await admin.serving.edit(CATALOG.replace("balance: weighted", "balance: random"))
        through = asyncio.ensure_future(servicer.wait_for_answers())
        for sidecar in (first, second, third):
            await sidecar.read()
        await first.accept()
        await second.refuse("no")
        await admin.until("NACKED", node_id="web-1")
        assert not through.done()
        third.call.cancel()
        async with asyncio.timeout(10):
            assert await through is not None
        await admin.serving.edit(CATALOG.replace("balance: weighted", "balance: random").replace("5003", "5004"))
        assert await servicer.wait_for_answers() is None


@pytest.mark.parametrize("workers", [1, 2])
async def test_loads_are_counted_by_outcome(tmp_path: Path, workers: int) -> None:
    """The metrics also have the current mistakes, and the time that reading and building took."""
    catalog, admin = tmp_path / "catalog.yaml", f"127.0.0.1:{free_port()}"
    catalog.write_text(make_catalog("a"))

    def scrape() -> dict[str, float]:
        lines = [line.rpartition(" ") for line in http_get(admin, "/metrics", 10.0)[1].splitlines() if line[0] != "#"]
        return {name: float(value) for name, _, value in lines}

    with start_control_plane(catalog, free_port(), tmp_path, "--admin", admin, "--workers", str(workers)) as server:
        await server.ready()
        before = scrape()
        assert before['xds_catalog_loads_total{result="accepted"}'] == 1
        assert before["xds_catalog_parse_duration_seconds_count"] >= 1
        assert before["xds_resource_build_duration_seconds_sum"] > 0
        catalog.write_text(make_catalog("a").replace("balance", "blance"))
        await await_until(lambda: scrape()['xds_catalog_loads_total{result="refused"}'] == 1, 20)
        refused = scrape()
        assert refused['xds_catalog_problems{severity="error"}'] == 1
        accepted_at = "xds_catalog_last_accepted_timestamp_seconds"
        assert refused[accepted_at] == before[accepted_at] > 1.7e9
        catalog.write_text(make_catalog("a", "b"))
        await await_until(lambda: scrape()['xds_catalog_loads_total{result="accepted"}'] == 2, 20)
        assert scrape()['xds_catalog_problems{severity="error"}'] == 0
        assert scrape()[accepted_at] > before[accepted_at]
