"""How Envoy reaches a service outside the mesh: TLS to its endpoints, the Host it is asked for, DNS."""

from enum import StrEnum
from typing import Annotated, Final, TypeVar

from pydantic import AfterValidator, Field, Strict, StringConstraints
from pydantic.dataclasses import dataclass

from xds.catalog.text.address_patterns import ALT_NAME_SHAPE, HOST_NAME, HOST_SHAPE, SNI_SHAPE
from xds.catalog.text.addresses import check_host, normalize_ip
from xds.catalog.text.field import About, Example, Expected, IfWrong, Moved, Words
from xds.catalog.text.foreign import VALUE, Here
from xds.catalog.text.meanings import file, text
from xds.catalog.text.mistake import Mistake, Mistakes
from xds.catalog.text.names import CONFIG, NOBODY, FilePath
from xds.wording import show

SYSTEM_CA = "/etc/ssl/certs/ca-certificates.crt"
"""Where Debian, Ubuntu, Alpine and Envoy's own images keep the authorities that the world trusts."""

CALLERS: Final = "off"
"""Stands for the Host that the caller wrote."""


class Dns(StrEnum):
    """What the addresses of a host name are."""

    STRICT = "strict"
    LOGICAL = "logical"


EXPECTED_ALT_NAME: Final = Expected("a host or an IP address", "api.example.com")


def check_sni(value: str) -> str:
    """Refuse an IP address: clients name only hosts in SNI."""
    if normalize_ip(value) is not None:
        raise ValueError(f"a host is asked for, not an address: write `subject_alt_names: [{show(value)}]`")
    return check_host(value, port="SNI has no port")


def check_alt_name(value: str) -> str:
    """Check a name that a certificate must have: a host or an IP address."""
    if (address := normalize_ip(value)) is not None:
        return address
    if "*" in value:
        raise ValueError("name the host itself: a certificate for *.example.com has all names below it")
    if not HOST_NAME.fullmatch(value.lower()):
        raise ValueError(f"expected {EXPECTED_ALT_NAME}, found {show(value)}")
    return value.lower()


TlsT = TypeVar("TlsT", bound="UpstreamTls")

Sni = Annotated[
    str, AfterValidator(check_sni), SNI_SHAPE, Expected("a host", "api.example.com"), IfWrong(stand_in=NOBODY)
]
AltName = Annotated[str, AfterValidator(check_alt_name), ALT_NAME_SHAPE, EXPECTED_ALT_NAME, IfWrong(stand_in=NOBODY)]
Alpn = Annotated[
    str,
    StringConstraints(min_length=1, max_length=255, pattern=r"^[!-~]+$"),
    Expected("a protocol's name", "h2"),
    IfWrong(stand_in=NOBODY),
]


@dataclass(frozen=True, slots=True, config=CONFIG)
class UpstreamTls:
    """TLS to a service's endpoints; the short form is `true`. Their certificates are always checked."""

    sni: Annotated[
        Sni | None,
        Field(description="The host to ask for (SNI)"),
        About(default="the endpoint's host name", envoy="UpstreamTlsContext.sni"),
    ] = None
    ca: Annotated[
        FilePath,
        Field(description="The trusted authorities, a file on Envoy's machine"),
        About(envoy="CertificateValidationContext.trusted_ca"),
    ] = SYSTEM_CA
    subject_alt_names: Annotated[
        tuple[AltName, ...],
        Field(max_length=100, description="The certificate must have one of these names"),
        Expected("a list of hosts", ["api.example.com"]),
        About(
            default="the host that is asked for",
            envoy="CertificateValidationContext.match_typed_subject_alt_names",
        ),
        IfWrong(stand_in=[NOBODY]),
    ] = ()
    certificate: Annotated[
        FilePath | None,
        Field(description="Envoy's own certificate, a file on its machine"),
        About(default="none", envoy="CommonTlsContext.tls_certificates"),
    ] = None
    key: Annotated[
        FilePath | None,
        Field(description="The key of that certificate, a file on Envoy's machine"),
        About(default="none", envoy="TlsCertificate.private_key"),
    ] = None
    alpn: Annotated[
        tuple[Alpn, ...],
        Field(max_length=10, description="The protocols to offer (ALPN)"),
        Expected("a list", ["h2"]),
        About(default="h2 or http/1.1 by `protocol`, none for tcp", envoy="CommonTlsContext.alpn_protocols"),
    ] = ()

    @property
    def checks_no_name(self) -> bool:
        """Whether any name in the certificate of an endpoint with an IP address would do."""
        return self.sni is None and not self.subject_alt_names


def check_tls(tls: TlsT) -> TlsT:
    """Refuse a certificate without its key, and a key without its certificate."""
    if (tls.certificate is None) != (tls.key is None):
        given, lacking = ("key", "certificate") if tls.certificate is None else ("certificate", "key")
        raise Mistakes(Mistake((given,), f"needs its `{lacking}` beside it"))
    return tls


ShortUpstreamTls = Annotated[
    Annotated[UpstreamTls, AfterValidator(check_tls)] | None,
    Words({True: {}, False: None, "off": None}),
    Example({"ca": "/etc/ssl/shop.pem"}),
    Moved(
        {
            **dict.fromkeys(("ca_file", "cafile", "ca_cert", "trusted_ca", "cacert"), Here({"ca": VALUE}, file)),
            **dict.fromkeys(("cert", "cert_file", "crt"), Here({"certificate": VALUE}, file)),
            **dict.fromkeys(("server_name", "servername", "host"), Here({"sni": VALUE}, text)),
            **dict.fromkeys(
                ("insecure_skip_verify", "insecure", "skip_verify", "verify"),
                "certificates are always checked: leave it out, and write the authority's file as `ca`",
            ),
        }
    ),
    IfWrong(whole=True),
]


@dataclass(frozen=True, slots=True, config=CONFIG)
class CheckTls(UpstreamTls):
    """TLS of health checks, where it is not that of the requests; `off` is plain text."""

    enabled: Annotated[bool, Strict(), Field(description="`false` is the same as `tls: off`")] = True


ShortCheckTls = Annotated[
    Annotated[CheckTls, AfterValidator(check_tls)] | None,
    Words({True: {}, False: {"enabled": False}, "off": {"enabled": False}}),
    Example({"ca": "/etc/ssl/shop.pem"}),
    IfWrong(whole=True),
]


def check_service_host(value: str) -> str:
    """Check the Host that a service expects; `off` is the caller's own."""
    return value if value == CALLERS else check_host(value)


def mend_service_host(value: object) -> str:
    """Return what to write for the caller's own Host."""
    return "write off" if value is False else ""


ServiceHost = Annotated[
    str,
    AfterValidator(check_service_host),
    HOST_SHAPE,
    Expected("a host, or `off`", "example.com", mend=mend_service_host),
]
