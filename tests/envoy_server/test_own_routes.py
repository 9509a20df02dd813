"""Callers' sidecars apply a service's own routes: a canary, a version by a header, and edits under load."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.chance import by_chance
from tests.envoy_server.echo import start_echo
from tests.envoy_server.mesh import ONE_VARIANT, Mesh, answered, counts_since, send, settled, under, until
from tests.envoy_server.test_sidecar import ask
from xds.cli.demo.load import Load
from xds.cli.demo.processes import Envoy, Instance, free_port

HOST = "localhost"
"""The service. A client on this machine can resolve its name, and sends it as the Host."""

MOVES = 6


def make_catalog(port: int, routes: list[dict[str, Any]], **services: str) -> str:
    """Return a catalog of the service `localhost` with these routes, its caller `web`, and other services."""
    full: dict[str, Any] = {name: {"endpoints": [address], "upstreams": []} for name, address in services.items()}
    full[HOST]["routes"] = routes
    full["web"] = {"upstreams": [HOST], "sidecar": port}
    return json.dumps({"services": full})


def load_of(port: int, rate: float, query: str = "") -> Load:
    """Return a client that calls the service through the sidecar at this port."""
    return Load(f"http://{HOST}:{port}/api/data{query}", rate)


async def test_callers_apply_the_routes_of_the_service_that_they_call(
    tmp_path: Path, instances: list[Instance]
) -> None:
    """Of 600 requests about one in twenty goes to the canary, and a header selects a version.

    Mirrors, limits and faults work. Callers cannot reach the target services by their own names. Requests that match no
    route go to the service itself.
    """
    one, two, three = (instance.address for instance in instances)
    port = free_port()
    routes: list[dict[str, Any]] = [
        {"headers": {"x-version": "3"}, "to": "third"},
        {"headers": {"x-slow": "*"}, "rate_limit": {"requests": 3, "per": "1h"}},
        {"headers": {"x-fail": "*"}, "fault": {"abort": {"status": 418, "percent": 100}}},
        {"headers": {"x-copy": "*"}, "mirror": {"to": "shadow"}},
        {"path": "/health", "respond": {"body": "well"}},
        {"query": {"share": "*"}, "to": {HOST: 95, "canary": 5}},
    ]
    with start_echo("shadow") as shadow:
        services = {HOST: one, "canary": two, "third": three, "shadow": shadow.endpoint}
        with Mesh(tmp_path, make_catalog(port, routes, **services)) as mesh:
            envoy = await mesh.start_envoy("web-1", "web")
            await envoy.listening(f"127.0.0.1:{port}")
            counts = await send(load_of(port, 400, "?share=1"), 600)
            assert counts[HOST] == 0
            assert counts["api-1"] + counts["api-2"] == 600
            assert counts["api-2"] in by_chance(600, 0.05)
            assert {ask(port, Host=HOST, **{"x-version": "3"}) for _ in range(20)} == {(200, "api-3")}
            assert {ask(port, Host=HOST, **{"x-copy": "1"}) for _ in range(20)} == {(200, "api-1")}
            await until(lambda: len(shadow.requests) == 20)
            assert {ask(port, Host=HOST) for _ in range(60)} == {(200, "api-1")}
            limited = [ask(port, Host=HOST, **{"x-slow": "1"})[0] for _ in range(5)]
            assert limited == [200, 200, 200, 429, 429]
            assert ask(port, Host=HOST, **{"x-fail": "1"})[0] == 418
            assert ask(port, Host=HOST) == (200, "api-1")
            for name in ("canary", "third", "shadow"):
                assert ask(port, Host=name)[0] == 404


async def test_a_route_sets_when_a_request_is_retried(tmp_path: Path) -> None:
    """All fields of `retries` override those of the target, which is the service itself or another one."""
    port = free_port()
    any_method: dict[str, Any] = {"attempts": 1, "any_method": True}
    routes: list[dict[str, Any]] = [
        {"path": "/once", "retries": 0},
        {"path": "/by-status", "retries": {"on": [409]}},
        {"path": "/any-method", "retries": any_method},
        {"path": "/other", "to": "other"},
        {"path": "/other/any-method", "to": "other", "retries": any_method},
    ]
    with start_echo(HOST) as echo, start_echo("other") as other:
        catalog = json.loads(make_catalog(port, routes, **{HOST: echo.endpoint, "other": other.endpoint}))
        for name, attempts in ((HOST, 3), ("other", 2)):
            retries = {"attempts": attempts, "on": [503]}
            catalog["services"][name] |= {"retries": retries, "outlier_detection": "off"}
        with Mesh(tmp_path, json.dumps(catalog)) as mesh:
            envoy = await mesh.start_envoy("web-1", "web")
            await envoy.listening(f"127.0.0.1:{port}")
            expected = (
                ("/rest", 503, "GET", 4),
                ("/rest", 409, "GET", 1),
                ("/once", 503, "GET", 1),
                ("/by-status", 409, "GET", 4),
                ("/by-status", 503, "GET", 1),
                ("/any-method", 503, "GET", 2),
                ("/any-method", 503, "POST", 2),
                ("/rest", 503, "POST", 1),
                ("/other", 503, "GET", 3),
                ("/other/any-method", 503, "POST", 2),
            )
            for path, status, method, tries in expected:
                asked = other if path.startswith("/other") else echo
                asked.status, before = status, len(asked.requests)
                ask(port, path, method=method, Host=HOST)
                assert (path, status, method, len(asked.requests) - before) == (path, status, method, tries)


@pytest.mark.parametrize("variant", ONE_VARIANT)
async def test_routes_are_edited_under_load_without_a_failure(
    tmp_path: Path, instances: list[Instance], variant: str
) -> None:
    """Six edits lead to services that no caller knows and remove the old ones.

    The last edit leads to the service itself.
    """
    addresses = [instance.address for instance in instances]
    port = free_port()

    def move(number: int) -> str:
        services = {f"v{number}": addresses[1 + number % 2], HOST: addresses[0]}
        return make_catalog(port, [{"to": f"v{number}"}], **services)

    def has_moved(envoy: Envoy, number: int) -> bool:
        return bool(envoy.admin.hosts(f"v{number}")) and not envoy.admin.hosts(f"v{number - 1}")

    with Mesh(tmp_path, move(0)) as mesh:
        envoy = await mesh.start_envoy("web-1", "web", variant)
        await envoy.listening(f"127.0.0.1:{port}")
        async with under(load_of(port, 150)) as load:
            for number in range(1, MOVES + 1):
                mesh.write(move(number))
                await until(partial(has_moved, envoy, number))
                since = await settled(envoy)
                await answered(load, 30)
                assert counts_since(load, since).keys() == {f"api-{2 + number % 2}"}
            mesh.write(make_catalog(port, [], **{HOST: addresses[0]}))
            await until(lambda: not envoy.admin.hosts(f"v{MOVES}"))
            since = await settled(envoy)
            await answered(load, 30)
            assert counts_since(load, since).keys() == {"api-1"}
        assert mesh.log("no answer in time, going on") == []
