"""Affinity: which requests a hashing balance sends to the same endpoint."""

from typing import Annotated

from pydantic import AfterValidator, Field, Strict, StringConstraints
from pydantic.dataclasses import dataclass

from xds.catalog.text.field import About, Alone, Example, Expected, IfWrong
from xds.catalog.text.http import HashHeader
from xds.catalog.text.names import CONFIG, NOBODY, Duration, Path

CookieName = Annotated[
    str,
    StringConstraints(max_length=256, pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"),
    Expected("a cookie's name of letters, digits, - and _", "sid"),
    IfWrong(stand_in=NOBODY),
]


@dataclass(frozen=True, slots=True, config=CONFIG)
class Cookie:
    """The cookie that tells who is who: the application's own, or with a `ttl` one that Envoy sets if it is missing."""

    name: Annotated[CookieName, Field(description="the cookie's name"), About(envoy="HashPolicy.Cookie.name")]
    ttl: Annotated[
        Duration | None,
        Field(description="Envoy sets it for this long, 0s until the browser ends"),
        About(default="Envoy sets none", envoy="HashPolicy.Cookie.ttl"),
    ] = None
    path: Annotated[Path, Field(description="for which paths Envoy sets it"), About(envoy="HashPolicy.Cookie.path")] = (
        "/"
    )


ShortCookie = Annotated[Cookie, Alone("name"), Example({"name": "sid", "ttl": "1h"})]


@dataclass(frozen=True, slots=True, config=CONFIG)
class Affinity:
    """Whose requests go to one endpoint: told by the first of these, in this order, that a request has."""

    header: Annotated[
        HashHeader | None,
        Field(description="by the value of a header; `host` and `:path` too"),
        About(envoy="HashPolicy.header"),
    ] = None
    query_parameter: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=256), Expected("a parameter's name", "user")] | None,
        Field(description="by the value of a parameter of the query"),
        About(envoy="HashPolicy.query_parameter"),
    ] = None
    cookie: Annotated[
        ShortCookie | None,
        Field(description="by a cookie: its name, or in full `{name, ttl, path}`"),
        About(envoy="HashPolicy.cookie"),
    ] = None
    source: Annotated[
        bool,
        Strict(),
        Field(description="by the client's IP address; TCP has no other"),
        About(envoy="HashPolicy.connection_properties"),
    ] = False


def check_affinity(affinity: Affinity) -> Affinity:
    """Refuse an affinity to nothing."""
    if not (affinity.header or affinity.query_parameter or affinity.cookie or affinity.source):
        raise ValueError(
            "says not by what: write one of header, query_parameter, cookie and source, such as {header: x-user}"
        )
    return affinity


CheckedAffinity = Annotated[
    Affinity,
    AfterValidator(check_affinity),
    Example({"header": "x-user"}),
    IfWrong(needs=("header", "query_parameter", "cookie", "source")),
]
