"""How requests are shared among a service's endpoints: the balances, their own fields, and slow start.

A balance in its short form is its name alone. What suits which balance is told in `advice/service.py`.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, Field, Strict, StringConstraints
from pydantic.dataclasses import dataclass

from xds.catalog.text.field import About, Alone, Example, Expected, IfWrong, Words
from xds.catalog.text.mistake import Mistake, Mistakes
from xds.catalog.text.names import CONFIG, NOBODY, Duration, Wait
from xds.catalog.text.percents import Percentage
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


WEIGHING: Final = frozenset({Balance.WEIGHTED, Balance.LEAST_REQUEST, Balance.RING_HASH, Balance.MAGLEV})
"""The balances that heed endpoints' weights."""

HASHING: Final = frozenset({Balance.RING_HASH, Balance.MAGLEV})
"""The balances by which requests that are alike go to one endpoint."""

RAMPING: Final = frozenset({Balance.ROUND_ROBIN, Balance.WEIGHTED, Balance.LEAST_REQUEST, Balance.CLIENT_SIDE_WEIGHTED})
"""The balances that can give a new endpoint little at first."""

RingSize = Annotated[int, Strict(), Field(ge=1, le=MAX_RING)]
Fraction = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False, strict=True)]
MetricName = Annotated[
    str,
    StringConstraints(max_length=256, pattern=r"^[!-+\--~]+$"),
    Expected("a metric's name", "named_metrics.queue"),
    IfWrong(stand_in=NOBODY),
]


@dataclass(frozen=True, slots=True, config=CONFIG)
class Plain:
    """A balance without fields of its own."""


ShortPlain = Annotated[Plain, Expected("nothing but its name, as in `balance: random`")]


@dataclass(frozen=True, slots=True, config=CONFIG)
class LeastRequest:
    """Of endpoints drawn by chance, the one with the fewest running requests."""

    choices: Annotated[
        int, Strict(), Field(ge=2, le=100, description="how many are drawn"), About(envoy="LeastRequest.choice_count")
    ] = 2
    active_request_bias: Annotated[
        Fraction | None,
        Field(description="beside weights: how much running requests count, 0 not at all"),
        About(default="1.0", envoy="LeastRequest.active_request_bias"),
    ] = None


@dataclass(frozen=True, slots=True, config=CONFIG)
class RingHash:
    """A ring of places, of which each endpoint has its share by weight."""

    minimum_ring_size: Annotated[
        RingSize | None,
        Field(description="the more places, the evener the shares"),
        About(default="1024", envoy="RingHash.minimum_ring_size"),
    ] = None
    maximum_ring_size: Annotated[
        RingSize | None,
        Field(description="how many places there are at most"),
        About(default=str(MAX_RING), envoy="RingHash.maximum_ring_size"),
    ] = None


@dataclass(frozen=True, slots=True, config=CONFIG)
class Maglev:
    """A table of places, of which each endpoint has its share by weight."""

    table_size: Annotated[
        int | None,
        Strict(),
        Field(ge=2, le=MAX_TABLE, description="how many places there are, a prime number"),
        Expected("a prime number {bounds}"),
        About(default="65537", envoy="Maglev.table_size"),
    ] = None


@dataclass(frozen=True, slots=True, config=CONFIG)
class ClientSideWeighted:
    """By weights that each Envoy makes of the load that the endpoints report in their answers (ORCA)."""

    blackout_period: Annotated[
        Duration,
        Field(description="how long an endpoint must have reported before its weight counts"),
        About(envoy="ClientSideWeightedRoundRobin.blackout_period"),
    ] = timedelta(seconds=10)
    weight_expiration_period: Annotated[
        Wait,
        Field(description="how long after its last report an endpoint's weight counts"),
        About(envoy="ClientSideWeightedRoundRobin.weight_expiration_period"),
    ] = timedelta(minutes=3)
    weight_update_period: Annotated[
        Wait,
        Field(description="how often the weights are made anew"),
        About(envoy="ClientSideWeightedRoundRobin.weight_update_period"),
    ] = timedelta(seconds=1)
    error_utilization_penalty: Annotated[
        Fraction,
        Field(description="how much of the reported errors is added to the utilization"),
        About(envoy="ClientSideWeightedRoundRobin.error_utilization_penalty"),
    ] = 1.0
    metric_names: Annotated[
        tuple[MetricName, ...],
        Field(max_length=20, description="reported metrics that tell the utilization"),
        Expected("a list of metrics", ["named_metrics.queue"]),
        About(
            default="`application_utilization`, or else `cpu_utilization`",
            envoy="ClientSideWeightedRoundRobin.metric_names_for_computing_utilization",
        ),
    ] = ()


@dataclass(frozen=True, slots=True, config=CONFIG)
class Balancing:
    """One balance with its own fields; in short form its name."""

    round_robin: Annotated[
        ShortPlain | None, Field(description="each in turn"), About(envoy="Cluster.lb_policy: ROUND_ROBIN")
    ] = None
    random: Annotated[
        ShortPlain | None, Field(description="each request a throw"), About(envoy="Cluster.lb_policy: RANDOM")
    ] = None
    weighted: Annotated[
        ShortPlain | None,
        Field(description="in turn, by the endpoints' `weight`"),
        About(envoy="LbEndpoint.load_balancing_weight"),
    ] = None
    least_request: Annotated[
        LeastRequest | None,
        Field(description="fewest running requests, of two drawn by chance; heeds `weight` too"),
        Example({"choices": 3}),
        About(envoy="Cluster.least_request_lb_config"),
    ] = None
    ring_hash: Annotated[
        RingHash | None,
        Field(description="requests that `affinity` takes for alike go to one endpoint, by a ring; heeds `weight` too"),
        Example({"minimum_ring_size": 4096}),
        About(envoy="Cluster.ring_hash_lb_config"),
    ] = None
    maglev: Annotated[
        Maglev | None,
        Field(
            description="requests that `affinity` takes for alike go to one endpoint, by a table; heeds `weight` too"
        ),
        Example({"table_size": 65537}),
        About(envoy="Cluster.maglev_lb_config"),
    ] = None
    client_side_weighted: Annotated[
        ClientSideWeighted | None,
        Field(description="in turn, by weights that Envoy makes of the load that endpoints report"),
        Example({"blackout_period": "10s"}),
        About(envoy="Cluster.load_balancing_policy: ClientSideWeightedRoundRobin"),
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
}
"""What the names alone stand for: one for all services that write no more."""


def check_balancing(balancing: Balancing) -> Balancing:
    """Refuse no balance and several, and sizes that Envoy would."""
    found = [name for name, _ in POLICIES if getattr(balancing, name) is not None]
    if not found:
        raise ValueError("says not how: write one of its fields, such as {least_request: {choices: 3}}")
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


ShortBalancing = Annotated[
    Balancing,
    Words(SHORT),
    AfterValidator(check_balancing),
    Example({"least_request": {"choices": 3}}),
    IfWrong(needs=tuple(Balance)),
]


@dataclass(frozen=True, slots=True, config=CONFIG)
class SlowStart:
    """How a new endpoint's share grows to its own; in short form the `window`."""

    window: Annotated[
        Wait,
        Field(description="how long it grows"),
        About(envoy="SlowStartConfig.slow_start_window"),
        IfWrong(stand_in="1s"),
    ]
    aggression: Annotated[
        Annotated[float, Field(ge=0.01, le=1000, allow_inf_nan=False, strict=True)] | None,
        Field(description="above 1 it grows fast at first, below 1 late"),
        About(default="1.0, evenly", envoy="SlowStartConfig.aggression"),
    ] = None
    min_weight_percent: Annotated[
        Annotated[float, Percentage(0, 100)] | None,
        Field(description="the share that it begins with"),
        About(default="10%", envoy="SlowStartConfig.min_weight_percent"),
    ] = None


ShortSlowStart = Annotated[SlowStart, Alone("window"), Example({"window": "30s"})]
