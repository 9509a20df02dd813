"""Affinity: which requests a hashing balance sends to the same endpoint."""

import dataclasses
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler, Strict, StringConstraints
from pydantic.dataclasses import dataclass
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from xds.catalog.text.http import check_hash_header
from xds.catalog.text.names import CONFIG, Duration, Path

CookieName = Annotated[str, StringConstraints(max_length=256, pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]


@dataclass(frozen=True, slots=True, config=CONFIG)
class Cookie:
    """The cookie that tells who is who: the application's own, or with a `ttl` one that Envoy sets if it is missing."""

    name: Annotated[CookieName, Field(description="the cookie's name")]
    ttl: Annotated[
        Duration | None, Field(description="Envoy sets it for this long, 0s until the browser ends; never if left out")
    ] = None
    path: Annotated[Path, Field(description="for which paths Envoy sets it")] = "/"


@dataclasses.dataclass(frozen=True, slots=True)
class CookieShape:
    """A cookie is a mapping, or its name alone."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        mapping = handler(schema)
        name = handler.resolve_ref_schema(mapping)["properties"]["name"]
        return {"anyOf": [name, mapping]}


COOKIE_SHAPE = CookieShape()


def parse_cookie(value: object) -> object:
    """Turn a cookie's name alone into the mapping that it is short for."""
    return {"name": value} if isinstance(value, str) else value


@dataclass(frozen=True, slots=True, config=CONFIG)
class Affinity:
    """Whose requests go to one endpoint: told by the first of these, in this order, that a request has."""

    header: Annotated[
        Annotated[str, AfterValidator(check_hash_header)] | None,
        Field(description="a header, such as x-user; `host` and `:path` too"),
    ] = None
    query_parameter: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=256)] | None,
        Field(description="a parameter of the query"),
    ] = None
    cookie: Annotated[
        Annotated[Cookie, BeforeValidator(parse_cookie), COOKIE_SHAPE] | None,
        Field(description="a cookie: its name, or in full `{name, ttl, path}`"),
    ] = None
    source: Annotated[bool, Strict(), Field(description="the client's IP address")] = False


def check_affinity(affinity: Affinity) -> Affinity:
    """Refuse an affinity to nothing."""
    if not (affinity.header or affinity.query_parameter or affinity.cookie or affinity.source):
        raise ValueError(
            "says not by what: write one of header, query_parameter, cookie and source, such as {header: x-user}"
        )
    return affinity
