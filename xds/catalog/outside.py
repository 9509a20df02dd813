"""Services beyond the mesh: how their names are resolved, their TLS, and the Host that they expect."""

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints
from pydantic.dataclasses import dataclass

from xds.catalog.addresses import HOST_NAME, normalize_ip
from xds.catalog.places import Loc, show
from xds.catalog.shapes import FILE_SHAPE, TLS_TO_SHAPE
from xds.catalog.values import Mistake, check_host
from xds.catalog.words import CONFIG

if TYPE_CHECKING:
    from xds.catalog.model import Service

SYSTEM_CA = "/etc/ssl/certs/ca-certificates.crt"
"""Where Debian, Ubuntu, Alpine and Envoy's own images keep the authorities that the world trusts."""

CALLERS: Final = "off"
"""The word for the Host that the caller wrote."""


class Dns(StrEnum):
    """What the addresses of a host name are."""

    STRICT = "strict"
    LOGICAL = "logical"


def check_file(value: str) -> str:
    """Refuse a path that would depend on where Envoy was started."""
    if not re.fullmatch(r"/[^\x00-\x1f\x7f]{0,4095}", value):
        raise ValueError(f"expected a path on Envoy's machine that begins with /, found {show(value)}")
    return value


def check_sni(value: str) -> str:
    """Refuse an address, which TLS does not ask for."""
    if normalize_ip(value) is not None:
        raise ValueError(f"a host is asked for, not an address: write `subject_alt_names: [{show(value)}]`")
    return check_host(value)


def check_alt_name(value: str) -> str:
    """Check a name that a certificate is to have: a host or an IP address."""
    if (address := normalize_ip(value)) is not None:
        return address
    if "*" in value:
        raise ValueError("name the host itself: a certificate for *.example.com has all names below it")
    if not HOST_NAME.fullmatch(value.lower()):
        raise ValueError(f'expected a host or an IP address, as in "api.example.com", found {show(value)}')
    return value.lower()


File = Annotated[str, AfterValidator(check_file), FILE_SHAPE]


@dataclass(frozen=True, slots=True, config=CONFIG)
class UpstreamTls:
    """TLS to a service's endpoints; in short form `true`. Their certificates are checked, always."""

    sni: Annotated[
        Annotated[str, AfterValidator(check_sni)] | None,
        Field(description="the host that is asked for; the endpoint's host name when left out"),
    ] = None
    ca: Annotated[File, Field(description="file on Envoy's machine: the authorities that are trusted")] = SYSTEM_CA
    subject_alt_names: Annotated[
        tuple[Annotated[str, AfterValidator(check_alt_name)], ...],
        Field(max_length=100, description="of which the certificate must have one; the host that is asked for if none"),
    ] = ()
    certificate: Annotated[File | None, Field(description="file on Envoy's machine: its own certificate")] = None
    key: Annotated[File | None, Field(description="file on Envoy's machine: the certificate's key")] = None
    alpn: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[!-~]+$")], ...],
        Field(max_length=10, description="what is offered to speak; h2 or http/1.1 by `protocol`, none for tcp"),
    ] = ()


def parse_tls(value: object) -> object:
    """Turn `true` and `false` into what they are short for."""
    return {True: {}, False: None}[value] if isinstance(value, bool) else value


def check_tls(tls: UpstreamTls) -> UpstreamTls:
    """Refuse a certificate without its key, and a key without its certificate."""
    if (tls.certificate is None) != (tls.key is None):
        given, lacking = ("key", "certificate") if tls.certificate is None else ("certificate", "key")
        raise Mistake(((given,), f"needs its `{lacking}` beside it"))
    return tls


TlsToEndpoints = Annotated[
    Annotated[UpstreamTls, AfterValidator(check_tls)] | None, BeforeValidator(parse_tls), TLS_TO_SHAPE
]


def check_service_host(value: str) -> str:
    """Check the Host that a service expects; `off` is the caller's own."""
    return value if value == CALLERS else check_host(value)


def check_outside(service: "Service") -> list[tuple[Loc, str]]:
    """Refuse certificates that nothing would be checked against, and one host that is several."""
    wrong: list[tuple[Loc, str]] = []
    tls = service.tls
    if tls is not None and tls.sni is None and not tls.subject_alt_names:
        address = next((one.address for one in service.endpoints if normalize_ip(one.address) is not None), None)
        if address is not None:
            wrong.append(
                ((("tls",)), f"whose certificate? {address} is no host name: write `sni` or `subject_alt_names` in it")
            )
    if service.dns is Dns.LOGICAL and len(service.endpoints) > 1:
        wrong.append((("dns",), f"`logical` is for one host name: there are {len(service.endpoints)} endpoints"))
    return wrong


def find_host(service: "Service") -> str | None:
    """Tell which Host a service's endpoints are asked for: None is the caller's, "" is each endpoint's own name.

    With TLS it is the host that is asked for there: who answers for several looks at both.
    """
    if service.host is not None:
        return None if service.host == CALLERS else service.host
    if service.tls is None:
        return None
    if service.tls.sni is not None:
        return service.tls.sni
    names = {one.address for one in service.endpoints if normalize_ip(one.address) is None}
    return None if not names else "" if len(names) > 1 else names.pop()
