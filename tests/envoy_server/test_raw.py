"""Envoy's own fields in the catalog: a real Envoy applies them beside the catalog's fields."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.envoy_server.echo import Echo, start_echo
from tests.envoy_server.mesh import Mesh, until
from tests.envoy_server.test_routes import ask

LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"
OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
SCRIPT = "function envoy_on_response(handle) handle:headers():add('x-lua', 'was here') end"


@pytest.fixture
def echo() -> Iterator[Echo]:
    """Start a service that keeps its connections."""
    with start_echo("echo") as echo:
        yield echo


def make_catalog(address: str, cluster: dict[str, Any], gateway: dict[str, Any], *routes: dict[str, Any]) -> str:
    """Return a catalog of `api` behind `edge`, each with raw fields."""
    api = {"endpoints": [address], "envoy": {"cluster": cluster}}
    edge = {"address": "127.0.0.1", "port": "GATEWAY", "routes": list(routes), "envoy": gateway}
    return json.dumps({"services": {"api": api}, "gateways": {"edge": edge}}).replace('"GATEWAY"', "GATEWAY")


async def test_raw_fields_are_merged_into_the_resources(tmp_path: Path, echo: Echo) -> None:
    """Raw fields of a listener, a filter, a route table, a route and a cluster work. The other fields stay."""
    options: dict[str, Any] = {
        "@type": f"type.googleapis.com/{OPTIONS}",
        "explicit_http_config": {"http_protocol_options": {}},
    }
    options["common_http_protocol_options"] = {"max_requests_per_connection": 5}
    cluster = {
        "typed_extension_protocol_options": {OPTIONS: options},
        "connect_timeout": "1.5s",
        "upstream_connection_options": {"tcp_keepalive": {"keepalive_time": 60}},
        "outlier_detection": {"consecutive_gateway_failure": 0, "enforcing_consecutive_gateway_failure": 0},
    }
    gateway = {
        "listener": {"per_connection_buffer_limit_bytes": 65536, "metadata": {"filter_metadata": {"x": {"a": 1}}}},
        "http_connection_manager": {
            "http_filters": [
                {"name": "lua", "typed_config": {"@type": LUA, "default_source_code": {"inline_string": SCRIPT}}}
            ],
            "server_name": "shop",
        },
        "route_configuration": {"responseHeadersToAdd": [{"header": {"key": "x-table", "value": "yes"}}]},
    }
    header = {"header": {"key": "x-raw", "value": "%RESPONSE_CODE%"}}
    route = {"response_headers_to_add": [header], "route": {"max_stream_duration": {"max_stream_duration": "5s"}}}
    routes: list[dict[str, Any]] = [
        {"path": "/api/data", "to": "api", "envoy": {"route": route}, "response_headers": {"set": {"x-own": "yes"}}},
        {"respond": {"status": 404}, "envoy": {"route": {"direct_response": {"status": 410}}}},
    ]
    with Mesh(tmp_path, make_catalog(echo.endpoint, cluster, gateway, *routes)) as mesh:
        envoy = await mesh.start_gateway()
        response = ask(mesh, "/api/data")
        wanted = {"x-raw": "200", "x-own": "yes", "x-table": "yes", "x-lua": "was here", "server": "shop"}
        assert {name: response.headers.get(name) for name in wanted} == wanted
        assert ask(mesh, "/any").status == 410

        def connections() -> int:
            return envoy.admin.stats("cluster.api.upstream_cx_total$")["cluster.api.upstream_cx_total"]

        before = connections()
        assert {ask(mesh, "/api/data").status for _ in range(20)} == {200}
        assert connections() - before == 4  # each serves five requests
        mesh.write(make_catalog(echo.endpoint, {"connect_timeout": "2s"}, gateway, *routes))
        await until(lambda: envoy.admin.stats("cluster_manager.cluster_modified")["cluster_manager.cluster_modified"])
        before = connections()
        assert {ask(mesh, "/api/data").status for _ in range(20)} == {200}
        assert connections() - before <= 1  # one connection for all
