"""A route's words: which requests it takes, where they go, and what is changed on the way.

What must hold among a route's words is in `route_rules.py`. A route knows nothing of the gateway or service
that it is of.
"""

from collections.abc import Mapping
from dataclasses import field, fields
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, Strict
from pydantic.dataclasses import dataclass

from xds.catalog.path_template import REWRITE_SHAPE, TEMPLATE_SHAPE, check_template, check_template_rewrite
from xds.catalog.places import Loc
from xds.catalog.raw import NO_RAW, Raw, parse_raw
from xds.catalog.regex import check_regex
from xds.catalog.resilience import Tries
from xds.catalog.route_filters import Cors, Fault, RateLimit, check_cors, check_fault
from xds.catalog.route_values import (
    check_added_headers,
    check_body,
    check_headers,
    check_method,
    check_percent,
    check_query,
    check_removed_headers,
    check_substitution,
    parse_list,
    parse_targets,
)
from xds.catalog.shapes import METHODS_SHAPE, PERCENT_SHAPE, TARGETS_SHAPE, WANTED_SHAPE, make_raw_shape
from xds.catalog.sizes import SIZE_SHAPE, parse_size
from xds.catalog.text_match import Wanted, parse_wanted
from xds.catalog.values import check_host, check_route_host
from xds.catalog.words import CONFIG, Duration, Name, Path, PathAndQuery, Port

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


WantedTexts = Mapping[str, Annotated[Wanted, PlainValidator(parse_wanted), WANTED_SHAPE]]
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


@dataclass(frozen=True, slots=True, config=CONFIG)
class Route:
    """Requests that match all that is given go `to` a service, or are answered; the first route that matches wins.

    Of `prefix`, `path`, `regex` and `template` one at most is given; none is the same as prefix `/`.
    """

    to: Annotated[
        Mapping[str, int] | None,
        PlainValidator(parse_targets),
        TARGETS_SHAPE,
        Field(description="the service, or `api/v2` for its subset; or several, each with its share of the requests"),
    ] = None
    host: Annotated[
        Annotated[str, AfterValidator(check_route_host)] | None,
        Field(description="exact, or `*.example.com`; any host when left out"),
    ] = None
    prefix: Annotated[Path | None, Field(description="what the path begins with")] = None
    path: Annotated[Path | None, Field(description="exact path, without the query")] = None
    regex: Annotated[
        Annotated[str, AfterValidator(check_regex)] | None,
        Field(description="what the whole path, without the query, is to match (RE2)"),
    ] = None
    template: Annotated[
        Annotated[str, AfterValidator(check_template), TEMPLATE_SHAPE] | None,
        Field(description="the whole path with variables, without the query, such as /users/{id}/orders/*"),
    ] = None
    method: Annotated[
        tuple[Annotated[str, AfterValidator(check_method)], ...],
        BeforeValidator(parse_list),
        METHODS_SHAPE,
        Field(description="the method, or a list of them; any when left out"),
    ] = ()
    headers: Annotated[
        WantedTexts,
        AfterValidator(check_headers),
        Field(description="header and its value; `*` is any value, `{prefix: a}` and the like a part of it"),
    ] = field(default_factory=dict)
    query: Annotated[
        WantedTexts,
        AfterValidator(check_query),
        Field(description="parameter of the query and its value; `*` is any value, `{prefix: a}` and the like a part"),
    ] = field(default_factory=dict)
    rewrite: Annotated[Rewrite | None, Field(description="the path or host that the service sees")] = None
    redirect: Annotated[Redirect | None, Field(description="in place of `to`: send the client elsewhere")] = None
    respond: Annotated[Respond | None, Field(description="in place of `to`: answer at once")] = None
    request_headers: Annotated[HeaderChanges | None, Field(description="changed before the service sees them")] = None
    response_headers: Annotated[HeaderChanges | None, Field(description="changed before the client sees them")] = None
    timeout: Annotated[Duration | None, Field(description="in place of the service's `timeouts.request`")] = None
    retries: Annotated[Tries | None, Field(description="its words are in place of the service's `retries`")] = None
    mirror: Annotated[Mirror | None, Field(description="a copy of the requests for another service")] = None
    fault: Annotated[
        Annotated[Fault, AfterValidator(check_fault)] | None,
        Field(description="failures on purpose, to see what becomes of them"),
    ] = None
    rate_limit: Annotated[
        RateLimit | None, Field(description="how many requests each Envoy lets through; the rest is answered with 429")
    ] = None
    cors: Annotated[
        Annotated[Cors, AfterValidator(check_cors)] | None,
        Field(description="web pages of other origins that may call"),
    ] = None
    websocket: Annotated[bool, Strict(), Field(description="WebSockets are let through")] = False
    grpc_web: Annotated[bool, Strict(), Field(description="calls of gRPC-Web, by browsers, are turned into gRPC")] = (
        False
    )
    max_body: Annotated[
        Annotated[int, BeforeValidator(parse_size), SIZE_SHAPE] | None,
        Field(description="a request whose body is larger is answered with 413; the body is held until it is whole"),
    ] = None
    envoy: Annotated[
        Raw,
        PlainValidator(parse_raw("route")),
        make_raw_shape("route"),
        Field(description="for what has no word: fields of Envoy's own Route, merged into those that are made of this"),
    ] = field(default_factory=lambda: NO_RAW)

    @property
    def references(self) -> Mapping[Loc, str]:
        """The services that it names, by where it names them: those that it sends requests to come first."""
        found = {loc: split_target(target)[0] for loc, target in self._targets.items()}
        if self.mirror is not None:
            found["mirror", "to"] = self.mirror.to
        return found

    @property
    def subsets(self) -> Mapping[Loc, tuple[str, str]]:
        """The services and their subsets that it names, by where it names them."""
        found = {loc: split_target(target) for loc, target in self._targets.items()}
        return {loc: (service, subset) for loc, (service, subset) in found.items() if subset}

    @property
    def _targets(self) -> dict[Loc, str]:
        to = self.to or {}
        return {("to", target) if len(to) > 1 else ("to",): target for target in to}

    @property
    def services(self) -> tuple[str, ...]:
        """The services that it names, whatever for."""
        return tuple(dict.fromkeys(self.references.values()))


def split_target(target: str) -> tuple[str, str]:
    """Give the service of a target, and its subset or "": of `api/v2` these are `api` and `v2`."""
    service, _, subset = target.partition("/")
    return service, subset


def given(route: Route) -> list[str]:
    """Name the words that a route has."""
    values = {one.name: getattr(route, one.name) for one in fields(route)}
    return [name for name, value in values.items() if value not in (None, {}, ()) and value is not False]
