"""Mistakes in subsets, a service's own routes and raw fields, with their messages: cases for `test_mistakes.py`."""
# ruff: noqa: E501 - a message stands on one line, so that a search finds it

LUA = '{"@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua, inline_code: 5}'

SUBSET_CASES: list[tuple[str, ...]] = [
    ("subsets: 5", '1:25 error SERVICE.subsets: expected a mapping, such as {v2: {version: "2.0"}}, found 5'),
    (
        "subsets: {V2: {a: b}}",
        '1:30 error SERVICE.subsets.V2: a subset\'s name has small letters, digits, `-`, `_` and `.`, found "V2"',
    ),
    (
        "balance: client_side_weighted, subsets: {v2: {a: b}}, routes: [{to: s/v2}, {to: s/v3}]",
        "1:56 error SERVICE.subsets: are not for `client_side_weighted`, which Envoy cannot divide: write another balance",
    ),
    (
        "subsets: {v2: {a: b}}, envoy: {cluster: {load_balancing_policy: {policies: []}}}",
        "1:80 error SERVICE.envoy.cluster.load_balancing_policy: cannot stand beside `subsets`: Envoy takes one or the other",
    ),
    (
        "subsets: {v2: {}}",
        '1:30 error SERVICE.subsets.v2: expected labels, such as {version: "2.0"}, found an empty mapping',
    ),
    (
        "subsets: {v2: {a: [b], c: .inf}}",
        "1:34 error SERVICE.subsets.v2.a: expected text, a number, true or false, found a list",
        "1:42 error SERVICE.subsets.v2.c: expected text, a number, true or false, found inf",
    ),
    (
        "subsets: {v2: {a: 9007199254740993}}",
        '1:34 error SERVICE.subsets.v2.a: metadata cannot hold so large a number exactly: write "9007199254740993" in quotes',
    ),
    (
        "routes: [{to: s/v2/x}]",
        '1:30 error SERVICE.routes[0].to: expected a service\'s name, or with a slash one of its subsets, as in api/v2; found "s/v2/x"',
    ),
    (
        "upstreams: [s/v2]",
        "1:28 error SERVICE.upstreams[0]: expected a service's name, found \"s/v2\": a subset is named by a route's `to` alone, write s",
    ),
    (
        "routes: [{host: a.com, to: s}]",
        "1:32 error SERVICE.routes[0].host: a service's routes are for requests to that service's own host: leave this out",
    ),
    (
        "protocol: tcp, routes: [{prefix: /}]",
        "1:39 error SERVICE.routes: are for requests: connections of `protocol: tcp` are passed on as they are",
    ),
    (
        "routes: [{to: s, respond: {}}, {redirect: {https: true}, retries: 2}]",
        "1:42 error SERVICE.routes[0].respond: a route has `to` or `respond`, not both",
        "1:82 error SERVICE.routes[1].retries: is for requests that go to a service, not beside `redirect`",
    ),
    (
        "envoy: 5",
        "1:23 error SERVICE.envoy: expected a mapping, such as {cluster: {…}} with Envoy's own fields, found 5",
    ),
    ("envoy: {clustr: {}}", '1:24 error SERVICE.envoy.clustr: unknown key "clustr": did you mean `cluster`?'),
    ("envoy: {vhds: {}}", '1:24 error SERVICE.envoy.vhds: unknown key "vhds": known are cluster'),
    (
        "envoy: {cluster: {connect_timout: 1s, name: x, lb_policy: RANDOMLY}}",
        '1:34 error SERVICE.envoy.cluster.connect_timout: Cluster has no field "connect_timout": did you mean `connect_timeout`?',
        "1:54 error SERVICE.envoy.cluster.name: is set by the catalog: other resources refer to this name",
        '1:74 error SERVICE.envoy.cluster.lb_policy: expected one of ROUND_ROBIN, LEAST_REQUEST, RING_HASH, RANDOM, MAGLEV, CLUSTER_PROVIDED, LOAD_BALANCING_POLICY_CONFIG; found "RANDOMLY": did you mean `RANDOM`?',
    ),
    (
        "envoy: {cluster: {ring_hash_lb_config: {}, maglevLbConfig: {table_size: '7'}, connect_timeout: 1}}",
        "1:59 error SERVICE.envoy.cluster.maglevLbConfig: has `ring_hash_lb_config` or `maglev_lb_config`, not both",
        "1:111 error SERVICE.envoy.cluster.connect_timeout: a duration needs a unit: write 1s or 1ms, not 1",
    ),
    (
        "envoy: {cluster: {max_requests_per_connection: -1, alt_stat_name: 5, track_cluster_stats: []}}",
        "1:63 error SERVICE.envoy.cluster.max_requests_per_connection: expected a whole number from 0 to 4294967295, found -1",
        '1:82 error SERVICE.envoy.cluster.alt_stat_name: expected text, found 5: write "5" in quotes',
        "1:106 error SERVICE.envoy.cluster.track_cluster_stats: expected a mapping, fields of TrackClusterStats, found an empty list",
    ),
    (
        "envoy: {cluster: {filters: {}, metadata: {filter_metadata: {a: 5}}}}",
        "1:43 error SERVICE.envoy.cluster.filters: expected a list, found an empty mapping",
        "1:79 error SERVICE.envoy.cluster.metadata.filter_metadata.a: expected a mapping, found 5",
    ),
    (
        "envoy: {cluster: {filters: [{typed_config: {a: 5}}, {typed_config: {'@type': type.googleapis.com/envoy.config.cluster.v3.Clustr}}]}}",
        '1:59 error SERVICE.envoy.cluster.filters[0].typed_config: expected a mapping with its type, as in {"@type": type.googleapis.com/envoy.…, …}, found no `@type`',
        '1:93 error SERVICE.envoy.cluster.filters[1].typed_config["@type"]: there is no type "envoy.config.cluster.v3.Clustr": did you mean `envoy.config.cluster.v3.Cluster`?',
    ),
    (
        "routes: [{envoy: {route: {route: {cluster: a, timeout: x}, redirect: {}}}}]",
        "1:50 error SERVICE.routes[0].envoy.route.route.cluster: is set by the catalog: write `to`",
        '1:71 error SERVICE.routes[0].envoy.route.route.timeout: expected a duration in h, m, s and ms, such as 10s, 250ms or 1m30s, found "x"',
        "1:75 error SERVICE.routes[0].envoy.route.redirect: has `route` or `redirect`, not both",
    ),
    (
        "routes: [{to: s, envoy: {route: {direct_response: {status: 200}}}}]",
        "1:66 error SERVICE.routes[0].envoy.route.direct_response: would take the place of the route's `to`: leave out one of both",
    ),
]
"""A service's content and the message. SERVICE stands for the service's path."""

GATEWAY_CASES = [
    (
        "http_connection_manager: {http_filters: [{name: lua, typed_config: " + LUA + "}], rds: {}}",
        '1:204 error gateways.g.envoy.http_connection_manager.http_filters[0].typed_config.inline_code: expected text, found 5: write "5" in quotes',
        "1:210 error gateways.g.envoy.http_connection_manager.rds: is set by the catalog: write `routes`",
    ),
    (
        "route_configuration: {virtual_hosts: []}, listener: {address: {}, tcp_fast_open_queue_length: 1.5}",
        "1:74 error gateways.g.envoy.route_configuration.virtual_hosts: is set by the catalog: write `routes`",
        "1:105 error gateways.g.envoy.listener.address: is set by the catalog: write `address` and `port`",
        "1:146 error gateways.g.envoy.listener.tcp_fast_open_queue_length: expected a whole number from 0 to 4294967295, found 1.5",
    ),
]
"""A gateway's content below `envoy`, and the message."""

CASES = [
    *(
        (f"services: {{s: {{{text}}}}}", *(one.replace("SERVICE", "services.s", 1) for one in messages))
        for text, *messages in SUBSET_CASES
    ),
    *(
        (f"gateways: {{g: {{port: 1, routes: [{{to: a}}], envoy: {{{text}}}}}}}", *messages)
        for text, *messages in GATEWAY_CASES
    ),
]
"""Whole catalogs, like the other cases."""
