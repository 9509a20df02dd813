"""An endpoint: one instance of a service, with its address, weight, locality and health.

The class is both the validator and the immutable model; the JSON Schema is made from it too.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler, JsonValue, Strict, StringConstraints
from pydantic.dataclasses import dataclass
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from xds.catalog.model.locality import NOWHERE, Locality, Priority
from xds.catalog.text.address_patterns import ADDRESS_SHAPE, IPV4
from xds.catalog.text.addresses import (
    EXPECTED_ENDPOINT,
    Address,
    beside_endpoints,
    explain_address,
    normalize_host,
    parse_endpoint,
    split_address,
)
from xds.catalog.text.field import About, Expected, IfWrong, Moved, Parsed, Words
from xds.catalog.text.foreign import VALUE, Fields, Here, as_written
from xds.catalog.text.http_meanings import check
from xds.catalog.text.meanings import (
    Meaning,
    address,
    duration,
    flag,
    labels,
    negated,
    never,
    number,
    scheme,
    seconds,
    text,
    when,
)
from xds.catalog.text.mistake import Loc, Mendable, Mistake, Mistakes
from xds.catalog.text.names import CONFIG, NOBODY, Port, share
from xds.catalog.text.written import find_rounded
from xds.wording import find_nearest, join_host_and_port, show, show_line, write_flow

RESOLVERS: Final = "leave it out: Envoy resolves host names with the resolvers of its machine"

MAX_WEIGHT = 2**32 - 1
"""Envoy's limit on an endpoint's weight, and on the sum over a locality (endpoint_components.proto)."""


def mend_weight(value: object) -> str:
    """Return what to write in place of a weight of 0."""
    is_zero = value == 0 and not isinstance(value, bool)
    return "a weight of 0 would take no requests, remove the endpoint instead" if is_zero else ""


Weight = Annotated[int, Strict(), Field(ge=1, le=MAX_WEIGHT), Expected(mend=mend_weight)]

Label = Annotated[str, StringConstraints(max_length=253, pattern=r"^[^\x00-\x1f\x7f]*$"), AfterValidator(share)]

NO_METADATA: Final[Mapping[str, JsonValue]] = MappingProxyType({})
"""One for all endpoints without labels: there may be a hundred thousand."""


class Health(StrEnum):
    """An endpoint's health as the operator sets it, independent of health checks."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


HEALTH_WORDS: Final = {
    **dict.fromkeys(("passing", "pass", "up", "ok", "ready", "alive"), Health.HEALTHY),
    **dict.fromkeys(("warning", "warn"), Health.DEGRADED),
    **dict.fromkeys(("critical", "fail", "failing", "down", "dead", "maint", "maintenance"), Health.UNHEALTHY),
}
"""Words of Consul, HAProxy and others for an endpoint's health."""


def mend_health(value: object) -> str:
    """Return what to write for a health by another name."""
    found = HEALTH_WORDS.get(str(value).lower())
    return "" if found is None else "leave it out" if found is Health.HEALTHY else f"write {found.value}"


def state(value: object) -> Fields | None:
    """Read an endpoint's state: healthy needs no field, and what drains has one of its own."""
    word = str(value).lower()
    if word in ("drain", "draining", "maint", "maintenance"):
        return Fields(drain=True)
    found = HEALTH_WORDS.get(word)
    return None if found is None else Fields() if found is Health.HEALTHY else Fields(health=found.value)


PLAIN = frozenset({str, int, float, bool})
"""The types of values without parts, and of numbers that are written as they compare."""


def mend_labels(value: object) -> str:
    """Return the labels that `version=2` and a list of such are meant for."""
    words = value if isinstance(value, list) else re.split(r"[,\s]+", value) if isinstance(value, str) else []
    pairs = [one.partition("=") for one in words if isinstance(one, str)]
    labels = {key: text for key, sign, text in pairs if key and sign}
    return f"write {write_flow(labels)}" if labels and len(labels) == len(words) else ""


def check_labels(metadata: object) -> object:
    """Refuse numbers that would not compare as they are written."""
    if isinstance(metadata, dict) and all(type(value) in PLAIN for value in metadata.values()):
        return metadata  # as most are, of a hundred thousand
    if mistakes := find_rounded(metadata, METADATA_DEPTH):
        raise Mistakes(*mistakes)
    return metadata


def check_metadata(metadata: Mapping[str, object]) -> Mapping[str, object]:
    """Refuse labels that Envoy's metadata cannot hold: too deep, or numbers that a double cannot represent."""
    mistakes: list[Mistake] = []
    found: list[tuple[Loc, object]] = [((), metadata)]
    while found:
        loc, value = found.pop()
        if len(loc) > METADATA_DEPTH:
            mistakes.append(Mistake(loc, f"metadata may be {METADATA_DEPTH} levels deep at most"))
        elif isinstance(value, Mapping):
            found += [((*loc, key), item) for key, item in value.items()]
        elif isinstance(value, list):
            found += [((*loc, index), item) for index, item in enumerate(value)]
        elif isinstance(value, float) and not math.isfinite(value):
            mistakes.append(Mistake(loc, f"expected a finite number, found {value}"))
        elif isinstance(value, int) and abs(value) > EXACT_INTEGER:
            mistakes.append(
                Mistake(loc, f"metadata cannot hold so large a number exactly: write {show(str(value))} in quotes")
            )
    if mistakes:
        raise Mistakes(*mistakes)
    return metadata


@dataclass(frozen=True, slots=True, config=CONFIG)
class Endpoint:
    """One instance of a service; the short form is `"host:port"`."""

    address: Annotated[
        Address,
        Field(description="An IP address, or a host name that Envoy resolves"),
        About(envoy="SocketAddress.address"),
        IfWrong(identifies=True),
    ]
    port: Annotated[
        Port,
        Field(description="The port. It can stand in `address` instead, as in `10.0.0.4:5000`"),
        About(envoy="SocketAddress.port_value"),
        IfWrong(identifies=True),
    ]
    weight: Annotated[
        Weight | None,
        Field(description="Its share of the requests, relative to the other endpoints"),
        About(default="1", envoy="LbEndpoint.load_balancing_weight"),
    ] = None
    region: Annotated[Label, Field(description="The region in which it runs"), About(envoy="Locality.region")] = ""
    zone: Annotated[
        Label, Field(description="The zone, a part of the region that fails as one"), About(envoy="Locality.zone")
    ] = ""
    sub_zone: Annotated[
        Label, Field(description="A part of the zone, such as a rack"), About(envoy="Locality.sub_zone")
    ] = ""
    priority: Annotated[
        Priority | None,
        Field(
            description="0 gets requests first. The next priority gets requests when too few "
            "endpoints before it are healthy. Gaps between numbers do not matter"
        ),
        About(default="0", envoy="LocalityLbEndpoints.priority"),
    ] = None
    drain: Annotated[
        bool,
        Strict(),
        Field(description="No new requests; running requests end normally"),
        About(envoy="LbEndpoint.health_status: DRAINING"),
    ] = False
    health: Annotated[
        Health,
        Expected(mend=mend_health),
        Field(description="`degraded`: requests only when the others are too few. `unhealthy`: no requests"),
        About(envoy="LbEndpoint.health_status"),
    ] = Health.HEALTHY
    metadata: Annotated[
        Mapping[str, Annotated[JsonValue, Expected("a label's value"), IfWrong(stand_in=None, whole=True)]],
        BeforeValidator(check_labels),
        AfterValidator(check_metadata),
        Field(description="Labels, by which `subsets` select endpoints"),
        Expected("a mapping of labels", {"version": "2.0"}, mend=mend_labels),
        About(envoy="LbEndpoint.metadata: envoy.lb"),
    ] = field(default_factory=lambda: NO_METADATA)

    @property
    def is_ip(self) -> bool:
        """Whether the address is an IP address, which EDS takes, and no host name."""
        return ":" in self.address or IPV4.fullmatch(self.address) is not None

    @property
    def host_and_port(self) -> str:
        """The address and port as Envoy writes them, as in `10.0.0.4:5000` and `[::1]:5000`."""
        return join_host_and_port(self.address, self.port)

    @property
    def is_out(self) -> bool:
        """Whether the operator wants it to take no new requests."""
        return self.drain or self.health is Health.UNHEALTHY

    @property
    def load_balancing_weight(self) -> int:
        """The weight that counts: 1 when none is given."""
        return self.weight or 1

    @property
    def locality(self) -> Locality:
        """Where it runs."""
        return Locality(self.region, self.zone, self.sub_zone) if self.is_located else NOWHERE

    @property
    def is_located(self) -> bool:
        """Whether its region, zone or sub-zone is known."""
        return bool(self.region or self.zone or self.sub_zone)

    @property
    def locality_keys(self) -> tuple[str, ...]:
        """The keys that `locality.weights` may use for its locality, the nearest first."""
        region, zone, sub_zone = self.region, self.zone, self.sub_zone
        keys = (f"{region}/{zone}/{sub_zone}" if sub_zone else "", f"{region}/{zone}" if zone else "", zone, region)
        return tuple(key for key in keys if key)


def join_pairs(value: Mapping[str, object]) -> list[str]:
    """Return the addresses that a mapping of hosts and ports is meant for, `{10.0.0.4: 5000}`; none of any other."""
    found = [f"{host}:{port}" for host, port in value.items()]
    return (
        found
        if value and all(isinstance(one, int) for one in value.values()) and all(map(split_address, found))
        else []
    )


def read_endpoint(value: object) -> object:
    """Read the short form of an endpoint; a port that stands beside a bare address by another key is not missing."""
    if isinstance(value, dict) and not value.keys() <= Endpoint.__dataclass_fields__.keys():
        others = value.keys() - Endpoint.__dataclass_fields__.keys()
        if len(others) == len(value) and (mends := join_pairs(value)):
            raise Mendable("a space stands in the address, after its colon", *mends[:1])
        is_bare = "port" not in value and normalize_host(str(value.get("address"))) is not None
        if is_bare and any(find_nearest(key, ["port"]) for key in others):
            return {**value, "port": 1}
    return parse_endpoint(value)


class EndpointShape:
    """An endpoint's port may stand in its `address`."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        mapping = handler(schema)
        handler.resolve_ref_schema(mapping)["required"] = ["address"]
        return mapping


def of_service(form: Mapping[str, object], read: Meaning = as_written) -> Here:
    """Return the hint for a field of a service that stands in one of its endpoints."""
    return Here(form, read, "it belongs to the service", ("services", ""), " beside `endpoints`")


def locality(value: object) -> Fields | None:
    """Read where an endpoint runs, by Envoy's names."""
    return Fields(value) if isinstance(value, dict) and value.keys() <= {"region", "zone", "sub_zone"} else None


ShortEndpoint = Annotated[
    Endpoint,
    EndpointShape(),
    Parsed(read_endpoint, EXPECTED_ENDPOINT, ADDRESS_SHAPE),
    Expected("a mapping with `address`"),
    Moved(
        {
            **dict.fromkeys(
                ("host", "hostname", "ip", "server", "addr", "target", "node", "endpoint", "socket_address"),
                Here({"address": VALUE}, address),
            ),
            "url": Here({"address": VALUE}, never, tail="; for https, with `tls: true` beside `endpoints`"),
            **dict.fromkeys(("targetport", "containerport", "target_port"), Here({"port": VALUE}, number)),
            **dict.fromkeys(("az", "availability_zone", "datacenter", "dc"), Here({"zone": VALUE}, text)),
            **dict.fromkeys(
                ("name", "id"), Here({"metadata": {"name": VALUE}}, text, "leave it out, or make it a label")
            ),
            **dict.fromkeys(
                ("maxconn", "max_conns", "max_connections"),
                of_service({"circuit_breakers": {"connections": VALUE}}, number),
            ),
            "max_fails": of_service({"outlier_detection": {"consecutive_failures": VALUE}}, number),
            "fail_timeout": of_service({"outlier_detection": {"base_ejection_time": VALUE}}, seconds),
            "observe": of_service({"outlier_detection": ...}, never),
            **dict.fromkeys(("slowstart", "slow_start"), of_service({"slow_start": VALUE}, duration)),
            "protocol": of_service({"protocol": VALUE}),
            "scheme": of_service({"tls": VALUE}, scheme),
            **dict.fromkeys(("check", "checks", "health_check"), of_service({"health_check": ...}, check)),
            "inter": of_service({"health_check": {"interval": VALUE}}, never),
            "rise": of_service({"health_check": {"healthy_threshold": VALUE}}, never),
            "fall": of_service({"health_check": {"unhealthy_threshold": VALUE}}, never),
            **dict.fromkeys(("ssl", "https", "tls"), of_service({"tls": VALUE})),
            "sni": of_service({"tls": {"sni": VALUE}}),
            **dict.fromkeys(("labels", "tags", "meta"), Here({"metadata": VALUE}, labels)),
            "backup": Here(
                {"priority": VALUE}, when(1, 0), tail=": it gets requests when too few before it are healthy"
            ),
            **dict.fromkeys(("down", "maintenance", "disabled"), Here({"drain": VALUE}, flag)),
            "enabled": Here({"drain": VALUE}, negated, tail=", which is true for one that takes no new requests"),
            **dict.fromkeys(("state", "status"), Here({"health": ...}, state)),
            **dict.fromkeys(("resolver", "resolvers", "resolve"), RESOLVERS),
            "locality": Here({"region": ..., "zone": ..., "sub_zone": ...}, locality),
        }
    ),
    IfWrong(stand_in=lambda index: {"address": f"{index}.{NOBODY}", "port": 1}),
]

METADATA_DEPTH = 8
"""Each level takes three of the hundred levels of messages that protobuf reads."""

EXACT_INTEGER = 2**53
"""Envoy's metadata holds numbers as doubles, which are exact up to here."""


def mend_endpoints(value: object) -> str:
    """Return the list that a URL alone, or a mapping of hosts and ports, is meant as."""
    if isinstance(value, dict) and (pairs := join_pairs(value)):
        return f"write {write_flow(pairs)}"
    if isinstance(value, dict) and value and not value.keys() & Endpoint.__dataclass_fields__.keys():
        items = [*value.values()]
        if all(isinstance(one, str) and split_address(one) for one in items):
            return f"endpoints have no names, write {write_flow(items)}"
        if all(isinstance(one, dict) and one for one in items):
            return f"endpoints have no names, write `- ` in place of {show_line(f'{next(iter(value))}:')}"
    if not isinstance(value, str) or "://" not in value:
        return ""
    found = explain_address(value, beside=beside_endpoints)
    mends = [mend for mend in found.mends if split_address(mend)]
    return f"write it as a list, {write_flow(mends)}{found.tail}" if mends else ""


REGISTERED_WORD: Final = "registered"
REGISTERED: Final = Endpoint(f"{REGISTERED_WORD}.{NOBODY}", 1)
"""Stands for the word among the endpoints while they are checked."""


class WithRegistered(tuple[Endpoint, ...]):
    """The endpoints that a service lists, which also takes the instances that register themselves."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WithRegistered) and super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = tuple.__hash__


def keep_word(value: object) -> object:
    """Return a list with the word, of endpoints that were read before: a changed copy of a service is read again."""
    return [*value, REGISTERED] if isinstance(value, WithRegistered) else value


def takes_registered(endpoints: "tuple[Endpoint, ...]") -> bool:
    """Whether instances that register themselves stand beside these: where it says so, and where none are listed."""
    return isinstance(endpoints, WithRegistered) or not endpoints


ListedEndpoint = Annotated[ShortEndpoint, Words({REGISTERED_WORD: REGISTERED})]
"""An item of a service's endpoints: an endpoint, or the word for those that register themselves."""


def check_endpoints(endpoints: "tuple[Endpoint, ...]") -> "tuple[Endpoint, ...]":
    """Refuse an address and port given twice, and weights whose sum Envoy cannot hold."""
    mistakes: list[Mistake] = []
    first: dict[tuple[str, int], int] = {}
    weight = 0
    for index, endpoint in enumerate(endpoints):
        if endpoint is REGISTERED:
            continue
        weight += endpoint.load_balancing_weight
        earlier = first.setdefault((endpoint.address, endpoint.port), index)
        if earlier != index:
            message = f"{endpoint.host_and_port} is given twice: first as endpoints[{earlier}]"
            mistakes.append(Mistake((index,), message, see=(earlier,)))
    if weight > MAX_WEIGHT:
        mistakes.append(Mistake((), f"the endpoints' weights sum up to {weight}: Envoy takes {MAX_WEIGHT} at most"))
    if mistakes:
        raise Mistakes(*mistakes)
    if any(one is REGISTERED for one in endpoints):
        return WithRegistered(one for one in endpoints if one is not REGISTERED)
    return endpoints
