"""TLS contexts: the transport sockets of clusters (upstream) and of listeners (downstream)."""

from xds.catalog.model.gateway import Certificate, Tls
from xds.catalog.model.service import Protocol
from xds.catalog.model.upstream import UpstreamTls
from xds.catalog.text.addresses import normalize_ip
from xds.resources.tls.secrets import refer_to_authority, refer_to_certificate
from xds.wire.envoy.config_core_v3_pb2 import DataSource, TransportSocket
from xds.wire.envoy.extensions_transport_sockets_quic_v3_pb2 import QuicDownstreamTransport
from xds.wire.envoy.extensions_transport_sockets_raw_buffer_v3_pb2 import RawBuffer
from xds.wire.envoy.extensions_transport_sockets_tls_v3_pb2 import (
    CertificateValidationContext,
    CommonTlsContext,
    DownstreamTlsContext,
    SubjectAltNameMatcher,
    TlsCertificate,
    TlsParameters,
    UpstreamTlsContext,
)
from xds.wire.envoy.type_matcher_v3_pb2 import StringMatcher
from xds.wire.messages import boolean, pack

H2_AND_HTTP1 = ("h2", "http/1.1")
H3 = ("h3",)
QUIC = "envoy.transport_sockets.quic"
TLS = "envoy.transport_sockets.tls"

PLAIN_TEXT = TransportSocket(name="envoy.transport_sockets.raw_buffer", typed_config=pack(RawBuffer()))
"""No TLS, for connections of a cluster whose other connections have it."""


def build_downstream_socket(owner: str, tls: Tls, one: Certificate, alpn: tuple[str, ...]) -> TransportSocket:
    """Build the transport socket of one certificate of a listener, with the protocols `alpn`."""
    common = CommonTlsContext(
        tls_params=TlsParameters(tls_minimum_protocol_version=TlsParameters.TlsProtocol.TLSv1_2),
        tls_certificate_sds_secret_configs=[refer_to_certificate(owner, one)],
        alpn_protocols=[*alpn],
    )
    if tls.client_ca is not None:
        common.validation_context_sds_secret_config.CopyFrom(refer_to_authority(owner, tls.client_ca))
    context = DownstreamTlsContext(
        common_tls_context=common, require_client_certificate=boolean(None if tls.client_ca is None else True)
    )
    if alpn == H3:
        return TransportSocket(name=QUIC, typed_config=pack(QuicDownstreamTransport(downstream_tls_context=context)))
    return TransportSocket(name=TLS, typed_config=pack(context))


ALPN = {Protocol.HTTP: ["http/1.1"], Protocol.HTTP2: ["h2"], Protocol.GRPC: ["h2"], Protocol.TCP: []}
"""The ALPN protocols if the catalog has none: only those that the connection can use."""


def build_tls_socket(tls: UpstreamTls, protocol: Protocol) -> TransportSocket:
    """Build the TLS of a cluster, which checks the issuer, the validity and the names of an endpoint's certificate.

    Without `trusted_ca` Envoy would accept any certificate, and Envoy 1.40 ignores `system_root_certs`. The
    certificate's names are compared with `subject_alt_names`, or else with the SNI by `auto_sni_san_validation`. That
    is not set together with `subject_alt_names`, since it would override them. It checks nothing without an SNI, but
    the catalog's rules refuse such a service.
    """
    validation = CertificateValidationContext(
        trusted_ca=DataSource(filename=tls.ca),
        match_typed_subject_alt_names=[_match_alt_name(name) for name in tls.subject_alt_names],
    )
    common = CommonTlsContext(validation_context=validation, alpn_protocols=list(tls.alpn) or ALPN[protocol])
    if tls.certificate is not None and tls.key is not None:
        own = TlsCertificate(
            certificate_chain=DataSource(filename=tls.certificate), private_key=DataSource(filename=tls.key)
        )
        common.tls_certificates.append(own)
    context = UpstreamTlsContext(
        common_tls_context=common,
        sni=tls.sni or "",
        auto_host_sni=tls.sni is None,
        auto_sni_san_validation=not tls.subject_alt_names,
    )
    return TransportSocket(name="envoy.transport_sockets.tls", typed_config=pack(context))


def _match_alt_name(name: str) -> SubjectAltNameMatcher:
    kind = SubjectAltNameMatcher.SanType.DNS if normalize_ip(name) is None else SubjectAltNameMatcher.SanType.IP_ADDRESS
    return SubjectAltNameMatcher(san_type=kind, matcher=StringMatcher(exact=name))
