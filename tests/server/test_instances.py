"""Endpoints from sources beside the catalog reach clients.

Changes within a tick are merged, and no source ends the server.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from google.protobuf.any_pb2 import Any
from structlog.testing import capture_logs

from tests.server.administered import Sidecar
from tests.server.providing import MemorySource, provided
from tests.server.test_workers import connect
from xds.cli.demo.processes import await_until
from xds.server import following, instances
from xds.server.clients.documents import describe_server
from xds.server.control_plane import ControlPlane
from xds.sources.source import InstanceUpdate
from xds.wire import CLUSTER_LOAD_ASSIGNMENT, endpoint_pb2
from xds.wire.discovery_pb2 import DeltaDiscoveryResponse

CATALOG = """\
mesh: {strangers: serve}
services:
  api: {balance: weighted, endpoints: ["127.0.0.1:5000"]}
  users: {balance: weighted}
"""

NESTED: list[object] = []
NESTED.append(NESTED)


def read_weights(response: DeltaDiscoveryResponse) -> dict[int, int]:
    """Return each endpoint's weight by its port."""
    assignment = endpoint_pb2.ClusterLoadAssignment.FromString(Any.FromString(response.resources[0].resource).value)
    return {
        one.endpoint.address.socket_address.port_value: one.load_balancing_weight.value
        for locality in assignment.endpoints
        for one in locality.lb_endpoints
    }


async def follow(stack: AsyncExitStack, control_plane: ControlPlane, *services: str) -> Sidecar:
    """Connect a client that accepts all clusters and the endpoints of these services."""
    sidecar = await connect(stack, f"127.0.0.1:{control_plane.port}", "web-1")
    await sidecar.ask(CLUSTER_LOAD_ASSIGNMENT, *services)
    await sidecar.accept(CLUSTER_LOAD_ASSIGNMENT)
    return sidecar


async def read_until(sidecar: Sidecar, expected: dict[int, int]) -> int:
    """Read and accept assignments until one is as expected, and return their number."""
    for count in range(1, 100):
        response = await sidecar.read()
        assert response.type_url == CLUSTER_LOAD_ASSIGNMENT
        await sidecar.accept(CLUSTER_LOAD_ASSIGNMENT)
        if read_weights(response) == expected:
            return count
    raise AssertionError("never as expected")


@pytest.mark.parametrize("workers", [1, 2])
async def test_instances_of_a_source_reach_a_client(tmp_path: Path, workers: int) -> None:
    """The client sees instances come, change their weight, and go, beside the catalog's endpoints."""
    source = MemorySource()
    async with provided(tmp_path, CATALOG, source, workers=workers) as control_plane, AsyncExitStack() as stack:
        sidecar = await follow(stack, control_plane, "api")
        source.say({("api", "1"): "127.0.0.1:5001"}, full=True)
        await read_until(sidecar, {5000: 1, 5001: 1})
        source.say({("api", "1"): {"address": "127.0.0.1:5001", "weight": 4}})
        await read_until(sidecar, {5000: 1, 5001: 4})
        late = await connect(stack, f"127.0.0.1:{control_plane.port}", "web-2")
        assert read_weights(await late.ask(CLUSTER_LOAD_ASSIGNMENT, "api")) == {5000: 1, 5001: 4}
        source.say({}, full=True)
        await read_until(sidecar, {5000: 1})


async def test_an_edit_of_the_catalog_keeps_the_sources_instances(tmp_path: Path) -> None:
    """A change from a source also keeps the catalog's endpoints."""
    source = MemorySource()
    async with provided(tmp_path, CATALOG, source) as control_plane, AsyncExitStack() as stack:
        sidecar = await follow(stack, control_plane, "api")
        source.say({("api", "1"): "127.0.0.1:5001"}, full=True)
        await read_until(sidecar, {5000: 1, 5001: 1})
        (tmp_path / "catalog.yaml").write_text(CATALOG.replace("5000", "5009"))
        await read_until(sidecar, {5009: 1, 5001: 1})
        source.say({("api", "1"): {"address": "127.0.0.1:5001", "weight": 2}})
        await read_until(sidecar, {5009: 1, 5001: 2})


async def test_many_changes_reach_a_client_in_few_responses(tmp_path: Path) -> None:
    """Changes within a tick become one change. A client with the last one has missed none."""
    source = MemorySource()
    async with provided(tmp_path, CATALOG, source) as control_plane, AsyncExitStack() as stack:
        sidecar = await follow(stack, control_plane, "users")
        source.say({}, full=True)
        for number in range(1, 1001):
            source.say({("users", "1"): {"address": "127.0.0.1:1", "weight": number}})
        assert await read_until(sidecar, {1: 1000}) < 20


async def test_a_bad_instance_is_logged_once_and_keeps_its_old_state(tmp_path: Path) -> None:
    """The server takes the other instances of the same update."""
    source = MemorySource()
    with capture_logs() as logs:
        async with provided(tmp_path, CATALOG, source) as control_plane, AsyncExitStack() as stack:
            sidecar = await follow(stack, control_plane, "users")
            source.say({("users", "1"): "127.0.0.1:1"}, full=True)
            await read_until(sidecar, {1: 1})
            for weight in (2, 3):
                source.say(
                    {("users", "1"): "127.0.0.1", ("users", "2"): {"address": "127.0.0.1:2", "weight": weight}},
                    full=True,
                )
                await read_until(sidecar, {1: 1, 2: weight})
    errors = [line["event"] for line in logs if line["log_level"] == "error"]
    assert len(errors) == 1
    assert errors[0].startswith(
        'memory: error: services.users.endpoints.1: the port is missing: write "127.0.0.1:5000"'
    )


async def test_a_failed_source_is_watched_again_and_keeps_its_instances(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failure does not affect another source."""
    monkeypatch.setattr(following, "RETRY_SECONDS", 0.01)
    failing, other = MemorySource("failing"), MemorySource("other")
    with capture_logs() as logs:
        async with provided(tmp_path, CATALOG, failing, other) as control_plane, AsyncExitStack() as stack:
            sidecar = await follow(stack, control_plane, "users")
            failing.say({("users", "1"): "127.0.0.1:1"}, full=True)
            await read_until(sidecar, {1: 1})
            failing.put(ConnectionError("refused"))
            await await_until(lambda: failing.watched == 2, 10)
            other.say({("users", "1"): "127.0.0.1:2"}, full=True)
            await read_until(sidecar, {1: 1, 2: 1})
            failing.say({("users", "2"): "127.0.0.1:3"}, full=True)
            await read_until(sidecar, {3: 1, 2: 1})
    [error] = [line for line in logs if line["log_level"] == "error"]
    assert (error["source"], error["reason"]) == ("failing", "ConnectionError('refused')")


@pytest.mark.parametrize(
    "poison",
    [
        {"address": "127.0.0.1:9", "metadata": {"a": "\ud800"}},
        {"address": "127.0.0.1:9", "metadata": {"\ud800": 1}},
        {"address": "127.0.0.1:9", "weight": 10**5000},
        {"address": "127.0.0.1:9", "weight": 70_000},
        {"address": "127.0.0.1:9", "metadata": {"a": NESTED}},
        {"address": "127.0.0.1:9", "zone": "\ud800"},
        object(),
    ],
    ids=["label", "label's key", "long number", "heavy", "deep", "zone", "no value"],
)
async def test_a_value_that_cannot_be_encoded_is_refused_alone(tmp_path: Path, poison: object) -> None:
    """The server still applies other instances, other sources and edits of the catalog."""
    bad, good = MemorySource("bad"), MemorySource("good")
    with capture_logs() as logs:
        async with provided(tmp_path, CATALOG, bad, good) as control_plane, AsyncExitStack() as stack:
            sidecar = await follow(stack, control_plane, "users")
            bad.say({("users", "1"): poison, ("users", "2"): "127.0.0.1:2"}, full=True)
            good.say({("users", "1"): "127.0.0.1:3"}, full=True)
            await read_until(sidecar, {2: 1, 3: 1})
            text = CATALOG.replace("users: {balance: weighted", 'users: {balance: weighted, endpoints: ["127.0.0.1:4"]')
            (tmp_path / "catalog.yaml").write_text(text)
            await read_until(sidecar, {2: 1, 3: 1, 4: 1})
    [error] = [line["event"] for line in logs if line["log_level"] == "error"]
    assert error.startswith("bad: error: services.users.endpoints.1")


async def test_names_that_are_not_text_are_refused(tmp_path: Path) -> None:
    """The server applies the rest of the update."""
    source = MemorySource()
    async with provided(tmp_path, CATALOG, source) as control_plane, AsyncExitStack() as stack:
        sidecar = await follow(stack, control_plane, "users")
        source.say({("users", 5): "127.0.0.1:1", ("users", "2"): "127.0.0.1:2"}, full=True)  # type: ignore[dict-item]
        await read_until(sidecar, {2: 1})


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (asyncio.CancelledError(), "CancelledError"),
        (None, "NoneType, which is not an InstanceUpdate"),
        (InstanceUpdate({("users", "1"): "127.0.0.1:1"}), "the first update is not the full set"),
    ],
    ids=["cancelled inside", "no update", "no full set"],
)
async def test_a_source_that_breaks_the_interface_counts_as_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: object, reason: str
) -> None:
    """The server logs it and watches the source again."""
    monkeypatch.setattr(following, "RETRY_SECONDS", 0.01)
    source = MemorySource()
    with capture_logs() as logs:
        async with provided(tmp_path, CATALOG, source) as control_plane, AsyncExitStack() as stack:
            sidecar = await follow(stack, control_plane, "users")
            source.put(fault)
            source.say({("users", "2"): "127.0.0.1:2"}, full=True)
            await read_until(sidecar, {2: 1})
    [error] = [line for line in logs if line["log_level"] == "error"]
    assert reason in error["reason"]


class BusySource(MemorySource):
    """A source that never waits."""

    async def watch(self) -> AsyncGenerator[InstanceUpdate]:
        """Yield the same full set again and again."""
        while True:
            yield InstanceUpdate({("users", "1"): "127.0.0.1:1"}, full=True)


async def test_a_source_that_never_waits_does_not_block_others(tmp_path: Path) -> None:
    """Another source's endpoints arrive, and the number of waiting updates has a limit."""
    busy, other = BusySource("busy"), MemorySource("other")
    async with provided(tmp_path, CATALOG, busy, other) as control_plane, AsyncExitStack() as stack:
        sidecar = await follow(stack, control_plane, "users")
        other.say({("users", "1"): "127.0.0.1:2"}, full=True)
        await read_until(sidecar, {1: 1, 2: 1})
        assert len(control_plane._instances._waiting) <= instances.MAX_WAITING + 2


async def test_many_problems_are_logged_as_a_count(tmp_path: Path) -> None:
    """The first problems have a line each."""
    source = MemorySource()
    with capture_logs() as logs:
        async with provided(tmp_path, CATALOG, source) as control_plane, AsyncExitStack() as stack:
            sidecar = await follow(stack, control_plane, "users")
            bad: dict[tuple[str, str], object | None] = {("users", f"bad-{number}"): "nowhere" for number in range(100)}
            source.say({**bad, ("users", "1"): "127.0.0.1:1"}, full=True)
            await read_until(sidecar, {1: 1})
    errors = [line for line in logs if line["log_level"] == "error"]
    assert len(errors) == 21
    assert errors[-1]["more"] == 80


async def test_tls_without_a_name_to_verify_is_refused_for_ip_addresses(tmp_path: Path) -> None:
    """Envoy would trust every certificate of the authority. For a host name, it verifies the name."""
    source = MemorySource()
    catalog = CATALOG + '  tls: {tls: true, endpoints: ["one.example.com:1"]}\n'
    with capture_logs() as logs:
        async with provided(tmp_path, catalog, source) as control_plane, AsyncExitStack() as stack:
            sidecar = await follow(stack, control_plane, "users")
            source.say(
                {
                    ("tls", "1"): "127.0.0.1:1",
                    ("tls", "2"): "two.example.com:2",
                    ("users", "1"): "127.0.0.1:3",
                },
                full=True,
            )
            while (response := await sidecar.read()).type_url != CLUSTER_LOAD_ASSIGNMENT:
                await sidecar.accept(response.type_url)
            found = control_plane._ads.store.inventory.endpoints.of("tls")
            assert [one.address for one in found] == ["one.example.com", "two.example.com"]
    [error] = [line["event"] for line in logs if line["log_level"] == "error"]
    assert error.startswith("memory: error: services.tls.tls: 1 instance with an IP address is not served")


@pytest.mark.parametrize("sources", [(), (MemorySource(),)])
async def test_a_service_without_endpoints_in_the_catalog_has_a_warning_without_sources_alone(
    tmp_path: Path, sources: tuple[MemorySource, ...]
) -> None:
    """With a source of endpoints, the warning that requests fail would be untrue."""
    catalog = "services: {users: {}, web: {endpoints: ['127.0.0.1:5000'], upstreams: [users]}}"
    with capture_logs() as logs:
        async with provided(tmp_path, catalog, *sources):
            pass
    warned = any("requests to it fail" in one["event"] for one in logs)
    assert warned is not bool(sources)


async def test_status_counts_a_sources_endpoints_apart_from_the_catalogs(tmp_path: Path) -> None:
    """A refused instance is in the status as soon as the others of its update are served, and leaves it corrected."""
    source = MemorySource()
    async with provided(tmp_path, CATALOG, source) as control_plane, AsyncExitStack() as stack:

        def describe() -> tuple[int, dict[str, int | str]]:
            inventory, applied = control_plane._ads.store.inventory, control_plane._applied
            status = describe_server(inventory, applied, (), 0.0)
            [found] = status["sources"]
            return status["catalog"]["endpoints"], {key: found[key] for key in ("endpoints", "refused", "withheld")}

        assert describe() == (1, {"endpoints": 0, "refused": 0, "withheld": 0})
        sidecar = await follow(stack, control_plane, "users")
        source.say(
            {("users", "1"): "127.0.0.1:1", ("users", "2"): "nowhere", ("api", "1"): "127.0.0.1:5000"}, full=True
        )
        await read_until(sidecar, {1: 1})
        await await_until(lambda: describe() == (1, {"endpoints": 1, "refused": 1, "withheld": 0}), 10)
        source.say({("users", "2"): "127.0.0.1:2"})
        await read_until(sidecar, {1: 1, 2: 1})
        await await_until(lambda: describe() == (1, {"endpoints": 2, "refused": 0, "withheld": 0}), 10)


async def test_an_edit_that_withholds_instances_is_logged(tmp_path: Path) -> None:
    """The edit has no mistake of its own: it adds TLS without a name to a service whose endpoints a source has."""
    source = MemorySource()
    with capture_logs() as logs:
        async with provided(tmp_path, CATALOG, source) as control_plane, AsyncExitStack() as stack:
            sidecar = await follow(stack, control_plane, "users")
            source.say({("users", "1"): "127.0.0.1:1"}, full=True)
            await read_until(sidecar, {1: 1})
            (tmp_path / "catalog.yaml").write_text(CATALOG.replace("users: {", "users: {tls: true, "))
            await await_until(lambda: sum(one.withheld_count for one in control_plane._applied.providers) == 1, 10)
    [error] = [line["event"] for line in logs if line["log_level"] == "error"]
    assert error.startswith("memory: error: services.users.tls: 1 instance with an IP address is not served")
