"""How requests are shared among a service's endpoints: the balances and their own fields.

The short form of a balance is its name. `advice/service.py` warns about fields that do not suit a balance.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, Field, Strict
from pydantic.dataclasses import dataclass

from xds.catalog.model.reported_load import ClientSideWeighted, LoadAwareLocality
from xds.catalog.text.field import About, Example, Expected, IfWrong, Moved, Since, Words
from xds.catalog.text.foreign import VALUE, Fields, Here, Said, write_fields
from xds.catalog.text.mistake import Mistake, Mistakes, Unsaid
from xds.catalog.text.names import CONFIG, Fraction
from xds.wording import show

MAX_RING = 8_388_608
"""Envoy's limit on the places of a ring."""

MAX_TABLE = 5_000_011
"""Envoy's limit on the places of a Maglev table."""


class Balance(StrEnum):
    """How requests are shared among a service's endpoints."""

    ROUND_ROBIN = "round_robin"
    RANDOM = "random"
    WEIGHTED = "weighted"
    LEAST_REQUEST = "least_request"
    RING_HASH = "ring_hash"
    MAGLEV = "maglev"
    CLIENT_SIDE_WEIGHTED = "client_side_weighted"
    LOAD_AWARE_LOCALITY = "load_aware_locality"


WEIGHING: Final = frozenset({Balance.WEIGHTED, Balance.LEAST_REQUEST, Balance.RING_HASH, Balance.MAGLEV})
"""The balances that heed endpoints' weights."""

HASHING: Final = frozenset({Balance.RING_HASH, Balance.MAGLEV})
"""The balances that send requests with the same hash to the same endpoint."""

RAMPING: Final = frozenset({Balance.ROUND_ROBIN, Balance.WEIGHTED, Balance.LEAST_REQUEST, Balance.CLIENT_SIDE_WEIGHTED})
"""The balances that can send few requests to a new endpoint at first."""

FOLLOWING: Final = frozenset({Balance.CLIENT_SIDE_WEIGHTED, Balance.LOAD_AWARE_LOCALITY})
"""The balances that follow the load that endpoints report. Envoy has them as a `load_balancing_policy` alone."""

RingSize = Annotated[int, Strict(), Field(ge=1, le=MAX_RING)]


@dataclass(frozen=True, slots=True, config=CONFIG)
class Plain:
    """A balance without fields of its own."""


ShortPlain = Annotated[Plain, Expected("nothing but its name, as in `balance: random`")]


@dataclass(frozen=True, slots=True, config=CONFIG)
class LeastRequest:
    """Some endpoints are picked at random; the one with the fewest running requests gets the request."""

    choices: Annotated[
        int,
        Strict(),
        Field(ge=2, le=100, description="How many endpoints are picked"),
        About(envoy="LeastRequest.choice_count"),
    ] = 2
    active_request_bias: Annotated[
        Fraction | None,
        Field(description="When weights differ: how much running requests count; 0 means not at all"),
        About(default="1.0", envoy="LeastRequest.active_request_bias"),
    ] = None


@dataclass(frozen=True, slots=True, config=CONFIG)
class RingHash:
    """A hash ring, on which each endpoint has places in proportion to its weight."""

    minimum_ring_size: Annotated[
        RingSize | None,
        Field(description="The smallest number of places on the ring; more places make the shares more equal"),
        About(default="1024", envoy="RingHash.minimum_ring_size"),
    ] = None
    maximum_ring_size: Annotated[
        RingSize | None,
        Field(description="The largest number of places on the ring"),
        About(default=str(MAX_RING), envoy="RingHash.maximum_ring_size"),
    ] = None


@dataclass(frozen=True, slots=True, config=CONFIG)
class Maglev:
    """A Maglev table, in which each endpoint has places in proportion to its weight."""

    table_size: Annotated[
        int | None,
        Strict(),
        Field(ge=2, le=MAX_TABLE, description="The number of places in the table, a prime number"),
        Expected("a prime number {bounds}"),
        About(default="65537", envoy="Maglev.table_size"),
    ] = None


@dataclass(frozen=True, slots=True, config=CONFIG)
class Balancing:
    """One balance with its own fields; the short form is its name."""

    round_robin: Annotated[
        ShortPlain | None, Field(description="The endpoints take turns"), About(envoy="Cluster.lb_policy: ROUND_ROBIN")
    ] = None
    random: Annotated[
        ShortPlain | None,
        Field(description="Each request picks an endpoint at random"),
        About(envoy="Cluster.lb_policy: RANDOM"),
    ] = None
    weighted: Annotated[
        ShortPlain | None,
        Field(description="The endpoints take turns, in proportion to their `weight`"),
        About(envoy="LbEndpoint.load_balancing_weight"),
    ] = None
    least_request: Annotated[
        LeastRequest | None,
        Field(
            description="Some endpoints are picked at random; the one with the fewest running "
            "requests gets the request. `weight` counts"
        ),
        Example({"choices": 3}),
        About(envoy="Cluster.least_request_lb_config"),
    ] = None
    ring_hash: Annotated[
        RingHash | None,
        Field(description="Requests with the same `affinity` go to the same endpoint, by a hash ring. `weight` counts"),
        Example({"minimum_ring_size": 4096}),
        About(envoy="Cluster.ring_hash_lb_config"),
    ] = None
    maglev: Annotated[
        Maglev | None,
        Field(
            description="Requests with the same `affinity` go to the same endpoint, by a Maglev table. `weight` counts"
        ),
        Example({"table_size": 65537}),
        About(envoy="Cluster.maglev_lb_config"),
    ] = None
    client_side_weighted: Annotated[
        ClientSideWeighted | None,
        Field(description="The endpoints take turns, by weights that Envoy computes from the load that they report"),
        Example({"blackout_period": "10s"}),
        About(envoy="Cluster.load_balancing_policy: ClientSideWeightedRoundRobin"),
    ] = None
    load_aware_locality: Annotated[
        LoadAwareLocality | None,
        Field(description="The endpoints in the caller's locality take turns; others help if they report less load"),
        Example({"remote_probe_fraction": "3%"}),
        About(envoy="Cluster.load_balancing_policy: LoadAwareLocality"),
        Since((1, 40), older="1.39 refuses it, older ones use `round_robin`"),
    ] = None

    @property
    def policy(self) -> Balance:
        """Which balance it is."""
        for name, policy in POLICIES:
            if getattr(self, name) is not None:
                return policy
        raise ValueError("no balance")

    @property
    def heeds_weights(self) -> bool:
        """Whether an endpoint's weight decides over its share."""
        return self.policy in WEIGHING

    @property
    def is_hashing(self) -> bool:
        """Whether a hash of the request decides where it goes."""
        return self.policy in HASHING

    @property
    def has_slow_start(self) -> bool:
        """Whether a new endpoint's share can grow to its own."""
        return self.policy in RAMPING

    @property
    def follows_load(self) -> bool:
        """Whether the shares depend on the load that endpoints report, and not on the catalog."""
        return self.policy in FOLLOWING


POLICIES: Final = tuple((policy.value, policy) for policy in Balance)
"""By the names as they are written: every service is asked for its own."""

SHORT: Final[dict[str | bool, Balancing]] = {
    Balance.ROUND_ROBIN.value: Balancing(round_robin=Plain()),
    Balance.RANDOM.value: Balancing(random=Plain()),
    Balance.WEIGHTED.value: Balancing(weighted=Plain()),
    Balance.LEAST_REQUEST.value: Balancing(least_request=LeastRequest()),
    Balance.RING_HASH.value: Balancing(ring_hash=RingHash()),
    Balance.MAGLEV.value: Balancing(maglev=Maglev()),
    Balance.CLIENT_SIDE_WEIGHTED.value: Balancing(client_side_weighted=ClientSideWeighted()),
    Balance.LOAD_AWARE_LOCALITY.value: Balancing(load_aware_locality=LoadAwareLocality()),
}
"""What the names alone stand for: one for all services that write no more."""


def check_balancing(balancing: Balancing) -> Balancing:
    """Refuse no balance and several, and sizes that Envoy would."""
    found = [name for name, _ in POLICIES if getattr(balancing, name) is not None]
    if not found:
        raise Unsaid("names no balance: write one of its fields, such as {least_request: {choices: 3}}")
    mistakes: list[Mistake] = [
        Mistake((other,), f"a service has one balance: `{found[0]}` or `{other}`, not both") for other in found[1:]
    ]
    ring, table = balancing.ring_hash, balancing.maglev
    if ring is not None and (ring.minimum_ring_size or 1024) > (ring.maximum_ring_size or MAX_RING):
        least = ring.minimum_ring_size or "1024, if it is left out"
        mistakes.append(
            Mistake(("ring_hash", "maximum_ring_size"), f"is less than `minimum_ring_size`, which is {least}")
        )
    if table is not None and table.table_size is not None and not _is_prime(table.table_size):
        near = next(size for size in range(table.table_size, MAX_TABLE + 1) if _is_prime(size))
        message = f"expected a prime number, found {show(table.table_size)}: the next is {near}"
        mistakes.append(Mistake(("maglev", "table_size"), message))
    if mistakes:
        raise Mistakes(*mistakes)
    return balancing


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))


SAME: Final[tuple[tuple[Mapping[str, object], tuple[str, ...]], ...]] = (
    ({"balance": "round_robin"}, ("rr", "static_rr", "roundrobin", "round")),
    ({"balance": "weighted"}, ("wrr", "weighted_round_robin", "weighted_rr")),
    (
        {"balance": "least_request"},
        (
            *("leastconn", "least_conn", "least_connections", "leastconnections", "lc", "wlc", "least_time", "p2c"),
            *("ewma", "power_of_two", "power_of_two_choices", "least_loaded"),
        ),
    ),
    (
        {"balance": "maglev", "affinity": {"source": True}},
        ("source", "ip_hash", "source_ip", "src", "sh", "client_ip", "sticky"),
    ),
    ({"balance": "maglev", "affinity": {"header": ":path"}}, ("uri", "url", "path")),
    (
        {"balance": "maglev", "affinity": {"header": ...}},
        ("hdr", "header", "hash", "consistent_hash", "consistent", "consistenthash"),
    ),
    ({"balance": "maglev", "affinity": {"query_parameter": ...}}, ("url_param", "query")),
    ({"balance": "maglev", "affinity": {"cookie": ...}}, ("cookie", "rdp_cookie")),
)
"""What does the same here as HAProxy's, nginx's, Kubernetes's and Consul's words."""

OTHER_WORDS: Final = {word: fields for fields, words in SAME for word in words}

WEIGHTED_TOO: Final = ", or `weighted` with weights"
FIRST: Final = "nothing fills one endpoint after the other; write `priority` at the endpoints, for those in reserve"


def balancing(value: object) -> object:
    """Read a balance by any of its names: with what it goes by in brackets or after a space, as in `hdr(x-user)`."""
    if not isinstance(value, str):
        return Fields(balance=dict(value)) if isinstance(value, dict) else None
    word, *rest = re.split(r"[( ]", value.strip().strip(";)"))
    word = word.lower().replace("-", "_")
    if word == "first":
        return Said(FIRST)
    if word in [*Balance]:
        return Fields(balance=word)
    if (found := OTHER_WORDS.get(word)) is None:
        return None
    by = rest[0] if len(rest) == 1 and rest[0] else ...
    return Fields({name: _fill_in(one, by) for name, one in found.items()})


def _fill_in(value: object, by: object) -> object:
    return {name: by if one is ... else one for name, one in value.items()} if isinstance(value, dict) else value


def mend_balancing(value: object) -> str:
    """Return what to write for the name that a balance has elsewhere."""
    found = balancing(value) if isinstance(value, str) else None
    if isinstance(found, Said):
        return str(found)
    if not isinstance(found, Fields) or value in found.values():
        return ""
    if [*found] == ["balance"]:
        return f"write `{found['balance']}`{WEIGHTED_TOO if found['balance'] == 'round_robin' else ''}"
    return f"write {write_fields(found)}"


def name_alone(word: str) -> Here:
    """Return the hint for a name that a balance has elsewhere."""
    return Here(OTHER_WORDS[word], lambda value: balancing(word), "its name is another here", ("services", ""))


ShortBalancing = Annotated[
    Balancing,
    Words(SHORT),
    AfterValidator(check_balancing),
    Expected("", {"least_request": {"choices": 3}}, mend=mend_balancing),
    Moved(
        {
            **{word: name_alone(word) for word in OTHER_WORDS},
            "first": FIRST,
            **dict.fromkeys(
                ("type", "policy", "name", "algorithm", "simple"),
                Here({"balance": VALUE}, balancing, "its name stands alone", ("services", "")),
            ),
        }
    ),
    IfWrong(needs=tuple(Balance)),
]
