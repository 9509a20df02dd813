"""What a route does with a request: send it to services, rewrite, redirect, answer or mirror it, change its headers."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import field
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import Field, PlainValidator, Strict
from pydantic.dataclasses import dataclass
from pydantic.json_schema import WithJsonSchema

from xds.catalog.text.addresses import Host, RedirectHost, split_address
from xds.catalog.text.field import About, Expected, IfWrong
from xds.catalog.text.foreign import Said, write_fields
from xds.catalog.text.http import AddedHeaders, Body, RemovedHeaders
from xds.catalog.text.meanings import URL
from xds.catalog.text.mistake import Mistake, Mistakes
from xds.catalog.text.names import (
    CONFIG,
    NAME_RULE,
    NOBODY,
    TARGET,
    TARGET_PATTERN,
    Name,
    Path,
    PathAndQuery,
    Port,
    mend_name,
)
from xds.catalog.text.path_template import Substitution, TemplateRewrite
from xds.catalog.text.percents import PERCENTAGE, Percent
from xds.catalog.text.protocols import read_scheme
from xds.wording import show, split_host_and_port, write_flow


@dataclass(frozen=True, slots=True, config=CONFIG)
class Rewrite:
    """What the service gets instead of the request's path or host; the query stays."""

    prefix: Annotated[
        Path | None,
        Field(description="Replaces the prefix of the route; the rest stays"),
        About(envoy="RouteAction.prefix_rewrite"),
    ] = None
    path: Annotated[
        Substitution | None,
        Field(
            description=r"Replaces the whole path. In a route with `regex`, `\1` is what its first "
            "group matched"
        ),
        About(envoy="RouteAction.regex_rewrite"),
    ] = None
    template: Annotated[
        TemplateRewrite | None,
        Field(description="Replaces the whole path, with the variables of the route's `template`"),
        About(envoy="RouteAction.path_rewrite_policy"),
    ] = None
    host: Annotated[
        Host | None, Field(description="Replaces the Host header"), About(envoy="RouteAction.host_rewrite_literal")
    ] = None
    location: Annotated[
        bool,
        Strict(),
        Field(
            description="Beside `prefix`: turn the `Location` of answers back, from the service's path to the client's"
        ),
        About(default="false: as the service sent it", envoy="Route.response_headers_to_add"),
    ] = False


RedirectCode = Literal[301, 302, 303, 307, 308]


@dataclass(frozen=True, slots=True, config=CONFIG)
class Redirect:
    """An answer that sends the client elsewhere. What it leaves out stays as the client had it."""

    https: Annotated[bool, Strict(), Field(description="To https"), About(envoy="RedirectAction.https_redirect")] = (
        False
    )
    host: Annotated[
        RedirectHost | None,
        Field(description="To another host"),
        About(default="the client's", envoy="RedirectAction.host_redirect"),
    ] = None
    port: Annotated[
        Port | None,
        Field(description="To another port"),
        About(default="the client's", envoy="RedirectAction.port_redirect"),
    ] = None
    prefix: Annotated[
        Path | None,
        Field(description="Replaces the prefix of the route; the rest stays"),
        About(envoy="RedirectAction.prefix_rewrite"),
    ] = None
    path: Annotated[
        PathAndQuery | None,
        Field(description="Replaces the whole path"),
        About(default="the client's", envoy="RedirectAction.path_redirect"),
    ] = None
    code: Annotated[
        RedirectCode,
        Field(description="The status. Browsers do not remember 302"),
        About(envoy="RedirectAction.response_code"),
    ] = 302


@dataclass(frozen=True, slots=True, config=CONFIG)
class Respond:
    """An answer that Envoy gives without asking a service."""

    status: Annotated[
        int,
        Strict(),
        Field(ge=200, le=599, description="The status"),
        Expected("a status {bounds}"),
        About(envoy="DirectResponseAction.status"),
    ] = 200
    body: Annotated[
        Body,
        Field(description="The text, at most 4096 bytes"),
        About(default="none", envoy="DirectResponseAction.body"),
    ] = ""


@dataclass(frozen=True, slots=True, config=CONFIG)
class HeaderChanges:
    """Headers of a request or response to set, to add and to remove."""

    set: Annotated[
        AddedHeaders,
        Field(description="Headers and values, instead of existing ones"),
        About(envoy="HeaderValueOption: OVERWRITE_IF_EXISTS_OR_ADD"),
    ] = field(default_factory=dict)
    add: Annotated[
        AddedHeaders,
        Field(description="Headers and values, beside existing ones"),
        About(envoy="HeaderValueOption: APPEND_IF_EXISTS_OR_ADD"),
    ] = field(default_factory=dict)
    remove: Annotated[
        RemovedHeaders, Field(description="Headers to remove"), About(envoy="Route.request_headers_to_remove")
    ] = ()


@dataclass(frozen=True, slots=True, config=CONFIG)
class Mirror:
    """A copy of the route's requests for another service. Nobody waits for its answers."""

    to: Annotated[Name, Field(description="The service that gets the copy"), About(envoy="RequestMirrorPolicy.cluster")]
    percent: Annotated[
        Percent, Field(description="The share of requests to copy"), About(envoy="RequestMirrorPolicy.runtime_fraction")
    ] = 100.0


def split_target(target: str) -> tuple[str, str]:
    """Return the service of a target, and its subset or "": of `api/v2` these are `api` and `v2`."""
    service, _, subset = target.partition("/")
    return service, subset


MAX_PLACES = 7
"""With more digits after the point, weights that make 100% are more than Envoy takes."""

MAX_SHARES = 2**32 - 1
"""Envoy's limit on the sum of the weights of a route's clusters."""


EXPECTED_TARGETS: Final = Expected(
    "a service's name, or several as in {v1: 95, v2: 5}", "api/v2", {"v1": "95%", "v2": "5%"}
)


def parse_targets(value: object) -> Mapping[str, int] | None:
    """Turn a service's name, or names with weights, into weights by name; one name alone has the weight 1."""
    if value is None:
        return None
    if isinstance(value, str):
        if not TARGET.fullmatch(value):
            raise ValueError(_refuse_name(value))
        return {value: 1}
    if not isinstance(value, Mapping):
        hint = _mend_targets(value)
        # pydantic turns a ValueError, not a TypeError, into a mistake among others
        raise ValueError(f"expected {EXPECTED_TARGETS.words}, found {show(value)}{hint}")  # noqa: TRY004
    percents = {name: matched for name, one in value.items() if (matched := PERCENTAGE.fullmatch(str(one)))}
    if percents and len(percents) == len(value) and all(map(TARGET.fullmatch, value)):
        return _read_percents({name: Decimal(matched[1]) for name, matched in percents.items()})
    if value and (hint := _mend_mapping(value)):
        raise ValueError(f"expected {EXPECTED_TARGETS.words}: write {hint}")
    if mistakes := [*_check_weights(value, percents)]:
        raise Mistakes(*mistakes)
    if not 1 <= sum(value.values()) <= MAX_SHARES:
        most = f"the weights sum up to {sum(value.values())}: Envoy takes {MAX_SHARES} at most"
        none = "no service has a weight above 0: requests would have nowhere to go"
        raise ValueError(most if any(value.values()) else none)
    return dict(value)


def _check_weights(value: Mapping[str, Any], percents: Collection[str]) -> Iterator[Mistake]:
    only_percents = all(isinstance(one, str) and one.rstrip().endswith("%") for one in value.values())
    for name, weight in value.items():
        if not TARGET.fullmatch(name):
            yield Mistake((name,), _refuse_name(name))
        elif only_percents:
            if name not in percents:
                yield Mistake((name,), f"expected a percentage from 0% to 100%, found {show(weight)}")
        elif name in percents:
            yield Mistake((name,), "the weights of a route are all percentages, or none is")
        elif not isinstance(weight, int) or isinstance(weight, bool) or not 0 <= weight <= MAX_SHARES:
            yield Mistake((name,), f"expected a whole number from 0 to {MAX_SHARES}, found {show(weight)}")


def _read_percents(percents: Mapping[str, Decimal]) -> Mapping[str, int]:
    """Return percentages that make 100 as the smallest whole weights by powers of ten: 99.5% and 0.5% are 995 and 5."""
    if (total := sum(percents.values())) != 100:
        raise ValueError(f"the percentages sum up to {total}%, where 100% are all requests: mend one of them")
    places = max(-int(one.normalize().as_tuple().exponent) for one in percents.values())
    if places > MAX_PLACES:
        raise ValueError(f"a percentage has {MAX_PLACES} digits after the point at most")
    return {name: int(one.scaleb(max(places, 0))) for name, one in percents.items()}


def _mend_targets(value: object) -> str:
    """Return how a list, a number or another value is written as targets, as the end of a message."""
    if isinstance(value, list) and value:
        if all(isinstance(one, str) and TARGET.fullmatch(one) for one in value):
            return f": write {write_flow(dict.fromkeys(value, 1) if len(value) > 1 else value[0])}"
        if all(isinstance(one, dict) and len(one) == 1 for one in value):
            return f": write {write_flow({name: weight for one in value for name, weight in one.items()})}"
        found = [_read_named(one) for one in value]
        if all(found):
            return f": write {write_flow(dict(one for one in found if one))}"
    if isinstance(value, int | float) and not isinstance(value, bool) and TARGET.fullmatch(show(value)):
        return f': write "{show(value)}" in quotes'
    return ""


def targets(value: object) -> object:
    """Read the service, or services with weights, that another program's key names: also by URL and in mappings."""
    if isinstance(value, str):
        found = URL.fullmatch(value.rstrip(";"))
        if found and (read_scheme(found[1]) or split_address(found[2])):
            return Said(_make_service(value.rstrip(";"), found[3] or ""))
        name = found[2] if found and not found[3] else value.rstrip(";")
        return name if TARGET.fullmatch(name) else None
    if isinstance(value, list):
        named = [_read_named(_unwrap_service(one)) for one in value]
        if named and all(named):
            pairs = dict(one for one in named if one)
            return pairs if len(pairs) == len(value) > 1 else next(iter(pairs)) if len(value) == 1 else None
        return value[0] if len(value) == 1 and isinstance(value[0], str) else None
    if not isinstance(value, Mapping) or not value:
        return None
    if pair := _read_named(_unwrap_service(value)):
        return pair[0]
    return dict(value) if all(map(TARGET.fullmatch, value)) else None


def _make_service(url: str, path: str) -> str:
    """Return that a URL with a port, TLS or a protocol of its own is made a service, and what its path is here."""
    rewrite = f", with {write_fields({'rewrite': {'prefix': path}})} beside `to`" if path.strip("/") else ""
    return f"{mend_name(url)}{rewrite}"


def _unwrap_service(value: object) -> object:
    """Return the mapping that names a service, without those around it, and without its port."""
    if isinstance(value, Mapping) and isinstance(inner := value.get("service", value.get("destination")), Mapping):
        value = {**inner, **{key: one for key, one in value.items() if key == "weight"}}
    return {k: v for k, v in value.items() if k != "port"} if isinstance(value, Mapping) else value


def _mend_mapping(value: Mapping[str, Any]) -> str:
    """Return how targets are written that are meant by another mapping: fractions of 1, or keys of other programs."""
    numbers = [one for one in value.values() if isinstance(one, int | float) and not isinstance(one, bool) and one >= 0]
    if len(numbers) == len(value) and any(isinstance(one, float) for one in numbers):
        for whole in (1, 100):
            if abs(sum(numbers) - whole) < 1e-9:
                return write_flow({name: f"{one * 100 / whole:.7g}%" for name, one in value.items()})
    if named := _read_named(value):
        return named[0]
    return ""


def _read_named(value: object) -> tuple[str, Any] | None:
    """Return the service and weight of `{service: web, weight: 95}`, with the names that other programs use."""
    if not isinstance(value, Mapping):
        return None
    name = next((value[key] for key in ("service", "name", "cluster", "host", "backend") if key in value), None)
    subset = next((f"/{value[key]}" for key in ("subset", "service_subset", "version") if key in value), "")
    if not isinstance(name, str) or not TARGET.fullmatch(f"{name}{subset}"):
        return None
    return f"{name}{subset}", value.get("weight", 1)


def _refuse_name(name: str) -> str:
    if "://" in name:
        return f"expected a service's name, found {show(name)}: {mend_name(name)}"
    if name.count("/") > 1 or name.endswith("/"):
        return f"expected a service's name, or with a slash one of its subsets, as in api/v2; found {show(name)}"
    if split_host_and_port(name):
        return (
            f"expected a service's name, found {show(name)}: a route names a service, "
            'whose addresses are in its `endpoints: ["10.0.0.4:5000"]`'
        )
    if "$" in name or "{{" in name:
        return f"expected a service's name, found {show(name)}: nothing is filled in here, write the name itself"
    near = re.sub("[:@]", "/", name, count=1)
    hint = f"a subset stands after a slash, write {near}" if near != name and TARGET.fullmatch(near) else NAME_RULE
    return f"expected a service's name, found {show(name)}: {hint}"


TARGETS_SHAPE = WithJsonSchema(
    {
        "anyOf": [
            {"type": "string", "pattern": TARGET_PATTERN},
            {
                "type": "object",
                "not": {"additionalProperties": {"const": 0}},
                "patternProperties": {
                    TARGET_PATTERN: {
                        "anyOf": [
                            {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
                            {"type": "string", "pattern": rf"^[0-9]{{1,3}}(\.[0-9]{{1,{MAX_PLACES}}})? ?%$"},
                        ]
                    }
                },
                "additionalProperties": False,
            },
        ]
    }
)

Targets = Annotated[
    Mapping[str, int] | None,
    PlainValidator(parse_targets),
    TARGETS_SHAPE,
    EXPECTED_TARGETS,
    IfWrong(stand_in=NOBODY, alternatives=("redirect", "respond"), whole=True),
]
