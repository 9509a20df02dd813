"""Mistakes (`test_mistakes.py`) and warnings (`test_advice.py`) about load balancing, retries, limits and external
hosts.
"""
# ruff: noqa: E501 - a message stands on one line, so that a search finds it

SERVICES: list[tuple[str, ...]] = [
    (
        "balance: {least_request: {choices: 1}}",
        "1:51 error SERVICE.balance.least_request.choices: expected a whole number from 2 to 100, found 1",
    ),
    (
        'balance: {least_request: {choices: "3"}}',
        '1:51 error SERVICE.balance.least_request.choices: expected a whole number from 2 to 100, found "3": write 3 without quotes',
    ),
    (
        "balance: {least_request: {active_request_bias: -1}}",
        "1:63 error SERVICE.balance.least_request.active_request_bias: expected a number from 0 to 1000, found -1",
    ),
    (
        "balance: {least_request: 5}",
        "1:41 error SERVICE.balance.least_request: expected a mapping, such as {choices: 3}, found 5: write {choices: 5}",
    ),
    (
        "balance: {}",
        "1:25 error SERVICE.balance: names no balance: write one of its fields, such as {least_request: {choices: 3}}",
    ),
    (
        "balance: {leest_request: {}}",
        '1:26 error SERVICE.balance.leest_request: unknown key "leest_request": did you mean `least_request`?',
    ),
    (
        "balance: {maglev: {}, ring_hash: {}}",
        "1:34 error SERVICE.balance.maglev: a service has one balance: `ring_hash` or `maglev`, not both",
    ),
    (
        "balance: {maglev: {table_size: 65536}}",
        "1:47 error SERVICE.balance.maglev.table_size: expected a prime number, found 65536: the next is 65537",
    ),
    (
        "balance: {maglev: {table_size: 5000012}}",
        "1:47 error SERVICE.balance.maglev.table_size: expected a prime number from 2 to 5000011, found 5000012",
    ),
    (
        "balance: {ring_hash: {minimum_ring_size: 9000000}}",
        "1:57 error SERVICE.balance.ring_hash.minimum_ring_size: expected a whole number from 1 to 8388608, found 9000000",
    ),
    (
        "balance: {ring_hash: {minimum_ring_size: 100, maximum_ring_size: 50}}",
        "1:81 error SERVICE.balance.ring_hash.maximum_ring_size: is less than `minimum_ring_size`, which is 100",
    ),
    (
        "balance: {ring_hash: {maximum_ring_size: 1000}}",
        "1:57 error SERVICE.balance.ring_hash.maximum_ring_size: is less than `minimum_ring_size`, which is 1024, if it is left out",
    ),
    (
        "balance: {client_side_weighted: {blackout_period: 5, metric_names: [a b], error_utilization_penalty: x}}",
        "1:66 error SERVICE.balance.client_side_weighted.blackout_period: a duration needs a unit: write 5s or 5ms, not 5",
        '1:84 error SERVICE.balance.client_side_weighted.metric_names[0]: expected a metric\'s name, such as named_metrics.queue, found "a b"',
        '1:117 error SERVICE.balance.client_side_weighted.error_utilization_penalty: expected a number from 0 to 1000, found "x"',
    ),
    (
        "balance: {load_aware_locality: {weight_update_period: 50ms, remote_probe_fraction: 100%}}",
        "1:70 error SERVICE.balance.load_aware_locality.weight_update_period: must be 100ms or more, found 50ms",
        '1:99 error SERVICE.balance.load_aware_locality.remote_probe_fraction: expected a percentage from 0% to 99%, such as 10%, found "100%"',
    ),
    (
        "balance: load_aware_locality, locality: {weights: {eu: 1}}, subsets: {v1: {version: 1}}",
        "1:56 error SERVICE.locality: `load_aware_locality` shares by load alone, which `weights` cannot change: leave it out",
        "1:85 error SERVICE.subsets: are not for `load_aware_locality`, which Envoy cannot divide: write another balance",
    ),
    (
        "balance: {client_side_weighted: {oob_reporting_period: 0s}}",
        "1:71 error SERVICE.balance.client_side_weighted.oob_reporting_period: must be 1ms or more, found 0s",
    ),
    (
        "balance: {client_side_weighted: {metric_names: named_metrics.q}}",
        '1:63 error SERVICE.balance.client_side_weighted.metric_names: expected a list of metrics, such as [named_metrics.queue], found "named_metrics.q": write it as a list, [named_metrics.q]',
    ),
    (
        "balance: {client_side_weighted: {metric_names: [5]}}",
        '1:64 error SERVICE.balance.client_side_weighted.metric_names[0]: expected a metric\'s name, such as named_metrics.queue, found 5: write "5" in quotes',
    ),
    (
        "balance: {random: 5}",
        "1:34 error SERVICE.balance.random: expected nothing but its name, as in `balance: random`, found 5",
    ),
    ("balance: {random: {x: 1}}", '1:35 error SERVICE.balance.random.x: unknown key "x": none has a meaning here'),
    (
        "slow_start: {aggression: 1}",
        "1:28 error SERVICE.slow_start: `window` is missing: a duration in h, m, s and ms, such as 10s, 250ms or 1m30s",
    ),
    (
        "slow_start: {window: 1s, aggression: 0, min_weight_percent: 101}",
        "1:53 error SERVICE.slow_start.aggression: expected a number from 0.01 to 1000, found 0",
        "1:76 error SERVICE.slow_start.min_weight_percent: expected a percentage from 0% to 100%, such as 10%, found 101",
    ),
    ("slow_start: {window: 0s}", "1:37 error SERVICE.slow_start.window: must be 1ms or more, found 0s"),
    (
        "slow_start: [1]",
        "1:28 error SERVICE.slow_start: expected `off`, a duration in h, m, s and ms, or a mapping such as {window: 30s}, found a list",
    ),
    (
        "retries: {attempts: 11, on: [5xxx, connect_failure, 99], any_method: 5}",
        "1:36 error SERVICE.retries.attempts: expected a whole number from 0 to 10, found 11",
        '1:45 error SERVICE.retries.on[0]: expected a reason to try again or a status from 100 to 599, found "5xxx": did you mean `5xx`?',
        '1:51 error SERVICE.retries.on[1]: expected a reason to try again or a status from 100 to 599, found "connect_failure": did you mean `connect-failure`?',
        "1:68 error SERVICE.retries.on[2]: expected a reason to try again or a status from 100 to 599, found 99: reasons are 5xx, gateway-error, reset, reset-before-request, connect-failure, refused-stream, retriable-4xx, envoy-ratelimited, cancelled, deadline-exceeded, internal, resource-exhausted, unavailable",
        "1:85 error SERVICE.retries.any_method: expected true or false, found 5",
    ),
    (
        "retries: {on: 5xxx}",
        '1:30 error SERVICE.retries.on: expected a reason to try again or a status from 100 to 599, found "5xxx": did you mean `5xx`?',
    ),
    (
        "retries: {on: {}}",
        "1:30 error SERVICE.retries.on: expected a list of reasons and statuses, such as [connect-failure, 503], found an empty mapping",
    ),
    ("retries: {attmpts: 1}", '1:26 error SERVICE.retries.attmpts: unknown key "attmpts": did you mean `attempts`?'),
    (
        "retries: {budget: {percent: 0, min: -1}}",
        "1:44 error SERVICE.retries.budget.percent: expected a percentage from 0.0001% to 100%, such as 10%, found 0",
        "1:52 error SERVICE.retries.budget.min: expected a whole number from 0 to 4294967295, found -1",
    ),
    (
        "retries: {budget: 5}",
        "1:34 error SERVICE.retries.budget: expected a mapping, such as {percent: 20%, min: 3}, found 5: write {percent: 5}",
    ),
    (
        "retries: {back_off: {max: 1s}}",
        "1:36 error SERVICE.retries.back_off: `base` is missing: a duration in h, m, s and ms, such as 10s, 250ms or 1m30s",
    ),
    (
        "retries: {back_off: {base: 1s, max: 25ms}}",
        "1:52 error SERVICE.retries.back_off.max: is less than `base`, which is 1s",
    ),
    (
        "retries: [1]",
        "1:25 error SERVICE.retries: expected `off`, a whole number from 0 to 10, or a mapping such as {attempts: 3}, found a list: write it alone, 1, without `- ` or brackets",
    ),
    (
        "retries: ",
        "1:16 error SERVICE.retries: expected `off`, a whole number from 0 to 10, or a mapping such as {attempts: 3}, found nothing",
    ),
    (
        'circuit_breakers: {connections: 0, requests: "5", retries: -1, pending: 4}',
        "1:48 error SERVICE.circuit_breakers.connections: expected a whole number from 1 to 4294967295, found 0",
        '1:61 error SERVICE.circuit_breakers.requests: expected a whole number from 1 to 4294967295, found "5": write 5 without quotes',
        "1:75 error SERVICE.circuit_breakers.retries: expected a whole number from 0 to 4294967295, found -1",
        '1:79 error SERVICE.circuit_breakers.pending: unknown key "pending": did you mean `pending_requests`?',
    ),
    (
        "circuit_breakers: {retries: 5}, retries: {budget: {}}",
        "1:44 error SERVICE.circuit_breakers.retries: retries are limited by `retries: {budget: ...}` or by this, not both",
    ),
    (
        "circuit_breakers: 5",
        "1:34 error SERVICE.circuit_breakers: expected a mapping, such as {requests: 1000}, found 5: write {requests: 5}",
    ),
    (
        "connection_pool: {max_requests_per_connection: 0, max_connection_duration: 0s, max_concurrent_streams: 2147483648}",
        "1:63 error SERVICE.connection_pool.max_requests_per_connection: expected a whole number from 1 to 4294967295, found 0",
        "1:91 error SERVICE.connection_pool.max_connection_duration: must be 1ms or more, found 0s",
        "1:119 error SERVICE.connection_pool.max_concurrent_streams: expected a whole number from 1 to 2147483647, found 2147483648",
    ),
    (
        "keepalive: {idle: 500ms, interval: 40000s, probes: 128, ping_interval: 0s}",
        "1:34 error SERVICE.keepalive.idle: expected whole seconds, from 1s to 32767s as the kernel counts, found 500ms",
        "1:51 error SERVICE.keepalive.interval: expected whole seconds, from 1s to 32767s as the kernel counts, found 11h6m40s",
        "1:67 error SERVICE.keepalive.probes: expected a whole number from 1 to 127, found 128",
        "1:87 error SERVICE.keepalive.ping_interval: must be 1ms or more, found 0s",
    ),
    (
        "keepalive: true",
        "1:27 error SERVICE.keepalive: expected `off`, or a mapping such as {idle: 60s}, found true: write {}",
    ),
    (
        "tls: 5",
        "1:21 error SERVICE.tls: expected `true`, `false`, `off`, or a mapping such as {ca: /etc/ssl/shop.pem}, found 5",
    ),
    (
        "tls: {ca: ca.pem}",
        '1:26 error SERVICE.tls.ca: expected a path on Envoy\'s machine that begins with /, found "ca.pem"',
    ),
    (
        "tls: {ca: 5, certificate: /a}",
        "1:26 error SERVICE.tls.ca: expected a path on Envoy's machine that begins with /, found 5",
    ),
    ("tls: {key: /a}", "1:27 error SERVICE.tls.key: needs its `certificate` beside it"),
    (
        'tls: {sni: "*.example.com"}',
        '1:27 error SERVICE.tls.sni: expected a host, such as example.com, found "*.example.com"',
    ),
    (
        "tls: {sni: 10.0.0.1}",
        '1:27 error SERVICE.tls.sni: a host is asked for, not an address: write `subject_alt_names: ["10.0.0.1"]`',
    ),
    (
        'tls: {subject_alt_names: ["*.example.com", a b, 5]}',
        "1:42 error SERVICE.tls.subject_alt_names[0]: name the host itself: a certificate for *.example.com has all names below it",
        '1:59 error SERVICE.tls.subject_alt_names[1]: expected a host or an IP address, such as api.example.com, found "a b"',
        '1:64 error SERVICE.tls.subject_alt_names[2]: expected a host or an IP address, such as api.example.com, found 5: write "5" in quotes',
    ),
    (
        "tls: {subject_alt_names: a}",
        '1:41 error SERVICE.tls.subject_alt_names: expected a list of hosts, such as [api.example.com], found "a": write it as a list, [a]',
    ),
    ('tls: {alpn: ["a b"]}', '1:29 error SERVICE.tls.alpn[0]: expected a protocol\'s name, such as h2, found "a b"'),
    (
        'health_check: {tcp: true, tls: true}, endpoints: ["10.0.0.1:443"]',
        "1:47 error SERVICE.health_check.tls: a certificate is for a host name, and 10.0.0.1 is not one: write `sni` or `subject_alt_names` in it",
    ),
    (
        'tls: {}, endpoints: ["10.0.0.1:443"]',
        "1:21 error SERVICE.tls: a certificate is for a host name, and 10.0.0.1 is not one: write `sni` or `subject_alt_names` in it",
    ),
    (
        'tls: true, endpoints: ["10.0.0.1:443", "a.com:443"]',
        "1:21 error SERVICE.tls: a certificate is for a host name, and 10.0.0.1 is not one: write `sni` or `subject_alt_names` in it",
    ),
    (
        'tls: {sni: 5}, endpoints: ["10.0.0.1:443"]',
        '1:27 error SERVICE.tls.sni: expected a host, such as api.example.com, found 5: write "5" in quotes',
    ),
    (
        "dns_refresh: 5",
        "1:29 error SERVICE.dns_refresh: a duration needs a unit: write 5s or 5ms, not 5",
    ),
    ("dns: logicl", '1:21 error SERVICE.dns: expected one of strict, logical; found "logicl": did you mean `logical`?'),
    (
        "dns: logical, endpoints: [a:1, b:1]",
        "1:21 error SERVICE.dns: `logical` is for one host name: there are 2 endpoints",
    ),
    ('host: "http://a"', '1:22 error SERVICE.host: a host has no scheme or path: write "a"'),
    (
        "tls: {certificate: 5, key: /a}",
        "1:35 error SERVICE.tls.certificate: expected a path on Envoy's machine that begins with /, found 5",
    ),
    (
        "health_check: {http: /, host: 5}",
        '1:46 error SERVICE.health_check.host: expected a host, such as example.com or "example.com:8080", found 5: write "5" in quotes',
    ),
    (
        "host: 5",
        '1:22 error SERVICE.host: expected a host, or `off`, such as example.com, found 5: write "5" in quotes',
    ),
    (
        "health_check: {http: /, interval_jitter: 101, unhealthy_interval: 0s}",
        "1:57 error SERVICE.health_check.interval_jitter: expected a percentage from 0% to 100%, such as 10%, found 101",
        "1:82 error SERVICE.health_check.unhealthy_interval: must be 1ms or more, found 0s",
    ),
    (
        "timeouts: {per_try: 1s}",
        '1:27 error SERVICE.timeouts.per_try: unknown key "per_try": it belongs to `retries`: write `retries: {per_try: 1s}`',
    ),
]
"""A service's content and the message. SERVICE stands for the service's path."""

UPSTREAM_CASES = [
    (f"services: {{a: {{{text}}}}}", *(one.replace("SERVICE", "services.a", 1) for one in messages))
    for text, *messages in SERVICES
]
"""Whole catalogs, like the other cases."""

UPSTREAM_ADVICE: list[tuple[str, list[str]]] = [
    (
        "services: {a: {balance: {maglev: {table_size: 2}}, affinity: {source: true}, endpoints: [b:1, b:2, b:3]}}",
        ["1:47 warning services.a.balance.maglev.table_size: is less than the 3 endpoints: some get no requests"],
    ),
    (
        "services: {a: {balance: {least_request: {active_request_bias: 1}}, endpoints: [b:1]}}",
        [
            "1:63 warning services.a.balance.least_request.active_request_bias: has no effect: no endpoint has a `weight`"
        ],
    ),
    (
        "services: {a: {balance: client_side_weighted, endpoints: [{address: b:1, weight: 2}]}}",
        [
            "1:82 warning services.a.endpoints[0].weight: has no effect with `balance: client_side_weighted`: write `balance: weighted`"
        ],
    ),
    (
        "services: {a: {balance: client_side_weighted, protocol: tcp}}",
        ["1:25 warning services.a.balance: TCP has no responses that report load: all endpoints get the same share"],
    ),
    (
        "services: {a: {protocol: tcp, retries: 5, circuit_breakers: {requests: 5}, connection_pool: {}, host: a.com, keepalive: {ping_interval: 5s}}}",
        [
            "1:40 warning services.a.retries: has no effect with `protocol: tcp`: data of a connection cannot be sent again",
            "1:72 warning services.a.circuit_breakers.requests: has no effect with `protocol: tcp`: write `connections`",
            "1:93 warning services.a.connection_pool: has no effect with `protocol: tcp`: each connection of a client has its own connection to an endpoint",
            "1:103 warning services.a.host: has no effect with `protocol: tcp`: TCP has no Host header",
            "1:137 warning services.a.keepalive.ping_interval: has no effect with `protocol: tcp`: pings are for http2 and grpc",
        ],
    ),
    (
        "services: {a: {retries: {on: [5xx, unavailable]}, connection_pool: {max_concurrent_streams: 5}, keepalive: {ping_interval: 5s}}}",
        [
            "1:36 warning services.a.retries.on[1]: unavailable is a gRPC status: it has an effect only with `protocol: grpc` or `http2`",
            "1:93 warning services.a.connection_pool.max_concurrent_streams: has no effect with `protocol: http`: a connection carries one request at a time",
            "1:124 warning services.a.keepalive.ping_interval: has no effect with `protocol: http`: pings are for http2 and grpc",
        ],
    ),
    (
        "services: {a: {retries: {per_try: 15s}}}",
        ["1:35 warning services.a.retries.per_try: has no effect: `timeouts.request` ends all tries after 15s"],
    ),
    (
        "services: {a: {timeouts: {request: 2s}, retries: {per_try: 5s}}}",
        ["1:60 warning services.a.retries.per_try: has no effect: `timeouts.request` ends all tries after 2s"],
    ),
    ("services: {a: {timeouts: {request: 0s}, retries: {per_try: 5s}}}", []),
    ("services: {a: {protocol: grpc, retries: {per_try: 5m, on: unavailable}}}", []),
    (
        "services: {a: {dns: logical, endpoints: ['10.0.0.1:1']}}",
        ["1:21 warning services.a.dns: has no effect without a host name among the endpoints"],
    ),
    (
        "services: {a: {dns_refresh: 5s, endpoints: ['10.0.0.1:1']}, b: {dns_refresh: 5s, endpoints: ['10.0.0.1:1', c:1]}}",
        ["1:29 warning services.a.dns_refresh: has no effect without a host name among the endpoints"],
    ),
    (
        "services: {a: {tls: {alpn: [http/1.1, h2]}}}",
        ["1:39 warning services.a.tls.alpn[1]: has h2, which `protocol: http` does not use: leave it out"],
    ),
]
