"""Raw fields: Envoy's own fields below `envoy`, for settings that the catalog has no field for.

This module has the messages that may be written, and which of their fields only the catalog sets. `encode.py` checks
that the fields are Envoy's. It is imported only if a catalog has raw fields.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pydantic.json_schema import WithJsonSchema

from xds.catalog.raw.clusters import NamedCluster
from xds.catalog.raw.given import Given
from xds.catalog.text.mistake import Loc, Mistake, Mistakes
from xds.wording import show, suggest

TYPES = {
    "cluster": "envoy.config.cluster.v3.Cluster",
    "listener": "envoy.config.listener.v3.Listener",
    "http_connection_manager": ("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
    "route_configuration": "envoy.config.route.v3.RouteConfiguration",
    "route": "envoy.config.route.v3.Route",
}
"""The messages, by their names below `envoy`."""

ELSEWHERE = {
    "cluster": "it belongs to the `envoy` of a service",
    "listener": "it belongs to the `envoy` of a gateway",
    "http_connection_manager": "it belongs to the `envoy` of a gateway",
    "route_configuration": "it belongs to the `envoy` of a gateway",
    "route": "it belongs to the `envoy` of a route",
}
"""Where each message may be written, for who writes it elsewhere."""

NAME = "is set by the catalog: other resources refer to this name"
ENDPOINTS = "is set by the catalog: write `endpoints`"
ROUTES = "is set by the catalog: write `routes`"
LISTEN = "is set by the catalog: write `address` and `port`"
TARGET = "is set by the catalog: write `to`"
ACTION = "is set by the catalog: a route has `to`, `redirect` or `respond`"

OWNED: dict[str, dict[str, str]] = {
    "cluster": {
        "name": NAME,
        "type": ENDPOINTS,
        "cluster_type": ENDPOINTS,
        "eds_cluster_config": ENDPOINTS,
        "load_assignment": ENDPOINTS,
    },
    "listener": {"name": NAME, "address": LISTEN, "api_listener": LISTEN},
    "http_connection_manager": {"rds": ROUTES, "route_config": ROUTES, "scoped_routes": ROUTES},
    "route_configuration": {"name": NAME, "virtual_hosts": ROUTES, "vhds": ROUTES},
    "route": {
        "route.cluster": TARGET,
        "route.cluster_header": TARGET,
        "route.weighted_clusters": TARGET,
        "route.cluster_specifier_plugin": TARGET,
        "route.inline_cluster_specifier_plugin": TARGET,
        "filter_action": ACTION,
        "non_forwarding_action": ACTION,
    },
}
"""The fields that may not be set: other fields of the catalog decide them, and other messages depend on them."""

PREPENDED = {"http_connection_manager": "http_filters"}
"""The field whose raw items come before the catalog's, by message: the router has to be the last HTTP filter."""


@dataclass(frozen=True, slots=True)
class RawFields:
    """Encoded raw fields of one message, to be put before and after the message's encoded fields.

    Encoded messages merge when their bytes are joined. `names` has the names of the message's own raw fields, not of
    fields inside these. `clusters` are the clusters that any of them names. `given` has the fields as they are
    written, for warnings about them.
    """

    before: bytes
    after: bytes
    names: frozenset[str]
    clusters: tuple[NamedCluster, ...] = ()
    given: tuple[Given, ...] = field(default=(), compare=False, repr=False)

    def join(self, message: bytes) -> bytes:
        """Return an encoded message with the raw fields before and after it."""
        return self.before + message + self.after


NOTHING = RawFields(b"", b"", frozenset())

Raw = Mapping[str, RawFields]
"""Raw fields by the name of the message."""

NO_RAW: Raw = MappingProxyType({})


def join(message: bytes, raw: Raw, name: str) -> bytes:
    """Return an encoded message with the raw fields for it, if there are any."""
    return raw[name].join(message) if name in raw else message


def sets_raw(raw: Raw, message: str, *names: str) -> bool:
    """Whether raw fields set one of these fields of a message itself, or a part of it."""
    return message in raw and not raw[message].names.isdisjoint(names)


def find_clusters(raw: Raw) -> Iterator[tuple[Loc, NamedCluster]]:
    """Yield each cluster that raw fields name, and where below `envoy`."""
    for message, of_message in raw.items():
        for one in of_message.clusters:
            yield (message, *one.loc), one


def parse_raw(*messages: str) -> Callable[[object], Raw]:
    """Return the validator of an `envoy` in which these messages may be written."""

    def parse(value: object) -> Raw:
        if value is NO_RAW:
            return NO_RAW
        if not isinstance(value, Mapping) or not value:
            example = f"{{{messages[0]}: {{…}}}}"
            raise ValueError(f"expected a mapping, such as {example} with Envoy's own fields, found {show(value)}")
        if all(isinstance(one, RawFields) for one in value.values()):
            return value  # parsed before
        mistakes: list[Mistake] = []
        raw = {name: _encode(name, one, mistakes) for name, one in value.items() if name in messages}
        for name in value.keys() - raw.keys():
            near = f": {ELSEWHERE[name]}" if name in TYPES else suggest(name, messages)
            near = near or f": known are {', '.join(messages)}"
            mistakes.append(Mistake((name,), f"unknown key {show(name)}{near}", at_key=True))
        if mistakes:
            raise Mistakes(*mistakes)
        return raw

    return parse


def _encode(name: str, value: object, mistakes: list[Mistake]) -> RawFields:
    from xds.catalog.raw.encode import encode

    encoded = encode(TYPES[name], value, OWNED[name])
    mistakes += [one.below((name,)) for one in encoded.mistakes]
    before = encoded.fields.get(PREPENDED.get(name, ""), b"")
    after = b"".join(one for field, one in encoded.fields.items() if field != PREPENDED.get(name))
    return RawFields(before, after, frozenset(encoded.fields), tuple(encoded.clusters), tuple(encoded.given))


def make_raw_shape(*messages: str) -> WithJsonSchema:
    """Return the JSON Schema of `envoy`, without the fields of its messages: they are too many for a schema."""
    properties = {name: {"type": "object", "description": f"Envoy's own fields ({name}, v3)"} for name in messages}
    return WithJsonSchema(
        {"type": "object", "minProperties": 1, "properties": properties, "additionalProperties": False}
    )
