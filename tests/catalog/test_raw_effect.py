"""Which of Envoy's own fields have an effect beside the catalog's: all of them are walked, and each has its place."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.catalog.catalogs import build, check_files
from tests.inventories import build_inventory
from xds.catalog.advice import raw as advice
from xds.catalog.raw.fields import OWNED, TYPES
from xds.catalog.raw.types import find_fields, find_type
from xds.catalog.raw.values import WRAPPED
from xds.resources.decode import decode
from xds.resources.view import NodeKind, build_view
from xds.wire import CLUSTER, LISTENER, ROUTE_CONFIGURATION

TOLD = {
    "cluster": {
        "circuit_breakers",
        "lb_subset_config",
        "outlier_detection",
        "common_lb_config",
        "transport_socket",
        "typed_extension_protocol_options",
        "lb_policy",
        "load_balancing_policy",
        *advice.OLD_HTTP_OPTIONS,
        *advice.DNS,
        *advice.LB_CONFIGS,
    },
    "listener": {"default_filter_chain"},
    "http_connection_manager": {"http3_protocol_options"},
    "route_configuration": {"cluster_specifier_plugins", "typed_per_filter_config"},
    "route": {"typed_per_filter_config"},
}
"""The fields that have no effect, or undo others, beside some of the catalog's: `xds check` warns of them then."""

EFFECTIVE = {
    "cluster": """
        transport_socket_matches transport_socket_matcher alt_stat_name connect_timeout metadata filters
        per_connection_buffer_limit_bytes per_connection_buffer_high_watermark_timeout max_requests_per_connection
        health_checks wait_for_warm_on_init cleanup_interval upstream_bind_config upstream_connection_options
        close_connections_on_host_health_failure ignore_health_on_host_removal lrs_server lrs_report_endpoint_metrics
        track_timeout_budgets upstream_config track_cluster_stats preconnect_policy
        connection_pool_per_downstream_connection
    """,
    "listener": """
        additional_addresses stat_prefix filter_chains fcds_config filter_chain_matcher use_original_dst
        per_connection_buffer_limit_bytes per_connection_buffer_high_watermark_timeout metadata deprecated_v1 drain_type
        listener_filters listener_filters_timeout continue_on_listener_filters_timeout transparent freebind
        socket_options tcp_fast_open_queue_length traffic_direction udp_listener_config connection_balance_config
        reuse_port enable_reuse_port access_log tcp_backlog_size max_connections_to_accept_per_socket_event bind_to_port
        internal_listener enable_mptcp ignore_global_conn_limit bypass_overload_manager tcp_keepalive
    """,
    "http_connection_manager": """
        codec_type stat_prefix http_filters add_user_agent tracing common_http_protocol_options
        http1_safe_max_connection_duration http_protocol_options http2_protocol_options server_name
        server_header_transformation scheme_header_transformation max_request_headers_kb stream_idle_timeout
        stream_flush_timeout request_timeout request_headers_timeout drain_timeout drain_timeout_jitter
        delayed_close_timeout access_log access_log_flush_interval flush_access_log_on_new_request access_log_options
        use_remote_address xff_num_trusted_hops original_ip_detection_extensions early_header_mutation_extensions
        internal_address_config skip_xff_append via generate_request_id preserve_external_request_id
        always_set_request_id_in_response forward_client_cert_details set_current_client_cert_details
        forward_client_cert_matcher proxy_100_continue represent_ipv4_remote_address_as_ipv4_mapped_ipv6 upgrade_configs
        normalize_path merge_slashes path_with_escaped_slashes_action request_id_extension local_reply_config
        strip_matching_host_port strip_any_host_port stream_error_on_invalid_http_message path_normalization_options
        strip_trailing_host_dot proxy_status_config typed_header_validation_config append_x_forwarded_port
        append_local_overload add_proxy_protocol_connection_state forward_proto_config
    """,
    "route_configuration": """
        internal_only_headers response_headers_to_add response_headers_to_remove request_headers_to_add
        request_headers_to_remove most_specific_header_mutations_wins validate_clusters request_mirror_policies
        max_direct_response_body_size_bytes ignore_port_in_host_matching vhost_header
        ignore_path_parameters_in_path_matching metadata
    """,
    "route": """
        name match route redirect direct_response metadata decorator request_headers_to_add request_headers_to_remove
        response_headers_to_add response_headers_to_remove tracing per_request_buffer_limit_bytes stat_prefix
        request_body_buffer_limit
    """,
}
"""The other fields: they have the effect that Envoy's documentation says, or Envoy refuses them."""


@pytest.mark.parametrize("word", TYPES)
def test_every_field_has_its_place(word: str) -> None:
    """A field is the catalog's own, or is told where it has no effect, or has one. A new field has to be placed."""
    fields = {field.name for field in find_fields(find_type(TYPES[word])).values()}
    owned = {name for name in OWNED[word] if "." not in name}
    effective = set(EFFECTIVE[word].split())
    assert owned | TOLD[word] | effective == fields
    assert len(owned) + len(TOLD[word]) + len(effective) == len(fields)


def find_leaves(kind: type, owned: dict[str, str], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each single value in a message, three levels deep, with a value that is not the default."""
    for field in {field.name: field for field in find_fields(kind).values()}.values():
        here = (*path, field.name)
        if ".".join(here) in owned or field.repeated or field.key_kind:
            continue
        if field.kind == "message":
            well_known = field.type.__module__.endswith(".google.protobuf")
            if well_known and (field.type.__name__ in WRAPPED or field.type.__name__ == "Duration"):
                yield here, make_value(WRAPPED.get(field.type.__name__, "duration"))
            elif not well_known and len(here) < 3:
                yield from find_leaves(field.type, owned, here)
        elif field.kind == "enum":
            yield here, [getattr(one, "proto_name", None) or one.name for one in field.type][-1]
        else:
            yield here, make_value(field.kind)


def make_value(kind: str) -> Any:
    """Return a value that the catalog itself sets nowhere."""
    if kind == "duration":
        return "17s"
    return {"bool": True, "string": "api", "bytes": "AAE=", "float": 17.0, "double": 17.0}.get(kind, 17)


def nest(path: tuple[str, ...], value: Any) -> Any:
    """Return the value in mappings, one for each step of the path."""
    for step in reversed(path):
        value = {step: value}
    return value


SERVICE: dict[str, Any] = {
    "endpoints": [{"address": "1.1.1.1:1", "metadata": {"version": "1"}}],
    "protocol": "grpc",
    "health_check": {"grpc": ""},
    "circuit_breakers": {"requests": 5},
    "connection_pool": {"idle_timeout": "1m"},
    "keepalive": {"idle": "1m"},
    "tls": {"sni": "a.example"},
    "panic_threshold": "0%",
    "subsets": {"v1": {"version": "1"}},
    "upstreams": [],
}
GATEWAY: dict[str, Any] = {
    "port": 1,
    "limits": {"header_size": "64KiB", "buffer": "64KiB", "idle": "1m", "streams": 10, "header_timeout": "5s"},
    "http": {"accept_http_10": True, "strip_trailing_host_dot": True},
    "access_log": "on",
    "routes": [{"to": "api", "timeout": "3s", "retries": {"attempts": 2}}],
}


def serve(word: str, leaves: list[tuple[tuple[str, ...], Any]]) -> list[dict[str, Any]]:
    """Return the decoded message of a catalog for each leaf, which is written in raw fields."""
    raws = [{word: nest(path, value)} for path, value in leaves]
    services = {"api": {**SERVICE, "protocol": "http", "health_check": None}}
    del services["api"]["health_check"]
    gateways: dict[str, Any] = {"edge": GATEWAY}
    if word == "cluster":
        services |= {f"s{index}": {**SERVICE, "envoy": raw} for index, raw in enumerate(raws)}
    elif word == "route":
        routes = [{**GATEWAY["routes"][0], "envoy": raw} for raw in raws]
        gateways |= {f"g{index}": {**GATEWAY, "port": index + 2, "routes": [one]} for index, one in enumerate(routes)}
    else:
        gateways |= {f"g{index}": {**GATEWAY, "port": index + 2, "envoy": raw} for index, raw in enumerate(raws)}
    inventory = build_inventory(build(json.dumps({"services": services, "gateways": gateways})))
    if word == "cluster":
        return [decode(inventory.parts[f"s{index}"].resources[CLUSTER]) for index in range(len(raws))]
    found = []
    for index in range(len(raws)):
        own = build_view(inventory, NodeKind(f"g{index}")).build_own(inventory)
        if word in ("route_configuration", "route"):
            table = decode(own[ROUTE_CONFIGURATION][f"g{index}"])
            found.append(table if word == "route_configuration" else table["virtual_hosts"][0]["routes"][0])
            continue
        listener = decode(own[LISTENER][f"g{index}"])
        manager = listener if word == "listener" else listener["filter_chains"][0]["filters"][0]["typed_config"]
        found.append(manager)
    return found


@pytest.mark.filterwarnings("ignore:.* is deprecated:DeprecationWarning")
@pytest.mark.parametrize("word", TYPES)
def test_a_raw_value_is_in_the_message_that_is_sent(word: str) -> None:
    """Each single value in a message, in any of its parts, is there as it is written: the catalog overrides none."""
    ends = {"redirect": "", "direct_response": ""} if word == "route" else {}  # the route goes to a service
    leaves = list(find_leaves(find_type(TYPES[word]), OWNED[word] | ends))
    assert len(leaves) > 4
    lost = []
    for (path, value), message in zip(leaves, serve(word, leaves), strict=True):
        found: Any = message
        for step in path:
            found = found.get(step, {}) if isinstance(found, dict) else found
        if str(found) != str(value):
            lost.append((path, value, found))
    assert lost == []


NO_EFFECT: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"circuit_breakers": {"thresholds": [{"max_requests": 5}]}}, "circuit_breakers.thresholds[0]: has no effect"),
    (
        {},
        {"circuit_breakers": {"thresholds": [{"priority": "HIGH"}, {"priority": "DEFAULT", "max_requests": 5}]}},
        "circuit_breakers.thresholds[1]: has no effect",
    ),
    ({}, {"lb_subset_config": {"fallback_policy": "ANY_ENDPOINT"}}, "lb_subset_config: has no effect without"),
    ({}, {"outlier_detection": {"consecutive_5xx": 3}}, "consecutive_5xx: has no effect"),
    ({}, {"outlier_detection": {"success_rate_minimum_hosts": 3}}, "has no effect without `enforcing_success_rate"),
    ({}, {"outlier_detection": {"failure_percentage_threshold": 3}}, "without `enforcing_failure_percentage"),
    ({"protocol": "grpc"}, {"http2_protocol_options": {}}, "has no effect beside `protocol: grpc`"),
    ({"connection_pool": {"idle_timeout": "1m"}}, {"http_protocol_options": {}}, "beside `connection_pool`"),
    ({}, {"dns_lookup_family": "V4_ONLY"}, "dns_lookup_family: has no effect"),
    ({}, {"maglev_lb_config": {}}, "has no effect: it is for `lb_policy: MAGLEV`, and this is ROUND_ROBIN"),
    ({}, {"lb_policy": "MAGLEV", "load_balancing_policy": {}}, "has no effect beside `load_balancing_policy`"),
    ({"balance": "client_side_weighted"}, {"lb_policy": "RANDOM"}, "beside `balance: client_side_weighted`"),
    ({}, {"common_lb_config": {"consistent_hashing_lb_config": {}}}, "has no effect: ROUND_ROBIN hashes nothing"),
    ({"tls": {"sni": "a.b"}}, {"transport_socket": {"name": "a"}}, "takes the place of what `tls` sets"),
]


@pytest.mark.parametrize(("service", "raw", "message"), NO_EFFECT)
def test_a_field_of_a_cluster_without_effect_has_a_warning(
    service: dict[str, Any], raw: dict[str, Any], message: str
) -> None:
    """The warning stands at the field, and there is no other."""
    api = {"endpoints": ["1.1.1.1:1"], **service, "envoy": {"cluster": raw}}
    [problem] = check_files(a=json.dumps({"services": {"api": api}}))
    assert "warning" in problem
    assert message in problem


@pytest.mark.parametrize(
    ("service", "raw"),
    [
        ({}, {"circuit_breakers": {"thresholds": [{"priority": "HIGH", "max_requests": 5}]}}),
        ({}, {"circuit_breakers": {"per_host_thresholds": [{"max_connections": 5}]}}),
        ({}, {"outlier_detection": {"consecutive_5xx": 3, "enforcing_consecutive_5xx": 100}}),
        ({"outlier_detection": "off"}, {"outlier_detection": {"consecutive_5xx": 3}}),
        ({"protocol": "http"}, {"http_protocol_options": {"accept_http_10": True}}),
        ({}, {"lb_policy": "MAGLEV", "maglev_lb_config": {"table_size": 11}}),
        ({"balance": "random"}, {"lb_policy": "ROUND_ROBIN", "round_robin_lb_config": {}}),
        ({"slow_start": "5s", "balance": "random"}, {"lb_policy": "ROUND_ROBIN"}),
        ({"panic_threshold": "70%"}, {"outlier_detection": {"max_ejection_percent": 10}}),
    ],
)
def test_a_field_with_an_effect_has_no_warning(service: dict[str, Any], raw: dict[str, Any]) -> None:
    """Neither the field has one, nor a field of the catalog whose meaning it changes."""
    api = {"endpoints": ["1.1.1.1:1"], **service, "envoy": {"cluster": raw}}
    assert check_files(a=json.dumps({"services": {"api": api}})) == []


def check_gateway(**gateway: Any) -> list[str]:
    """Return the problems of a catalog with this gateway, without their places in the file."""
    services = {"api": {"endpoints": ["1.1.1.1:1"], "upstreams": []}}
    text = json.dumps({"services": services, "gateways": {"edge": {"port": 1, "routes": [{"to": "api"}], **gateway}}})
    return [problem.partition(": ")[2] for problem in check_files(a=text)]


LUA = {"@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.LuaPerRoute", "disabled": True}
FAULT = {"@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"}


@pytest.mark.parametrize(
    ("gateway", "message"),
    [
        ({"envoy": {"listener": {"default_filter_chain": {}}}}, "has no effect: the catalog's filter chain takes"),
        ({"envoy": {"http_connection_manager": {"http3_protocol_options": {}}}}, "without `http3: true`"),
        ({"envoy": {"route_configuration": {"cluster_specifier_plugins": []}}}, "a route's cluster is what `to` says"),
        (
            {"envoy": {"route_configuration": {"typed_per_filter_config": {"lua": LUA}}}},
            'the gateway has no HTTP filter "lua"',
        ),
        (
            {"routes": [{"to": "api", "envoy": {"route": {"typed_per_filter_config": {"lua": LUA}}}}]},
            'the gateway has no HTTP filter "lua"',
        ),
        (
            {
                "routes": [
                    {
                        "to": "api",
                        "fault": {"delay": {"time": "1s", "percent": "5%"}},
                        "envoy": {"route": {"typed_per_filter_config": {"envoy.filters.http.fault": FAULT}}},
                    }
                ]
            },
            "takes the place of what the route's `fault` sets",
        ),
    ],
)
def test_a_field_of_a_gateway_without_effect_has_a_warning(gateway: dict[str, Any], message: str) -> None:
    """The warning stands at the field."""
    [problem] = check_gateway(**gateway)
    assert message in problem


def test_a_route_with_a_raw_match_is_not_compared_with_others() -> None:
    """Which requests it matches is not what its fields say: it neither covers others nor is covered."""
    narrow = {"to": "api", "envoy": {"route": {"match": {"headers": [{"name": "x-a", "present_match": True}]}}}}
    plain = {"to": "api"}
    assert check_gateway(routes=[narrow, plain]) == []
    other = {"to": "api", "prefix": "/a", "envoy": {"route": {"match": {"path": "/b"}}}}
    assert check_gateway(routes=[{"to": "api", "prefix": "/"}, other]) == []
    assert check_gateway(routes=[plain, {"to": "api", "envoy": {"route": {"name": "a"}}}]) != []


def test_rate_limits_of_routes_with_other_raw_matches_are_two() -> None:
    """The routes match other requests, so that each has its own bucket."""
    routes = [
        {
            "to": "api",
            "rate_limit": {"requests": limit, "per": "1s"},
            "envoy": {"route": {"match": {"path": f"/{limit}"}}},
        }
        for limit in (5, 7)
    ]
    text = json.dumps(
        {"services": {"api": {"endpoints": ["1.1.1.1:1"]}}, "gateways": {"edge": {"port": 1, "routes": routes}}}
    )
    inventory = build_inventory(build(text))
    table = decode(build_view(inventory, NodeKind("edge")).build_own(inventory)[ROUTE_CONFIGURATION]["edge"])
    [limits] = table["typed_per_filter_config"].values()
    assert [one["token_bucket"]["max_tokens"] for one in limits["descriptors"]] == [5, 7]
