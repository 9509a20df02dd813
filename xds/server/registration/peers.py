"""Where an instance is that registered from another machine: a loopback address of it is the machine's own."""

import ipaddress
from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit

from xds.endpoints.registrations.definitions import CheckDefinition, Registration
from xds.wording import join_host_and_port, split_host_and_port


def is_loopback(host: str) -> bool:
    """Whether a host is the machine of whoever uses it."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return host.rstrip(".").lower() == "localhost"


def place(registration: Registration, peer: str) -> Registration:
    """Return a registration as it is meant by a peer: without an address, or with a loopback one, it is there."""
    if is_loopback(peer):
        return registration
    service = registration.service
    if not service.address or is_loopback(service.address):
        service = replace(service, address=peer)
    return Registration(service, tuple(place_check(check, peer) for check in registration.checks))


def place_check(check: CheckDefinition, peer: str) -> CheckDefinition:
    """Return a check as it is meant by a peer."""
    if is_loopback(peer):
        return check
    return replace(check, http=_place_url(check.http, peer), tcp=_place(check.tcp, peer), grpc=_place(check.grpc, peer))


def _place(target: str, peer: str) -> str:
    address, slash, rest = target.partition("/")  # a gRPC check names its service after a slash
    parts = split_host_and_port(address)
    if parts is None or not is_loopback(parts[0]):
        return target
    return f"{join_host_and_port(peer, parts[1])}{slash}{rest}"


def _place_url(url: str, peer: str) -> str:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return url
    if not host or not is_loopback(host):
        return url
    name = f"[{peer}]" if ":" in peer else peer
    return urlunsplit(parts._replace(netloc=name if port is None else join_host_and_port(peer, port)))
