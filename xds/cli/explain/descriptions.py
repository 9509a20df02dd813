"""Describes the fields of a Route and a Cluster in plain text.

Each function takes a message as Envoy's JSON, with the field names of Envoy's documentation and without default values.
The fields of a RouteMatch, a Route, a RouteAction and a Cluster that are set but have no description here are listed by
their names. Of fields inside a described one only the most important are shown: `xds dump` has them all.
"""

from collections.abc import Iterator

from xds.cli.admin_client import Json

LOAD_AWARE_LOCALITY = "LOAD_AWARE_LOCALITY"

POLICIES = {
    "ROUND_ROBIN": "round robin: each endpoint in turn, in proportion to its weight",
    "LEAST_REQUEST": "least request: of two endpoints chosen at random, the one with fewer active requests",
    "RANDOM": "random: each request goes to a random endpoint, whatever the weights",
    "RING_HASH": "ring hash: requests with the same hash go to the same endpoint; shares are for many different hashes",
    "MAGLEV": "Maglev: requests with the same hash go to the same endpoint; shares are for many different hashes",
    "CLIENT_SIDE_WEIGHTED_ROUND_ROBIN": (
        "client-side weighted round robin: by the load that endpoints report; with equal weights until they do"
    ),
    LOAD_AWARE_LOCALITY: "load-aware locality: the endpoints in Envoy's own locality, and others as load requires",
}

PATHS = ("prefix", "path", "path_separated_prefix")
MATCH_FIELDS = {*PATHS, "safe_regex", "path_match_policy", "headers", "query_parameters", "case_sensitive"}
ACTION_FIELDS = {
    "cluster",
    "weighted_clusters",
    "metadata_match",
    "timeout",
    "idle_timeout",
    "max_stream_duration",
    "retry_policy",
    "prefix_rewrite",
    "regex_rewrite",
    "path_rewrite_policy",
    "host_rewrite_literal",
    "auto_host_rewrite",
    "request_mirror_policies",
    "hash_policy",
    "upgrade_configs",
}
CLUSTER_FIELDS = {
    "@type",
    "name",
    "alt_stat_name",
    "type",
    "cluster_type",
    "eds_cluster_config",
    "load_assignment",
    "connect_timeout",
    "lb_policy",
    "load_balancing_policy",
    "lb_subset_config",
    "ring_hash_lb_config",
    "maglev_lb_config",
    "least_request_lb_config",
    "round_robin_lb_config",
    "common_lb_config",
    "health_checks",
    "outlier_detection",
    "circuit_breakers",
    "transport_socket",
    "typed_extension_protocol_options",
    "upstream_connection_options",
    "ignore_health_on_host_removal",
    "wait_for_warm_on_init",
    "track_cluster_stats",
}
"""The fields that are described, and those that change no request: where endpoints come from, statistics."""

POOL = {
    "idle_timeout": "closed after {} without requests",
    "max_connection_duration": "closed after {}",
    "max_requests_per_connection": "at most {} requests each",
}
ROUTE_FIELDS = {"name", "match", "route", "redirect", "direct_response", "typed_per_filter_config", "metadata"}
HEADER_CHANGES = {
    "request_headers_to_add": "sets request headers",
    "request_headers_to_remove": "removes request headers",
    "response_headers_to_add": "sets response headers",
    "response_headers_to_remove": "removes response headers",
}


def describe_match(match: Json) -> str:
    """Return which requests a RouteMatch matches, such as `GET /api… with x-team: a`."""
    headers = list(match.get("headers", ()))
    methods = [one for one in headers if one["name"] == ":method"]
    wanted = [_describe_value(one, ": ") for one in headers if one["name"] != ":method"]
    wanted += [f"?{_describe_value(one, '=')}" for one in match.get("query_parameters", ())]
    wanted += [f"{key} (a field of Envoy's RouteMatch)" for key in match if key not in MATCH_FIELDS]
    conditions = [", ".join(_methods(one) for one in methods)] if methods else []
    conditions.append(_describe_path(match))
    if wanted:
        conditions.append(f"with {' and '.join(wanted)}")
    return " ".join(conditions)


def _describe_path(match: Json) -> str:
    if "path" in match:
        return str(match["path"])
    if "safe_regex" in match:
        return f"paths that match {match['safe_regex']['regex']}"
    if "path_match_policy" in match:
        return f"paths like {match['path_match_policy']['typed_config'].get('path_template')}"
    prefix = match.get("path_separated_prefix", match.get("prefix", "/"))
    return "any path" if prefix == "/" else f"{prefix}…"


def _methods(matcher: Json) -> str:
    text = matcher.get("string_match", {})
    return str(text.get("exact") or text.get("safe_regex", {}).get("regex", "")).replace("|", ", ")


def _describe_value(matcher: Json, sign: str) -> str:
    name, text = matcher["name"], matcher.get("string_match", {})
    negation = "no " if matcher.get("invert_match") or matcher.get("present_match") is False else ""
    if not text:
        return f"{negation}{name}"
    kind, value = next(((kind, value) for kind, value in text.items() if kind != "ignore_case"), ("exact", ""))
    shown = {
        "exact": f"{value}",
        "prefix": f"{value}…",
        "suffix": f"…{value}",
        "contains": f"…{value}…",
        "safe_regex": f"/{value.get('regex') if isinstance(value, dict) else value}/",
    }
    return f"{negation}{name}{sign}{shown.get(kind, value)}"


def describe_answer(route: Json) -> str | None:
    """Return how a Route without a cluster answers; None for a Route with one."""
    if "direct_response" in route:
        answer = route["direct_response"]
        body = answer.get("body", {}).get("inline_string", "")
        return f"direct response: {answer.get('status', 200)}{f' {body.strip()!r}' if body else ''}"
    if "redirect" in route:
        redirect = route["redirect"]
        return "redirect: " + ", ".join(f"{key} {value}" for key, value in redirect.items())
    return None


def describe_handling(route: Json) -> Iterator[str]:
    """Yield one line each about timeouts, retries, rewrites, mirrors, filters and other settings of a Route."""
    action = route.get("route", {})
    if action:
        yield from _describe_times(action)
        yield from _describe_rewrites(action)
        for mirror in action.get("request_mirror_policies", ()):
            fraction = _describe_fraction(mirror.get("runtime_fraction", {}))
            yield f"mirror: a copy of {fraction} of the requests goes to {mirror['cluster']}"
        if action.get("hash_policy"):
            yield f"hash of {', else of '.join(map(_describe_hash, action['hash_policy']))}"
        for upgrade in action.get("upgrade_configs", ()):
            yield f"upgrade to {upgrade['upgrade_type']} allowed"
        if rest := [key for key in action if key not in ACTION_FIELDS]:
            yield f"also set: {', '.join(rest)}"
    for key, change in HEADER_CHANGES.items():
        if changed := route.get(key):
            yield f"{change}: {', '.join(one if isinstance(one, str) else one['header']['key'] for one in changed)}"
    yield from _describe_filters(route)
    if rest := [key for key in route if key not in ROUTE_FIELDS and key not in HEADER_CHANGES]:
        yield f"also set: {', '.join(rest)}"


def _describe_filters(route: Json) -> Iterator[str]:
    configs = route.get("typed_per_filter_config", {})
    if filters := [name for name, config in configs.items() if not config.get("disabled")]:
        yield f"filters: {', '.join(name.removeprefix('envoy.filters.http.') for name in filters)}"
    if "rate_limit" in route.get("metadata", {}).get("filter_metadata", {}).get("xds", {}):
        yield "rate limit in each Envoy: requests above it are answered 429"


def _describe_times(action: Json) -> Iterator[str]:
    timeout = action.get("timeout")
    if timeout in ("0s", "0.0s"):
        longest = action.get("max_stream_duration", {})
        yield "no timeout except the client's own deadline" if "grpc_timeout_header_max" in longest else "no timeout"
    elif timeout:
        yield f"timeout {timeout}, including retries"
    elif longest := action.get("max_stream_duration", {}).get("max_stream_duration"):
        yield f"timeout {longest}, including retries"
    if "idle_timeout" in action:
        yield f"idle timeout {action['idle_timeout']}: without data for so long, a request is ended"
    if retry := action.get("retry_policy"):
        each = f" of {retry['per_try_timeout']} each" if "per_try_timeout" in retry else ""
        reasons = retry.get("retry_on", "nothing").replace(",", ", ")
        yield f"up to {retry.get('num_retries', 1)} retries{each} on {reasons}"
    else:
        yield "no retries"


def _describe_rewrites(action: Json) -> Iterator[str]:
    if "prefix_rewrite" in action:
        yield f"the prefix is replaced by {action['prefix_rewrite']}"
    if "regex_rewrite" in action:
        rewrite = action["regex_rewrite"]
        yield f"in the path, {rewrite['pattern']['regex']} is replaced by {rewrite.get('substitution', '')}"
    if "path_rewrite_policy" in action:
        yield f"the path becomes {action['path_rewrite_policy']['typed_config'].get('path_template_rewrite')}"
    if "host_rewrite_literal" in action:
        yield f"the Host header becomes {action['host_rewrite_literal']}"
    if action.get("auto_host_rewrite"):
        yield "the Host header becomes the endpoint's host name"


def _describe_fraction(fraction: Json) -> str:
    value = fraction.get("default_value", {})
    size = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}[value.get("denominator", "HUNDRED")]
    return f"{100 * int(value.get('numerator', 0)) / size:g}%"


def _describe_hash(policy: Json) -> str:
    if "header" in policy:
        return f"header {policy['header']['header_name']}"
    if "query_parameter" in policy:
        return f"query parameter {policy['query_parameter']['name']}"
    if "cookie" in policy:
        return f"cookie {policy['cookie']['name']}"
    return "client address" if "connection_properties" in policy else next(iter(policy))


def describe_policy(cluster: Json) -> str:
    """Return how a Cluster chooses among its endpoints."""
    policy = find_policy(cluster)
    return POLICIES.get(policy, f"Envoy's {policy}")


def find_policy(cluster: Json) -> str:
    """Return the name of a Cluster's policy in the spelling of `lb_policy`, also if it is an extension."""
    policies = cluster.get("load_balancing_policy", {}).get("policies", [])
    if not policies:
        return str(cluster.get("lb_policy", "ROUND_ROBIN"))
    kind = policies[0]["typed_extension_config"]["typed_config"]["@type"].rpartition(".")[2]
    return "".join(f"_{letter}" if letter.isupper() else letter.upper() for letter in kind).lstrip("_")


def describe_cluster(cluster: Json) -> Iterator[str]:
    """Yield one line each about health checks, outlier detection, limits, TLS, connections and other settings."""
    for check in cluster.get("health_checks", ()):
        kind = next((kind for kind in ("http", "grpc", "tcp") if f"{kind}_health_check" in check), "another protocol")
        path = check.get(f"{kind}_health_check", {}).get("path", "")
        yield f"health check by {f'{kind} {path}'.strip()} every {check['interval']}; unhealthy endpoints are left out"
    if outlier := cluster.get("outlier_detection"):
        failures = outlier.get("consecutive_gateway_failure", 5)
        most = outlier.get("max_ejection_percent", 10)
        yield f"outlier detection: {failures} failures in a row eject an endpoint for a while; at most {most}% of them"
    if panic := cluster.get("common_lb_config", {}).get("healthy_panic_threshold"):
        yield f"panic threshold {panic.get('value', 0):g}%: if fewer endpoints are healthy, all get requests"
    for limits in cluster.get("circuit_breakers", {}).get("thresholds", ()):
        written = [f"{value} {key.removeprefix('max_')}" for key, value in limits.items() if key.startswith("max_")]
        if written:
            yield f"circuit breaker: at most {', '.join(written)} at the same time"
    if "transport_socket" in cluster:
        yield "connections to it use TLS"
    yield f"connect timeout {cluster.get('connect_timeout', '5s')}"
    yield from _describe_connections(cluster)
    if rest := [key for key in cluster if key not in CLUSTER_FIELDS]:
        yield f"also set: {', '.join(rest)}"


def _describe_connections(cluster: Json) -> Iterator[str]:
    for options in cluster.get("typed_extension_protocol_options", {}).values():
        pool = options.get("common_http_protocol_options", {})
        if settings := [template.format(pool[key]) for key, template in POOL.items() if key in pool]:
            yield f"connections: {', '.join(settings)}"
    keepalive = cluster.get("upstream_connection_options", {}).get("tcp_keepalive")
    if keepalive is not None:
        yield f"keepalive: TCP probes after {keepalive.get('keepalive_time', 7200)} s without data"
