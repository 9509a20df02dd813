"""RouteConfiguration (RDS): of a gateway's listener, and of a sidecar with a virtual host for each service."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from xds.catalog.entrances import complete_routes
from xds.catalog.model.route import Route
from xds.catalog.model.service import Service
from xds.catalog.raw.fields import NO_RAW, NOTHING, Raw, RawFields
from xds.resources.resource import Resource, encode_resource
from xds.resources.routes.envoy_routes import encode_routes
from xds.resources.routes.filters import build_limits
from xds.resources.routes.virtual_hosts import EncodedRoutes, build_virtual_hosts
from xds.wire import ROUTE_CONFIGURATION, skeleton_pb2
from xds.wire.envoy.config_core_v3_pb2 import HeaderValue, HeaderValueOption
from xds.wire.envoy.config_route_v3_pb2 import RouteConfiguration, VirtualHost
from xds.wire.messages import encode


def build_virtual_host(name: str, service: Service, services: Mapping[str, Service]) -> bytes:
    """Encode the VirtualHost of a service for sidecars, for requests to the host `name`.

    The service's own routes come first, then one to the service itself. A request that one of the routes sends to
    another service does not go through that service's own routes.
    """
    limited = any(route.rate_limit is not None for route in service.routes)
    routes = [*complete_routes(name, service), Route(to={name: 1})]
    encoded = [part for route in routes for part in encode_routes(route, services, limited=limited)]
    message = skeleton_pb2.VirtualHost(name=name, domains=[name], routes=encoded).SerializeToString(deterministic=True)
    return message + encode(VirtualHost(typed_per_filter_config=build_limits(routes))) if limited else message


@lru_cache(maxsize=16)
def build_sidecar_routes(name: str, virtual_hosts: tuple[bytes, ...], raw: RawFields = NOTHING) -> Resource:
    """Build a sidecar's RouteConfiguration from encoded virtual hosts; sidecars with equal ones share the result."""
    return _build_configuration(name, virtual_hosts, raw=raw)


def build_gateway_routes(
    name: str,
    routes: Sequence[Route],
    services: Mapping[str, Service],
    encoded: EncodedRoutes,
    http3_port: int = 0,
    raw: Raw = NO_RAW,
) -> Resource:
    """Build a listener's RouteConfiguration. With an `http3_port` every response has an `alt-svc` header."""
    own_raw = raw.get("route_configuration", NOTHING)
    options = http3_port, own_raw
    if (known := encoded.find(name, routes, services, options)) is not None:
        return known
    limited = any(route.rate_limit is not None for route in routes)
    virtual_hosts = build_virtual_hosts(name, routes, services, encoded, limited=limited)
    more = encode(RouteConfiguration(typed_per_filter_config=build_limits(routes))) if limited else b""
    more += _encode_alt_svc(http3_port) if http3_port else b""
    built = _build_configuration(name, virtual_hosts, more, own_raw)
    encoded.keep(name, options, built)
    return built


def _build_configuration(
    name: str, virtual_hosts: Sequence[bytes], more: bytes = b"", raw: RawFields = NOTHING
) -> Resource:
    message = skeleton_pb2.RouteConfiguration(name=name, virtual_hosts=virtual_hosts, ignore_port_in_host_matching=True)
    encoded = raw.join(message.SerializeToString(deterministic=True) + more)
    return encode_resource(ROUTE_CONFIGURATION, name, encoded)


@lru_cache(maxsize=1024)
def _encode_alt_svc(port: int) -> bytes:
    """Encode the `alt-svc` header, which lets clients use HTTP/3 for a day."""
    header = HeaderValueOption(
        header=HeaderValue(key="alt-svc", value=f'h3=":{port}"; ma=86400'),
        append_action=HeaderValueOption.HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
    )
    return encode(RouteConfiguration(response_headers_to_add=[header]))
