"""From an encoded resource back to words: for people who ask what is served, never for what is sent.

It is slow (milliseconds a resource): whoever calls it for many does so off the event loop.
"""

from typing import Any, cast

from betterproto2 import Casing
from envoy_data_plane.envoy.config.cluster import v3 as _cluster
from envoy_data_plane.envoy.config.endpoint import v3 as _endpoint
from envoy_data_plane.envoy.config.listener import v3 as _listener
from envoy_data_plane.envoy.config.route import v3 as _route
from envoy_data_plane.envoy.extensions.transport_sockets.tls import v3 as _tls
from envoy_data_plane.google.protobuf import Any as AnyMessage

from xds.resources import clusters, listeners, routes
from xds.resources.resource import Resource
from xds.wire import SECRET

KNOWN = (_cluster, _endpoint, _listener, _route, _tls, clusters, listeners, routes)
"""A class can be decoded once its module is imported: those of the types, and those that stand inside them."""

REDACTED = "[redacted]"
SENSITIVE = frozenset(
    {"private_key", "private_key_provider", "pkcs12", "password", "session_ticket_keys", "generic_secret"}
)
"""What of a Secret nobody is shown; Envoy's own config_dump leaves out the same."""

NAMES_AS_THEY_ARE = cast("Casing", str)
"""betterproto2's fields have Envoy's names; its own snake case would write `consecutive_5_xx` for `consecutive_5xx`."""


def decode(resource: Resource) -> dict[str, Any]:
    """Give a resource as Envoy's documentation and its config_dump write it, in JSON's types.

    Defaults are left out, 64-bit numbers are strings (protobuf's JSON), and what is secret is not told.
    """
    decoded: dict[str, Any] = AnyMessage.parse(resource.body).to_dict(casing=NAMES_AS_THEY_ARE)
    type_url = decoded.pop("@type")
    return _redact(decoded) if type_url == SECRET else decoded


def _redact(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: REDACTED if name in SENSITIVE else _redact(value) if isinstance(value, dict) else value
        for name, value in fields.items()
    }
