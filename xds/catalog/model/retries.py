"""Retries: when a failed request is sent again, how often, and how long after; in a service's fields and a route's.

`advice/upstream.py` warns about fields that do not suit a protocol.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, Strict
from pydantic.dataclasses import dataclass
from pydantic.json_schema import WithJsonSchema

from xds.catalog.model.connections import MAX_COUNT
from xds.catalog.text.durations import format_duration
from xds.catalog.text.field import About, Alone, Example, Expected, IfWrong, Moved, Words, is_amount
from xds.catalog.text.foreign import VALUE, Fields, Here
from xds.catalog.text.meanings import Meaning, duration, items, number
from xds.catalog.text.mistake import Mistake, Mistakes
from xds.catalog.text.names import CONFIG, Wait
from xds.catalog.text.percents import Percent
from xds.wording import show, suggest, write_flow


def parse_conditions(value: object) -> object:
    """Turn a single reason into a list."""
    return [value] if isinstance(value, str | int) else value


EXPECTED_CONDITION: Final = Expected("a reason to try again or a status from 100 to 599", "connect-failure", 503)


def parse_condition(value: object) -> str | int:
    """Check one reason for a retry: Envoy's name for it, or a status."""
    if isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599:
        return value
    if isinstance(value, str) and value in (*HTTP_CONDITIONS, *GRPC_CONDITIONS):
        return value
    if isinstance(value, str) and value.isdecimal() and 100 <= int(value[:4]) <= 599:
        raise ValueError(f"expected {EXPECTED_CONDITION.words}, found {show(value)}: write {int(value)} without quotes")
    if isinstance(value, str) and len(parts := conditions(value) or []) > 1:
        known = all(isinstance(one, int) or one in (*HTTP_CONDITIONS, *GRPC_CONDITIONS) for one in parts)
        hint = f": make each an item, {write_flow(parts)}" if known else ": make each an item"
        raise ValueError(f"expected {EXPECTED_CONDITION.words}, found {show(value)}{hint}")
    near = suggest(value, [*HTTP_CONDITIONS, *GRPC_CONDITIONS]) if isinstance(value, str) else ""
    hint = near or f": reasons are {', '.join((*HTTP_CONDITIONS, *GRPC_CONDITIONS))}"
    raise ValueError(f"expected {EXPECTED_CONDITION.words}, found {show(value)}{hint}")


@dataclass(frozen=True, slots=True, config=CONFIG)
class Budget:
    """How many retries of a service can run at once."""

    percent: Annotated[
        Percent,
        Field(description="The share of the running requests that can be retries"),
        About(envoy="RetryBudget.budget_percent"),
    ] = 50.0
    min: Annotated[
        int,
        Strict(),
        Field(ge=0, le=MAX_COUNT, description="How many retries can always run"),
        About(envoy="RetryBudget.min_retry_concurrency"),
    ] = 20


DEFAULT_BUDGET: Final = Budget()


@dataclass(frozen=True, slots=True, config=CONFIG)
class BackOff:
    """The wait before each retry, at random: up to `base`, then 3 times that, 7 times, and so on, up to `max`."""

    base: Annotated[
        Wait,
        Field(description="The longest wait before the first retry"),
        About(envoy="RetryBackOff.base_interval"),
        IfWrong(stand_in="1ms"),
    ]
    max: Annotated[
        Wait | None,
        Field(description="The longest wait before any retry"),
        About(default="ten times `base`", envoy="RetryBackOff.max_interval"),
    ] = None


def check_back_off(back_off: BackOff) -> BackOff:
    """Refuse a longest wait that is shorter than the first, as Envoy does."""
    if back_off.max is not None and back_off.max < back_off.base:
        raise Mistakes(Mistake(("max",), f"is less than `base`, which is {format_duration(back_off.base)}"))
    return back_off


GRPC_CONDITIONS = ("cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable")

HTTP_CONDITIONS = (
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "refused-stream",
    "retriable-4xx",
    "envoy-ratelimited",
)

CONDITION_SHAPE: dict[str, Any] = {
    "anyOf": [{"enum": [*HTTP_CONDITIONS, *GRPC_CONDITIONS]}, {"type": "integer", "minimum": 100, "maximum": 599}]
}
CONDITIONS_SHAPE = WithJsonSchema({"anyOf": [CONDITION_SHAPE, {"type": "array", "items": CONDITION_SHAPE}]})
Condition = Annotated[
    str | int,
    PlainValidator(parse_condition),
    WithJsonSchema(CONDITION_SHAPE),
    EXPECTED_CONDITION,
    IfWrong(stand_in=503),
]


@dataclass(frozen=True, slots=True, config=CONFIG)
class Retries:
    """How often and when a failed request is retried; the short form is `attempts`, and `off` is the same as 0.

    What a route leaves out is as in the service.
    """

    attempts: Annotated[
        Annotated[int, Strict(), Field(ge=0, le=10)] | None,
        Field(description="How often a request is retried after the first try"),
        About(default="2", envoy="RetryPolicy.num_retries"),
    ] = None
    on: Annotated[
        tuple[Condition, ...],
        BeforeValidator(parse_conditions),
        CONDITIONS_SHAPE,
        Field(description="The conditions for a retry: Envoy's names, gRPC statuses and HTTP statuses"),
        Expected("a list of reasons and statuses", ["connect-failure", 503]),
        About(
            default="a broken connection, 502, 503 and 504; for methods that are not safe to "
            "repeat, only if no endpoint can have begun",
            envoy="RetryPolicy.retry_on",
        ),
    ] = ()
    any_method: Annotated[
        Annotated[bool, Strict()] | None,
        Field(description="All of `on` also applies to POST and other methods that are not safe to repeat"),
        About(default="false"),
    ] = None
    per_try: Annotated[
        Wait | None,
        Field(description="How long one try can take"),
        About(default="the whole timeout", envoy="RetryPolicy.per_try_timeout"),
    ] = None
    budget: Annotated[
        Budget | None,
        Field(description="Only for a service: how many retries can run at once"),
        Example({"percent": "20%", "min": 3}),
        About(
            default=f"{{percent: {DEFAULT_BUDGET.percent:g}%, min: {DEFAULT_BUDGET.min}}}",
            envoy="CircuitBreakers.Thresholds.retry_budget",
        ),
    ] = None
    back_off: Annotated[
        Annotated[BackOff, AfterValidator(check_back_off)] | None,
        Field(
            description="The wait before each retry, at random: up to `base`, then up to three times that, and so on"
        ),
        Example({"base": "25ms"}),
        About(default="{base: 25ms}", envoy="RetryPolicy.retry_back_off"),
    ] = None
    avoid_previous: Annotated[
        Annotated[bool, Strict()] | None,
        Field(description="Retry at another endpoint if there is one"),
        About(default="true", envoy="RetryPolicy.retry_host_predicate"),
    ] = None

    def over(self, base: "Retries") -> "Retries":
        """Return these fields, and those of `base` that are left out here; no retries have no fields."""
        if self.attempts == 0:
            return NO_RETRIES
        found = {one.name: getattr(self, one.name) for one in fields(self)}
        return replace(base, **{name: value for name, value in found.items() if value not in (None, ())})

    @property
    def of_route(self) -> Self:
        """The fields that a route decides: all but the budget, which is common to all routes."""
        return self if self.budget is None else replace(self, budget=None)


NO_RETRIES: Final = Retries(attempts=0)
USUAL_RETRIES: Final = Retries(attempts=2)
"""The retries of a service that does not set them."""


def complete_retries(retries: Retries) -> Retries:
    """Fill in the attempts of a service that does not set them."""
    return retries if retries.attempts is not None else replace(retries, attempts=USUAL_RETRIES.attempts)


def conditions(value: object) -> list[str | int] | None:
    """Read the reasons to try again, also in one text and with Envoy's statuses apart."""
    found = items(value) if not isinstance(value, int) else [value]
    words: list[str | int] = [int(one) if one.isdecimal() else one.replace("_", "-") for one in map(str, found or [])]
    return words or None


def retry_policy(value: object) -> Fields | None:
    """Read a policy of retries by Envoy's names: how often, when, and how long one try takes."""
    if (attempts := number(value)) is not None:
        return Fields(retries=attempts)
    if not isinstance(value, Mapping) or not value:
        return None
    names: dict[str, tuple[str, Meaning]] = {
        **dict.fromkeys(("num_retries", "attempts"), ("attempts", number)),
        **dict.fromkeys(("retry_on", "on"), ("on", conditions)),
        **dict.fromkeys(("per_try_timeout", "per_try"), ("per_try", duration)),
    }
    found = {names[key][0]: names[key][1](one) for key, one in value.items() if key in names}
    return Fields(retries=found) if len(found) == len(value) and None not in found.values() else None


RETRY_POLICY: Final = Here({"retries": ...}, retry_policy)

ShortRetries = Annotated[
    Retries,
    Alone("attempts", takes=is_amount),
    Words({"off": {"attempts": 0}}),
    Example({"attempts": 3}),
    Moved(
        {
            **dict.fromkeys(("num_retries", "max", "count", "tries", "max_retries"), Here({"attempts": VALUE}, number)),
            **dict.fromkeys(("retry_on", "retryon", "conditions", "statuses"), Here({"on": VALUE}, conditions)),
            **dict.fromkeys(("per_try_timeout", "pertrytimeout", "timeout"), Here({"per_try": VALUE}, duration)),
        }
    ),
]
