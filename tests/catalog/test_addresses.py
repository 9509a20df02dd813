"""Addresses, in the forms that people write."""

import re

import pytest

from xds.catalog.text.addresses import check_address, check_ip, parse_endpoint, parse_listen, split_address


@pytest.mark.parametrize(
    ("written", "address", "port"),
    [
        ("10.0.0.4:5000", "10.0.0.4", 5000),
        ("[::1]:5000", "::1", 5000),
        ("[2001:DB8:0:0::1]:80", "2001:db8::1", 80),
        ("Web.example.com:80", "web.example.com", 80),
        ("my_service:80", "my_service", 80),
        ("localhost:65535", "localhost", 65535),
    ],
)
def test_an_endpoint_may_be_written_as_host_and_port(written: str, address: str, port: int) -> None:
    """A host has only one normal form, so that duplicates are found."""
    assert split_address(written) == (address, port)
    assert parse_endpoint({"address": written, "weight": 2}) == {"address": address, "port": port, "weight": 2}


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("10.0.0.4", 'the port is missing: write "10.0.0.4:5000", with the port that it listens on'),
        ("web", 'the port is missing: write "web:5000", with the port that it listens on'),
        ("::1", 'the port is missing: write "[::1]:5000", with the port that it listens on'),
        ("[::1]", 'the port is missing: write "[::1]:5000", with the port that it listens on'),
        ("::1:5000", 'an IPv6 address needs brackets before its port: write "[::1]:5000"'),
        ("2001:db8::1:5000", 'an IPv6 address needs brackets before its port: write "[2001:db8::1]:5000"'),
        ("http://10.0.0.4:5000/x", 'an address has no "http://" in front and no "/x" behind: write "10.0.0.4:5000"'),
        ("https://web", 'an address has no "https://" in front: write "web:443"'),
        ("web:80/x", 'an address has no path: write "web:80"'),
        ("web:0", 'expected a port from 1 to 65535 after the colon, found "0"'),
        ("web:70000", 'expected a port from 1 to 65535 after the colon, found "70000"'),
        ("web:http", 'expected a port from 1 to 65535 after the colon, found "http"'),
        ("web:", 'expected a port from 1 to 65535 after the colon, found ""'),
        ("10.0.0.256:80", '"10.0.0.256" is not an IPv4 address: four numbers from 0 to 255, without leading zeros'),
        ("010.0.0.1:80", '"010.0.0.1" is not an IPv4 address: four numbers from 0 to 255, without leading zeros'),
        ("10.0.1:80", '"10.0.1" is not an IPv4 address: four numbers from 0 to 255, without leading zeros'),
        ("[fe80::1%eth0]:80", 'an address with a zone, "[fe80::1%eth0]", is not one for Envoy'),
        ("[::g]:80", '"[::g]" is not an IPv6 address: write it as in "[::1]:5000"'),
        ("we b:80", '"we b" is not a host name'),
        ("-web:80", '"-web" is not a host name'),
        (":80", '"" is not a host name'),
        ("", 'expected an address, such as "10.0.0.4:5000", found nothing'),
    ],
)
def test_a_wrong_endpoint_address_is_refused(written: str, message: str) -> None:
    """Each common mistake has a message of its own."""
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_endpoint(written)


@pytest.mark.parametrize(
    ("written", "address"), [("::1", "::1"), ("[::1]", "::1"), ("Web", "web"), ("1.2.3.4", "1.2.3.4")]
)
def test_an_address_without_its_port_may_be_ipv6_without_brackets(written: str, address: str) -> None:
    """The port is in the key `port`."""
    assert check_address(written) == address


def test_an_address_with_two_ports_is_refused() -> None:
    """A port in the address and in `port` is a conflict, even if both are the same."""
    with pytest.raises(ValueError, match="leave out one of the two"):
        check_address("10.0.0.4:5000")


@pytest.mark.parametrize(
    ("written", "address", "port"),
    [("127.0.0.1:15001", "127.0.0.1", 15001), ("[::]:80", "::", 80), (9000, "127.0.0.1", 9000)],
)
def test_a_listen_address_has_a_port_and_may_be_a_port_alone(written: object, address: str, port: int) -> None:
    """A port alone means an address of this machine."""
    assert parse_listen(written) == {"address": address, "port": port}


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            "localhost:15001",
            'expected an IP address to listen on, such as 127.0.0.1, found "localhost": write 127.0.0.1',
        ),
        ("web:15001", 'expected an IP address to listen on, such as 127.0.0.1, found "web"'),
        ("127.0.0.1", "the port is missing"),
        (0, "expected a port from 1 to 65535, found 0"),
        (None, "found nothing"),
        ({"address": "127.0.0.1", "port": 1}, "found a mapping"),
    ],
)
def test_a_wrong_listen_address_is_refused(written: object, message: str) -> None:
    """Envoy listens only on IP addresses."""
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_listen(written)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("0.0.0.0:80", "write `address: 0.0.0.0` and `port: 80`"),
        ("localhost", "write 127.0.0.1"),
        ("web", 'expected an IP address to listen on, such as 127.0.0.1, found "web"'),
    ],
)
def test_a_gateway_address_that_is_not_an_ip_address_is_refused(written: str, message: str) -> None:
    """It may not have a port or be a host name."""
    with pytest.raises(ValueError, match=re.escape(message)):
        check_ip(written)
