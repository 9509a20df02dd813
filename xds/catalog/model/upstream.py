"""How Envoy reaches a service outside the mesh: TLS to its endpoints, the Host it is asked for, DNS."""

import re
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints
from pydantic.dataclasses import dataclass
from pydantic.json_schema import WithJsonSchema

from xds.catalog.text.addresses import HOST_NAME, check_host, normalize_ip
from xds.catalog.text.mistake import Mistake
from xds.catalog.text.names import CONFIG
from xds.catalog.text.shapes import ShortOrFull
from xds.wording import show

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


FILE_SHAPE = WithJsonSchema({"type": "string", "pattern": "^/", "examples": ["/etc/ssl/shop.pem"]})

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


TLS_TO_SHAPE = ShortOrFull({"type": "boolean"})

TlsToEndpoints = Annotated[
    Annotated[UpstreamTls, AfterValidator(check_tls)] | None, BeforeValidator(parse_tls), TLS_TO_SHAPE
]


def check_service_host(value: str) -> str:
    """Check the Host that a service expects; `off` is the caller's own."""
    return value if value == CALLERS else check_host(value)
