"""A route: which requests it takes, where they go, and what is changed on the way.

What must hold among a route's fields is checked in `route_rules.py`. A route knows nothing of the gateway or service
that it belongs to.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import field, fields
from itertools import combinations
from typing import Annotated

from pydantic import AfterValidator, Field, GetJsonSchemaHandler, PlainValidator, Strict
from pydantic.dataclasses import dataclass
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from xds.catalog.model.filters import CheckedCors, CheckedFault, RateLimit
from xds.catalog.model.resilience import ShortRetries
from xds.catalog.model.route_action import (
    HeaderChanges,
    Mirror,
    Redirect,
    Respond,
    Rewrite,
    Targets,
    split_target,
)
from xds.catalog.raw.fields import NO_RAW, Raw, make_raw_shape, parse_raw
from xds.catalog.text.addresses import RouteHost
from xds.catalog.text.field import About, Example, Expected, IfWrong
from xds.catalog.text.http import Methods, check_headers, check_query
from xds.catalog.text.mistake import Loc
from xds.catalog.text.names import CONFIG, Duration, Path
from xds.catalog.text.path_template import PathTemplate
from xds.catalog.text.regex import PathRegex
from xds.catalog.text.sizes import Size
from xds.catalog.text.text_match import WantedTexts


@dataclass(frozen=True, slots=True, config=CONFIG)
class Route:
    """Requests that match all that is given go `to` a service, or are answered; the first route that matches wins.

    Of `prefix`, `path`, `regex` and `template` one at most is given; none is the same as prefix `/`.
    """

    to: Annotated[
        Targets,
        Field(description="the service, or `api/v2` for its subset; or several, each with its share of the requests"),
        About(
            default="one of `to`, `redirect` and `respond` is wanted", envoy="RouteAction.cluster, weighted_clusters"
        ),
    ] = None
    host: Annotated[
        RouteHost | None,
        Field(description="exact, or `*.example.com`; the port in a Host header does not count"),
        About(default="any", envoy="VirtualHost.domains"),
    ] = None
    prefix: Annotated[
        Path | None,
        Field(description="what the path begins with"),
        About(default="`/`, without `path`, `regex` and `template`", envoy="RouteMatch.prefix"),
        IfWrong(stand_in="/"),
    ] = None
    path: Annotated[
        Path | None,
        Field(description="exact path, without the query"),
        About(envoy="RouteMatch.path"),
        IfWrong(stand_in="/"),
    ] = None
    regex: Annotated[
        PathRegex | None,
        Field(description="what the whole path, without the query, is to match (RE2)"),
        About(envoy="RouteMatch.safe_regex"),
    ] = None
    template: Annotated[
        PathTemplate | None,
        Field(description="the whole path with variables, without the query"),
        About(envoy="RouteMatch.path_match_policy"),
    ] = None
    method: Annotated[
        Methods,
        Field(description="the method, or a list of them"),
        About(default="any", envoy="RouteMatch.headers"),
        IfWrong(whole=True),
    ] = ()
    headers: Annotated[
        WantedTexts,
        AfterValidator(check_headers),
        Field(
            description="header and its value; `*` is any value, `{prefix: a}` and the like (exact, suffix, contains, "
            "regex, absent) a part of it"
        ),
        Expected("a mapping of header names and values", {"x-team": "a"}),
        About(default="none", envoy="RouteMatch.headers"),
    ] = field(default_factory=dict)
    query: Annotated[
        WantedTexts,
        AfterValidator(check_query),
        Field(
            description="parameter of the query and its value, as they stand in the URL; written as those of headers"
        ),
        Expected("a mapping of the query's parameters and values", {"user": "a"}),
        About(default="none", envoy="RouteMatch.query_parameters"),
    ] = field(default_factory=dict)
    rewrite: Annotated[
        Rewrite | None,
        Field(description="the path or host that the service sees"),
        Example({"prefix": "/v2"}),
        About(default="as the client sent it", envoy="RouteAction"),
        IfWrong(whole=True),
    ] = None
    redirect: Annotated[
        Redirect | None,
        Field(description="in place of `to`: send the client elsewhere"),
        Example({"https": True}),
        About(envoy="Route.redirect"),
        IfWrong(stand_in={"https": True}, alternatives=("to", "respond"), whole=True),
    ] = None
    respond: Annotated[
        Respond | None,
        Field(description="in place of `to`: answer at once"),
        Example({"status": 404}),
        About(envoy="Route.direct_response"),
        IfWrong(stand_in={}, alternatives=("to", "redirect"), whole=True),
    ] = None
    request_headers: Annotated[
        HeaderChanges | None,
        Field(description="changed before the service sees them"),
        Example({"set": {"x-team": "a"}}),
        About(envoy="Route.request_headers_to_add, request_headers_to_remove"),
        IfWrong(whole=True),
    ] = None
    response_headers: Annotated[
        HeaderChanges | None,
        Field(description="changed before the client sees them"),
        Example({"remove": ["x-internal"]}),
        About(envoy="Route.response_headers_to_add, response_headers_to_remove"),
        IfWrong(whole=True),
    ] = None
    timeout: Annotated[
        Duration | None,
        Field(description="for the whole answer, retries included"),
        About(default="the service's `timeouts.request`; of several, the first's", envoy="RouteAction.timeout"),
    ] = None
    retries: Annotated[
        ShortRetries | None,
        Field(description="its fields are in place of those of the service's `retries`"),
        About(default="the service's", envoy="RouteAction.retry_policy"),
    ] = None
    mirror: Annotated[
        Mirror | None,
        Field(description="a copy of the requests for another service, whose answers nobody waits for"),
        Example({"to": "shadow", "percent": "10%"}),
        About(envoy="RouteAction.request_mirror_policies"),
        IfWrong(whole=True),
    ] = None
    fault: Annotated[
        CheckedFault | None,
        Field(description="failures on purpose, to see what becomes of them"),
        About(envoy="HTTPFault"),
    ] = None
    rate_limit: Annotated[
        RateLimit | None,
        Field(description="how many requests each Envoy lets through; the rest is answered with 429"),
        Example({"requests": 100, "per": "1s"}),
        About(envoy="LocalRateLimit"),
        IfWrong(whole=True),
    ] = None
    cors: Annotated[
        CheckedCors | None,
        Field(description="web pages of other origins that may call"),
        About(envoy="CorsPolicy"),
    ] = None
    websocket: Annotated[
        bool,
        Strict(),
        Field(description="WebSockets are let through, over HTTP/1.1, to a service of `protocol: http`"),
        About(default="false: answered with 403", envoy="RouteAction.upgrade_configs"),
    ] = False
    grpc_web: Annotated[
        bool,
        Strict(),
        Field(description="calls of gRPC-Web, by browsers, are turned into gRPC"),
        About(envoy="GrpcWeb"),
    ] = False
    max_body: Annotated[
        Size | None,
        Field(description="a request whose body is larger is answered with 413; the body is held until it is whole"),
        About(default="no limit", envoy="Buffer.max_request_bytes"),
    ] = None
    envoy: Annotated[
        Raw,
        PlainValidator(parse_raw("route")),
        make_raw_shape("route"),
        Field(description="for what has no field here: those of Envoy's own Route, merged into those that are made"),
        About(default="none", envoy="Route"),
        IfWrong(whole=True),
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
    """Name the fields that a route has."""
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
