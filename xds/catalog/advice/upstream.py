"""Warnings about how callers connect to a service: fields without effect, due to its protocol or other fields."""

from collections.abc import Iterator

from xds.catalog.advice.routes import advise_per_try
from xds.catalog.model.connections import CircuitBreakers
from xds.catalog.model.retries import GRPC_CONDITIONS, NO_RETRIES, USUAL_RETRIES
from xds.catalog.model.service import Service
from xds.catalog.model.timeouts import DEFAULT_REQUEST
from xds.catalog.model.upstream import Dns
from xds.catalog.text.mistake import Mistake, warning

OVER_HTTP2 = ("http2", "grpc")


def advise_upstream(service: Service) -> Iterator[Mistake]:
    """Yield warnings about fields that have no effect, due to the service's protocol or other fields."""
    least, weights = service.balance.least_request, [endpoint.weight for endpoint in service.endpoints]
    if least is not None and least.active_request_bias is not None and weights and not any(weights):
        yield warning(("balance", "least_request", "active_request_bias"), "has no effect: no endpoint has a `weight`")
    table = service.balance.maglev
    if table is not None and table.table_size is not None and table.table_size < len(weights):
        yield warning(
            ("balance", "maglev", "table_size"), f"is less than the {len(weights)} endpoints: some get no requests"
        )
    unusable = "http/1.1" if service.protocol in OVER_HTTP2 else "h2"
    if service.tls is not None and unusable in service.tls.alpn and service.protocol != "tcp":
        loc = ("tls", "alpn", service.tls.alpn.index(unusable))
        yield warning(loc, f"has {unusable}, which `protocol: {service.protocol.value}` does not use: leave it out")
    if service.protocol == "tcp":
        yield from _advise_tcp(service)
    else:
        yield from _advise_http(service)
    given = [("dns", service.dns is Dns.LOGICAL), ("dns_refresh", service.dns_refresh is not None)]
    for field in (field for field, is_given in given if is_given):
        if service.endpoints and all(endpoint.is_ip for endpoint in service.endpoints):
            yield warning((field,), "has no effect without a host name among the endpoints")


def _advise_tcp(service: Service) -> Iterator[Mistake]:
    no_effect = "has no effect with `protocol: tcp`"
    if service.balance.follows_load:
        yield warning(("balance",), "TCP has no responses that report load: all endpoints get the same share")
    if service.retries not in (USUAL_RETRIES, NO_RETRIES):
        yield warning(("retries",), f"{no_effect}: data of a connection cannot be sent again")
    for field in ("requests", "retries"):
        if getattr(service.circuit_breakers or CircuitBreakers(), field) is not None:
            yield warning(("circuit_breakers", field), f"{no_effect}: write `connections`")
    if service.connection_pool is not None:
        message = f"{no_effect}: each connection of a client has its own connection to an endpoint"
        yield warning(("connection_pool",), message)
    if service.host is not None:
        yield warning(("host",), f"{no_effect}: TCP has no Host header")
    if service.keepalive is not None and service.keepalive.ping_interval is not None:
        yield warning(("keepalive", "ping_interval"), f"{no_effect}: pings are for http2 and grpc")


def _advise_http(service: Service) -> Iterator[Mistake]:
    if service.protocol not in OVER_HTTP2:
        found = [one for one in service.retries.on if one in GRPC_CONDITIONS]
        if found:
            message = f"{found[0]} is a gRPC status: it has an effect only with `protocol: grpc` or `http2`"
            yield warning(("retries", "on", service.retries.on.index(found[0])), message)
        if service.connection_pool is not None and service.connection_pool.max_concurrent_streams is not None:
            message = "has no effect with `protocol: http`: a connection carries one request at a time"
            yield warning(("connection_pool", "max_concurrent_streams"), message)
        if service.keepalive is not None and service.keepalive.ping_interval is not None:
            yield warning(
                ("keepalive", "ping_interval"), "has no effect with `protocol: http`: pings are for http2 and grpc"
            )
    request = service.timeouts.request
    if request is None and service.protocol != "grpc":
        request = DEFAULT_REQUEST
    yield from advise_per_try(service.retries, request, "`timeouts.request`")
