"""An operator's edit, a crash or a restart fails no request, and the new state takes effect."""

import time
from pathlib import Path

import pytest

from tests.chance import in_turn
from tests.envoy_server.mesh import Mesh, answered, counts_since, in_flight, make_catalog, settled, under, until
from tests.envoy_server.test_balancing import weigh
from xds.cli.demo.envoy_admin import balancing_policy
from xds.cli.demo.processes import Instance, free_port, start_instance


async def test_an_edited_weight_takes_effect_under_load(
    tmp_path: Path, instances: list[Instance], capsys: pytest.CaptureFixture[str]
) -> None:
    """At 200 requests/s no request fails, and the new shares hold. The test prints the time from save to effect."""
    with Mesh(tmp_path, make_catalog(weigh(instances, 3, 2, 1), "weighted")) as mesh:
        envoy = await mesh.start_gateway()
        weights = {instance.address: weight for instance, weight in zip(instances, (1, 2, 3), strict=True)}
        async with under(mesh.load(200)) as load:
            mesh.write(make_catalog(weigh(instances, 1, 2, 3), "weighted"))
            seconds = await until(
                lambda: {host.address: host.weight for host in envoy.admin.hosts("api-service").values()} == weights
            )
            edited = await settled(envoy)
            await answered(load, 250)
        counts = counts_since(load, edited)
        total = counts.total()
        for name, weight in (("api-1", 1), ("api-2", 2), ("api-3", 3)):
            assert counts[name] in in_turn(total, weight / 6, 3, astray=in_flight(load, edited))
        with capsys.disabled():
            print(f" [save to effect under 200 requests/s: {seconds * 1000:.0f} ms]", end="")


async def test_an_endpoint_is_added_and_removed_under_load(tmp_path: Path, instances: list[Instance]) -> None:
    """A new endpoint gets its share, a removed one gets no further request, and no request fails."""
    one, two, three = (instance.address for instance in instances)
    with Mesh(tmp_path, make_catalog([one, two])) as mesh:
        envoy = await mesh.start_gateway()
        async with under(mesh.load(200)) as load:
            mesh.write(make_catalog([one, two, three]))
            await until(lambda: three in envoy.admin.hosts("api-service"))
            added = await settled(envoy)
            await answered(load, 100)
            ended = time.monotonic()
            mesh.write(make_catalog([two, three]))
            await until(lambda: one not in envoy.admin.hosts("api-service"))
            removed = await settled(envoy)
            await answered(load, 100)
        counts = counts_since(load, added, ended)
        assert counts["api-3"] in in_turn(counts.total(), 1 / 3, 3, astray=in_flight(load, added, ended))
        assert counts_since(load, removed)["api-1"] == 0


async def test_a_killed_instance_fails_no_request(tmp_path: Path, instances: list[Instance]) -> None:
    """Retries cover requests in flight.

    The health check removes the dead instance and adds it again when it is back.
    """
    folder = tmp_path / "victim"
    folder.mkdir()
    port = free_port()
    with start_instance("victim", port, folder) as victim:
        await victim.ready()
        check = {"http": "/api/data", "interval": "200ms", "timeout": "10s"}
        addresses = [victim.address, instances[0].address, instances[1].address]
        with Mesh(tmp_path, make_catalog(addresses, health_check=check)) as mesh:
            envoy = await mesh.start_gateway()

            def is_healthy() -> bool:
                return envoy.admin.hosts("api-service")[victim.address].healthy

            await until(lambda: all(host.healthy for host in envoy.admin.hosts("api-service").values()))
            async with under(mesh.load(200)) as load:
                victim.kill()
                await until(lambda: not is_healthy())
                await answered(load, 50)
                with start_instance("victim", port, folder):
                    await until(is_healthy)
                    dead = counts_since(load, 0)["victim"]
                    await until(lambda: counts_since(load, 0)["victim"] > dead)
                    back = time.monotonic()
                    await until(lambda: counts_since(load, back).total() >= 60)
                    ended = time.monotonic()
            counts = counts_since(load, back, ended)
            assert counts["victim"] in in_turn(counts.total(), 1 / 3, 3, astray=in_flight(load, back, ended))


@pytest.mark.parametrize(
    ("before", "after", "policy", "weights"),
    [
        ("round_robin", "random", "RANDOM", [1, 1, 1]),
        ("random", "weighted", "ROUND_ROBIN", [1, 2, 3]),
        ("weighted", "round_robin", "ROUND_ROBIN", [1, 1, 1]),
    ],
)
async def test_a_changed_policy_takes_effect_under_load(
    tmp_path: Path, instances: list[Instance], before: str, after: str, policy: str, weights: list[int]
) -> None:
    """Envoy replaces the cluster and gets its endpoints at once (rule 33). No request fails or waits."""
    endpoints = weigh(instances, 3, 2, 1)
    with Mesh(tmp_path, make_catalog(endpoints, before)) as mesh:
        envoy = await mesh.start_gateway()

        def is_in_effect() -> bool:
            hosts = envoy.admin.hosts("api-service").values()
            active = balancing_policy(envoy.admin.cluster("api-service"))
            return active == policy and sorted(host.weight for host in hosts) == weights

        async with under(mesh.load(200)) as load:
            mesh.write(make_catalog(endpoints, after))
            await until(is_in_effect)
            await answered(load, 50)
        # Without rule 33, Envoy warms the new cluster until the wait for its endpoints times out.
        assert {*envoy.admin.stats("cluster.api-service.init_fetch_timeout$").values()} == {0}


async def test_a_bad_edit_changes_nothing_and_the_next_good_edit_works(
    tmp_path: Path, instances: list[Instance]
) -> None:
    """The log has the mistake once, with its place. The old state stays until the file is corrected."""
    one, two, _three = (instance.address for instance in instances)
    with Mesh(tmp_path, make_catalog([one])) as mesh:
        envoy = await mesh.start_gateway()
        async with under(mesh.load(100)) as load:
            mesh.write(make_catalog([one], "rond_robin"))
            await until(lambda: mesh.log("edit REFUSED: the last good state of these files is still served"))
            await answered(load, 20)
            mesh.write(make_catalog([one, two]))
            await until(lambda: two in envoy.admin.hosts("api-service"))
        [line] = [line["message"] for line in mesh.lines() if line.get("event.action") == "catalog-problem"]
        assert "did you mean" in line
        assert "round_robin" in line
