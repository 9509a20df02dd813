"""Subsets: the versions of one service, told apart by its endpoints' labels."""

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from xds.catalog.places import Loc, show
from xds.catalog.policies import Balance
from xds.catalog.values import EXACT_INTEGER, Mistake
from xds.catalog.words import NAME

if TYPE_CHECKING:
    from xds.catalog.model import Endpoint, Service

Scalar = str | bool | int | float
Labels = Mapping[str, Scalar]
"""What an endpoint's `metadata` has to hold for the endpoint to be in a subset."""

MAX_LABEL = 253


def parse_subsets(value: object) -> Mapping[str, Labels]:
    """Check subsets by name: each has labels, whose values are text, numbers, true or false."""
    if not isinstance(value, Mapping):
        raise ValueError(f'expected a mapping, such as {{v2: {{version: "2.0"}}}}, found {show(value)}')  # noqa: TRY004
    wrong: list[tuple[Loc, str]] = []
    for name, labels in value.items():
        if not NAME.fullmatch(name):
            wrong.append(((name,), f"a subset's name has small letters, digits, `-`, `_` and `.`, found {show(name)}"))
        elif not isinstance(labels, Mapping) or not labels:
            wrong.append(((name,), f'expected labels, such as {{version: "2.0"}}, found {show(labels)}'))
        else:
            wrong += [((name, key), message) for key, one in labels.items() if (message := _refuse_label(key, one))]
    if wrong:
        raise Mistake(*wrong)
    return {name: dict(labels) for name, labels in value.items()}


def _refuse_label(key: str, value: object) -> str | None:
    if not 0 < len(key) <= MAX_LABEL:
        return f"a label's name has 1 to {MAX_LABEL} characters"
    if not isinstance(value, str | bool | int | float) or (isinstance(value, float) and not math.isfinite(value)):
        return f"expected text, a number, true or false, found {show(value)}"
    if not isinstance(value, str | bool) and abs(value) > EXACT_INTEGER:
        return f"metadata cannot hold so large a number exactly: write {show(str(value))} in quotes"
    return None


def check_use_of_subsets(service: "Service") -> list[tuple[Loc, str]]:
    """Refuse subsets beside what goes by a `load_balancing_policy`: Envoy takes a cluster with one or the other."""
    wrong: list[tuple[Loc, str]] = []
    if service.subsets and service.balance.policy is Balance.CLIENT_SIDE_WEIGHTED:
        wrong.append(
            (("subsets",), "are not for `client_side_weighted`, which Envoy cannot divide: write another balance")
        )
    word = "load_balancing_policy"
    if service.subsets and "cluster" in service.envoy and word in service.envoy["cluster"].names:
        wrong.append((("envoy", "cluster", word), "cannot stand beside `subsets`: Envoy takes one or the other"))
    return wrong


def is_in(endpoint: "Endpoint", labels: Labels) -> bool:
    """Tell whether Envoy takes an endpoint for one of a subset; of a label that is a list one item is enough."""
    return all(_equals(endpoint.metadata.get(key), value) for key, value in labels.items())


def _equals(found: object, wanted: Scalar) -> bool:
    if isinstance(found, list):
        return any(_equals(item, wanted) for item in found if not isinstance(item, list))
    return found == wanted and isinstance(found, bool) is isinstance(wanted, bool)


def advise_subsets(service: "Service") -> Iterator[tuple[Loc, str]]:
    """Warn of subsets that no endpoint is in."""
    for name, labels in service.subsets.items():
        if service.endpoints and not any(is_in(endpoint, labels) for endpoint in service.endpoints):
            hint = next(_hint(service, labels), "")
            yield ("subsets", name), f"no endpoint is in it: requests that a route sends to it get 503{hint}"


def _hint(service: "Service", labels: Labels) -> Iterator[str]:
    """Find a label that an endpoint has, but as text where the subset has a number, or the other way around."""
    for key, wanted in labels.items():
        for endpoint in service.endpoints:
            found = endpoint.metadata.get(key)
            if found is not None and found != wanted and str(found).lower() == str(wanted).lower():
                kinds = (
                    "text" if isinstance(found, str) else "no text",
                    "text" if isinstance(wanted, str) else "no text",
                )
                yield f": `{key}` is {kinds[0]} in the endpoints' `metadata`, and {kinds[1]} here"
