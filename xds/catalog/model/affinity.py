"""Affinity: which requests a hashing balance sends to the same endpoint."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field, Strict, StringConstraints
from pydantic.dataclasses import dataclass

from xds.catalog.text.field import About, Alone, Example, Expected, IfWrong, Moved
from xds.catalog.text.foreign import VALUE, Here
from xds.catalog.text.http import HashHeader
from xds.catalog.text.meanings import flag, text
from xds.catalog.text.mistake import Unsaid
from xds.catalog.text.names import CONFIG, NOBODY, Duration, Path
from xds.wording import write_flow

CookieName = Annotated[
    str,
    StringConstraints(max_length=256, pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"),
    Expected("a cookie's name of letters, digits, - and _", "sid"),
    IfWrong(stand_in=NOBODY),
]


@dataclass(frozen=True, slots=True, config=CONFIG)
class Cookie:
    """The cookie that identifies a client: the application's own, or one that Envoy sets, if it has a `ttl`."""

    name: Annotated[CookieName, Field(description="The name of the cookie"), About(envoy="HashPolicy.Cookie.name")]
    ttl: Annotated[
        Duration | None,
        Field(description="Envoy sets the cookie for this long when a client lacks it; `0s` makes a session cookie"),
        About(default="Envoy sets none", envoy="HashPolicy.Cookie.ttl"),
    ] = None
    path: Annotated[
        Path, Field(description="The path for which Envoy sets it"), About(envoy="HashPolicy.Cookie.path")
    ] = "/"


ShortCookie = Annotated[Cookie, Alone("name"), Example({"name": "sid", "ttl": "1h"})]


@dataclass(frozen=True, slots=True, config=CONFIG)
class Affinity:
    """What makes two requests go to the same endpoint: the first of these, in this order, that a request has."""

    header: Annotated[
        HashHeader | None,
        Field(description="The value of this header; `host` and `:path` are possible too"),
        About(envoy="HashPolicy.header"),
    ] = None
    query_parameter: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=256), Expected("a parameter's name", "user")] | None,
        Field(description="The value of this query parameter"),
        About(envoy="HashPolicy.query_parameter"),
    ] = None
    cookie: Annotated[
        ShortCookie | None,
        Field(description="The value of this cookie"),
        About(envoy="HashPolicy.cookie"),
    ] = None
    source: Annotated[
        bool,
        Strict(),
        Field(description="The client's IP address. TCP has only this"),
        About(envoy="HashPolicy.connection_properties"),
    ] = False


def check_affinity(affinity: Affinity) -> Affinity:
    """Refuse an affinity to nothing."""
    if not (affinity.header or affinity.query_parameter or affinity.cookie or affinity.source):
        raise Unsaid("is empty: write one of header, query_parameter, cookie and source, such as {header: x-user}")
    return affinity


BY_SOURCE: Final = ("ip", "client_ip", "clientip", "src", "source_ip", "sourceip", "source_address", "remote_addr")
"""Words for the client's address."""


def mend_affinity(value: object) -> str:
    """Return the affinity that a word for the client's address is meant for."""
    word = value.lower().replace("-", "_").lstrip("$") if isinstance(value, str) else ""
    return f"write {write_flow({'source': True})}" if word in BY_SOURCE else ""


CheckedAffinity = Annotated[
    Affinity,
    AfterValidator(check_affinity),
    Expected("", {"header": "x-user"}, mend=mend_affinity),
    Moved(
        {
            **dict.fromkeys((*BY_SOURCE, "use_source_ip"), Here({"source": VALUE}, flag)),
            **dict.fromkeys(("query", "param", "url_param"), Here({"query_parameter": VALUE}, text)),
            **dict.fromkeys(("hdr", "http_header_name"), Here({"header": VALUE}, text)),
        }
    ),
    IfWrong(needs=("header", "query_parameter", "cookie", "source")),
]
