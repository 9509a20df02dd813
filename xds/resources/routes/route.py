"""The fields of a route as Envoy's: its match, its targets and its changes of requests; not its service's policy."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from xds.catalog.model.route import Route
from xds.catalog.model.route_action import HeaderChanges, Redirect, Rewrite, split_target
from xds.catalog.model.service import Service
from xds.catalog.text.text_match import ANY, How, TextMatch, Wanted
from xds.resources.clusters.fallback import name_cluster
from xds.resources.clusters.subsets import find_metadata
from xds.wire import skeleton_pb2
from xds.wire.envoy.config_core_v3_pb2 import (
    DataSource,
    HeaderValue,
    HeaderValueOption,
    RuntimeFractionalPercent,
    TypedExtensionConfig,
)
from xds.wire.envoy.config_route_v3_pb2 import (
    DirectResponseAction,
    HeaderMatcher,
    QueryParameterMatcher,
    RedirectAction,
    RouteAction,
    RouteMatch,
    WeightedCluster,
)
from xds.wire.envoy.config_route_v3_pb2 import Route as EnvoyRoute
from xds.wire.envoy.extensions_path_match_uri_template_v3_pb2 import UriTemplateMatchConfig
from xds.wire.envoy.extensions_path_rewrite_uri_template_v3_pb2 import UriTemplateRewriteConfig
from xds.wire.envoy.type_matcher_v3_pb2 import RegexMatchAndSubstitute, RegexMatcher, StringMatcher
from xds.wire.envoy.type_v3_pb2 import FractionalPercent
from xds.wire.messages import encode, pack, uint32

MILLION = 1_000_000
TEMPLATE_MATCHER = "envoy.path.match.uri_template.uri_template_matcher"
TEMPLATE_REWRITER = "envoy.path.rewrite.uri_template.uri_template_rewriter"

REDIRECT_CODES = {
    301: RedirectAction.RedirectResponseCode.MOVED_PERMANENTLY,
    302: RedirectAction.RedirectResponseCode.FOUND,
    303: RedirectAction.RedirectResponseCode.SEE_OTHER,
    307: RedirectAction.RedirectResponseCode.TEMPORARY_REDIRECT,
    308: RedirectAction.RedirectResponseCode.PERMANENT_REDIRECT,
}


def encode_match(route: Route, methods: tuple[str, ...], headers: Mapping[str, Wanted] | None = None) -> bytes:
    """Encode a RouteMatch for requests with one of the methods (none means any); `headers` replaces the route's."""
    wanted = tuple((route.headers if headers is None else headers).items()), tuple(route.query.items())
    return _encode_match(route.prefix, route.path, route.regex, route.template, methods, *wanted)


@lru_cache(maxsize=4096)
def _encode_match(
    prefix: str | None,
    path: str | None,
    regex: str | None,
    template: str | None,
    methods: tuple[str, ...],
    headers: tuple[tuple[str, Wanted], ...],
    query: tuple[tuple[str, Wanted], ...],
) -> bytes:
    match = RouteMatch(
        headers=[
            HeaderMatcher(name=name, present_match=value == ANY)
            if _is_presence(value)
            else HeaderMatcher(name=name, string_match=build_string_matcher(value))
            for name, value in headers
        ],
        query_parameters=[
            QueryParameterMatcher(name=name, present_match=value == ANY)
            if _is_presence(value)
            else QueryParameterMatcher(name=name, string_match=build_string_matcher(value))
            for name, value in query
        ],
    )
    if len(methods) == 1:
        match.headers.append(HeaderMatcher(name=":method", string_match=StringMatcher(exact=methods[0])))
    elif methods:
        one_of = StringMatcher(safe_regex=RegexMatcher(regex="|".join(methods)))
        match.headers.append(HeaderMatcher(name=":method", string_match=one_of))
    if path is not None:
        match.path = path
    elif regex is not None:
        match.safe_regex.CopyFrom(RegexMatcher(regex=regex))
    elif template is not None:
        policy = pack(UriTemplateMatchConfig(path_template=template))
        match.path_match_policy.CopyFrom(TypedExtensionConfig(name=TEMPLATE_MATCHER, typed_config=policy))
    else:
        match.prefix = prefix or "/"
    return encode(match)


def _is_presence(value: Wanted) -> bool:
    """Whether only the presence or absence of a value is matched."""
    return value == ANY or (isinstance(value, TextMatch) and value.how is How.ABSENT)


def build_string_matcher(value: Wanted) -> StringMatcher:
    """Build the matcher of a whole text, of a part of a text, or of a regex."""
    if isinstance(value, str):
        return StringMatcher(exact=value)
    if value.how is How.REGEX:
        return StringMatcher(safe_regex=RegexMatcher(regex=value.text))
    matcher = StringMatcher()
    setattr(matcher, value.how.value, value.text)
    return matcher


def encode_target(route: Route, services: Mapping[str, Service]) -> bytes:
    """Encode the fields of a RouteAction for the clusters of a route's requests, and for changes of the requests."""
    shares = dict(route.to or {})
    name, subset = split_target(next(iter(shares)))
    name = name_cluster(name, route.fallback)
    cluster = skeleton_pb2.RouteAction(cluster=name).SerializeToString() if len(shares) == 1 else b""
    if cluster and not subset and route.rewrite is None and route.mirror is None and not route.websocket:
        return cluster  # the common case: most routes of sidecars
    action = RouteAction()
    if not cluster:
        action.weighted_clusters.CopyFrom(build_shares(shares, services, route.fallback))
    elif (metadata := find_metadata(next(iter(shares)), services)) is not None:
        action.metadata_match.CopyFrom(metadata)
    if route.rewrite is not None:
        _rewrite_request(action, route.rewrite, route)
    if route.mirror is not None:
        mirror = RouteAction.RequestMirrorPolicy(
            cluster=route.mirror.to,
            runtime_fraction=RuntimeFractionalPercent(default_value=build_percent(route.mirror.percent)),
            disable_shadow_host_suffix_append=True,
        )
        action.request_mirror_policies.append(mirror)
    if route.websocket:
        action.upgrade_configs.append(RouteAction.UpgradeConfig(upgrade_type="websocket"))
    return cluster + encode(action)


def _rewrite_request(action: RouteAction, rewrite: Rewrite, route: Route) -> None:
    if rewrite.host is not None:
        action.host_rewrite_literal = rewrite.host
    if rewrite.prefix is not None:
        replacement = _replace_prefix(route.prefix or "/", rewrite.prefix)
        if isinstance(replacement, str):
            action.prefix_rewrite = replacement
        else:
            action.regex_rewrite.CopyFrom(replacement)
    elif rewrite.template is not None:
        policy = pack(UriTemplateRewriteConfig(path_template_rewrite=rewrite.template))
        action.path_rewrite_policy.CopyFrom(TypedExtensionConfig(name=TEMPLATE_REWRITER, typed_config=policy))
    elif rewrite.path is not None:
        action.regex_rewrite.CopyFrom(_rewrite(f"^(?:{route.regex or '.*'})$", rewrite.path))


def build_percent(percent: float) -> FractionalPercent:
    """Build a percentage of requests, in Envoy's finest unit."""
    return FractionalPercent(
        numerator=round(percent * MILLION / 100), denominator=FractionalPercent.DenominatorType.MILLION
    )


def build_shares(
    shares: Mapping[str, int], services: Mapping[str, Service], fallback: str | None = None
) -> WeightedCluster:
    """Build the clusters with their weights. Two subsets of one service are two entries with the same cluster."""
    return WeightedCluster(
        clusters=[
            WeightedCluster.ClusterWeight(
                name=name_cluster(split_target(target)[0], fallback),
                weight=uint32(weight),
                metadata_match=find_metadata(target, services),
            )
            for target, weight in shares.items()
        ]
    )


def _replace_prefix(prefix: str, new: str) -> str | RegexMatchAndSubstitute:
    """Return how one prefix replaces another, so that there is exactly one slash between it and the rest of the path.

    Envoy's `prefix_rewrite` just joins prefix and rest: with `/` for `/api` the path `/api/x` would become `//x`, and
    with `/v2` for `/` the path `/x` would become `/v2x`.
    """
    if prefix.endswith("/") and not new.endswith("/"):
        return f"{new}/"
    if new.endswith("/") and not prefix.endswith("/"):
        return _rewrite(f"^{_quote(prefix)}/*", new.replace("\\", r"\\"))
    return new


def _quote(text: str) -> str:
    """Return text quoted for RE2, in which only characters with a meaning in a pattern may be escaped."""
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", text)


def _rewrite(pattern: str, path: str) -> RegexMatchAndSubstitute:
    return RegexMatchAndSubstitute(pattern=RegexMatcher(regex=pattern), substitution=path)


def encode_end(route: Route) -> bytes:
    """Encode the `redirect` or `direct_response` of a Route, for a route without a service."""
    if route.redirect is not None:
        return encode(EnvoyRoute(redirect=_build_redirect(route.redirect, route.prefix or "/")))
    response = DirectResponseAction(status=route.respond.status if route.respond else 200)
    if route.respond is not None and route.respond.body:
        response.body.CopyFrom(DataSource(inline_string=route.respond.body))
    return encode(EnvoyRoute(direct_response=response))


def _build_redirect(redirect: Redirect, prefix: str) -> RedirectAction:
    action = RedirectAction(response_code=REDIRECT_CODES[redirect.code])
    if redirect.https:
        action.https_redirect = True
    if redirect.host is not None:
        action.host_redirect = redirect.host
    if redirect.port is not None:
        action.port_redirect = redirect.port
    if redirect.path is not None:
        action.path_redirect = redirect.path
    elif redirect.prefix is not None:
        replacement = _replace_prefix(prefix, redirect.prefix)
        if isinstance(replacement, str):
            action.prefix_rewrite = replacement
        else:
            action.regex_rewrite.CopyFrom(replacement)
    return action


def encode_changes(route: Route) -> bytes:
    """Encode the fields of a Route that add and remove headers."""
    turns_location = route.rewrite is not None and route.rewrite.location
    if route.request_headers is None and route.response_headers is None and not turns_location:
        return b""
    changed = EnvoyRoute()
    if route.rewrite is not None and route.rewrite.location:
        changed.response_headers_to_add.append(_build_location(route.prefix or "/", route.rewrite.prefix or "/"))
    if route.request_headers is not None:
        changed.request_headers_to_add.extend(_build_headers(route.request_headers))
        changed.request_headers_to_remove.extend(route.request_headers.remove)
    if route.response_headers is not None:
        changed.response_headers_to_add.extend(_build_headers(route.response_headers))
        changed.response_headers_to_remove.extend(route.response_headers.remove)
    return encode(changed)


def _build_location(prefix: str, new: str) -> HeaderValueOption:
    """Build the change of a `Location` that is the reverse of a rewritten prefix.

    It concerns a path, and a URL of the host that the service was asked for: that becomes a path too, since the client
    may know the host by another name or scheme. An expression that cannot be evaluated, as when the pattern does not
    match, leaves the header as it is (tested with Envoy 1.40).
    """
    client, service = prefix.rstrip("/"), new.rstrip("/")
    # Without a path of its own in front, `//host` would be another host, and browsers read a backslash as a slash.
    rest = r"((?:[/?#].*)?)" if client else r"(/(?:[^/\\].*)?)"
    pattern = rf"^(?:https?://[^/?#]+)?{_quote(service)}{rest}$"
    value = "response.headers['location']"
    host = _extract(value, "^https?://([^/?#]+).*$", r"\1")
    turned = _extract(value, pattern, client.replace("\\", r"\\") + r"\1")
    own = f"{value}.matches({_quote_cel('^/([^/]|$)')}) || {host} == request.host"
    return HeaderValueOption(
        header=HeaderValue(key="location", value=f"%CEL({own} ? {turned} : {value})%"),
        append_action=HeaderValueOption.HeaderAppendAction.OVERWRITE_IF_EXISTS,
    )


def _extract(value: str, pattern: str, substitution: str) -> str:
    """Return the expression of CEL for what a pattern of RE2 makes of a value."""
    return f"re.extract({value}, {_quote_cel(pattern)}, {_quote_cel(substitution)})"


CEL_ESCAPES = str.maketrans({one: f"\\u{ord(one):04x}" for one in "\\'%)"})
"""What cannot stand in a string of CEL, or would end one of Envoy's command operators."""


def _quote_cel(text: str) -> str:
    """Return text as a string of CEL."""
    return f"'{text.translate(CEL_ESCAPES)}'"


def _build_headers(changes: HeaderChanges) -> list[HeaderValueOption]:
    append = HeaderValueOption.HeaderAppendAction.APPEND_IF_EXISTS_OR_ADD
    overwrite = HeaderValueOption.HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD
    both: Sequence[tuple[HeaderValueOption.HeaderAppendAction, dict[str, str]]] = (
        (overwrite, dict(changes.set)),
        (append, dict(changes.add)),
    )
    return [
        # In a header's value, % begins one of Envoy's command operators; %% is a literal %.
        HeaderValueOption(header=HeaderValue(key=name, value=value.replace("%", "%%")), append_action=action)
        for action, headers in both
        for name, value in headers.items()
    ]
