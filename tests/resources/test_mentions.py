"""What an encoded resource names, which address it binds, and whether its new version would take something down."""

import pytest

from xds.resources.mentions import find_addresses, mentions, would_harm
from xds.resources.resource import Resource, encode_resource
from xds.wire import LISTENER, ROUTE_CONFIGURATION
from xds.wire.envoy.config_core_v3_pb2 import Address, SocketAddress
from xds.wire.envoy.config_listener_v3_pb2 import FilterChain, FilterChainMatch, Listener
from xds.wire.envoy.config_route_v3_pb2 import Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost


def routes(**hosts: str) -> Resource:
    """Return a RouteConfiguration whose virtual hosts route to one cluster each."""
    built = [
        VirtualHost(name=host, routes=[Route(match=RouteMatch(prefix="/"), route=RouteAction(cluster=cluster))])
        for host, cluster in hosts.items()
    ]
    return encode_resource(ROUTE_CONFIGURATION, "r", RouteConfiguration(virtual_hosts=built).SerializeToString())


def test_a_name_is_found_as_a_whole() -> None:
    """Not a part of a longer name, nor a longer name."""
    resource = routes(host="api-service")
    assert mentions(resource, "api-service")
    assert not mentions(resource, "api")
    assert not mentions(resource, "api-service-2")
    assert mentions(routes(host="a" * 200), "a" * 200)


def test_the_address_has_protocol_and_port() -> None:
    """So a listener for QUIC may have the port of one for TCP."""
    tcp, udp = (
        encode_resource(
            LISTENER,
            "l",
            Listener(
                address=Address(socket_address=SocketAddress(address="::", port_value=443, protocol=protocol))
            ).SerializeToString(),
        )
        for protocol in (SocketAddress.Protocol.TCP, SocketAddress.Protocol.UDP)
    )
    assert find_addresses(tcp) == {(0, "::", 443)}
    assert find_addresses(tcp).isdisjoint(find_addresses(udp))


@pytest.mark.parametrize(
    ("before", "after", "harms"),
    [
        ({"h": "old"}, {"h": "bad"}, True),
        ({"h": "old"}, {"h": "old", "new": "bad"}, False),
        ({"h": "old"}, {"new": "bad"}, True),
        ({"h": "bad"}, {"h": "bad"}, False),
        ({"h": "old", "k": "bad"}, {"h": "good", "k": "bad"}, False),
        ({"h": "old"}, {}, False),
    ],
    ids=["moves", "adds", "takes the place", "had it", "moves another", "removes"],
)
def test_a_route_harms_if_it_leads_existing_traffic_to_a_refused_cluster(
    before: dict[str, str], after: dict[str, str], *, harms: bool
) -> None:
    """A new virtual host takes nothing away."""
    assert would_harm(routes(**before), routes(**after), {"bad"}) is harms


def chains(*chosen: tuple[str, str]) -> Resource:
    """Return a Listener with a filter chain for each host ("" for all) and the name of its certificate."""
    built = [
        FilterChain(name=name, filter_chain_match=FilterChainMatch(server_names=[host]) if host else None)
        for host, name in chosen
    ]
    return encode_resource(LISTENER, "l", Listener(filter_chains=built).SerializeToString())


@pytest.mark.parametrize(
    ("before", "after", "harms"),
    [
        ([("a", "old")], [("a", "bad")], True),
        ([("a", "old")], [("a", "old"), ("b", "bad")], False),
        ([("a", "old"), ("b", "old")], [("a", "new"), ("b", "bad")], True),
        ([("a", "old")], [("b", "bad")], True),
        ([("", "old")], [("", "old"), ("b", "bad")], True),
        ([("*.a", "old")], [("*.a", "old"), ("b.a", "bad")], True),
        ([("a", "bad")], [("a", "bad")], False),
    ],
    ids=["changes", "adds", "changes one", "takes the place", "takes from all", "takes from many", "had it"],
)
def test_a_listener_harms_if_a_host_that_had_a_certificate_has_a_refused_one(
    before: list[tuple[str, str]], after: list[tuple[str, str]], *, harms: bool
) -> None:
    """Each filter chain counts by itself."""
    assert would_harm(chains(*before), chains(*after), {"bad"}) is harms
