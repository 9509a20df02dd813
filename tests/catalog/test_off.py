"""`off`: the word for a block that is not there, or for turning off what is there by default."""

import pytest

from tests.catalog.catalogs import check_files, find_problems
from tests.resources.test_every_field import build
from xds.catalog.fields import get_root, list_fields
from xds.errors import Severity

SERVICE = "services: {a: {endpoints: ['10.0.0.1:1'], %s}, b: {upstreams: [a]}}"
ROUTE = "services: {a: {endpoints: ['10.0.0.1:1'], retries: 3}}\ngateways: {g: {port: 1, routes: [{to: a, %s}]}}"
GATEWAY = "services: {a: {endpoints: ['10.0.0.1:1']}}\ngateways: {g: {port: 1, routes: [{to: a}], %s}}"
MESH = "services: {a: {endpoints: ['10.0.0.1:1']}, b: {upstreams: [a]}}\nmesh: {%s}"

NO_OFF = {
    **dict.fromkeys(
        ("circuit_breakers", "connection_pool", "timeouts", "limits", "http", "budget", "back_off"),
        "Envoy has a value of its own in any case",
    ),
    **dict.fromkeys(("balance", "locality"), "one of several words, each for what it does"),
    **dict.fromkeys(
        ("round_robin", "random", "weighted", "least_request", "ring_hash", "maglev", "client_side_weighted"),
        "a balance has one of these",
    ),
    **dict.fromkeys(("load_aware_locality", "zone_aware", "delay", "abort"), "what the block above is about"),
    **dict.fromkeys(("redirect", "respond"), "what a route does"),
    "rewrite": "it would seem to keep the caller's Host, which the service's `host` may replace",
    **dict.fromkeys(("request_headers", "response_headers"), "it would seem to remove all headers"),
    "sidecar": "a sidecar without the listener would serve nobody",
    "registry": "it would seem to close the server's port",
    "mesh": "the mesh itself",
}
"""The blocks for which `off` would be ambiguous, or would mean nothing."""


@pytest.mark.parametrize(
    ("catalog", "field"),
    [
        *((SERVICE, name) for name in ("affinity", "slow_start", "health_check", "keepalive", "tls", "access_log")),
        *((ROUTE, name) for name in ("mirror", "fault", "rate_limit", "cors")),
        *((GATEWAY, name) for name in ("tls", "access_log")),
        *((MESH, name) for name in ("tracing", "access_log")),
    ],
)
def test_off_is_the_same_as_nothing(catalog: str, field: str) -> None:
    """Where a block is not there by default, `off` changes nothing that is built, and is no mistake."""
    assert find_problems(catalog % f"{field}: off") == find_problems(catalog % "")
    assert build(catalog % f"{field}: off", grpc=False) == build(catalog % "", grpc=False)


def test_a_route_without_retries_has_none_though_its_service_has() -> None:
    """What a route leaves out is as in the service; `off` leaves nothing out."""
    of_route = build_gateway(ROUTE % "retries: off")
    assert of_route == build_gateway(ROUTE % "retries: 0")
    assert of_route == build_gateway((ROUTE % "").replace("retries: 3", "retries: off"))
    assert of_route != build_gateway(ROUTE % "")


def build_gateway(text: str) -> set[bytes]:
    """Return what the gateway is sent of a valid catalog."""
    return {body for cluster, *_, body in build(text, grpc=False) or () if cluster == "g"}


def test_a_route_without_retries_has_none_of_any_service() -> None:
    """Then it does not matter that its services have different retries."""
    services = "services: {a: {endpoints: [a:1], retries: 3}, b: {endpoints: [b:1], retries: {on: [503]}}}"
    gateway = "gateways: {g: {port: 1, routes: [{to: {a: 1, b: 1}, retries: off}]}}"
    outcome = check_files(a=services, b=gateway)
    assert outcome == []


def test_tcp_without_retries_is_no_mistake() -> None:
    """It has none in any case."""
    assert find_problems("services: {a: {protocol: tcp, retries: off}}") == []


def test_every_block_that_can_be_left_out_takes_off() -> None:
    """Unless that would be ambiguous: a new block takes `off`, or stands in the list with its reason."""
    blocks = {path: field for path, field in list_fields(get_root()) if field.is_class and field.name}
    without = {field.name for field in blocks.values() if not field.is_required and not field.takes("off")}
    assert without == NO_OFF.keys()
    assert not any(field.takes("off") for field in blocks.values() if field.name in NO_OFF)


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        (SERVICE % "health_check: false", "write off"),
        (SERVICE % "retries: no", "write off"),
        (SERVICE % "slow_start: none", "write off"),
        (SERVICE % "access_log: none", "write off"),
        (SERVICE % "host: false", "write off"),
        (SERVICE % "locality: off", "write any"),
        (SERVICE % "circuit_breakers: off", "Envoy always has limits: raise them, as in {requests: 100000}"),
        (SERVICE % "timeouts: off", "for no limit write {request: 0s}"),
        (ROUTE % "cors: false", "write off"),
    ],
)
def test_what_people_write_for_off(text: str, mend: str) -> None:
    """The message has the word, or says what can be written where there is none."""
    [problem] = [one for one in find_problems(text) if f" {Severity.ERROR} " in one]
    assert problem.endswith(f": {mend}")
