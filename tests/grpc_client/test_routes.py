"""gRPC's own client applies the parts of a service's own routes that it supports to real calls."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.chance import by_chance
from tests.grpc_client.mesh import start_mesh


def write_routes(path: Path, addresses: list[str], *routes: dict[str, Any], also: tuple[str, ...] = ()) -> None:
    """Return a catalog of `api-service` with these routes, and of services that its caller `web` does not call."""
    services: dict[str, Any] = {
        name: {"protocol": "grpc", "endpoints": [address], "upstreams": []}
        for name, address in zip(("api-service", *also), addresses, strict=False)
    }
    services["api-service"] |= {"routes": list(routes), "subsets": {"v1": {"version": 1}}}
    services["web"] = {"upstreams": ["api-service"]}
    fresh = path.with_name(".catalog.yaml.new")
    fresh.write_text(json.dumps({"services": services}))
    fresh.replace(path)


async def test_calls_follow_the_routes_of_the_called_service(tmp_path: Path, addresses: list[str]) -> None:
    """Routes match by path, pattern and weight. xds leaves out routes that no call can match or that use a subset.

    No edit fails a call.
    """
    catalog = tmp_path / "catalog.yaml"
    skipped: list[dict[str, Any]] = [
        {"path": "/other", "respond": {"status": 404}},
        {"query": {"a": "*"}, "to": "three"},
        {"method": "GET", "to": "three"},
        {"headers": {"x-version": "3"}, "to": "three"},
        {"to": "api-service/v1", "headers": {"x-version": "*"}},
    ]
    shares = {"prefix": "/tests.Who/", "method": ["POST", "GET"], "to": {"api-service": 75, "two": 25}}
    write_routes(catalog, addresses, *skipped, shares, also=("two", "three"))
    async with start_mesh(tmp_path) as mesh:
        since = await mesh.caller.reach("api-1", "api-2")
        counts = Counter(await mesh.caller.next(600, since))
        assert counts["api-1"] + counts["api-2"] == 600
        assert counts["api-2"] in by_chance(600, 0.25)
        pattern = {"regex": r"/tests\.Who/[A-Z].*", "to": "three"}
        write_routes(catalog, addresses, pattern, also=("two", "three"))
        await mesh.caller.reach("api-3")
        write_routes(catalog, addresses, {"path": "/tests.Who/Answer", "to": "two"}, pattern, also=("two", "three"))
        await mesh.caller.reach("api-2")
        write_routes(catalog, addresses)
        await mesh.caller.reach("api-1")
