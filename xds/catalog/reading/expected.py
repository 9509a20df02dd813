"""What is expected where, by key: the classes behind mappings, and the words by which mistakes tell what a field wants.

How these become sentences is in `mistakes.py`; the words of a service's connections are in `upstream_expected.py`.
"""

from enum import StrEnum

from xds.catalog.model.access_log import AccessLog
from xds.catalog.model.affinity import Affinity, Cookie
from xds.catalog.model.balance import Balance
from xds.catalog.model.endpoint import Endpoint, Health
from xds.catalog.model.filters import Abort, Cors, Delay, Fault, RateLimit
from xds.catalog.model.gateway import Certificate, Gateway, Limits, Listener, Tls
from xds.catalog.model.health import HealthCheck, OutlierDetection
from xds.catalog.model.locality import Level, LocalityPolicy, ZoneAware
from xds.catalog.model.mesh import Mesh
from xds.catalog.model.resilience import Timeouts
from xds.catalog.model.route import Route
from xds.catalog.model.route_action import HeaderChanges, Mirror, Redirect, Respond, Rewrite
from xds.catalog.model.service import Protocol, Service
from xds.catalog.model.tracing import Tracing
from xds.catalog.model.upstream import Dns
from xds.catalog.reading.upstream_expected import UPSTREAM_CLASSES, UPSTREAM_EXPECTED, UPSTREAM_LISTS, UPSTREAM_NUMBERS

CLASSES: dict[str, type] = {
    "services": Service,
    "gateways": Gateway,
    "endpoints": Endpoint,
    "health_check": HealthCheck,
    "timeouts": Timeouts,
    "outlier_detection": OutlierDetection,
    "affinity": Affinity,
    "cookie": Cookie,
    "locality": LocalityPolicy,
    "zone_aware": ZoneAware,
    "routes": Route,
    "rewrite": Rewrite,
    "redirect": Redirect,
    "respond": Respond,
    "request_headers": HeaderChanges,
    "response_headers": HeaderChanges,
    "mirror": Mirror,
    "fault": Fault,
    "delay": Delay,
    "abort": Abort,
    "rate_limit": RateLimit,
    "cors": Cors,
    "mesh": Mesh,
    "listeners": Listener,
    "tls": Tls,
    "certificates": Certificate,
    "limits": Limits,
    "access_log": AccessLog,
    "tracing": Tracing,
    **UPSTREAM_CLASSES,
}
"""What a mapping below each key is; with `services.` or `gateways.` before it, below that key of those alone."""

CHOICES: dict[str, type[StrEnum]] = {
    "protocol": Protocol,
    "balance": Balance,
    "health": Health,
    "failover[]": Level,
    "dns": Dns,
}

PORT = "a port from 1 to 65535"
WEIGHT = "a whole number from 1 to 4294967295"
COUNT = "a whole number from 1 to 1000000000"
THRESHOLD = "a whole number from 1 to 1000"
SIZE = "a size, such as 64KiB"
FILE = "a path on the gateway's machine that begins with /"
DURATION = "a duration in h, m, s and ms, such as 10s, 250ms or 1m30s"
LABEL = "text"
EXPECTED = {
    "services[]": "a service's keys, such as `endpoints`",
    "gateways[]": "a gateway's keys, such as `port` and `routes`",
    "endpoints": 'a list, such as ["10.0.0.4:5000"]',
    "endpoints[]": '"host:port", or a mapping with `address`',
    "address": "an IP address or host name, as in 10.0.0.4",
    "port": PORT,
    "weight": WEIGHT,
    "region": LABEL,
    "zone": LABEL,
    "sub_zone": LABEL,
    "priority": "a whole number from 0 to 127",
    "metadata": "a mapping of labels",
    "metadata[]": "a label's value",
    "balance": "one of {}",
    "protocol": "one of {}",
    "health": "one of {}",
    "drain": "true or false",
    "affinity": "a mapping, such as {header: x-user}",
    "header": "a header's name, such as x-user",
    "query_parameter": "a parameter's name, such as user",
    "cookie": "a cookie's name, or a mapping such as {name: sid, ttl: 1h}",
    "name": "a cookie's name: letters, digits, - and _",
    "source": "true or false",
    "locality": "any, failover, zone_aware, or a mapping such as {weights: {eu-1a: 70, eu-1b: 30}}",
    "failover": "a list of levels, such as [zone, region]",
    "failover[]": "one of {}",
    "weights": "a mapping of localities and their weights, such as {eu-1a: 70, eu-1b: 30}",
    "weights[]": "a whole number from 0 to 1000000",
    "zone_aware": "a mapping, such as {min_cluster_size: 6}",
    "min_cluster_size": "a whole number from 1 to 65536",
    "routing_enabled": "a percentage from 0 to 100",
    "overprovisioning": "a percentage from 100 to 1000",
    "panic_threshold": "a percentage from 0 to 100",
    "health_check": "a mapping, such as {http: /health}",
    "http": "a path that begins with /",
    "grpc": 'what to ask gRPC\'s health service for, or ""',
    "tcp": "true or false",
    "expect": "a list of statuses, such as [200-299, 404]",
    "expect[]": "a status from 100 to 599, or a range such as 200-299",
    "outlier_detection": "`off`, or a mapping such as {consecutive_failures: 5}",
    "enabled": "true or false",
    "consecutive_failures": THRESHOLD,
    "consecutive_5xx": THRESHOLD,
    "base_ejection_time": DURATION,
    "max_ejection_percent": "a whole number from 1 to 100",
    "interval": DURATION,
    "timeout": DURATION,
    "healthy_threshold": THRESHOLD,
    "unhealthy_threshold": THRESHOLD,
    "timeouts": "a mapping, such as {request: 15s}",
    "connect": DURATION,
    "request": DURATION,
    "idle": DURATION,
    "upstreams": "a list of services, such as [users]",
    "upstreams[]": "a service's name",
    "sidecar": 'an address to listen on, such as "127.0.0.1:15001"',
    "ttl": DURATION,
    "local_port": PORT,
    "subsets": 'a mapping, such as {v2: {version: "2.0"}}',
    "routes": "a list of routes, such as [{prefix: /, to: web}]",
    "routes[]": "a route, such as {prefix: /, to: web}",
    "to": "a service's name",
    "host": 'a host, as in "example.com" or "*.example.com"',
    "prefix": "a path that begins with /, without query",
    "path": "a path that begins with /, without query",
    "headers": "a mapping of header names and values",
    "headers[]": 'text, such as {prefix: a}, or "*" for any value',
    "regex": "a pattern for the whole path, such as /users/[0-9]+",
    "method": "a method, such as GET, or a list of them",
    "method[]": "a method, such as GET",
    "query": "a mapping of the query's parameters and values",
    "query[]": 'text, such as {prefix: a}, or "*" for any value',
    "rewrite": "a mapping, such as {prefix: /v2}",
    "redirect": "a mapping, such as {https: true}",
    "https": "true or false",
    "code": "one of 301, 302, 303, 307, 308",
    "respond": "a mapping, such as {status: 404}",
    "status": "a status from 200 to 599",
    "body": "text",
    "request_headers": "a mapping, such as {set: {x-team: a}}",
    "response_headers": "a mapping, such as {remove: [x-internal]}",
    "set": "a mapping of header names and values",
    "set[]": "text",
    "add": "a mapping of header names and values",
    "add[]": "text",
    "remove": "a list of header names, such as [x-internal]",
    "remove[]": "a header's name",
    "mirror": "a mapping, such as {to: shadow, percent: 10}",
    "percent": "a number from 0.0001 to 100",
    "template": "a path with variables, such as /users/{id}/orders/*",
    "fault": "a mapping, such as {abort: {status: 503, percent: 5}}",
    "delay": "a mapping, such as {time: 2s, percent: 10}",
    "time": DURATION,
    "abort": "a mapping, such as {status: 503, percent: 5}",
    "by_header": "true or false",
    "rate_limit": "a mapping, such as {requests: 100, per: 1s}",
    "requests": COUNT,
    "per": DURATION,
    "burst": COUNT,
    "cors": 'a mapping, such as {origins: ["https://shop.example.com"]}',
    "origins": 'a list of origins, such as ["https://shop.example.com"]',
    "origins[]": 'an origin, such as "https://shop.example.com"',
    "methods": "a method, such as GET, or a list of them",
    "methods[]": "a method, such as GET",
    "cors.headers": "a list of header names, such as [authorization]",
    "cors.headers[]": "a header's name",
    "expose": "a list of header names, such as [x-total]",
    "expose[]": "a header's name",
    "max_age": DURATION,
    "credentials": "true or false",
    "websocket": "true or false",
    "grpc_web": "true or false",
    "max_body": "a size, such as 1MiB",
    "listeners": "a list of listeners, such as [{port: 8080}, {port: 8443, tls: {certificates: [...]}}]",
    "listeners[]": "a listener, such as {port: 8080}",
    "tls": "`passthrough`, or a mapping such as {certificates: [{certificate: /certs/web.pem, key: /certs/web.key}]}",
    "certificates": "a list of certificates, such as [{certificate: /certs/web.pem, key: /certs/web.key}]",
    "certificates[]": "a mapping, such as {hosts: [example.com], certificate: /certs/web.pem, key: /certs/web.key}",
    "certificate": FILE,
    "key": FILE,
    "client_ca": FILE,
    "hosts": "a list of hosts, such as [shop.example.com]",
    "hosts[]": 'a host, as in "example.com" or "*.example.com"',
    "passthrough": "true or false",
    "http3": "true, or the port by which clients reach it",
    "proxy_protocol": "true or false",
    "limits": "a mapping, such as {buffer: 64KiB}",
    "header_size": SIZE,
    "header_timeout": DURATION,
    "streams": "a whole number from 1 to 2147483647",
    "buffer": SIZE,
    "trusted_hops": "a whole number from 0 to 100",
    "access_log": "`off`, `on`, `errors`, or a mapping such as {errors: true, sample: 1%}",
    "errors": "true or false",
    "endpoint_stats": "true or false",
    "sample": "a share, such as 1%",
    "tracing": 'a mapping, such as {otlp: "collector:4317", sample: 10%}',
    "otlp": 'the collector, as in "collector:4317"',
    "file": "a path on the Envoy's machine that begins with /",
    **UPSTREAM_EXPECTED,
}
"""What each field wants; with [] what its items want. A word that means several things has what it is in before it."""

MOVED = {"timeouts.per_try": "write it as `retries: {per_try: 2s}`"}
"""Keys that people look for elsewhere, and where they are."""

NUMBERS = frozenset(
    {
        "port",
        "weight",
        "local_port",
        "retries",
        "healthy_threshold",
        "unhealthy_threshold",
        "consecutive_failures",
        "consecutive_5xx",
        "max_ejection_percent",
        "code",
        "status",
        "percent",
        "requests",
        "burst",
        "streams",
        "trusted_hops",
        "priority",
        "weights[]",
        "min_cluster_size",
        "routing_enabled",
        "overprovisioning",
        "panic_threshold",
        *UPSTREAM_NUMBERS,
    }
)
LISTS = frozenset(
    {
        "endpoints",
        "upstreams",
        "routes",
        "expect",
        "remove",
        "origins",
        "cors.headers",
        "expose",
        "listeners",
        "certificates",
        "hosts",
        "failover",
        *UPSTREAM_LISTS,
    }
)
LIMITED = {"too_long": "items", "string_too_long": "characters"}
PATHS = frozenset({"http", "prefix", "path"})
TEXTS = frozenset(
    {
        "address",
        "region",
        "zone",
        "sub_zone",
        "to",
        "host",
        "headers[]",
        "upstreams[]",
        "header",
        "query_parameter",
        "name",
        "query[]",
        "set[]",
        "add[]",
        "body",
    }
)
MAPPINGS = frozenset({"headers", "metadata", "query", "set", "add", "weights"})
"""The keys whose mappings have the operator's own keys."""

OPAQUE = frozenset(
    {
        "to",
        "rewrite",
        "redirect",
        "respond",
        "request_headers",
        "response_headers",
        "mirror",
        "method",
        "fault",
        "rate_limit",
        "cors",
        "envoy",
    }
)
"""The words of a route of which nothing is known when a part of them is wrong."""

OPAQUE_OF_LISTENERS = frozenset({"tls"})
"""The words of a listener of which nothing is known when a part of them is wrong."""

WHOLE = frozenset({"subsets", "envoy"})
"""The words of a service or gateway of which nothing is known when a part of them is wrong."""
