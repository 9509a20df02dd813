"""Secret (SDS): the paths of certificates and keys on an Envoy's machine. The control plane never has their contents.

Envoy would read a certificate in a Listener only once. It reads a certificate in a Secret again when its files are
replaced. If a file is missing, only the filter chain that needs it does not work, not the whole listener.
"""

from posixpath import dirname

from xds.catalog.model.gateway import Certificate, Tls
from xds.resources.ads import ADS_CONFIG_SOURCE
from xds.resources.resource import Resource, encode_resource
from xds.resources.stats import write_stat_name, write_stat_path
from xds.wire import SECRET
from xds.wire.envoy.config_core_v3_pb2 import DataSource, WatchedDirectory
from xds.wire.envoy.extensions_transport_sockets_tls_v3_pb2 import (
    CertificateValidationContext,
    SdsSecretConfig,
    Secret,
    TlsCertificate,
)
from xds.wire.messages import encode

CERTIFICATE, AUTHORITY = "certificate", "client_ca"
"""What a Secret is, in its name."""


def refer_to_certificate(owner: str, one: Certificate) -> SdsSecretConfig:
    """Return the reference to the Secret of a certificate of the gateway `owner`."""
    return SdsSecretConfig(name=_name(owner, CERTIFICATE, one.certificate), sds_config=ADS_CONFIG_SOURCE)


def refer_to_authority(owner: str, path: str) -> SdsSecretConfig:
    """Return the reference to the Secret of the gateway's `client_ca` in the file `path`."""
    return SdsSecretConfig(name=_name(owner, AUTHORITY, path), sds_config=ADS_CONFIG_SOURCE)


def build_secrets(owner: str, tls: Tls) -> list[Resource]:
    """Build the Secrets that a listener's TLS refers to."""
    secrets = [_build_certificate(owner, one) for one in tls.certificates]
    if tls.client_ca is not None:
        secrets.append(_build_authority(owner, tls.client_ca))
    return secrets


def _name(owner: str, kind: str, path: str) -> str:
    """Return the name of a Secret, which Envoy writes into its metrics: `edge/certificate/etc/tls/web~pem`.

    One file may be a certificate and the authority of clients at once: these are two Secrets.
    """
    return f"{write_stat_name(owner)}/{kind}{write_stat_path(path)}"


def _build_certificate(owner: str, one: Certificate) -> Resource:
    certificate = TlsCertificate(
        certificate_chain=DataSource(filename=one.certificate), private_key=DataSource(filename=one.key)
    )
    # Envoy reads both together when anything in their folder is renamed: the files, or a link to them.
    if dirname(one.certificate) == dirname(one.key):
        certificate.watched_directory.CopyFrom(WatchedDirectory(path=dirname(one.certificate)))
    return _encode(Secret(name=_name(owner, CERTIFICATE, one.certificate), tls_certificate=certificate))


def _build_authority(owner: str, path: str) -> Resource:
    context = CertificateValidationContext(
        trusted_ca=DataSource(filename=path), watched_directory=WatchedDirectory(path=dirname(path))
    )
    return _encode(Secret(name=_name(owner, AUTHORITY, path), validation_context=context))


def _encode(secret: Secret) -> Resource:
    return encode_resource(SECRET, secret.name, encode(secret))
