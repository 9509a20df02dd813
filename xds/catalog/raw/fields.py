"""Raw fields: what an operator writes in Envoy's own words below `envoy`, for what the catalog has no word.

Here is which messages may be written where, and what of them is the catalog's own. That they are Envoy's is checked
by `envoy_fields.py`, which is imported when somebody writes any.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pydantic.json_schema import WithJsonSchema

from xds.catalog.text.mistake import Loc, Mistake
from xds.wording import show, suggest

TYPES = {
    "cluster": "envoy.config.cluster.v3.Cluster",
    "listener": "envoy.config.listener.v3.Listener",
    "http_connection_manager": ("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
    "route_configuration": "envoy.config.route.v3.RouteConfiguration",
    "route": "envoy.config.route.v3.Route",
}
"""The messages, by the words for them."""

NAME = "is the catalog's own: others refer to it by its name"
ENDPOINTS = "is the catalog's own: write `endpoints`"
ROUTES = "is the catalog's own: write `routes`"
LISTEN = "is the catalog's own: write `address` and `port`"
TARGET = "is the catalog's own: write `to`"
END = "is the catalog's own: a route has `to`, `redirect` or `respond`"

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
        "filter_action": END,
        "non_forwarding_action": END,
    },
}
"""What nobody may set: it is decided by other words of the catalog, and other messages depend on it."""

IN_FRONT = {"http_connection_manager": "http_filters"}
"""The list whose raw items come before the catalog's own, of which the last is to stay the last."""


@dataclass(frozen=True, slots=True)
class RawFields:
    """Encoded fields of one message, that go before and behind its own; messages merge when they are joined.

    `names` are the fields at the top.
    """

    before: bytes
    after: bytes
    names: frozenset[str]

    def join(self, message: bytes) -> bytes:
        """Put an encoded message between them."""
        return self.before + message + self.after


NOTHING = RawFields(b"", b"", frozenset())

Raw = Mapping[str, RawFields]
"""Raw fields by the word for the message."""

NO_RAW: Raw = MappingProxyType({})


def join(message: bytes, raw: Raw, word: str) -> bytes:
    """Merge an encoded message with the raw fields for it, if there are any."""
    return raw[word].join(message) if word in raw else message


def parse_raw(*words: str) -> Callable[[object], Raw]:
    """Make the validator of `envoy` where these messages may be written."""

    def parse(value: object) -> Raw:
        if value is NO_RAW:
            return NO_RAW
        if not isinstance(value, Mapping) or not value:
            example = f"{{{words[0]}: {{…}}}}"
            raise ValueError(f"expected a mapping, such as {example} with Envoy's own fields, found {show(value)}")
        if all(isinstance(one, RawFields) for one in value.values()):
            return value  # read before
        wrong: list[tuple[Loc, str]] = []
        keys: set[Loc] = set()
        raw = {word: _encode(word, one, wrong, keys) for word, one in value.items() if word in words}
        for word in value.keys() - raw.keys():
            near = suggest(word, words) or f": known are {', '.join(words)}"
            wrong.append(((word,), f"unknown key {show(word)}{near}"))
            keys.add((word,))
        if wrong:
            raise Mistake(*wrong, keys=keys)
        return raw

    return parse


def _encode(word: str, value: object, wrong: list[tuple[Loc, str]], keys: set[Loc]) -> RawFields:
    from xds.catalog.raw.encode import encode

    encoded, found = encode(TYPES[word], value, OWNED[word])
    for loc, message, is_key in found:
        wrong.append(((word, *loc), message))
        if is_key:
            keys.add((word, *loc))
    before = encoded.get(IN_FRONT.get(word, ""), b"")
    after = b"".join(one for name, one in encoded.items() if name != IN_FRONT.get(word))
    return RawFields(before, after, frozenset(encoded))


def make_raw_shape(*words: str) -> WithJsonSchema:
    """Make the shape of `envoy`: its messages' own fields are too many for a schema."""
    properties = {word: {"type": "object", "description": f"Envoy's own fields of it ({word}, v3)"} for word in words}
    return WithJsonSchema(
        {"type": "object", "minProperties": 1, "properties": properties, "additionalProperties": False}
    )
