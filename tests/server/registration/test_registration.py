"""Where the registry differs from Consul on purpose, its limits, and who may use it."""

import asyncio
import hashlib
import json
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.server.registration.asking import Asking, asking
from xds.cli.demo.processes import await_until
from xds.endpoints.registrations.definitions import CheckDefinition, Registration, ServiceDefinition
from xds.endpoints.registrations.indexes import about_service
from xds.endpoints.registrations.refusal import Refusal
from xds.endpoints.registrations.registrations import Rules
from xds.server import http_server
from xds.server.registration.documents import HEALTH_SHAPE, write_go_json
from xds.server.registration.filters import parse_filter
from xds.server.registration.peers import place
from xds.server.registration.server import MAX_BODY
from xds.server.registration.tokens import Tokens, parse_tokens


@pytest.fixture
async def asked() -> AsyncIterator[Asking]:
    """Run a registry without tokens."""
    async with asking() as running:
        yield running


async def test_an_unknown_field_is_taken_with_one_warning(asked: Asking) -> None:
    """Consul refuses it. Keys count in any case and with underscores."""
    with capture_logs() as logs:
        for number in ("1", "2"):
            sent = {"service_ID": number, "NAME": "api", "port": 1, "Dialect": 7, "check": {"ttl": "9s", "x": 1}}
            assert await asked.register(sent) == ""
    assert [line["field"] for line in logs if line["log_level"] == "warning"] == ["service_ID", "Dialect", "Check.x"]
    assert list(await asked.get("/v1/agent/services")) == ["api"]


REFUSED: list[tuple[object, str]] = [
    ({"Name": "a b"}, "Invalid service name: names have small letters, digits, `-`, `_` and `.`"),
    ({"Name": "xds_cluster"}, "Invalid service name"),
    ({"Name": "a", "ID": "a\nb"}, "Invalid service ID: it is printable text"),
    ({"Name": "a", "Port": 65536}, "Invalid service port: expected 0 to 65535, found 65536"),
    ({"Name": "a", "Port": 1, "Address": "no host"}, "Invalid service: address: "),
    ({"Name": "a", "Port": 1, "Meta": {"zone": "z" * 300}}, "Invalid service: zone: "),
    ({"Name": "a", "Check": {"UDP": "127.0.0.1:1", "Interval": "1s"}}, "Invalid check: checks of the kind udp"),
    ({"Name": "a", "Checks": [{"TTL": "1s"}] * 65}, "Invalid check: an instance may have 64 checks at most"),
    ({"Name": "a", "Check": {"TTL": f"{'9' * 30}h"}}, "Request decode failed: time: invalid duration"),
    ({"Name": "a", "Meta": {str(number): "" for number in range(65)}}, "Invalid Service Meta: Node metadata"),
    ({"Name": "a", "Weights": {"Passing": 65536}}, "Invalid Weights: Weight must be at most 65535"),
    ("[" * 60_000, "Request decode failed: the value is nested too deep"),
    ('{"Port": ' + "9" * 5000 + "}", "Request decode failed: a number is too long"),
    ('{"Name": NaN}', "Request decode failed: invalid character 'N' looking for beginning of value"),
    ('{"Name": "a",}', "Request decode failed: invalid character '}' looking for beginning of object key"),
    ('{"Name" "a"}', "Request decode failed: invalid character '\"' after object key"),
]


async def test_what_cannot_be_an_endpoint_is_refused_with_a_sentence(asked: Asking) -> None:
    """Some of it Consul would take."""
    for sent, reason in REFUSED:
        answer = await asked.send("PUT", "/v1/agent/service/register", sent)
        assert (answer.status, answer.body[: len(reason)]) == (400, reason)
    assert await asked.get("/v1/agent/services") == {}


async def test_lone_surrogates_are_replaced(asked: Asking) -> None:
    """JSON can hold them, but no message of the mesh can."""
    assert await asked.register('{"Name": "a", "Tags": ["\\ud800"], "Meta": {"k": "\\ud800x"}}') == ""
    assert (await asked.get("/v1/agent/service/a"))["Tags"] == ["\ufffd"]


async def test_a_large_body_is_not_read_and_a_slow_one_ends(asked: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the sender waits to be asked for it, or does not say how large it is."""
    monkeypatch.setattr(http_server, "READ_S", 0.05)
    head = b"PUT /v1/agent/service/register HTTP/1.1\r\nHost: localhost\r\n"

    async def send(rest: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", asked.port)
        writer.write(head + rest)
        line = await reader.readline()
        writer.close()
        return line

    assert b" 413 " in await send(b"Content-Length: 100000000\r\n\r\n")
    assert b" 413 " in await send(b"Content-Length: 100000000\r\nExpect: 100-continue\r\n\r\n")
    assert b" 100 " in await send(b"Content-Length: 10\r\nExpect: 100-continue\r\n\r\n")
    chunk = b"10000\r\n" + b" " * MAX_BODY + b"\r\n"
    assert b" 413 " in await send(b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 2)
    assert b" 408 " in await send(b"Content-Length: 10\r\n\r\n{")


async def test_a_client_that_registers_too_much_is_refused() -> None:
    """What it has stays, and it can register that again."""
    async with asking(Rules(max_per_owner=3)) as asked:
        answers = [await asked.register({"Name": f"s{number}"}) for number in range(5)]
        assert answers[:3] == [""] * 3
        assert {answer[:3] for answer in answers[3:]} == {"429"}
        assert await asked.register({"Name": "s0", "Port": 1}) == ""
        node = {"Node": "n", "Address": "10.0.0.1"}
        assert (await asked.put("/v1/catalog/register", {**node, "Service": {"Service": "x"}}))[:3] == "429"


async def test_no_page_of_a_browser_can_register(asked: Asking) -> None:
    """Neither one of another site, nor one whose name DNS points to this machine."""
    assert (await asked.register({"Name": "a"}, Host="evil.example.com"))[:3] == "403"
    assert (await asked.register({"Name": "a"}, Origin="http://localhost"))[:3] == "403"
    assert await asked.register({"Name": "a"}, Host="localhost:1") == ""


SECRETS = ("token-of-a-team", "token-of-all", "token-to-ask", "token-of-nobody")


async def test_a_token_may_change_only_its_own_services(tmp_path: Path) -> None:
    """Nor may it take the ID of another's instance. The file can change; a token is in no log."""
    path = tmp_path / "tokens"
    hashes = {name: hashlib.sha256(name.encode()).hexdigest() for name in SECRETS}
    path.write_text(f"# tokens\n{hashes[SECRETS[0]]} api- web\n{hashes[SECRETS[1]]}  *\n\n{hashes[SECRETS[2]]}\n")
    tokens = Tokens(path)
    team, root, reader = ({"X_Consul_Token": secret} for secret in SECRETS[:3])
    with capture_logs() as logs:
        async with asking(tokens=tokens) as asked:
            assert await asked.register({"Name": "api-1"}) == "403 Permission denied: a token is needed"
            assert await asked.register({"Name": "api-1"}, X_Consul_Token=SECRETS[3]) == "403 ACL not found"
            assert await asked.register({"Name": "API-1", "Bad": 1}, **team) == ""
            assert await asked.put(f"/v1/agent/service/register?token={SECRETS[0]}", {"Name": "web"}) == ""
            assert (await asked.register({"Name": "other"}, Authorization=f"Bearer {SECRETS[0]}"))[:3] == "403"
            assert await asked.register({"Name": "other", "Check": {"TTL": "9s"}}, **root) == ""
            assert (await asked.register({"Name": "web", "ID": "other"}, **team))[:3] == "403"
            for change in ("service/deregister/other", "service/maintenance/other?enable=true"):
                assert (await asked.put(f"/v1/agent/{change}", **team))[:3] == "403"
            for change in ("deregister", "pass", "warn", "fail"):
                assert (await asked.put(f"/v1/agent/check/{change}/service:other", **team))[:3] == "403"
            check = {"Name": "c", "TTL": "1s"}
            assert (await asked.put("/v1/agent/check/register", check, **team))[:3] == "403"
            assert (await asked.put("/v1/agent/check/register", {**check, "ServiceID": "other"}, **team))[:3] == "403"
            node = {"Node": "n", "Address": "10.0.0.1"}
            assert (await asked.put("/v1/catalog/register", node, **team))[:3] == "403"
            for what in ({}, {"ServiceID": "other"}, {"CheckID": "service:other"}):
                own = {"Node": asked.registry.registrations.book.own.name, **what}
                assert (await asked.put("/v1/catalog/deregister", own, **team))[:3] == "403"
            assert await asked.put("/v1/agent/service/maintenance/web?enable=true", **team) == ""
            assert list(await asked.get("/v1/catalog/services", **reader)) == ["API-1", "other", "web"]
            assert (await asked.send("GET", "/v1/catalog/services")).status == 403
            assert (await asked.send("GET", "/v1/status/leader")).status == 200
            path.write_text(f"{hashes[SECRETS[2]]} *")
            os.utime(path, ns=(1, 1))
            tokens._looked_at -= 10
            assert (await asked.register({"Name": "web"}, **team))[:3] == "403"
            path.write_text("no hash")
            tokens._looked_at -= 10
            assert await asked.register({"Name": "web"}, **reader) == ""
    assert [line["log_level"] for line in logs if "token" in line["event"]] == ["info", "error"]
    text = json.dumps(logs)
    assert not any(name in text for name in SECRETS)
    with pytest.raises(ValueError, match="line 2: expected the SHA-256"):
        parse_tokens("#\nabc *")


def test_an_instance_on_another_machine_is_at_its_own_address() -> None:
    """Its loopback addresses are those of its machine, also in its checks. Other addresses stay."""
    checks = (
        CheckDefinition(http="http://localhost:5000/api?x=1", tcp="127.0.0.1:1", grpc="[::1]:2/svc"),
        CheckDefinition(http="https://10.0.0.9/", tcp="db:1"),
    )
    for address in ("", "127.0.0.1", "localhost", "::1"):
        sent = Registration(ServiceDefinition("1", "api", address=address, port=1), checks)
        assert place(sent, "127.0.0.1") == sent
        placed = place(sent, "10.0.0.7")
        assert placed.service.address == "10.0.0.7"
        first, second = placed.checks
        assert (first.http, first.tcp, first.grpc) == ("http://10.0.0.7:5000/api?x=1", "10.0.0.7:1", "10.0.0.7:2/svc")
        assert second == checks[1]
    sent = Registration(ServiceDefinition("1", "api", address="10.0.0.9"), (CheckDefinition(http="http://[::1]:1/"),))
    assert place(sent, "fd00::1").service.address == "10.0.0.9"
    assert place(sent, "fd00::1").checks[0].http == "http://[fd00::1]:1/"


async def test_a_query_that_waits_is_woken_only_by_what_it_asks_about(asked: Asking) -> None:
    """One whose client goes away leaves nothing."""
    await asked.register({"Name": "api", "Check": {"TTL": "1h", "Status": "passing"}})
    path = f"/v1/health/service/api?index={(await asked.send('GET', '/v1/health/service/api')).index}&wait=10s"
    waiting = asyncio.create_task(asked.send("GET", path))
    futures = asked.registry.waiting._waiting
    await await_until(lambda: about_service("api") in futures, 10)
    [first] = futures[about_service("api")]
    await asked.register({"Name": "other"})
    await asked.put("/v1/agent/check/pass/service:api?note=x")
    assert not first.done()
    await asked.put("/v1/agent/check/fail/service:api")
    assert [one["Status"] for one in (await waiting).body[0]["Checks"]] == ["passing", "critical"]
    assert not futures
    with socket.create_connection(("127.0.0.1", asked.port)) as gone:
        gone.sendall(b"GET /v1/health/service/none?index=99999999999999999 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await await_until(lambda: bool(futures), 10)
    await await_until(lambda: not futures, 10)


async def test_the_catalog_api_registers_instances_at_other_nodes(asked: Asking) -> None:
    """With checks whose status whoever registers them says. The server's own node cannot be removed."""
    entry = {
        "Node": "legacy",
        "Address": "10.0.0.9",
        "Datacenter": "dc1",
        "Service": {"Service": "db", "Port": 5432, "Tags": ["x"]},
        "Check": {"Name": "up", "Status": "passing", "ServiceID": "db", "Output": "fine"},
    }
    assert await asked.put("/v1/catalog/register", entry) == ""
    [found] = await asked.get("/v1/health/service/db?passing")
    assert (found["Node"]["Address"], [one["Output"] for one in found["Checks"]]) == ("10.0.0.9", ["fine"])
    assert asked.registry.registrations.endpoints == {
        ("db", "legacy/db"): {"address": "10.0.0.9", "port": 5432, "weight": 1, "metadata": {"tags": ["x"]}}
    }
    node = {"Node": "legacy", "Address": "10.0.0.9", "Check": {"CheckID": "n", "Name": "n", "Status": "critical"}}
    assert await asked.put("/v1/catalog/register", node) == ""
    assert await asked.get("/v1/health/service/db?passing") == []
    assert [one["CheckID"] for one in await asked.get("/v1/health/node/legacy")] == ["n", "up"]
    assert await asked.put("/v1/catalog/deregister", {"Node": "legacy", "CheckID": "n"}) == ""
    assert len(await asked.get("/v1/health/service/db?passing")) == 1
    assert await asked.put("/v1/catalog/deregister", {"Node": "legacy"}) == ""
    own = asked.registry.registrations.book.own.name
    assert [one["Node"] for one in await asked.get("/v1/catalog/nodes")] == [own]
    assert (await asked.put("/v1/catalog/deregister", {"Node": own}))[:3] == "400"
    assert (await asked.put("/v1/catalog/register", {"Node": "x"})) == "500 Must provide node and address"
    assert (await asked.put("/v1/catalog/register", {**entry, "Datacenter": "dc2"})) == "500 No path to datacenter"


async def test_the_agent_says_how_healthy_an_instance_is(asked: Asking) -> None:
    """As a status code, a word, and the checks."""
    await asked.register({"Name": "api", "ID": "1", "Check": {"TTL": "1h", "Status": "passing"}})
    await asked.register({"Name": "api", "ID": "2", "Check": {"TTL": "1h", "Status": "warning"}})
    codes = [(await asked.send("GET", f"/v1/agent/health/service/{what}")).status for what in ("id/1", "name/api")]
    assert codes == [200, 429]
    await asked.put("/v1/agent/service/maintenance/2?enable=true")
    answer = await asked.send("GET", "/v1/agent/health/service/id/2?format=text")
    assert (answer.status, answer.body) == (503, "maintenance")
    answer = await asked.send("GET", "/v1/agent/health/service/name/api")
    assert (answer.status, [one["AggregatedStatus"] for one in answer.body]) == (503, ["passing", "maintenance"])
    assert (await asked.send("GET", "/v1/agent/health/service/id/3")).status == 404
    assert (await asked.send("GET", "/v1/agent/health/service/name/x")).status == 404
    assert (await asked.get("/v1/agent/self"))["Config"]["Datacenter"] == "dc1"
    assert [one["Status"] for one in await asked.get("/v1/agent/members")] == [1]


async def test_checks_can_be_registered_and_removed_by_themselves(asked: Asking) -> None:
    """Each needs a name, and a service that there is."""
    await asked.register({"Name": "api"})
    check = {"ID": "c", "Name": "c", "ServiceID": "api", "TTL": "1h"}
    assert await asked.put("/v1/agent/check/register", check) == ""
    assert await asked.get("/v1/health/service/api?passing") == []
    assert await asked.put("/v1/agent/check/deregister/c") == ""
    assert await asked.put("/v1/agent/check/deregister/c") == ""
    assert len(await asked.get("/v1/health/service/api?passing")) == 1
    assert await asked.put("/v1/agent/check/register", {"TTL": "1h"}) == "400 Missing check name"
    unknown = {**check, "ServiceID": "x"}
    assert await asked.put("/v1/agent/check/register", unknown) == '500 ServiceID "x" does not exist'


INSTANCE = {
    "Node": {"Node": "n", "Meta": {}},
    "Service": {"Tags": ["v1", "v2"], "Meta": {"zone": "a", "odd key": "x"}, "Port": 80, "EnableTagOverride": False},
    "Checks": [{"Status": "passing"}, {"Status": "critical"}],
}


FILTERS = [
    ("Service.Meta.zone == a and Service.Port == 80", True),
    ("Service.Meta.none == a or not Service.EnableTagOverride == false", False),
    ("Service.Meta.none != a", True),
    ('"v2" in Service.Tags and `v3` not in Service.Tags', True),
    ("Service.Tags not contains v1", False),
    ("zone in Service.Meta", True),
    ('Service.Meta["odd key"] == x', True),
    ("Node.Meta is empty and Service.Tags is not empty", True),
    ("Checks.Status == critical", True),
    ('Service.Meta.zone matches "^(a|b)$" and Service.Meta.zone not matches b', True),
    ("NOT (Service.Port == 1 OR Service.Port == 80)", False),
]


def test_a_filter_lists_what_it_says() -> None:
    """With Consul's own grammar."""
    for text, expected in FILTERS:
        assert parse_filter(text, HEALTH_SHAPE)(INSTANCE) is expected, text


WRONG_FILTERS = [
    "Service.Port == x",
    "Service.Tags == v1",
    "Service == 1",
    "Service.Port contains 1",
    "Service.Meta.zone matches (",
    "(Service.Port == 1",
    "Service.Port == 1)",
    "Service.Port",
    "Service.Meta[zone == 1",
    "? == 1",
    "not " * 1000 + "Service.Port == 1",
    "Service.Port == 1 or " * 1000,
]


def test_a_filter_with_a_mistake_is_refused() -> None:
    """Also one that is too much work."""
    for text in WRONG_FILTERS:
        with pytest.raises(Refusal, match="Failed to create boolean expression evaluator"):
            parse_filter(text, HEALTH_SHAPE)


def test_json_is_written_as_go_does() -> None:
    """Some clients put it into a page."""
    assert write_go_json({"a": "<&é\u2028"}) == '{"a":"\\u003c\\u0026é\\u2028"}'
    assert write_go_json([1], pretty=True) == "[\n    1\n]\n"
