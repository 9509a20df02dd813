"""Clusters that raw fields name: found in any depth, checked, and sent to whoever gets the fields."""

import json
from typing import Any

import pytest

from tests.catalog.catalogs import build, check_files
from tests.inventories import build_inventory
from xds.catalog.model.locality import NOWHERE
from xds.catalog.raw.clusters import is_cluster_name
from xds.catalog.raw.types import find_fields, find_type, list_types
from xds.resources.view import NodeKind, build_view

TYPE = "type.googleapis.com/envoy"
HTTP = f"{TYPE}.extensions.filters.http"
GRPC = {"envoy_grpc": {"cluster_name": "authz"}}
URI = {"uri": "https://a.example/x", "cluster": "authz", "timeout": "1s"}
LIMITER = {"grpc_service": GRPC, "transport_api_version": "V3"}

NOT_NAMES = {
    "envoy.admin.v3.CommandLineOptions.service_cluster": "not a part of resources",
    "envoy.config.bootstrap.v3.ClusterManager.local_cluster_name": "not a part of resources",
    "envoy.config.core.v3.ApiConfigSource.cluster_names": "of the bootstrap",
    "envoy.config.core.v3.Node.cluster": "what an Envoy says of itself",
    "envoy.config.endpoint.v3.ClusterLoadAssignment.cluster_name": "the catalog sets it",
    "envoy.config.endpoint.v3.ClusterStats.cluster_name": "not a part of resources",
    "envoy.config.endpoint.v3.ClusterStats.cluster_service_name": "not a part of resources",
    "envoy.config.metrics.v3.StatsdSink.tcp_cluster_name": "not a part of resources",
    "envoy.config.route.v3.RouteAction.cluster_header": "the name of a header",
    "envoy.config.route.v3.RouteAction.RequestMirrorPolicy.cluster_header": "the name of a header",
    "envoy.config.route.v3.RouteAction.cluster_specifier_plugin": "the name of a plugin",
    "envoy.config.route.v3.WeightedCluster.ClusterWeight.cluster_header": "the name of a header",
    "envoy.extensions.clusters.dynamic_modules.v3.ClusterConfig.cluster_name": "what a module calls itself",
    "envoy.extensions.filters.http.fault.v3.HTTPFault.upstream_cluster": "a condition",
    "envoy.extensions.filters.network.reverse_tunnel.v3.ReverseTunnel.required_cluster_name": "a condition",
    "envoy.extensions.filters.network.reverse_tunnel.v3.Validation.cluster_id_format": "a condition",
    "envoy.extensions.filters.network.thrift_proxy.v3.RouteAction.cluster_header": "the name of a header",
}
"""The fields of text in Envoy's types with `cluster` in their names that do not name a cluster to send requests to."""

EVENTS = ("envoy.data.accesslog.", "envoy.data.cluster.", "envoy.data.core.", "envoy.service.", "envoy.admin.")
"""The beginnings of types that Envoy writes, or that are messages of other protocols."""


def test_every_field_with_the_name_of_a_cluster_is_known() -> None:
    """All of Envoy's types are looked through. A new field has to be placed here, or in `raw/clusters.py`."""
    found = {
        f"{name}.{field.name}"
        for name in list_types()
        if name.startswith("envoy.") and not name.startswith(EVENTS)
        for field in find_fields(find_type(name)).values()
        if "cluster" in field.name and field.kind == "string" and not is_cluster_name(name, field)
    }
    assert found == {name for name in NOT_NAMES if not name.startswith(EVENTS)}


def write_filter(name: str, **config: Any) -> dict[str, Any]:
    """Return the raw fields of a gateway with one HTTP filter."""
    typed = {"@type": f"{HTTP}.{name}", **config}
    return {"http_connection_manager": {"http_filters": [{"name": "a", "typed_config": typed}]}}


def write_log(name: str, **config: Any) -> dict[str, Any]:
    """Return the raw fields of a gateway with one access log."""
    typed = {"@type": f"{TYPE}.extensions.access_loggers.{name}", **config}
    return {"http_connection_manager": {"access_log": [{"name": "a", "typed_config": typed}]}}


def write_tracing(name: str, **config: Any) -> dict[str, Any]:
    """Return the raw fields of a gateway with a trace provider."""
    provider = {"name": "a", "typed_config": {"@type": f"{TYPE}.config.trace.v3.{name}", **config}}
    return {"http_connection_manager": {"tracing": {"provider": provider}}}


MIRROR = {"request_mirror_policies": [{"cluster": "authz"}]}
EXT_AUTHZ = {"@type": f"{HTTP}.ext_authz.v3.ExtAuthz", "grpc_service": GRPC}
INNER = {"name": "x", "typed_config": EXT_AUTHZ}
ACTION = {"@type": f"{HTTP}.composite.v3.ExecuteFilterAction", "typed_config": INNER}
WASM = {"vm_config": {"code": {"remote": {"http_uri": URI, "sha256": "0"}}}}
CHAIN = {
    "filters": [
        {
            "name": "tcp",
            "typed_config": {
                "@type": f"{TYPE}.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                "stat_prefix": "a",
                "weighted_clusters": {"clusters": [{"name": "authz", "weight": 1}]},
            },
        }
    ]
}
STRUCT = {
    "@type": "type.googleapis.com/xds.type.v3.TypedStruct",
    "type_url": "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
    "value": {"grpc_service": GRPC},
}

FRAGMENTS: dict[str, dict[str, Any]] = {
    "ext_authz": write_filter("ext_authz.v3.ExtAuthz", grpc_service=GRPC),
    "ext_authz over HTTP": write_filter("ext_authz.v3.ExtAuthz", http_service={"server_uri": URI}),
    "ext_authz in JSON's names": write_filter("ext_authz.v3.ExtAuthz", httpService={"serverUri": URI}),
    "ext_proc": write_filter("ext_proc.v3.ExternalProcessor", grpc_service=GRPC),
    "jwt_authn": write_filter(
        "jwt_authn.v3.JwtAuthentication", providers={"p": {"issuer": "i", "remote_jwks": {"http_uri": URI}}}
    ),
    "oauth2": write_filter("oauth2.v3.OAuth2", config={"token_endpoint": URI}),
    "ratelimit": write_filter("ratelimit.v3.RateLimit", domain="d", rate_limit_service=LIMITER),
    "wasm": write_filter("wasm.v3.Wasm", config=WASM),
    "composite": write_filter("composite.v3.ExecuteFilterAction", typed_config=INNER),
    "an Any in an Any": write_filter(
        "composite.v3.ExecuteFilterAction", typed_config={**INNER, "typed_config": ACTION}
    ),
    "TypedStruct": {"http_connection_manager": {"http_filters": [{"name": "a", "typed_config": STRUCT}]}},
    "gRPC access log": write_log("grpc.v3.HttpGrpcAccessLogConfig", common_config={"grpc_service": GRPC}),
    "OTLP access log": write_log("open_telemetry.v3.OpenTelemetryAccessLogConfig", grpc_service=GRPC),
    "listener's access log": {
        "listener": {
            "access_log": write_log("open_telemetry.v3.OpenTelemetryAccessLogConfig", grpc_service=GRPC)[
                "http_connection_manager"
            ]["access_log"]
        }
    },
    "OpenTelemetry": write_tracing("OpenTelemetryConfig", grpc_service=GRPC),
    "Zipkin": write_tracing("ZipkinConfig", collector_cluster="authz", collector_endpoint="/"),
    "route table": {"route_configuration": MIRROR},
    "TCP": {"listener": {"filter_chains": [CHAIN]}},
}


def write_catalog(services: dict[str, Any], **gateway: Any) -> str:
    """Return a catalog with `api` and these services, and a gateway `edge` to `api`."""
    edge = {"port": 1, "routes": [{"to": "api"}], **gateway}
    return json.dumps({"services": {"api": {"endpoints": ["1.1.1.1:1"]}, **services}, "gateways": {"edge": edge}})


AUTHZ = {"authz": {"protocol": "grpc", "endpoints": ["1.1.1.2:1"], "upstreams": []}}


@pytest.mark.parametrize("name", FRAGMENTS)
def test_a_cluster_is_found_in_any_depth(name: str) -> None:
    """The gateway gets the service. Without the service, or with a misspelt name, the catalog is refused."""
    full = write_catalog(AUTHZ, envoy=FRAGMENTS[name])
    assert check_files(a=full) == []
    assert reached(full, "edge") == {"api", "authz"}
    [problem] = check_files(a=write_catalog({}, envoy=FRAGMENTS[name]))
    assert problem.endswith('there is no service "authz": an Envoy has clusters only of the catalog\'s services')
    [problem, *_] = check_files(a=write_catalog({"auth": AUTHZ["authz"]}, envoy=FRAGMENTS[name]))
    assert problem.endswith('there is no service "authz": did you mean `auth`?')


def test_a_mistake_is_where_the_name_stands() -> None:
    """Line, column and path lead to the cluster's name."""
    text = """
services: {api: {endpoints: ["1.1.1.1:1"], upstreams: []}}
gateways:
  edge:
    port: 1
    routes:
      - to: api
        envoy: {route: {route: {request_mirror_policies: [{cluster: apj}]}}}
"""
    path = "gateways.edge.routes[0].envoy.route.route.request_mirror_policies[0].cluster"
    assert check_files(a=text) == [f'a.yaml:8:69: error: {path}: there is no service "apj": did you mean `api`?']


def test_grpc_to_a_service_without_http2_has_a_warning() -> None:
    """The calls would go over HTTP/1.1 and fail, which no status shows."""
    plain = {"authz": {"endpoints": ["1.1.1.2:1"], "upstreams": []}}
    [problem] = check_files(a=write_catalog(plain, envoy=FRAGMENTS["ext_authz"]))
    assert problem.endswith('"authz" is `protocol: http`, and gRPC goes over HTTP/2: all calls fail')
    assert check_files(a=write_catalog(plain, envoy=FRAGMENTS["ext_authz over HTTP"])) == []


def test_the_source_of_resources_is_a_cluster_of_the_bootstrap() -> None:
    """Envoy accepts no other there, so such a name is not looked for in the catalog."""
    source = {"api_config_source": {"api_type": "GRPC", "grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}]}}
    one = {"name": "a", "config_discovery": {"config_source": source, "type_urls": ["a"]}}
    assert check_files(a=write_catalog({}, envoy={"http_connection_manager": {"http_filters": [one]}})) == []


def reached(text: str, cluster: str, *, grpc: bool = False) -> set[str]:
    """Return the services of a node's view."""
    inventory = build_inventory(build(text))
    return {*build_view(inventory, NodeKind(cluster, grpc, NOWHERE)).find_services(inventory)}


def serve(cluster: str) -> dict[str, Any]:
    """Return the raw fields of a Cluster whose requests pass a filter that asks another service."""
    options: dict[str, Any] = {
        "@type": f"{TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http_protocol_options": {}},
        "http_filters": [
            {
                "name": "a",
                "typed_config": {
                    "@type": f"{HTTP}.ext_authz.v3.ExtAuthz",
                    "http_service": {"server_uri": {**URI, "cluster": cluster}},
                },
            }
        ],
    }
    return {"cluster": {"typed_extension_protocol_options": {options["@type"].partition("/")[2]: options}}}


def test_who_gets_a_fragment_gets_its_clusters() -> None:
    """Callers get those of a service's routes and cluster, its sidecar those of its own. gRPC clients get none."""
    plain: dict[str, Any] = {"endpoints": ["1.1.1.1:1"], "upstreams": []}
    mirror = {"route": {"route": {"request_mirror_policies": [{"cluster": "shadow"}]}}}
    services: dict[str, Any] = dict.fromkeys(("authz", "shadow", "deep", "other", "own"), plain)
    services["authz"] = {**plain, "envoy": serve("deep")}
    services["api"] = {**plain, "envoy": serve("authz"), "routes": [{"prefix": "/a", "envoy": mirror}]}
    own = write_filter("ext_authz.v3.ExtAuthz", http_service={"server_uri": {**URI, "cluster": "own"}})
    services["web"] = {"upstreams": ["api"], "sidecar": {"envoy": own}}
    services["all"] = {}
    text = write_catalog(services)
    assert reached(text, "web") == {"api", "shadow", "authz", "deep", "own"}
    assert reached(text, "web", grpc=True) == {"api"}
    assert reached(text, "edge") == {"api", "authz", "deep"}
    assert reached(text, "api") == set()
    assert reached(text, "all") == services.keys()


def test_a_sidecar_has_no_listener_of_a_tcp_service_that_only_a_fragment_names() -> None:
    """The application may not call it, although the sidecar itself does."""
    own = write_filter("ext_authz.v3.ExtAuthz", http_service={"server_uri": {**URI, "cluster": "db"}})
    db = {"protocol": "tcp", "local_port": 5432, "endpoints": ["1.1.1.1:1"]}
    text = write_catalog(
        {"db": db, "web": {"upstreams": ["api"], "sidecar": {"envoy": own}}, "other": {"upstreams": ["db"]}}
    )
    inventory = build_inventory(build(text))
    listeners = {
        node: [url for url in build_view(inventory, NodeKind(node)).parts(inventory, "db") if url.endswith("Listener")]
        for node in ("web", "other")
    }
    assert [len(one) for one in listeners.values()] == [0, 1]


def test_contrib_types_are_told_apart_from_unknown_ones() -> None:
    """The message has the reason, and what to write for an Envoy that has the extension."""
    [problem] = check_files(a=write_catalog({}, envoy=write_filter("golang.v3alpha.Config")))
    assert "is a contrib extension, which the official builds of Envoy do not have" in problem
    assert "xds.type.v3.TypedStruct, type_url: envoy.extensions.filters.http.golang.v3alpha.Config" in problem
    [problem] = check_files(a=write_catalog({}, envoy=write_filter("lua.v3.Luaa")))
    assert problem.endswith(
        'there is no type "envoy.extensions.filters.http.lua.v3.Luaa": did you mean `'
        "envoy.extensions.filters.http.lua.v3.Lua`?"
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"value": {}}, "`type_url` is missing: the type that `value` has the fields of"),
        ({"type_url": "a.B", "valeu": {}}, 'TypedStruct has no field "valeu": did you mean `value`?'),
        ({"type_url": "a.B", "value": 3}, "expected a mapping, found 3"),
        (
            {"type_url": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua", "value": {"x": 1}},
            'no field "x"',
        ),
        ({"type_url": "a.B", "value": {"anything": [1, None]}}, None),
    ],
)
def test_a_typed_struct_is_checked_as_far_as_its_type_is_known(fields: dict[str, Any], message: str | None) -> None:
    """Fields of a type that is not known are not checked."""
    typed = {"@type": "type.googleapis.com/xds.type.v3.TypedStruct", **fields}
    raw = {"http_connection_manager": {"http_filters": [{"name": "a", "typed_config": typed}]}}
    problems = check_files(a=write_catalog({}, envoy=raw))
    assert [message is not None and message in problem for problem in problems[:1]] == [True] * (message is not None)
