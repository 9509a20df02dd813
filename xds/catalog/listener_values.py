"""What people write for a listener's TLS and its certificates' hosts: validators used by `listener.py`."""

from xds.catalog.addresses import NUMBERS
from xds.catalog.places import show
from xds.catalog.values import check_route_host


def parse_tls(value: object) -> object:
    """Turn `passthrough` into the mapping that it is short for."""
    return {"passthrough": True} if value == "passthrough" else value


def check_http3(value: object) -> bool | int:
    """Take true, false, or a port."""
    if value is None:
        return False
    if isinstance(value, bool) or (isinstance(value, int) and 1 <= value <= 65535):
        return value
    raise ValueError(f"expected true, or the port by which clients reach it, found {show(value)}")


def check_certificate_host(value: str) -> str:
    """Check and lower-case a host that clients name in SNI, which is never an IP address."""
    host = check_route_host(value)
    if host is None:
        raise ValueError('a certificate for any host has no `hosts`: leave out "*"')
    if NUMBERS.fullmatch(host.rpartition(".")[2]):
        raise ValueError(f"clients name no IP address in SNI: leave out {show(value)}, or all `hosts`")
    return host
