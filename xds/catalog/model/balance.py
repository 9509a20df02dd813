"""How requests are shared among a service's endpoints: the balances, their own words, and slow start.

A balance in its short form is its name alone. What suits which balance is told in `advice.py`.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, Strict, StringConstraints
from pydantic.dataclasses import dataclass

from xds.catalog.text.durations import DURATION_PATTERN
from xds.catalog.text.mistake import Loc, Mistake
from xds.catalog.text.names import CONFIG, Duration, Wait
from xds.catalog.text.shapes import ShortOrFull
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


@dataclass(frozen=True, slots=True, config=CONFIG)
class Plain:
    """A balance without words of its own."""


@dataclass(frozen=True, slots=True, config=CONFIG)
class LeastRequest:
    """Of endpoints drawn by chance, the one with the fewest running requests."""

    choices: Annotated[int, Strict(), Field(ge=2, le=100, description="how many are drawn")] = 2
    active_request_bias: Annotated[
        Fraction | None,
        Field(description="beside weights: how much running requests count; 0 not at all, 1 when left out"),
    ] = None


@dataclass(frozen=True, slots=True, config=CONFIG)
class RingHash:
    """A ring of places, of which each endpoint has its share by weight."""

    minimum_ring_size: Annotated[
        RingSize | None, Field(description="the more places, the evener the shares; 1024 when left out")
    ] = None
    maximum_ring_size: Annotated[RingSize | None, Field(description="8388608 when left out")] = None


@dataclass(frozen=True, slots=True, config=CONFIG)
class Maglev:
    """A table of places, of which each endpoint has its share by weight."""

    table_size: Annotated[
        int | None,
        Strict(),
        Field(ge=2, le=MAX_TABLE, description="a prime number of places; 65537 when left out"),
    ] = None


@dataclass(frozen=True, slots=True, config=CONFIG)
class ClientSideWeighted:
    """By weights that each Envoy makes of the load that the endpoints report in their answers (ORCA)."""

    blackout_period: Annotated[
        Duration, Field(description="how long an endpoint must have reported before its weight counts")
    ] = timedelta(seconds=10)
    weight_expiration_period: Annotated[
        Wait, Field(description="how long after its last report an endpoint's weight counts")
    ] = timedelta(minutes=3)
    weight_update_period: Annotated[Wait, Field(description="how often the weights are made anew")] = timedelta(
        seconds=1
    )
    error_utilization_penalty: Annotated[
        Fraction, Field(description="how much of the reported errors is added to the utilization")
    ] = 1.0
    metric_names: Annotated[
        tuple[Annotated[str, StringConstraints(max_length=256, pattern=r"^[!-+\--~]+$")], ...],
        Field(max_length=20, description="reported metrics that tell the utilization, such as named_metrics.queue"),
    ] = ()


@dataclass(frozen=True, slots=True, config=CONFIG)
class Balancing:
    """One balance with its words; in short form its name."""

    round_robin: Annotated[Plain | None, Field(description="each in turn")] = None
    random: Annotated[Plain | None, Field(description="each request a throw")] = None
    weighted: Annotated[Plain | None, Field(description="in turn, by the endpoints' `weight`")] = None
    least_request: Annotated[LeastRequest | None, Field(description="fewest running requests")] = None
    ring_hash: Annotated[RingHash | None, Field(description="by hash, on a ring")] = None
    maglev: Annotated[Maglev | None, Field(description="by hash, in a table")] = None
    client_side_weighted: Annotated[ClientSideWeighted | None, Field(description="by the load that they report")] = None

    @property
    def policy(self) -> Balance:
        """Which balance it is."""
        for name, policy in POLICIES:
            if getattr(self, name) is not None:
                return policy
        raise ValueError("no balance")


POLICIES: Final = tuple((policy.value, policy) for policy in Balance)
"""By the names as they are written: every service is asked for its own."""

SHORT = {
    Balance.ROUND_ROBIN.value: Balancing(round_robin=Plain()),
    Balance.RANDOM.value: Balancing(random=Plain()),
    Balance.WEIGHTED.value: Balancing(weighted=Plain()),
    Balance.LEAST_REQUEST.value: Balancing(least_request=LeastRequest()),
    Balance.RING_HASH.value: Balancing(ring_hash=RingHash()),
    Balance.MAGLEV.value: Balancing(maglev=Maglev()),
    Balance.CLIENT_SIDE_WEIGHTED.value: Balancing(client_side_weighted=ClientSideWeighted()),
}
"""What the names alone stand for: one for all services that write no more."""


def parse_balance(value: object) -> object:
    """Turn a balance's name into what it is short for."""
    return SHORT.get(value, value) if isinstance(value, str) else value


def check_balancing(balancing: Balancing) -> Balancing:
    """Refuse no balance and several, and sizes that Envoy would."""
    found = [name for name, _ in POLICIES if getattr(balancing, name) is not None]
    if not found:
        raise ValueError("says not how: write one of its words, such as {least_request: {choices: 3}}")
    wrong: list[tuple[Loc, str]] = [
        ((other,), f"a service has one balance: `{found[0]}` or `{other}`, not both") for other in found[1:]
    ]
    ring, table = balancing.ring_hash, balancing.maglev
    if ring is not None and (ring.minimum_ring_size or 1024) > (ring.maximum_ring_size or MAX_RING):
        least = ring.minimum_ring_size or "1024, if it is left out"
        wrong.append((("ring_hash", "maximum_ring_size"), f"is less than `minimum_ring_size`, which is {least}"))
    if table is not None and table.table_size is not None and not _is_prime(table.table_size):
        near = next(size for size in range(table.table_size, MAX_TABLE + 1) if _is_prime(size))
        message = f"expected a prime number, found {show(table.table_size)}: the next is {near}"
        wrong.append((("maglev", "table_size"), message))
    if wrong:
        raise Mistake(*wrong)
    return balancing


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))


@dataclass(frozen=True, slots=True, config=CONFIG)
class SlowStart:
    """How a new endpoint's share grows to its own; in short form the `window`."""

    window: Annotated[Wait, Field(description="how long it grows")]
    aggression: Annotated[
        Annotated[float, Field(ge=0.01, le=1000, allow_inf_nan=False, strict=True)] | None,
        Field(description="above 1 it grows fast at first, below 1 late; evenly, which is 1, when left out"),
    ] = None
    min_weight_percent: Annotated[
        Annotated[float, Field(ge=0, le=100, allow_inf_nan=False, strict=True)] | None,
        Field(description="the share that it begins with; 10 when left out"),
    ] = None


def parse_slow_start(value: object) -> object:
    """Turn the window alone into the mapping that it is short for."""
    return {"window": value} if isinstance(value, str | int | float | timedelta) else value


BALANCES = ("round_robin", "random", "weighted", "least_request", "ring_hash", "maglev", "client_side_weighted")
BALANCE_SHAPE = ShortOrFull({"enum": [*BALANCES]})

Balanced = Annotated[Balancing, BeforeValidator(parse_balance), BALANCE_SHAPE, AfterValidator(check_balancing)]

SLOW_START_SHAPE = ShortOrFull({"type": "string", "pattern": DURATION_PATTERN, "examples": ["30s"]})

SlowlyStarted = Annotated[SlowStart, BeforeValidator(parse_slow_start), SLOW_START_SHAPE]
