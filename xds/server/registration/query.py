"""Query: the parameters of a question to Consul's API."""

from collections.abc import Sequence
from dataclasses import dataclass

from multidict import MultiMapping

from xds.endpoints.registrations.durations import parse_duration
from xds.endpoints.registrations.refusal import Refusal

USUAL_WAIT, LONGEST_WAIT = 300.0, 600.0

TRUE, FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")
"""The words that Go reads as truths."""


@dataclass(frozen=True, slots=True)
class Query:
    """The parameters that several questions have. `wait` is in seconds, and counts where there is an `index`."""

    index: int = 0
    wait: float = USUAL_WAIT
    passing: bool = False
    tags: Sequence[str] = ()
    filter: str = ""
    hash: str = ""
    consistency: str = "leader"
    is_pretty: bool = False


def parse_query(given: MultiMapping[str], datacenter: str) -> Query:
    """Read parameters; others are ignored. Raises Refusal."""
    if given.get("dc", datacenter) not in ("", datacenter):
        raise Refusal("No path to datacenter", 500)
    if "stale" in given and "consistent" in given:
        raise Refusal("Cannot specify ?stale with ?consistent, conflicting semantics.")
    index = given.get("index", "") or "0"
    if not (index.isascii() and index.isdecimal() and int(index[:25]) < 2**64):
        raise Refusal("Invalid index")
    passing = given.get("passing")
    if passing and passing not in (*TRUE, *FALSE):
        raise Refusal("Invalid value for ?passing")
    return Query(
        int(index),
        _read_wait(given.get("wait", "")),
        passing is not None and passing not in FALSE,
        given.getall("tag", []),
        given.get("filter", ""),
        given.get("hash", ""),
        "stale" if "stale" in given else "consistent" if "consistent" in given else "leader",
        "pretty" in given,
    )


def _read_wait(text: str) -> float:
    if not text:
        return USUAL_WAIT
    try:
        wait = parse_duration(text)
    except ValueError:
        raise Refusal("Invalid wait time") from None
    return min(wait, LONGEST_WAIT) if wait > 0 else USUAL_WAIT


def read_flag(given: MultiMapping[str], name: str) -> bool:
    """Return whether a flag is given that is also true when it is empty."""
    value = given.get(name)
    return value is not None and value not in FALSE


def read_enable(given: MultiMapping[str]) -> bool:
    """Return whether maintenance begins or ends. Raises Refusal."""
    value = given.get("enable")
    if not value:
        raise Refusal("Missing value for enable")
    if value not in (*TRUE, *FALSE):
        raise Refusal(f'Invalid value for enable: "{value}"')
    return value in TRUE
