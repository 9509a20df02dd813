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

from xds.catalog.model.filters import MOVED_LIMIT, CheckedCors, CheckedFault, RateLimit, mend_rate
from xds.catalog.model.retries import ShortRetries
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
from xds.catalog.text.address_patterns import MAX_HOSTS, ROUTE_HOSTS_SHAPE
from xds.catalog.text.addresses import ANY_HOST, RouteHost, check_route_hosts, covers_host
from xds.catalog.text.field import OFF, About, Example, Expected, IfWrong, Since
from xds.catalog.text.http import MATCHED_HEADERS, MATCHED_QUERY, Methods, check_headers, check_query
from xds.catalog.text.http_meanings import mend_redirect, mend_wanted
from xds.catalog.text.mistake import Loc
from xds.catalog.text.names import CONFIG, NOBODY, Duration, Name, Path, parse_list
from xds.catalog.text.path_template import PathTemplate, has_affixed_variable
from xds.catalog.text.regex import PathRegex
from xds.catalog.text.sizes import Size
from xds.catalog.text.text_match import WantedTexts


@dataclass(frozen=True, slots=True, config=CONFIG)
class Route:
    """Requests that match all its conditions go `to` a service, or are answered. The first route that matches wins.

    A route has at most one of `prefix`, `path`, `regex` and `template`; without any, it matches every path.
    """

    to: Annotated[
        Targets,
        Field(description="The service, or its subset as `api/v2`; or several with their weights"),
        About(
            default="a route needs `to`, `redirect` or `respond`",
            envoy="RouteAction.cluster, RouteAction.weighted_clusters",
        ),
    ] = None
    fallback: Annotated[
        Name | None,
        Field(
            description="The service that gets a target's requests while that has no endpoints, or none that is healthy"
        ),
        Example("v1"),
        About(default="none: these requests fail", envoy="ClusterConfig.clusters"),
        IfWrong(stand_in=NOBODY),
    ] = None
    host: Annotated[
        tuple[Annotated[RouteHost, IfWrong(stand_in=lambda index: f"{index}.{NOBODY}")], ...],
        Field(min_length=1, max_length=MAX_HOSTS),
        BeforeValidator(parse_list),
        AfterValidator(check_route_hosts),
        ROUTE_HOSTS_SHAPE,
        Field(
            description="An exact host, `*.example.com`, or a list of them. The port in a Host header does not count."
            " Not for a service's own routes",
        ),
        Expected("a host, or a list of them", "example.com", ["example.com", "*.example.org"]),
        About(default="any", envoy="VirtualHost.domains"),
    ] = ()
    prefix: Annotated[
        Path | None,
        Field(description="The beginning of the path"),
        About(default="`/`, without `path`, `regex` and `template`", envoy="RouteMatch.prefix"),
        IfWrong(stand_in="/"),
    ] = None
    path: Annotated[
        Path | None,
        Field(description="The exact path, without the query"),
        About(envoy="RouteMatch.path"),
        IfWrong(stand_in="/"),
    ] = None
    regex: Annotated[
        PathRegex | None,
        Field(description="A regular expression (RE2) for the whole path, without the query"),
        About(envoy="RouteMatch.safe_regex"),
    ] = None
    template: Annotated[
        PathTemplate | None,
        Field(description="The whole path with variables, without the query"),
        About(envoy="RouteMatch.path_match_policy"),
        Since((1, 39), "with a variable inside a segment", lambda value, above: has_affixed_variable(value)),
    ] = None
    method: Annotated[
        Methods,
        Field(description="The method, or a list of methods"),
        About(default="any", envoy="RouteMatch.headers"),
        IfWrong(whole=True),
    ] = ()
    headers: Annotated[
        WantedTexts,
        AfterValidator(check_headers),
        MATCHED_HEADERS,
        Field(
            description="Headers and their values. `*` is any value; in full one of `exact`, "
            "`prefix`, `suffix`, `contains`, `regex` and `absent`"
        ),
        Expected("a mapping of header names and values", {"x-team": "a"}, mend=mend_wanted),
        About(default="none", envoy="RouteMatch.headers"),
    ] = field(default_factory=dict)
    query: Annotated[
        WantedTexts,
        AfterValidator(check_query),
        MATCHED_QUERY,
        Field(description="Query parameters and their values as they stand in the URL, written like those of headers"),
        Expected("a mapping of the query's parameters and values", {"user": "a"}, mend=mend_wanted),
        About(default="none", envoy="RouteMatch.query_parameters"),
    ] = field(default_factory=dict)
    rewrite: Annotated[
        Rewrite | None,
        Field(description="The path or host that the service gets"),
        Example({"prefix": "/v2"}),
        About(default="as the client sent it", envoy="RouteAction"),
        IfWrong(whole=True, needs=("prefix", "path", "template", "host")),
    ] = None
    redirect: Annotated[
        Redirect | None,
        Field(description="Instead of `to`: send the client elsewhere"),
        Expected("", {"https": True}, mend=mend_redirect),
        About(envoy="Route.redirect"),
        IfWrong(
            stand_in={"https": True},
            alternatives=("to", "respond"),
            whole=True,
            needs=("https", "host", "port", "prefix", "path"),
        ),
    ] = None
    respond: Annotated[
        Respond | None,
        Field(description="Instead of `to`: answer directly"),
        Example({"status": 404}),
        About(envoy="Route.direct_response"),
        IfWrong(stand_in={}, alternatives=("to", "redirect"), whole=True),
    ] = None
    request_headers: Annotated[
        HeaderChanges | None,
        Field(description="Header changes before the service gets the request"),
        Example({"set": {"x-team": "a"}}),
        About(envoy="Route.request_headers_to_add, Route.request_headers_to_remove"),
        IfWrong(whole=True, needs=("set", "add", "remove")),
    ] = None
    response_headers: Annotated[
        HeaderChanges | None,
        Field(description="Header changes before the client gets the response"),
        Example({"remove": ["x-internal"]}),
        About(envoy="Route.response_headers_to_add, Route.response_headers_to_remove"),
        IfWrong(whole=True),
    ] = None
    timeout: Annotated[
        Duration | None,
        Field(description="For the whole answer, including retries"),
        About(default="the service's `timeouts.request`; of several, the first's", envoy="RouteAction.timeout"),
    ] = None
    retries: Annotated[
        ShortRetries | None,
        Field(description="Fields that replace those of the service's `retries`; `off` means none for this route"),
        About(default="the service's", envoy="RouteAction.retry_policy"),
    ] = None
    mirror: Annotated[
        Mirror | None,
        OFF,
        Field(description="A copy of the requests for another service; nobody waits for its answers"),
        Example({"to": "shadow", "percent": "10%"}),
        About(envoy="RouteAction.request_mirror_policies"),
        IfWrong(whole=True),
    ] = None
    fault: Annotated[
        CheckedFault | None,
        OFF,
        Field(description="Failures on purpose, for tests"),
        About(envoy="HTTPFault"),
    ] = None
    rate_limit: Annotated[
        RateLimit | None,
        OFF,
        Field(description="How many requests each Envoy lets through. Others get 429"),
        Expected("", {"requests": 100, "per": "1s"}, mend=mend_rate),
        MOVED_LIMIT,
        About(envoy="LocalRateLimit"),
        IfWrong(whole=True),
    ] = None
    cors: Annotated[
        CheckedCors | None,
        OFF,
        Field(description="Which web pages of other origins can call"),
        About(envoy="CorsPolicy"),
    ] = None
    websocket: Annotated[
        bool,
        Strict(),
        Field(description="Let WebSockets through, over HTTP/1.1, to a service with `protocol: http`"),
        About(default="false: answered with 403", envoy="RouteAction.upgrade_configs"),
    ] = False
    grpc_web: Annotated[
        bool,
        Strict(),
        Field(description="Turn gRPC-Web calls of browsers into gRPC"),
        About(envoy="GrpcWeb"),
    ] = False
    max_body: Annotated[
        Size | None,
        Field(description="A request with a larger body gets 413. Envoy holds each body until it is complete"),
        About(default="no limit", envoy="Buffer.max_request_bytes"),
    ] = None
    envoy: Annotated[
        Raw,
        PlainValidator(parse_raw("route")),
        make_raw_shape("route"),
        Field(description="Fields of Envoy's own Route, merged into those that xds makes"),
        About(default="none", envoy="Route"),
        IfWrong(whole=True),
    ] = field(default_factory=lambda: NO_RAW)

    @property
    def references(self) -> Mapping[Loc, str]:
        """The services that it names, by where it names them: those that it sends requests to come first."""
        found = {loc: split_target(target)[0] for loc, target in self._targets.items()}
        if self.fallback is not None:
            found["fallback",] = self.fallback
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
    def hosts(self) -> tuple[str, ...]:
        """The hosts whose requests it takes: `*` is any."""
        return self.host or (ANY_HOST,)

    def takes_host(self, host: str) -> bool:
        """Whether it takes every request for `host`, which may be a pattern."""
        return not self.host or any(covers_host(one, host) for one in self.host)

    @property
    def services(self) -> tuple[str, ...]:
        """The services that it names, in any field."""
        if self.to and len(self.to) == 1 and self.fallback is None and self.mirror is None:
            return (split_target(next(iter(self.to)))[0],)  # the common case
        return tuple(dict.fromkeys(self.references.values()))


MATCHES = ("host", "prefix", "path", "regex", "template", "method", "headers", "query")
"""The fields of a route that decide which requests it matches."""


def has_same_match(one: Route, other: Route) -> bool:
    """Whether two routes match the same requests. One with raw fields counts as another."""
    return not (one.envoy or other.envoy) and all(getattr(one, name) == getattr(other, name) for name in MATCHES)


def given(route: Route) -> list[str]:
    """Return the names of the fields that a route has."""
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
