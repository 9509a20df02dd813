"""Clusters that only Envoy's own fields name, and fields that have no effect, as a real Envoy sees them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.envoy_server.echo import Echo, start_echo
from tests.envoy_server.mesh import Mesh, MeshWithoutDrains, answered, under, until
from tests.envoy_server.test_routes import ask
from tests.envoy_server.test_sidecar import ask as ask_sidecar
from xds.cli.demo.processes import free_port

FILTERS = "type.googleapis.com/envoy.extensions.filters.http"


@pytest.fixture
def api() -> Iterator[Echo]:
    """Start the service that requests are for."""
    with start_echo("api") as echo:
        yield echo


@pytest.fixture
def authz() -> Iterator[Echo]:
    """Start a service that allows every request."""
    with start_echo("authz") as echo:
        yield echo


def make_authorization(cluster: str) -> dict[str, Any]:
    """Return the filter that asks a service over HTTP whether a request is allowed."""
    config = {"uri": "http://authz", "cluster": cluster, "timeout": "5s"}
    typed = {"@type": f"{FILTERS}.ext_authz.v3.ExtAuthz", "http_service": {"server_uri": config}}
    return {"name": "envoy.filters.http.ext_authz", "typed_config": typed}


def make_catalog(services: dict[str, Any], **gateway: Any) -> str:
    """Return a catalog with a gateway `edge`, whose routes go to `api` unless others are given."""
    edge = {"address": "127.0.0.1", "port": "GATEWAY", "routes": [{"to": "api"}], **gateway}
    return json.dumps({"services": services, "gateways": {"edge": edge}}).replace('"GATEWAY"', "GATEWAY")


@pytest.mark.parametrize("variant", ["delta", "sotw"])
async def test_a_cluster_that_only_a_filter_names_is_sent_before_the_filter(
    tmp_path: Path, api: Echo, authz: Echo, variant: str
) -> None:
    """One edit adds a filter and its service, and no request fails. A later edit removes both."""
    services = {"api": {"endpoints": [api.endpoint]}}
    added = {"authz": {"endpoints": [authz.endpoint], "upstreams": []}}
    protected = make_catalog(
        services | added, envoy={"http_connection_manager": {"http_filters": [make_authorization("authz")]}}
    )
    with MeshWithoutDrains(tmp_path, make_catalog(services)) as mesh:
        envoy = await mesh.start_gateway(variant)
        async with under(mesh.load(100)) as load:
            mesh.write(protected)
            await until(lambda: ask(mesh).status == 200 and authz.requests)
            await answered(load, 20)
        mesh.write(make_catalog(services))
        await until(lambda: not envoy.admin.hosts("authz"))
        assert ask(mesh).status == 200
        assert mesh.log("no answer in time, going on") == []


async def test_a_sidecar_gets_the_clusters_of_its_own_and_its_upstreams_fragments(
    tmp_path: Path, api: Echo, authz: Echo
) -> None:
    """The sidecar's filter asks `authz`; a route of `api` mirrors to `shadow`. Neither is in `upstreams`."""
    port = free_port()
    mirror = {"route": {"route": {"request_mirror_policies": [{"cluster": "shadow"}]}}}
    with start_echo("shadow") as shadow:
        services = {
            "api": {"endpoints": [api.endpoint], "routes": [{"envoy": mirror}]},
            "authz": {"endpoints": [authz.endpoint]},
            "shadow": {"endpoints": [shadow.endpoint]},
            "other": {"endpoints": ["127.0.0.1:1"]},
            "web": {
                "upstreams": ["api"],
                "sidecar": {
                    "listen": port,
                    "envoy": {"http_connection_manager": {"http_filters": [make_authorization("authz")]}},
                },
            },
        }
        with Mesh(tmp_path, json.dumps({"services": services})) as mesh:
            envoy = await mesh.start_envoy("web-1", "web")
            await envoy.listening(f"127.0.0.1:{port}")
            assert ask_sidecar(port, host="api")[0] == 200
            await until(lambda: bool(shadow.requests))
            assert authz.requests
            assert [one for one in services if envoy.admin.hosts(one)] == ["api", "authz", "shadow"]
            assert ask_sidecar(port, host="authz")[0] == 404


async def test_a_grpc_access_log_gets_its_cluster(tmp_path: Path, api: Echo) -> None:
    """Envoy refuses an access log whose cluster it does not have, and sends to one that it has."""
    log = {
        "name": "envoy.access_loggers.http_grpc",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
            "common_config": {
                "log_name": "a",
                "transport_api_version": "V3",
                "grpc_service": {"envoy_grpc": {"cluster_name": "logs"}},
                "buffer_size_bytes": 0,
            },
        },
    }
    services = {
        "api": {"endpoints": [api.endpoint]},
        "logs": {"protocol": "grpc", "endpoints": ["127.0.0.1:1"], "upstreams": []},
    }
    with Mesh(tmp_path, make_catalog(services, envoy={"http_connection_manager": {"access_log": [log]}})) as mesh:
        envoy = await mesh.start_gateway()
        assert ask(mesh).status == 200
        await until(lambda: envoy.admin.stats("cluster.logs.")["cluster.logs.upstream_cx_connect_fail"])


async def test_a_typed_struct_is_taken(tmp_path: Path, api: Echo) -> None:
    """Envoy reads the message that a TypedStruct describes."""
    script = "function envoy_on_response(handle) handle:headers():add('x-lua', 'was here') end"
    lua = {
        "name": "lua",
        "typed_config": {
            "@type": "type.googleapis.com/xds.type.v3.TypedStruct",
            "type_url": f"{FILTERS}.lua.v3.Lua",
            "value": {"default_source_code": {"inline_string": script}},
        },
    }
    services = {"api": {"endpoints": [api.endpoint]}}
    with Mesh(tmp_path, make_catalog(services, envoy={"http_connection_manager": {"http_filters": [lua]}})) as mesh:
        await mesh.start_gateway()
        assert ask(mesh).headers["x-lua"] == "was here"


async def test_what_the_check_calls_without_effect_has_none(tmp_path: Path, api: Echo) -> None:
    """Envoy reports the catalog's limit, and sends no request to an endpoint outside the subset."""
    thresholds = {"circuit_breakers": {"thresholds": [{"max_connections": 7}, {"priority": "HIGH", "max_requests": 8}]}}
    selector = {"keys": ["version"], "fallback_policy": "ANY_ENDPOINT"}
    subsets = {"lb_subset_config": {"fallback_policy": "ANY_ENDPOINT", "subset_selectors": [selector]}}
    no_5xx = {"outlier_detection": {"consecutive_5xx": 1, "interval": "0.1s", "max_ejection_percent": 100}}
    services = {
        "api": {"endpoints": [api.endpoint], "envoy": {"cluster": thresholds | no_5xx}},
        "versions": {
            "endpoints": [{"address": api.endpoint, "metadata": {"version": "1"}}],
            "subsets": {"v2": {"version": "2"}},
            "envoy": {"cluster": subsets},
        },
    }
    answer = "type.googleapis.com/envoy.extensions.filters.network.direct_response.v3.Config"
    chain = {"filters": [{"name": "a", "typed_config": {"@type": answer, "response": {"inline_string": "no"}}}]}
    absent = {"typed_per_filter_config": {"lua": {"@type": f"{FILTERS}.lua.v3.LuaPerRoute", "disabled": True}}}
    envoy_fields = {
        "listener": {"default_filter_chain": chain},
        "http_connection_manager": {"http3_protocol_options": {}},
        "route_configuration": absent,
    }
    routes = [{"prefix": "/v2", "to": "versions/v2"}, {"prefix": "/any", "to": "versions"}, {"to": "api"}]
    with Mesh(tmp_path, make_catalog(services, routes=routes, envoy=envoy_fields)) as mesh:
        envoy = await mesh.start_gateway()
        assert (ask(mesh, "/v2").status, ask(mesh, "/any").status) == (503, 200)
        api.status = 500
        assert {ask(mesh).status for _ in range(5)} == {500}
        stats = envoy.admin.stats("cluster.api.")
        assert stats["cluster.api.outlier_detection.ejections_detected_consecutive_5xx"] == 5
        assert stats["cluster.api.outlier_detection.ejections_enforced_consecutive_5xx"] == 0
        clusters = json.loads(envoy.admin.get("/clusters?format=json"))["cluster_statuses"]
        [found] = (one for one in clusters if one["name"] == "api")
        limits = {
            (one.get("priority", "DEFAULT"), one["max_connections"]) for one in found["circuit_breakers"]["thresholds"]
        }
        assert limits == {("DEFAULT", 1024), ("HIGH", 1024)}
