"""Balance policies beyond round robin, random and weights: least request, hashing, slow start, and manual draining."""

import asyncio
import http.client
import json
import math
import time
from collections import Counter
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.chance import by_chance, by_hash, in_turn, to_reach_all
from tests.envoy_server.echo import start_echo
from tests.envoy_server.instances import priority_shares
from tests.envoy_server.mesh import (
    Mesh,
    answered,
    counts_since,
    in_flight,
    make_catalog,
    scripted_instance,
    send,
    settled,
    under,
    until,
)
from tests.envoy_server.reporter import start_calls, start_reporter
from tests.envoy_server.test_balancing import NAMES, weigh
from tests.envoy_server.test_sidecar import ask, catalog_of
from xds.catalog.model.balance import Balance
from xds.catalog.model.locality import Locality
from xds.cli.demo.envoy_admin import balancing_policy
from xds.cli.demo.load import Load
from xds.cli.demo.processes import Envoy, Instance, free_port

RING = 1024
"""Places of Envoy's ring. The Maglev table has more and is more even."""

USERS = [f"user-{n}" for n in range(to_reach_all(3, RING))]
"""So many that each of three instances gets some."""

LB_POLICIES = {
    "weighted": "ROUND_ROBIN",
    "client_side_weighted": "ClientSideWeightedRoundRobin",
    "load_aware_locality": "LoadAwareLocality",
}
HASHING = ("ring_hash", "maglev")
REWEIGHED = ("client_side_weighted", "load_aware_locality")
"""Envoy computes their weights again each second, and then round robin starts again."""

EQUAL = ("round_robin", "random", "client_side_weighted", "load_aware_locality")


async def get(load: Load) -> str:
    """Send one request, and return who answered."""
    await load.send(1)
    assert load.failures == []
    return load.answers[-1].instance


def who(port: int, users: list[str]) -> dict[str, str]:
    """Return who answers each user."""
    return {user: ask(port, **{"x-user": user})[1] for user in users}


@pytest.mark.parametrize("balance", ["least_request", {"least_request": {"choices": 50}}])
async def test_slow_instances_get_fewer_requests(tmp_path: Path, instances: list[Instance], balance: Any) -> None:
    """Of two random endpoints, Envoy takes the one with fewer active requests. The slow one gets a ninth.

    With fifty random draws it gets still less. By chance alone it would get a third. The others share the rest by how
    fast they are on this machine.
    """
    async with scripted_instance(seconds=0.2) as slow:
        endpoints = [slow, *(instance.address for instance in instances[:2])]
        with Mesh(tmp_path, make_catalog(endpoints, balance)) as mesh:
            await mesh.start_gateway()
            counts = await send(mesh.load(300), 600)
            print(balance, counts)
            assert 0 < counts["scripted"] < by_chance(600, 1 / 3).start
            assert counts.keys() == {"scripted", "api-1", "api-2"}


@pytest.mark.parametrize("balance", ["ring_hash", "maglev"])
async def test_hashing_keeps_each_user_on_one_instance(tmp_path: Path, instances: list[Instance], balance: str) -> None:
    """Each user stays on an instance, and all instances have users. Without one of them, most others stay.

    Not all stay: the ring keeps its size, so the others get more places in it. A quarter of all places are new. Two
    thirds of these were not the third's before, and half of them change hands. Maglev moves fewer. The new places lie
    in runs, so what moves varies as if the ring had three quarters of its places. Half of them is on the safe side.
    """
    users = [f"user-{n}" for n in range(300)]
    addresses = [instance.address for instance in instances]
    with Mesh(tmp_path, make_catalog(addresses, balance, affinity={"header": "X-User"})) as mesh:
        envoy = await mesh.start_gateway()
        first = who(mesh.gateway_port, users)
        print(balance, Counter(first.values()))
        assert {*first.values()} == {*NAMES}
        assert who(mesh.gateway_port, users) == first
        mesh.write(make_catalog(addresses[:2], balance, affinity={"header": "X-User"}))
        await until(lambda: len(envoy.admin.hosts("api-service")) == 2)
        await until(lambda: "api-3" not in who(mesh.gateway_port, users).values())
        after = who(mesh.gateway_port, users)
        moved = sum(after[user] != name for user, name in first.items() if name != "api-3")
        print(f"{moved} of {sum(name != 'api-3' for name in first.values())} moved")
        assert moved < by_hash(len(users), 1 / 12, RING // 2).stop  # a modulo hash would keep a third


async def test_hashing_and_least_request_respect_weights(tmp_path: Path, instances: list[Instance]) -> None:
    """With weights 8:1:1, the first has most of the users or requests."""
    with Mesh(tmp_path, make_catalog([])) as mesh:
        envoy = await mesh.start_gateway()
        for balance in ("ring_hash", "maglev", "least_request"):
            mesh.write(make_catalog(weigh(instances, 8, 1, 1), balance, affinity={"header": "x-user"}))
            await until(lambda: balancing_policy(envoy.admin.cluster("api-service") or {}) == balance.upper())  # noqa: B023
            await until(lambda: len(envoy.admin.hosts("api-service")) == 3)
            await settled(envoy)
            counts = Counter(who(mesh.gateway_port, [f"user-{n}" for n in range(200)]).values())
            print(balance, counts)
            assert counts["api-1"] in by_hash(200, 0.8, RING)


async def test_affinity_uses_the_first_key_that_a_request_has(tmp_path: Path, instances: list[Instance]) -> None:
    """The order is the header, the query parameter, and the client's address, which all requests have."""
    affinity = {"header": "x-user", "query_parameter": "user", "source": True}
    with Mesh(tmp_path, make_catalog([i.address for i in instances], "maglev", affinity=affinity)) as mesh:
        await mesh.start_gateway()
        port = mesh.gateway_port
        by_header = who(port, USERS)
        by_query = {user: ask(port, f"/api/data?user={user}")[1] for user in USERS}
        assert by_query == by_header  # the same value has the same hash
        assert {*by_query.values()} == {*NAMES}
        assert all(
            ask(port, f"/api/data?user={user}", **{"x-user": USERS[0]})[1] == by_header[USERS[0]] for user in USERS[:20]
        )
        assert len({ask(port)[1] for _ in range(20)}) == 1
        # At the edge, a header that the catalog does not name cannot select an instance.
        assert len({ask(port, **{"x-forwarded-for": f"192.0.2.{n}"})[1] for n in range(20)}) == 1


async def test_affinity_by_a_cookie_that_envoy_sets(tmp_path: Path, instances: list[Instance]) -> None:
    """A client without the cookie gets one, and stays. Without `ttl`, the application sets the cookie."""
    addresses = [instance.address for instance in instances]
    catalog = make_catalog(addresses, "ring_hash", affinity={"cookie": {"name": "sid", "ttl": "1h"}})
    with Mesh(tmp_path, catalog) as mesh:
        envoy = await mesh.start_gateway()
        for _ in range(6):
            instance, cookie = ask_cookie(mesh.gateway_port)
            assert "Max-Age=3600; Path=/; HttpOnly" in cookie
            pair = cookie.partition(";")[0]
            assert {ask_cookie(mesh.gateway_port, pair) for _ in range(6)} == {(instance, "")}
        mesh.write(make_catalog(addresses, "ring_hash", affinity={"cookie": "sid"}))
        await until(lambda: ask_cookie(mesh.gateway_port)[1] == "")
        assert len({ask_cookie(mesh.gateway_port, "sid=mine") for _ in range(6)}) == 1
        assert len({ask_cookie(mesh.gateway_port) for _ in range(30)}) > 1
        assert envoy.admin.is_ready()


def ask_cookie(port: int, cookie: str = "") -> tuple[str, str]:
    """Send one request with a cookie, and return who answered and the cookie in the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/api/data", headers={"Cookie": cookie} if cookie else {})
        response = connection.getresponse()
        return json.loads(response.read())["instance"], response.getheader("set-cookie") or ""
    finally:
        connection.close()


async def test_affinity_works_at_a_sidecar_and_for_tcp(tmp_path: Path, instances: list[Instance]) -> None:
    """A sidecar hashes the client that its application names. TCP affinity uses the client of the connection."""
    port, local = free_port(), free_port()
    addresses = [instance.address for instance in instances]
    services = {
        "web": {"upstreams": ["api", "db"], "sidecar": port},
        "api": {"balance": "maglev", "affinity": {"header": "x-user", "source": True}, "endpoints": addresses},
        "db": {
            "protocol": "tcp",
            "local_port": local,
            "balance": "ring_hash",
            "affinity": {"source": True},
            "endpoints": addresses,
        },
    }
    with Mesh(tmp_path, catalog_of(services)) as mesh:
        envoy = await mesh.start_envoy("web-1", "web")
        await envoy.listening(f"127.0.0.1:{port}")
        await envoy.listening(f"127.0.0.1:{local}")
        found = {user: {ask(port, Host="api", **{"x-user": user})[1] for _ in range(2)} for user in USERS}
        assert all(len(names) == 1 for names in found.values())
        assert set.union(*found.values()) == {*NAMES}
        clients = [f"192.0.2.{n}" for n in range(len(USERS))]
        found = {one: {ask(port, Host="api", **{"x-forwarded-for": one})[1] for _ in range(2)} for one in clients}
        assert all(len(names) == 1 for names in found.values())
        assert set.union(*found.values()) == {*NAMES}
        assert len({ask(local)[1] for _ in range(20)}) == 1


async def test_a_new_endpoint_starts_slowly(tmp_path: Path, instances: list[Instance]) -> None:
    """It starts at a tenth of its share, and gets all of it when the window ends.

    All balances that support it are tested.
    """
    balances = ("round_robin", "weighted", "least_request")

    def catalog(number: int) -> str:
        plain, weighed = [one.address for one in instances[:number]], weigh(instances, 2, 2, 2)[:number]
        services: dict[str, dict[str, Any]] = {
            balance: {
                "balance": balance,
                "slow_start": "3s",
                "endpoints": weighed if balance == "weighted" else plain,
            }
            for balance in balances
        }
        routes = [{"prefix": f"/{name}/", "to": name, "rewrite": {"prefix": "/"}} for name in balances]
        gateway = {"address": "127.0.0.1", "port": "GATEWAY", "routes": routes}
        return json.dumps({"services": services, "gateways": {"edge": gateway}}).replace('"GATEWAY"', "GATEWAY")

    with Mesh(tmp_path, catalog(2)) as mesh:
        envoy = await mesh.start_gateway()
        await asyncio.sleep(3.2)  # otherwise the others would be new as well
        async with AsyncExitStack() as stack:
            loads = [
                await stack.enter_async_context(under(mesh.load(100, f"/{balance}/api/data"))) for balance in balances
            ]
            mesh.write(catalog(3))
            await until(lambda: all(instances[2].address in envoy.admin.hosts(name) for name in balances))
            added = time.monotonic()
            await answered(loads[-1], 50)
            soon = time.monotonic()
            await until(lambda: time.monotonic() > added + 3.2)
            later = time.monotonic()
            await answered(loads[-1], 200)
        for balance, load in zip(balances, loads, strict=True):
            early, late = counts_since(load, added, soon), counts_since(load, later)
            print(balance, "early", early, "late", late)
            weight = max(0.1, (soon - added) / 3)  # of its full weight 1, and growing
            astray = in_flight(load, added, soon)
            # One request more, since the edit may have been in effect for a moment.
            assert early["api-3"] <= in_turn(early.total(), weight / (2 + weight), 3, astray=astray).stop
            if balance == "least_request":
                assert late["api-3"] in by_chance(late.total(), 1 / 3)
            else:
                assert late["api-3"] in in_turn(late.total(), 1 / 3, 3, astray=in_flight(load, later))


async def test_the_load_that_endpoints_report_sets_their_shares(tmp_path: Path) -> None:
    """An endpoint with twice the utilization gets half as much. Edits from and to round robin lose no request.

    Each endpoint reports in its own way: as text, as JSON, or with a metric of its own.
    """
    reporting = {"blackout_period": "10ms", "weight_update_period": "100ms"}
    with start_echo("idle") as idle, start_echo("busy") as busy:
        endpoints = [idle.endpoint, busy.endpoint]

        stretches: list[tuple[float, float, float]] = []

        async def take(mesh: Mesh, load: Load, balance: Any, share: float) -> None:
            """Wait until the idle endpoint has about this share of the last 90 answers and keeps it."""
            mesh.write(make_catalog(endpoints, balance))

            def is_about_so() -> bool:
                names = [answer.instance for answer in load.answers[-90:]]
                return abs(names.count("idle") / 90 - share) < 0.05

            await until(is_about_so)
            since = time.monotonic()
            await answered(load, 200)
            stretches.append((share, since, time.monotonic()))

        with Mesh(tmp_path, make_catalog(endpoints)) as mesh:
            await mesh.start_gateway()
            async with under(mesh.load(400)) as load:
                idle.load, busy.load = (f"TEXT cpu_utilization={part},rps_fractional=100" for part in (0.3, 0.6))
                await take(mesh, load, {"client_side_weighted": reporting}, 2 / 3)
                idle.load, busy.load = (
                    json.dumps({"named_metrics": {"queue": part}, "rps_fractional": 100}) for part in (0.2, 0.8)
                )
                idle.load, busy.load = f"JSON {idle.load}", f"JSON {busy.load}"
                named = {**reporting, "metric_names": ["named_metrics.queue"]}
                await take(mesh, load, {"client_side_weighted": named}, 4 / 5)
                await take(mesh, load, "round_robin", 1 / 2)
        for share, since, before in stretches:
            counts, astray = counts_since(load, since, before), in_flight(load, since, before)
            print(share, counts)
            rounds = 2 + math.floor((before - since) / 0.1)  # each `weight_update_period` starts one
            assert counts["idle"] in in_turn(counts.total(), share, 2, rounds=rounds, astray=astray)


async def test_the_load_that_envoy_requests_out_of_band_sets_shares(tmp_path: Path) -> None:
    """Envoy opens a stream to each endpoint and asks for reports at the interval in the catalog."""
    apart = {"oob_reporting_period": "200ms", "blackout_period": "10ms", "weight_update_period": "100ms"}
    async with start_reporter("idle", 0.2) as idle, start_reporter("busy", 0.6) as busy:
        catalog = make_catalog(
            [idle.endpoint, busy.endpoint], {"client_side_weighted": apart}, protocol="grpc", upstreams=[]
        )
        with Mesh(tmp_path, catalog) as mesh:
            await mesh.start_gateway()
            async with start_calls(mesh.gateway_port) as answers:
                await until(lambda: len(answers) > 100 and abs(answers[-100:].count("idle") - 75) < 8)
                assert {*idle.asked, *busy.asked} == {0.2}
                first = len(answers)
                idle.utilization, busy.utilization = 0.6, 0.2
                await until(lambda: len(answers) > first + 100 and abs(answers[-100:].count("idle") - 25) < 8)
                print(Counter(answers[-100:]), idle.reports, busy.reports)


async def test_requests_leave_a_locality_whose_endpoints_report_more_load(tmp_path: Path) -> None:
    """An idle near locality gets all but a probe. When it is busy, most requests go where there is headroom."""
    near_first = {"load_aware_locality": {"weight_update_period": "100ms", "smoothing_time_constant": "200ms"}}
    with start_echo("near") as near, start_echo("far") as far:
        endpoints = [{"address": near.endpoint, "zone": "a"}, {"address": far.endpoint, "zone": "b"}]
        near.load, far.load = (f"TEXT cpu_utilization={part},rps_fractional=100" for part in (0.2, 0.2))
        with Mesh(tmp_path, make_catalog(endpoints, near_first)) as mesh:
            await mesh.start_envoy("edge-1", "edge", locality=Locality("", "a", ""))
            async with under(mesh.load(150)) as load:

                def near_share(answers: int) -> float:
                    return [answer.instance for answer in load.answers[-answers:]].count("near") / answers

                await until(lambda: len(load.answers) > 150 and near_share(150) > 0.9)
                near.load, far.load = (f"TEXT cpu_utilization={part},rps_fractional=100" for part in (0.9, 0.1))
                await until(lambda: near_share(150) < 0.2)
                print(Counter(answer.instance for answer in load.answers[-150:]))
                near.load, far.load = (f"TEXT cpu_utilization={part},rps_fractional=100" for part in (0.1, 0.9))
                await until(lambda: near_share(150) > 0.9)


async def test_drained_endpoints_finish_their_requests(tmp_path: Path, instances: list[Instance]) -> None:
    """They get no new requests, even if most endpoints are drained. They answer the requests that they have."""
    active = "cluster.api-service.upstream_rq_active"
    async with scripted_instance(seconds=2) as slow:
        drained: list[dict[str, Any]] = [{"address": slow}, {"address": instances[0].address}]
        rest = {"address": instances[1].address}
        with Mesh(tmp_path, make_catalog([drained[0]])) as mesh:
            envoy = await mesh.start_gateway()
            running = asyncio.create_task(get(mesh.load()))
            await until(lambda: envoy.admin.stats(active).get(active) == 1)
            mesh.write(make_catalog([*({**one, "drain": True} for one in drained), rest]))
            await until(lambda: len(envoy.admin.hosts("api-service")) == 3)
            assert await send(mesh.load(), 60) == {"api-2": 60}
            assert await running == "scripted"


async def test_draining_and_its_end_fail_no_request(tmp_path: Path, instances: list[Instance]) -> None:
    """No request fails when two of three endpoints are drained, nor when they return."""
    endpoints: list[dict[str, Any]] = [{"address": instance.address} for instance in instances]
    drained = [{**one, "drain": True} for one in endpoints[:2]] + endpoints[2:]
    with Mesh(tmp_path, make_catalog(endpoints)) as mesh:
        envoy = await mesh.start_gateway()
        async with under(mesh.load(200)) as load:
            mesh.write(make_catalog(drained))
            await until(lambda: sum(host.healthy for host in envoy.admin.hosts("api-service").values()) == 1)
            alone = await settled(envoy)
            await answered(load, 60)
            back = time.monotonic()
            mesh.write(make_catalog(endpoints))
            await until(lambda: sum(host.healthy for host in envoy.admin.hosts("api-service").values()) == 3)
            since = await settled(envoy)
            await answered(load, 90)
        assert {*counts_since(load, alone, back)} == {"api-3"}
        assert is_so("round_robin", load, since)


@pytest.mark.parametrize(
    ("mark", "host"),
    [
        ({"health": "degraded"}, "127.0.0.1"),
        ({"health": "unhealthy"}, "127.0.0.1"),
        ({"drain": True}, "127.0.0.1"),
        ({"drain": True}, "localhost"),  # Envoy resolves it
    ],
)
async def test_the_catalog_can_set_an_endpoints_health(
    tmp_path: Path, instances: list[Instance], mark: dict[str, Any], host: str
) -> None:
    """A degraded endpoint gets the overflow. An unhealthy one gets nothing while there is another."""
    one, two, three = (instance.address.replace("127.0.0.1", host) for instance in instances)
    out: list[Any] = [{"address": address, **mark} for address in (one, two)]
    with Mesh(tmp_path, make_catalog([*out, three])) as mesh:
        envoy = await mesh.start_gateway()
        if mark == {"health": "degraded"}:
            counts = await send(mesh.load(), 800)
            [well] = priority_shares([(1, 3), (2, 3)])[:1]
            assert counts["api-3"] in by_chance(800, well)
        else:
            assert await send(mesh.load(), 60) == {"api-3": 60}
        mesh.write(make_catalog(out))
        await until(lambda: len(envoy.admin.hosts("api-service")) == 2)
        counts = await send(mesh.load(), 60)
        assert {*counts} == {"api-1", "api-2"}


def make_tour(stops: list[str]) -> list[str]:
    """Return a tour that goes from every stop to every other one exactly once (Hierholzer)."""
    left = {stop: [other for other in stops if other != stop] for stop in stops}
    way, tour = [stops[0]], []
    while way:
        if left[way[-1]]:
            way.append(left[way[-1]].pop())
        else:
            tour.append(way.pop())
    return tour[::-1]


def is_so(balance: str, load: Load, since: float, before: float = math.inf) -> bool:
    """Whether one user's requests in a period are shared as the balance requires.

    These endpoints report no load, and without a report all weigh the same. `least_request` decides by the number of
    active requests, which depends on the machine. It may be as far from the weights as chance.
    """
    counts, astray = counts_since(load, since, before), in_flight(load, since, before)
    if balance in HASHING:
        return len(counts) == 1
    weights = (3, 2, 1) if balance in ("weighted", "least_request") else (1, 1, 1)
    shares = [weight / sum(weights) for weight in weights]
    rounds = 2 + math.floor(before - since) if balance in REWEIGHED else 1
    bounds = [
        by_chance(counts.total(), share)
        if balance in ("random", "least_request")
        else in_turn(counts.total(), share, 3, rounds=rounds, astray=astray)
        for share in shares
    ]
    return all(counts[name] in of_name for name, of_name in zip(NAMES, bounds, strict=True))


async def test_every_balance_can_change_to_every_other(
    tmp_path: Path, instances: list[Instance], pytestconfig: pytest.Config
) -> None:
    """All 56 edits happen one after the other under load. No request fails, and each new balance works at once.

    Without `--whole`, the test does eight edits, which cover each balance once.
    """
    endpoints = weigh(instances, 3, 2, 1)
    balances = [balance.value for balance in Balance]
    tour = make_tour(balances) if pytestconfig.getoption("whole") else [*balances, balances[0]]
    assert len(tour) in (57, 9)
    with Mesh(tmp_path, make_catalog(endpoints, tour[0], affinity={"query_parameter": "user"})) as mesh:
        envoy = await mesh.start_gateway()
        stretches: list[tuple[float, float]] = []
        async with under(mesh.load(300, "/api/data?user=one")) as load:
            for balance in tour[1:]:
                mesh.write(make_catalog(endpoints, balance, affinity={"query_parameter": "user"}))
                await until(lambda: in_effect(envoy, balance))  # noqa: B023 - the loop awaits it
                since = await settled(envoy)
                await answered(load, 60)
                stretches.append((since, time.monotonic()))
        for (before, after), stretch in zip(pairwise(tour), stretches, strict=True):
            assert is_so(after, load, *stretch), (before, after, counts_since(load, *stretch))


def in_effect(envoy: Envoy, balance: str) -> bool:
    """Whether the active cluster has that balance and its endpoints have the weights."""
    hosts = envoy.admin.hosts("api-service").values()
    weights = [1, 1, 1] if balance in EQUAL else [1, 2, 3]
    policy = LB_POLICIES.get(balance, balance.upper())
    active = balancing_policy(envoy.admin.cluster("api-service") or {})
    return active == policy and sorted(host.weight for host in hosts) == weights
