"""A route: which requests it takes, where they go, and what is changed on the way.

What must hold among a route's fields is checked in `route_rules.py`. A route knows nothing of the gateway or service
that it belongs to.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import field, fields
from itertools import combinations
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler, PlainValidator, Strict
from pydantic.dataclasses import dataclass
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from xds.catalog.model.filters import Cors, Fault, RateLimit, check_cors, check_fault
from xds.catalog.model.resilience import Tries
from xds.catalog.model.route_action import (
    TARGETS_SHAPE,
    HeaderChanges,
    Mirror,
    Redirect,
    Respond,
    Rewrite,
    parse_targets,
    split_target,
)
from xds.catalog.raw.fields import NO_RAW, Raw, make_raw_shape, parse_raw
from xds.catalog.text.addresses import check_route_host
from xds.catalog.text.http import METHODS_SHAPE, check_headers, check_method, check_query
from xds.catalog.text.mistake import Loc
from xds.catalog.text.names import CONFIG, Duration, Path, parse_list
from xds.catalog.text.path_template import TEMPLATE_SHAPE, check_template
from xds.catalog.text.regex import check_regex
from xds.catalog.text.sizes import SIZE_SHAPE, parse_size
from xds.catalog.text.text_match import WANTED_SHAPE, Wanted, parse_wanted

WantedTexts = Mapping[str, Annotated[Wanted, PlainValidator(parse_wanted), WANTED_SHAPE]]


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


def given(route: Route) -> list[str]:
    """Name the words that a route has."""
    values = {one.name: getattr(route, one.name) for one in fields(route)}
    return [name for name, value in values.items() if value not in (None, {}, ()) and value is not False]


@dataclasses.dataclass(frozen=True, slots=True)
class RouteShape:
    """A route has one end, and one of prefix, path, regex and template at most.

    A service's `own` needs no end, and has no host.
    """

    own: bool = False

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        mapping = handler(schema)
        ends = ("to", "redirect", "respond")
        pairs = [*combinations(ends, 2), *combinations(("prefix", "path", "regex", "template"), 2)]
        handler.resolve_ref_schema(mapping)["not"] = {"anyOf": [{"required": [*pair]} for pair in pairs]}
        if self.own:
            return {**mapping, "not": {"required": ["host"]}}
        return {**mapping, "anyOf": [{"required": [end]} for end in ends]}


ROUTE_SHAPE = RouteShape()
OWN_ROUTE_SHAPE = RouteShape(own=True)
