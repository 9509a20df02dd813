"""What a stream, and all streams of one address, may use of the server: time, streams, names, lines of the log."""

import asyncio
from typing import Any

import grpc
import pytest
import structlog
from structlog.testing import capture_logs

from tests.server.administered import administered
from tests.server.serving import NODE, SOTW_ADS, delta, make_catalog, read_delta, read_sotw, serving
from xds.cli.demo.processes import await_until
from xds.errors import PeerError
from xds.server.observe import repeats
from xds.server.observe.repeats import LINES, LINES_PER_CLIENT, RepeatLog
from xds.server.streams import stream as streams
from xds.server.streams.metering import MESSAGE_COST, REFUSED_COST, STREAM_RATE, Addresses, Meter, cost_of
from xds.server.streams.pacing import COST, RequestPacer
from xds.session.limits import MAX_FEATURES, MAX_NODE_BYTES, MAX_NODE_SIZE, Limits
from xds.session.request import check_node, check_request, read_repeat
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT
from xds.wire.discovery_pb2 import DeltaDiscoveryRequest, DiscoveryRequest, Locality, Node, Status
from xds.wire.varint import encode_field

CATALOG = make_catalog("a", "b")


def test_a_meter_lets_a_burst_pass_and_then_its_rate() -> None:
    """Who takes more than is left waits until the allowance has grown that much."""
    meter = Meter(100, 10, now=0.0)
    assert meter.take(100, 0.0) == 0
    assert meter.take(20, 0.0) == pytest.approx(2.0)
    assert meter.take(0, 1.0) == pytest.approx(1.0)
    assert meter.take(0, 2.0) == 0
    assert meter.take(100, 1000.0) == 0  # no more than a burst is saved


def test_a_request_costs_its_names() -> None:
    """Each field with names counts, however its tag is encoded. What other fields contain are no names."""
    names = [f"n-{number}" for number in range(500)]
    for request in (
        DiscoveryRequest(resource_names=names),
        DeltaDiscoveryRequest(resource_names_subscribe=names),
        DeltaDiscoveryRequest(resource_names_unsubscribe=names),
        DeltaDiscoveryRequest(initial_resource_versions=dict.fromkeys(names, "1")),
    ):
        assert check_request(type(request), request.SerializeToString(), 500) == 500
    overlong = b"\xa0\x06\x01" + b"\x9a\x00\x01n" * 500  # an unknown integer first, and `1a` as two bytes
    assert len(DiscoveryRequest.FromString(overlong).resource_names) == 500
    assert check_request(DiscoveryRequest, overlong, 500) == 500
    with pytest.raises(PeerError, match="more than 499 names in a request"):
        check_request(DiscoveryRequest, overlong, 499)
    odd = DeltaDiscoveryRequest(
        node=Node(id="a", metadata=b"\x1a" * 1000), error_detail=Status(message='"*"' * 1000)
    ).SerializeToString()
    assert check_request(DeltaDiscoveryRequest, odd + encode_field(100, b"\x1a\x01n" * 1000), 10) == 0
    assert cost_of(100, 500) == MESSAGE_COST + 500


def test_a_large_request_costs_its_bytes() -> None:
    """A stream sends less than ten of the largest requests a second after its burst, whatever these contain."""
    assert cost_of(len(DiscoveryRequest(node=NODE).SerializeToString()), 0) == MESSAGE_COST
    assert cost_of(100 * 1000, 1000) == MESSAGE_COST + 1000  # names of usual length
    assert cost_of(Limits().message_bytes, 0) * 10 > STREAM_RATE


@pytest.mark.parametrize(
    "data",
    [
        b"\x1a",
        b"\x1a\x05a",
        b"\x1b\x1c",
        b"\x1f\x01",
        b"\xa1\x06a",
        b"\xa0\x06",
        b"\xff" * 4_000_000,
        b"\xa0\x06" + b"\xff" * 11,
    ],
    ids=[
        "no size",
        "an end in a name",
        "a group",
        "no wire type",
        "an end in an integer",
        "no integer",
        "4 MB",
        "11 bytes",
    ],
)
def test_a_malformed_field_is_refused(data: bytes) -> None:
    """A varint ends after ten bytes: more would take hours to add up."""
    with pytest.raises(PeerError, match="not a DiscoveryRequest: a field is malformed"):
        check_request(DiscoveryRequest, data, 10)


def test_integers_of_each_size_are_skipped() -> None:
    """Later versions of the protocol may have such fields."""
    data = b"\xa0\x06\xff\x01" + b"\xa1\x06" + b"\x1a" * 8 + b"\xa5\x06" + b"\x1a" * 4 + b"\x1a\x01n"
    assert list(DiscoveryRequest.FromString(data).resource_names) == ["n"]
    assert check_request(DiscoveryRequest, data, 10) == 1


async def test_a_refused_request_costs_what_was_read_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else new streams could repeat it as fast as they like."""
    costs: list[float] = []

    def take(_meter: Meter, cost: float, _now: float) -> float:
        costs.append(cost)
        return 0.0

    monkeypatch.setattr(Meter, "take", take)
    async with serving(CATALOG) as server:
        call = server.open()
        await call.write(delta(CLUSTER, *(str(number) for number in range(30_000))))
        assert await call.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert costs == [REFUSED_COST] * 2


@pytest.mark.parametrize("kind", [DiscoveryRequest, DeltaDiscoveryRequest])
def test_a_node_has_a_size(kind: type[Any]) -> None:
    """It counts for later requests too, although these nodes are not kept. Parts of it count together."""
    half = kind(node=Node(id="a", metadata=b"x" * (MAX_NODE_SIZE // 2 - 10))).SerializeToString()
    assert check_request(kind, half * 2, 10) == 0
    with pytest.raises(PeerError, match=f"node has more than {MAX_NODE_SIZE} bytes"):
        check_request(kind, half * 3, 10)


async def test_an_answer_that_repeats_its_names_costs_no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a change could not reach a thousand clients of one address at once. The same again costs its names."""
    costs: list[float] = []
    unwatched = Meter.take

    def take(self: Meter, cost: float, now: float) -> float:
        costs.append(cost)
        return unwatched(self, cost, now)

    monkeypatch.setattr(Meter, "take", take)
    names = [f"service-{number}" for number in range(1000)]
    async with serving(make_catalog(*names)) as server:
        call = server.open(SOTW_ADS)

        async def say(asked: list[str], nonce: str = "", **fields: Any) -> float:
            """Send a request, and return what it costs."""
            costs.clear()
            request = DiscoveryRequest(node=NODE, type_url=CLUSTER_LOAD_ASSIGNMENT, response_nonce=nonce, **fields)
            request.resource_names.extend(asked)
            await call.write(request.SerializeToString())
            await await_until(lambda: len(costs) == 2, 10)  # of the stream, and of the address
            assert costs[0] == costs[1]
            return costs[0]

        assert await say(names) > 1000
        first = (await read_sotw(call)).nonce
        assert await say(names, nonce="stale") > 1000
        assert await say(names, nonce=first, version_info="1") == MESSAGE_COST
        assert await say(names, nonce=first, version_info="1") > 1000  # a flood
        await server.edit(make_catalog(*names, weight=2))
        second = (await read_sotw(call)).nonce
        assert await say([*names, "other"], nonce=second) > 1000
        await server.edit(make_catalog(*names, weight=3))
        third = (await read_sotw(call)).nonce
        assert await say([*names, "other"], nonce=third, error_detail=Status(message="no")) == MESSAGE_COST


def test_a_repeat_is_recognized_by_its_fields_and_not_by_its_bytes() -> None:
    """A nonce within another field is none, and names beside those are others."""

    def write(*names: str, **fields: Any) -> bytes:
        return DiscoveryRequest(resource_names=names, **fields).SerializeToString()

    names = write("a", "b")
    assert read_repeat(write("a", "b", type_url="t", response_nonce="n"), names) == (b"t", b"n")
    assert read_repeat(write("a", "b", node=NODE, version_info="1", type_url="t"), names) == (b"t", b"")
    for other in (
        write("a"),
        write("a", "b", "c"),
        write("a", "b", "a", "b"),
        write(version_info=names.decode(), type_url="t", response_nonce="n"),
        write("a", "b", type_url="t") + write("c"),
        write("a", "b", type_url="t")[:-1],
        write("a", "b") + b"\x10\x01",
        write("a", "b") + write(type_url="t") * 10,
        write("a", "b", type_url="t", node=Node(metadata=b"x" * MAX_NODE_SIZE)),
        write("a", "b", type_url="t") + b"\xff" * 11,
    ):
        assert read_repeat(other, names) is None


def test_the_last_streams_are_for_addresses_that_have_few() -> None:
    """From three quarters of the limit on, an address that has more than a quarter gets no more."""
    addresses = Addresses(100, lambda: 0.0)
    many = [addresses.open(f"ipv4:10.0.0.1:{port}") for port in range(100)]
    assert many.count(None) == 25
    others = [addresses.open(f"ipv4:10.0.0.{host}:1") for host in range(2, 40)]
    assert others.count(None) == 38 - 25
    for address in [*many, *others]:
        if address is not None:
            addresses.close(address)
    assert addresses.streams == 0
    assert addresses.open("unix:") is not None
    hosts = [addresses.open(f"ipv6:%5B2001:db8::{port:x}%5D:{port}") for port in range(1, 100)]
    assert hosts.count(None) > 20  # one host has 2^64 of them


async def test_a_thousand_requests_of_one_peer_delay_another_peers_by_one_turn() -> None:
    """Peers take turns, and a request that costs more takes the turns of several."""
    pacer, passed = RequestPacer(1), list[str]()

    async def work(peer: str) -> None:
        await pacer.wait(peer, 3 * COST)
        passed.append(peer)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(1000):
            tasks.create_task(work("flood"))
        await asyncio.sleep(0)
        tasks.create_task(work("good"))
    assert passed.index("good") <= 3
    assert len(passed) == 1001


@pytest.mark.parametrize("field", ["resource_names_subscribe", "resource_names_unsubscribe"])
def test_a_request_with_too_many_names_is_not_read_to_its_end(field: str) -> None:
    """What comes after the first name too many may be anything: nothing of it is parsed."""
    names: dict[str, Any] = {field: [f"n-{number}" for number in range(11)]}
    data = DeltaDiscoveryRequest(type_url=CLUSTER, **names).SerializeToString()
    with pytest.raises(PeerError, match="more than 10 names in a request"):
        check_request(DeltaDiscoveryRequest, data + b"\x1a" * 100, 10)
    assert check_request(DeltaDiscoveryRequest, data, 11) == 11


def test_a_request_with_many_other_fields_is_refused() -> None:
    """The check takes no longer for them."""
    data = DiscoveryRequest(resource_names=["n"] * 5).SerializeToString() + b"\x7a\x00" * 1000 + b"\x1a\x01n" * 10
    with pytest.raises(PeerError, match="more than 100 fields"):
        check_request(DiscoveryRequest, data, 10)


async def test_a_request_to_forget_a_million_names_ends_the_stream() -> None:
    """The status is RESOURCE_EXHAUSTED. A good client goes on."""
    async with serving(CATALOG) as server:
        good, bad = server.open(), server.open()
        for call in (bad, good):
            await call.write(delta(CLUSTER_LOAD_ASSIGNMENT, "a"))
            response = await read_delta(call)
        names = [str(number) for number in range(300_000)]
        await bad.write(DeltaDiscoveryRequest(type_url=CLUSTER, resource_names_unsubscribe=names).SerializeToString())
        assert await bad.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        await good.write(delta(CLUSTER_LOAD_ASSIGNMENT, "b", nonce=response.nonce))
        assert (await read_delta(good)).resources


async def test_the_names_of_a_stream_have_a_size_together() -> None:
    """Many long names are as bad as very many."""
    limits = Limits(message_bytes=50_000)
    async with serving(CATALOG, limits) as server:
        call = server.open()
        await call.write(delta(CLUSTER_LOAD_ASSIGNMENT, *(f"{number:04000}" for number in range(10))))
        await read_delta(call)
        await call.write(delta(CLUSTER_LOAD_ASSIGNMENT, *(f"{number:04000}" for number in range(10, 20))))
        assert await call.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "bytes" in await call.details()


LONG = "ä" * (MAX_NODE_BYTES // 2 + 1)


@pytest.mark.parametrize(
    ("field", "node"),
    [
        ("node.id", Node(id=LONG)),
        ("node.cluster", Node(id="a", cluster=LONG)),
        ("node.locality", Node(id="a", locality=Locality(zone=LONG))),
        ("node.user_agent_name", Node(id="a", user_agent_name=LONG)),
        ("node.user_agent_version", Node(id="a", user_agent_version=LONG)),
        ("type_url", Node(id="a")),
    ],
)
async def test_what_is_in_logs_and_metrics_has_a_length(field: str, node: Node) -> None:
    """The message names the field and the limit."""
    async with serving(CATALOG) as server:
        call = server.open()
        type_url = LONG if field == "type_url" else CLUSTER
        await call.write(DeltaDiscoveryRequest(node=node, type_url=type_url).SerializeToString())
        assert await call.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert await call.details() == f"{field} has more than {MAX_NODE_BYTES} bytes"


def test_a_node_has_few_client_features() -> None:
    """Empty ones have no length, and a million of them would stay in memory."""
    check_node(Node(id="a", client_features=[""] * MAX_FEATURES))
    with pytest.raises(PeerError, match=f"node.client_features has more than {MAX_FEATURES} entries"):
        check_node(Node(id="a", client_features=[""] * (MAX_FEATURES + 1)))


async def test_a_stream_without_a_request_is_shown_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in status and metrics until its time is over."""
    monkeypatch.setattr(streams, "FIRST_REQUEST_SECONDS", 3.0)
    async with administered() as admin:
        sidecar = admin.connect()
        await sidecar.ask()
        silent = admin.serving.open()
        await silent.wait_for_connection()
        await await_until(lambda: admin.serving.servicer.count_silent() == 1, 10)
        assert (await admin.get("/status"))["streams_without_request"] == 1
        assert (await admin.metrics())["xds_streams_without_request"] == 1
        assert await silent.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert (await admin.get("/status"))["streams_without_request"] == 0
        await sidecar.accept()


async def test_what_a_client_repeats_is_a_few_lines_and_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """One client has few lines, many clients have more, and the end of the period tells the rest."""
    monkeypatch.setattr(repeats, "SECONDS", 1000.0)
    log, logger = RepeatLog(), structlog.get_logger()
    with capture_logs() as lines:
        for _ in range(50):
            log.tell("one", logger.warning, "stream refused", reason="why")
        for number in range(500):
            log.tell(number, logger.warning, "stream refused", reason="why")
        log.tell("one", logger.error, "NACK")
        log.flush()
        log.flush()
        log.tell("one", logger.warning, "stream refused", reason="why")
    counted = [line["event"] for line in lines]
    assert counted.count("stream refused") == LINES + 1
    assert counted[: LINES_PER_CLIENT + 1].count("stream refused") == LINES_PER_CLIENT + 1
    assert counted.count("NACK") == 1
    [left_out] = [line for line in lines if line["event"].startswith("more lines")]
    assert (left_out["kind"], left_out["more"]) == ("stream refused", 550 - LINES)
