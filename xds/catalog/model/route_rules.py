"""What must hold among the fields of one route: the checks of a gateway's routes and of a service's own."""

import re
from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import AfterValidator

from xds.catalog.model.filters import read_rate
from xds.catalog.model.retries import RETRY_POLICY
from xds.catalog.model.route import ROUTE_SHAPE, Route, given
from xds.catalog.model.route_action import targets
from xds.catalog.text.field import Expected, IfWrong, Moved
from xds.catalog.text.foreign import VALUE, Fields, Here
from xds.catalog.text.http_meanings import added, answer, deny, hosts, match, methods, redirect, wanted
from xds.catalog.text.meanings import duration, flag, never, number, size, text
from xds.catalog.text.mistake import Loc, Mistake, Mistakes
from xds.catalog.text.names import NOBODY
from xds.catalog.text.path_template import find_variables
from xds.catalog.text.regex import MAX_PROGRAM, count_groups, measure

ENDS = ("to", "redirect", "respond")
PATHS = ("prefix", "path", "regex", "template")
RAW_ENDS = {"to": "route", "redirect": "redirect", "respond": "direct_response"}
"""Of each end, Envoy's own name."""

MAX_METHODS = 90
"""The characters of a route's methods, which Envoy's patterns (RE2, see `regex.py`) have room for."""

MAX_PREFIX = 90
"""The characters of a prefix that is replaced by way of a pattern."""

LAST = ("date", "server")
"""The headers of a response that Envoy sets after a route's changes."""

FILTER_FIELDS = ("fault", "rate_limit", "cors", "websocket", "grpc_web", "max_body")
"""The fields that are for requests that go to a service."""

OF_SERVICES = ("fallback", "rewrite", "request_headers", "timeout", "retries", "mirror", *FILTER_FIELDS)


def check_route(route: Route) -> Route:
    """Refuse a route without an end or with two, and fields that have no meaning for its end or its path."""
    return _check_fields(route, own=False)


def check_own_route(route: Route) -> Route:
    """Check a service's own route: without an end it leads to the service, and all requests are for one host."""
    return _check_fields(route, own=True)


def _check_fields(route: Route, *, own: bool) -> Route:
    fields = given(route)
    ends = [field for field in ENDS if field in fields] or ["to"] * own
    mistakes = [*_check_ends(fields, ends)]
    if own and route.host:
        mistakes.append(
            Mistake(("host",), "a service's routes are for requests to that service's own host: leave this out")
        )
    paths = [field for field in PATHS if field in fields]
    mistakes += [Mistake((field,), f"a route has `{paths[0]}` or `{field}`, not both") for field in paths[1:]]
    if len(paths) < 2:
        mistakes += _check_rewrite(route)
        mistakes += check_template_fields(route)
        mistakes += _check_redirect(route)
    mistakes += check_filters(route)
    mistakes += _check_fallback(route)
    if len("|".join(route.method)) > MAX_METHODS:
        mistakes.append(Mistake(("method",), f"has {len(route.method)} methods: more than Envoy takes in one route"))
    mistakes += _check_raw(route, ends)
    for field in ("request_headers", "response_headers"):
        mistakes += _check_changes(route, field)
    if route.retries is not None and route.retries.budget is not None:
        mistakes.append(
            Mistake(("retries", "budget"), "is for a service's `retries`: it is kept over all routes to it")
        )
    if mistakes:
        raise Mistakes(*mistakes)
    return route


def _check_ends(fields: list[str], ends: list[str]) -> Iterator[Mistake]:
    """Refuse a route without an end or with several, and fields that have no meaning beside its end."""
    if not ends:
        yield Mistake((), "`to` is missing: a service's name; or `redirect` or `respond` in its place")
    for field in ends[1:]:
        yield Mistake((field,), f"a route has `{ends[0]}` or `{field}`, not both")
    if len(ends) == 1 and ends != ["to"]:
        for field in fields:
            if field in OF_SERVICES:
                yield Mistake((field,), f"is for requests that go to a service, not beside `{ends[0]}`")


def _check_raw(route: Route, ends: list[str]) -> list[Mistake]:
    """Refuse raw fields of an end that the route does not have: Envoy's end would replace the catalog's."""
    if len(ends) != 1 or "route" not in route.envoy:
        return []
    others = (name for end, name in RAW_ENDS.items() if end != ends[0] and name in route.envoy["route"].names)
    loc: Loc = ("envoy", "route")
    return [
        Mistake((*loc, name), f"would take the place of the route's `{ends[0]}`: leave out one of both")
        for name in others
    ]


def _check_rewrite(route: Route) -> list[Mistake]:
    rewrite, mistakes = route.rewrite, []
    if rewrite is None:
        return []
    loc: Loc = ("rewrite",)
    if (rewrite.prefix, rewrite.path, rewrite.template, rewrite.host) == (None,) * 4:
        mistakes.append(Mistake(loc, "is empty: write `prefix`, `path`, `template` or `host` in it"))
    if rewrite.location and rewrite.prefix is None:
        mistakes.append(
            Mistake((*loc, "location"), "is for `prefix`, which is missing here: write it, or leave this out")
        )
    if rewrite.prefix is not None and rewrite.path is not None:
        mistakes.append(Mistake((*loc, "path"), "a rewrite has `prefix` or `path`, not both"))
    if rewrite.prefix is not None and (other := _find_other_path(route)):
        mistakes.append(Mistake((*loc, "prefix"), f"the route has no prefix but `{other}`: write `path` here"))
    mistakes += _check_prefix(route, loc, rewrite.prefix)
    if rewrite.path is not None:
        groups = count_groups(route.regex) if route.regex is not None else 0
        highest = max((int(one) for one in re.findall(r"\\(\d)", rewrite.path)), default=0)
        if route.regex is not None and measure(f"^(?:{route.regex})$") > MAX_PROGRAM:
            mistakes.append(
                Mistake(
                    (*loc, "path"), "the route's `regex` is too large to be rewritten: shorten it by two characters"
                )
            )
        if "\\" in rewrite.path and route.regex is None:
            mistakes.append(Mistake((*loc, "path"), r"a \ stands for a group of the route's `regex`, which it has not"))
        elif highest > groups:
            mistakes.append(Mistake((*loc, "path"), rf"\{highest} is no group of the route's `regex`: it has {groups}"))
    return mistakes


def _check_fallback(route: Route) -> Iterator[Mistake]:
    """Refuse a fallback of itself, and one of subsets: Envoy knows of the health of whole clusters alone."""
    if route.fallback is None:
        return
    if route.to is not None and [*route.to] == [route.fallback]:
        yield Mistake(("fallback",), "is the service that the route leads to: name another one")
    if route.subsets:
        subset = next(iter(route.subsets.values()))[1]
        yield Mistake(
            ("fallback",), f"is for whole services, not for subsets: make a service of `{subset}`, or leave this out"
        )


def _check_redirect(route: Route) -> list[Mistake]:
    redirect, mistakes = route.redirect, []
    if redirect is None:
        return []
    loc: Loc = ("redirect",)
    if not redirect.https and (redirect.host, redirect.port, redirect.prefix, redirect.path) == (None,) * 4:
        mistakes.append(
            Mistake(
                loc, "redirects a request to its own URL: write `https: true`, `host`, `port`, `prefix` or `path` in it"
            )
        )
    if redirect.prefix is not None and redirect.path is not None:
        mistakes.append(Mistake((*loc, "path"), "a redirect has `prefix` or `path`, not both"))
    if redirect.prefix is not None and (other := _find_other_path(route)):
        mistakes.append(Mistake((*loc, "prefix"), f"the route has no prefix but `{other}`: write `path` here"))
    return mistakes + _check_prefix(route, loc, redirect.prefix)


def _find_other_path(route: Route) -> str | None:
    """Return the field with which a route matches paths, if it is not `prefix`."""
    return next((field for field in PATHS[1:] if getattr(route, field) is not None), None)


def _check_prefix(route: Route, loc: Loc, new: str | None) -> list[Mistake]:
    """Refuse a prefix that is too long for the pattern with which a rewrite adds a slash."""
    old = route.prefix or "/"
    if new is None or not new.endswith("/") or old.endswith("/") or len(old) <= MAX_PREFIX:
        return []
    message = (
        f"ends in a / and the route's prefix does not: of so long a one, {MAX_PREFIX} characters at most are taken"
    )
    return [Mistake((*loc, "prefix"), message)]


def _check_changes(route: Route, field: str) -> list[Mistake]:
    changes = getattr(route, field)
    if changes is None:
        return []
    if not (changes.set or changes.add or changes.remove):
        return [Mistake((field,), "is empty: write `set`, `add` or `remove` in it")]
    mistakes: list[Mistake] = []
    for index, name in enumerate(changes.remove):
        if name in changes.set or name in changes.add:
            mistakes.append(Mistake((field, "remove", index), f"`{name}` is set or added too: one of both"))
    if field == "response_headers":
        names = [((field, how, name), name) for how in ("set", "add") for name in getattr(changes, how)]
        names += [((field, "remove", index), name) for index, name in enumerate(changes.remove)]
        mistakes += [
            Mistake(loc, f"Envoy writes `{name}` last: no route can change it") for loc, name in names if name in LAST
        ]
    return mistakes


def check_filters(route: Route) -> list[Mistake]:
    """Refuse fields of a route that exclude each other."""
    mistakes: list[Mistake] = []
    if route.redirect is not None or route.respond is not None:
        return []  # none of them may be there at all
    if route.websocket and route.max_body is not None:
        mistakes.append(Mistake(("max_body",), "a WebSocket has no end to wait for: leave this or `websocket` out"))
    if route.websocket and route.method and "GET" not in route.method:
        mistakes.append(Mistake(("websocket",), "a WebSocket begins with GET, which the route's `method` leaves out"))
    if route.grpc_web and route.method and "POST" not in route.method:
        mistakes.append(Mistake(("grpc_web",), "a gRPC call is a POST, which the route's `method` leaves out"))
    return mistakes


def check_template_fields(route: Route) -> list[Mistake]:
    """Refuse a rewrite with variables that the route's template does not have, or beside another path rewrite."""
    rewrite = route.rewrite
    if rewrite is None or rewrite.template is None:
        return []
    loc: Loc = ("rewrite", "template")
    others = [field for field in ("prefix", "path") if getattr(rewrite, field) is not None]
    mistakes: list[Mistake] = [Mistake(loc, f"a rewrite has `{field}` or `template`, not both") for field in others]
    if route.template is None:
        return [*mistakes, Mistake(loc, "is for a route with `template`, whose variables it takes: write `path` here")]
    known = find_variables(route.template)
    missing = [name for name in find_variables(rewrite.template) if name not in known]
    names = ", ".join(known) or "none"
    return mistakes + [
        Mistake(loc, f"`{name}` is no variable of the route's `template`: it has {names}") for name in missing
    ]


MAX_ROUTES = 1000
"""Envoy tries a virtual host's routes one after the other."""

EXPECTED_ROUTES: Final = Expected("a list of routes", [{"prefix": "/", "to": "web"}])

PATH_FIELDS: Final = "; `path` is for one path, `regex` for a pattern"


def one_target(value: object) -> object:
    """Read one service."""
    found = targets(value)
    return found if isinstance(found, str) else None


def strip(value: object) -> object:
    """Read that a prefix is taken away: the route's own."""
    if flag(value):
        return Fields(rewrite={"prefix": "/"})
    if flag(value) is False:
        return Fields()
    return Fields(prefix=value, rewrite={"prefix": "/"}) if isinstance(value, str) else None


def timeout(value: object) -> object:
    """Read a timeout, alone or by its name in a service."""
    return value["request"] if isinstance(value, dict) and [*value] == ["request"] else duration(value)


def rate(value: object) -> object:
    """Read how many requests pass in a time."""
    if (count := number(value)) is not None:
        return Fields(rate_limit={"requests": count, "per": ...})
    found = dict(value) if isinstance(value, dict) else read_rate(value)
    return None if found is None else Fields(rate_limit=found)


def websocket(value: object) -> object:
    """Read whether WebSockets are let through."""
    words = value if isinstance(value, list) else [value]
    kinds = [one.get("upgrade_type", "") if isinstance(one, dict) else one for one in words]
    return True if kinds and all(str(one).lower() == "websocket" for one in kinds) else flag(value)


CONDITIONS: Final = "a condition is a route's own: `host`, `prefix`, `path`, `method`, `headers` or `query`"
NO_FILES: Final = "no files are served: a route leads to a service that has them"

MOVED_ROUTE: Final = Moved(
    {
        **dict.fromkeys(
            ("service", "services", "backend", "cluster", "target", "destination", "dest", "upstream", "forward"),
            Here({"to": VALUE}, targets),
        ),
        **dict.fromkeys(
            ("use_backend", "default_backend", "proxy_pass", "backendrefs", "route"), Here({"to": VALUE}, targets)
        ),
        **dict.fromkeys(("weighted_clusters", "weights", "split", "splits"), Here({"to": {...: ...}}, targets)),
        "weight": "it belongs to `to`, as in `to: {…: …}`",
        **dict.fromkeys(
            ("match", "matches", "location", "uri", "url", "path_prefix", "pathprefix", "path_beg"),
            Here({"prefix": ...}, match, tail=PATH_FIELDS),
        ),
        **dict.fromkeys(("path_exact", "exact"), Here({"path": VALUE}, text)),
        **dict.fromkeys(("path_reg", "path_regex", "pattern"), Here({"regex": VALUE}, text)),
        **dict.fromkeys(
            ("hosts", "hostname", "hostnames", "server_name", "domain", "domains", "vhost", "authority", "sni"),
            Here({"host": VALUE}, hosts),
        ),
        **dict.fromkeys(("verb", "verbs"), Here({"method": VALUE}, methods)),
        **dict.fromkeys(("header", "match_headers", "hdr"), Here({"headers": VALUE}, wanted)),
        **dict.fromkeys(("query_param", "query_params", "params", "query_parameters"), Here({"query": VALUE}, wanted)),
        **dict.fromkeys(("return", "status", "direct_response"), Here({"respond": {"status": VALUE}}, answer)),
        "deny": Here({"respond": {"status": VALUE}}, deny),
        **dict.fromkeys(("redirect_to", "https_redirect", "ssl_redirect"), Here({"redirect": ...}, redirect)),
        **dict.fromkeys(
            ("prefix_rewrite", "rewrite_target", "url_rewrite"), Here({"rewrite": {"prefix": VALUE}}, text)
        ),
        **dict.fromkeys(("strip_prefix", "strip_path", "stripprefix"), Here({"rewrite": {"prefix": ...}}, strip)),
        **dict.fromkeys(
            ("proxy_set_header", "add_request_header", "set_headers", "set_header"),
            Here({"request_headers": {"set": VALUE}}, added),
        ),
        **dict.fromkeys(
            ("add_header", "add_headers", "add_response_header"), Here({"response_headers": {"set": VALUE}}, added)
        ),
        **dict.fromkeys(("proxy_read_timeout", "request_timeout"), Here({"timeout": VALUE}, duration)),
        "timeouts": Here({"timeout": VALUE}, timeout),
        **dict.fromkeys(("client_max_body_size", "max_body_size"), Here({"max_body": VALUE}, size)),
        **dict.fromkeys(("shadow", "mirrors", "request_mirror_policies"), Here({"mirror": {"to": VALUE}}, one_target)),
        **dict.fromkeys(("limit_req", "limit", "ratelimit"), Here({"rate_limit": {"requests": ..., "per": ...}}, rate)),
        **dict.fromkeys(("backup", "failover"), Here({"fallback": VALUE}, one_target)),
        **dict.fromkeys(("retry_policy", "retrypolicy"), RETRY_POLICY),
        "proxy_next_upstream": Here({"retries": {"on": ...}}, never),
        "acl": CONDITIONS,
        **dict.fromkeys(("try_files", "root", "alias"), NO_FILES),
        **dict.fromkeys(
            ("upgrade", "upgrades", "upgrade_configs", "enable_websocket", "use_websocket"),
            Here({"websocket": VALUE}, websocket),
        ),
        **dict.fromkeys(
            ("endpoints", "balance", "health_check", "circuit_breakers", "outlier_detection", "protocol", "tls"),
            "it belongs to a service, the one that the route leads to",
        ),
    }
)
"""Words of HAProxy, nginx, Consul, Kubernetes, Istio and Envoy for the fields of a route."""

Routes = Annotated[
    tuple[
        Annotated[
            Route,
            AfterValidator(check_route),
            ROUTE_SHAPE,
            Expected("a route", {"prefix": "/", "to": "web"}),
            MOVED_ROUTE,
            IfWrong(stand_in={"to": NOBODY}),
        ],
        ...,
    ],
    EXPECTED_ROUTES,
    IfWrong(stand_in=[{"to": NOBODY}], wanted=True),
]
