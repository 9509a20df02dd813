"""What a route does with a request: send it to services, rewrite, redirect, answer or mirror it, change its headers."""

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, Strict
from pydantic.dataclasses import dataclass
from pydantic.json_schema import WithJsonSchema

from xds.catalog.text.addresses import check_host
from xds.catalog.text.http import check_added_headers, check_body, check_removed_headers
from xds.catalog.text.mistake import Loc, Mistake
from xds.catalog.text.names import CONFIG, TARGET, TARGET_PATTERN, Name, Path, PathAndQuery, Port
from xds.catalog.text.path_template import REWRITE_SHAPE, check_substitution, check_template_rewrite
from xds.catalog.text.percents import PERCENT_SHAPE, check_percent
from xds.wording import show

REDIRECT_CODES = (301, 302, 303, 307, 308)

Host = Annotated[str, AfterValidator(check_host)]


@dataclass(frozen=True, slots=True, config=CONFIG)
class Rewrite:
    """What the service sees in place of the request's path or host; the query stays."""

    prefix: Annotated[Path | None, Field(description="in place of the route's prefix; the rest stays")] = None
    path: Annotated[
        Annotated[str, AfterValidator(check_substitution)] | None,
        Field(description=r"in place of the whole path; of a route with `regex`, \1 is what its first group matched"),
    ] = None
    template: Annotated[
        Annotated[str, AfterValidator(check_template_rewrite), REWRITE_SHAPE] | None,
        Field(description="in place of the whole path, with the variables of the route's `template`"),
    ] = None
    host: Annotated[Host | None, Field(description="in place of the Host header")] = None


@dataclass(frozen=True, slots=True, config=CONFIG)
class Redirect:
    """The answer that sends the client elsewhere; what is not given stays as the client had it."""

    https: Annotated[bool, Strict(), Field(description="to the scheme https")] = False
    host: Annotated[Host | None, Field(description="to another host")] = None
    port: Annotated[Port | None, Field(description="to another port")] = None
    prefix: Annotated[Path | None, Field(description="in place of the route's prefix; the rest stays")] = None
    path: Annotated[PathAndQuery | None, Field(description="in place of the whole path")] = None
    code: Annotated[int, Strict(), Field(description="the status", json_schema_extra={"enum": [*REDIRECT_CODES]})] = 302


@dataclass(frozen=True, slots=True, config=CONFIG)
class Respond:
    """The answer that the gateway gives by itself."""

    status: Annotated[int, Strict(), Field(ge=200, le=599, description="the status")] = 200
    body: Annotated[str, AfterValidator(check_body), Field(description="the text, of 4096 bytes at most")] = ""


HeaderText = Annotated[Mapping[str, str], AfterValidator(check_added_headers)]


@dataclass(frozen=True, slots=True, config=CONFIG)
class HeaderChanges:
    """Headers of a request or response that are set, added and removed."""

    set: Annotated[HeaderText, Field(description="header and value, in place of any that is there")] = field(
        default_factory=dict
    )
    add: Annotated[HeaderText, Field(description="header and value, beside any that is there")] = field(
        default_factory=dict
    )
    remove: Annotated[
        tuple[str, ...], AfterValidator(check_removed_headers), Field(description="headers to leave out")
    ] = ()


@dataclass(frozen=True, slots=True, config=CONFIG)
class Mirror:
    """A copy of the route's requests for another service, whose answers nobody waits for."""

    to: Annotated[Name, Field(description="the service")]
    percent: Annotated[
        float, BeforeValidator(check_percent), PERCENT_SHAPE, Field(description="how many of the requests")
    ] = 100.0


def split_target(target: str) -> tuple[str, str]:
    """Give the service of a target, and its subset or "": of `api/v2` these are `api` and `v2`."""
    service, _, subset = target.partition("/")
    return service, subset


MAX_SHARES = 2**32 - 1
"""Envoy's limit on the sum of the weights of a route's clusters."""


def parse_targets(value: object) -> Mapping[str, int] | None:
    """Turn a service's name, or names with weights, into weights by name; one name alone has the weight 1."""
    if value is None:
        return None
    if isinstance(value, str):
        if not TARGET.fullmatch(value):
            raise ValueError(_refuse_name(value))
        return {value: 1}
    if not isinstance(value, Mapping):
        # pydantic turns a ValueError, not a TypeError, into a mistake among others
        raise ValueError(f"expected a service's name, or several as in {{v1: 95, v2: 5}}, found {show(value)}")  # noqa: TRY004
    wrong: list[tuple[Loc, str]] = []
    for name, weight in value.items():
        if not TARGET.fullmatch(name):
            wrong.append(((name,), _refuse_name(name)))
        elif not isinstance(weight, int) or isinstance(weight, bool) or not 0 <= weight <= MAX_SHARES:
            wrong.append(((name,), f"expected a whole number from 0 to {MAX_SHARES}, found {show(weight)}"))
    if not wrong and not 1 <= sum(value.values()) <= MAX_SHARES:
        most = f"the weights sum up to {sum(value.values())}: Envoy takes {MAX_SHARES} at most"
        none = "no service has a weight above 0: requests would have nowhere to go"
        raise ValueError(most if any(value.values()) else none)
    if wrong:
        raise Mistake(*wrong)
    return dict(value)


def _refuse_name(name: str) -> str:
    if name.count("/") > 1 or name.endswith("/"):
        return f"expected a service's name, or with a slash one of its subsets, as in api/v2; found {show(name)}"
    return f"expected a service's name, found {show(name)}: names have small letters, digits, `-`, `_` and `.`"


TARGETS_SHAPE = WithJsonSchema(
    {
        "anyOf": [
            {"type": "string", "pattern": TARGET_PATTERN},
            {
                "type": "object",
                "patternProperties": {TARGET_PATTERN: {"type": "integer", "minimum": 0, "maximum": 2**32 - 1}},
                "additionalProperties": False,
            },
        ]
    }
)
