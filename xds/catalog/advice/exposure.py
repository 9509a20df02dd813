"""Warnings about what others can reach, or read, by mistake: a sidecar open to a network, and requests in the clear."""

import ipaddress
from collections.abc import Iterator

from xds.catalog.model.service import Protocol, Service
from xds.catalog.text.mistake import Mistake, warning

HTTPS = 443
"""The port at which clients and servers expect TLS."""


def advise_exposure(service: Service) -> Iterator[Mistake]:
    """Yield warnings about a service's sidecar, and about endpoints that are no place to connect to or expect TLS."""
    address = service.sidecar.listen.address
    if not _unmap(address).is_loopback:
        remedy = f'"{"[::1]" if ":" in address else "127.0.0.1"}:{service.sidecar.listen.port}"'
        yield warning(
            ("sidecar",),
            f"other machines can reach {address}, and whoever does may call what this service may: write {remedy}",
        )
    for index, endpoint in enumerate(service.endpoints):
        if endpoint.is_ip and _unmap(endpoint.address).is_unspecified:
            yield warning(
                ("endpoints", index),
                f"{endpoint.address} is for listening only: each Envoy would connect to its own machine, "
                "write the address of the instance",
            )
    if service.tls is not None or service.protocol is Protocol.TCP or service.envoy:
        return
    found = next((index for index, endpoint in enumerate(service.endpoints) if endpoint.port == HTTPS), None)
    if found is not None:
        yield warning(
            ("endpoints", found), f"{HTTPS} is the port of https, and requests go there in plain text: add `tls: true`"
        )


def _unmap(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return an IP address; of one such as `::ffff:127.0.0.1` the IPv4 address, to which the system connects."""
    found = ipaddress.ip_address(address)
    return (found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None) or found
