"""Methods, headers, query parameters and bodies of HTTP messages, as people write them in a route.

Pure functions over plain values, used as validators by the model's classes.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator
from pydantic.json_schema import WithJsonSchema

from xds.catalog.text.field import Expected, Narrowed
from xds.catalog.text.http_meanings import mend_added
from xds.catalog.text.mistake import Mistake, Mistakes
from xds.catalog.text.names import parse_list
from xds.catalog.text.text_match import How, TextMatch, Wanted, make_wanted_shape
from xds.wording import show

HEADER_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,256}|:method", re.ASCII)
HEADER_VALUE = re.compile(r"[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?")


EXPECTED_HEADER: Final = Expected("a header's name", "x-user")
EXPECTED_METHOD: Final = Expected("a method", "GET")


def check_hash_header(name: str) -> str:
    """Check and lower-case the header whose value distinguishes requests; Envoy's name for Host is `:authority`."""
    lower = name.lower()
    if lower == "host":
        return ":authority"
    if lower in (":authority", ":path") or HEADER_NAME.fullmatch(lower):
        return lower
    raise ValueError(f"{show(name)} is not a header's name: letters, digits and - only")


MAX_BODY = 4096
"""Envoy's limit on the body of a direct response, in bytes."""

METHOD = re.compile(r"[A-Z][A-Z_-]{0,31}")
USUAL_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
"""Those of RFC 9110 and 5789 that a route can take: a word in small letters is meant as one of these."""

QUERY_TEXT = re.compile(r"""[!"$%'-;<>-~]{1,1024}""")
"""A parameter as it stands in the URL, percent-encoded; Envoy compares it so."""

HOP_BY_HOP = frozenset(
    {
        "connection",
        "content-length",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def check_method(value: str) -> str:
    """Refuse a text that is not a method, and CONNECT, since no route provides a tunnel."""
    if value == "CONNECT":
        raise ValueError("CONNECT requests a tunnel, which no route provides")
    if METHOD.fullmatch(value):
        return value
    hint = f": write {value.upper()}" if value.upper() in USUAL_METHODS else ""
    if value.lower() in ("any", "all", "*"):
        hint = ": for any method, leave it out"
    raise ValueError(f"expected {EXPECTED_METHOD}, found {show(value)}{hint}")


def check_headers(headers: Mapping[str, Wanted]) -> Mapping[str, Wanted]:
    """Check and lower-case the headers that a route wants."""
    mistakes: list[Mistake] = []
    lowered: dict[str, Wanted] = {}
    for name, value in headers.items():
        lower = name.lower()
        if lower == "host" or lower == ":authority":
            mistakes.append(Mistake((name,), "the Host header is matched by the route's `host`"))
        elif not HEADER_NAME.fullmatch(lower):
            mistakes.append(Mistake((name,), f"{show(name)} is not a header's name: letters, digits and - only"))
        elif lower in lowered:
            mistakes.append(Mistake((name,), f"{show(name)} is given twice: capitals make no difference"))
        elif isinstance(value, TextMatch):
            mistakes += check_part(name, value)
        elif not value:
            mistakes.append(Mistake((name,), 'an empty value matches nothing: write "*" for any value'))
        elif not HEADER_VALUE.fullmatch(value):
            mistakes.append(Mistake((name,), "a header's value has no control characters, and no spaces at its ends"))
        lowered[lower] = value
    if mistakes:
        raise Mistakes(*mistakes)
    return lowered


def check_query(query: Mapping[str, Wanted]) -> Mapping[str, Wanted]:
    """Refuse parameters that a URL cannot have unencoded."""
    mistakes: list[Mistake] = []
    for name, value in query.items():
        if not QUERY_TEXT.fullmatch(name):
            mistakes.append(
                Mistake((name,), f"{show(name)} is not a parameter's name: write it as in the URL, percent-encoded")
            )
        elif isinstance(value, TextMatch):
            if value.how not in (How.ABSENT, How.REGEX) and not QUERY_TEXT.fullmatch(value.text.replace("=", "-")):
                message = "a parameter's value is written as in the URL, percent-encoded"
                mistakes.append(Mistake((name, value.how.value), message))
        elif not value:
            mistakes.append(Mistake((name,), 'an empty value matches nothing: write "*" for any value'))
        elif not QUERY_TEXT.fullmatch(value.replace("=", "-")):
            mistakes.append(Mistake((name,), "a parameter's value is written as in the URL, percent-encoded"))
    if mistakes:
        raise Mistakes(*mistakes)
    return query


def check_added_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Check and lower-case headers that are set or added."""
    mistakes = _check_names(headers)
    for name, value in headers.items():
        if not HEADER_VALUE.fullmatch(value) or len(value) > 8192:
            mistakes.append(Mistake((name,), "a header's value has no control characters, and no spaces at its ends"))
    if mistakes:
        raise Mistakes(*mistakes)
    return {name.lower(): value for name, value in headers.items()}


def check_removed_headers(names: tuple[str, ...]) -> tuple[str, ...]:
    """Check and lower-case headers that are removed."""
    mistakes = [Mistake((names.index(str(loc[0])),), message) for loc, message, *_ in _check_names(names)]
    if mistakes:
        raise Mistakes(*mistakes)
    return tuple(name.lower() for name in names)


def _check_names(names: Iterable[str]) -> list[Mistake]:
    """Return which headers no route may change, and why."""
    mistakes: list[Mistake] = []
    seen: set[str] = set()
    for name in names:
        lower = name.lower()
        if lower.startswith(":"):
            mistakes.append(Mistake((name,), f"{show(name)} is not a header: it is a part of the request itself"))
        elif lower == "host":
            mistakes.append(Mistake((name,), "the Host header is changed by `rewrite: {host: ...}`"))
        elif lower in HOP_BY_HOP:
            mistakes.append(Mistake((name,), f"{show(name)} belongs to one connection: Envoy sets it itself"))
        elif not HEADER_NAME.fullmatch(lower):
            mistakes.append(Mistake((name,), f"{show(name)} is not a header's name: letters, digits and - only"))
        elif lower in seen:
            mistakes.append(Mistake((name,), f"{show(name)} is given twice: capitals make no difference"))
        seen.add(lower)
    return mistakes


def check_body(value: str) -> str:
    """Refuse a body that Envoy refuses."""
    if (size := len(value.encode())) > MAX_BODY:
        raise ValueError(f"has {size} bytes, where {MAX_BODY} at most are taken")
    return value


def any_case(*words: str) -> str:
    """Write the regular expression of words in capitals and small letters."""
    return "|".join("".join(f"[{one.upper()}{one}]" if one.isalpha() else one for one in word) for word in words)


NAME_CHARACTERS = r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}"
HEADER_SHAPE: Final[dict[str, Any]] = {"pattern": f"^({NAME_CHARACTERS}|{any_case(':method')})$"}
HASH_HEADER_SHAPE: Final = {"pattern": f"^({NAME_CHARACTERS}|{any_case(':method', ':path', ':authority')})$"}
CHANGED_SHAPE: Final[dict[str, Any]] = {
    "pattern": f"^{NAME_CHARACTERS}$",
    "not": {"pattern": f"^({any_case('host', *sorted(HOP_BY_HOP))})$"},
}
VALUE_PATTERN = r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?$"
VALUE_SHAPE: Final = {
    "type": "string",
    "maxLength": 8192,
    "pattern": VALUE_PATTERN,
}
MATCHED_HEADERS = Narrowed(
    {
        "propertyNames": {**HEADER_SHAPE, "not": {"pattern": f"^{any_case('host')}$"}},
        "additionalProperties": make_wanted_shape(VALUE_PATTERN, r"^[^\x00-\x1f\x7f]+$"),
    }
)
QUERY_VALUE = r"""^[!"$%'-~]{1,1024}$"""
MATCHED_QUERY = Narrowed(
    {
        "propertyNames": {"pattern": f"^{QUERY_TEXT.pattern}$"},
        "additionalProperties": make_wanted_shape(QUERY_VALUE, QUERY_VALUE),
    }
)
METHOD_SHAPE: dict[str, Any] = {"type": "string", "pattern": "^[A-Z][A-Z_-]*$", "not": {"enum": ["CONNECT"]}}
METHODS_SHAPE = WithJsonSchema({"anyOf": [METHOD_SHAPE, {"type": "array", "items": METHOD_SHAPE}]})

HashHeader = Annotated[str, AfterValidator(check_hash_header), Narrowed(HASH_HEADER_SHAPE), EXPECTED_HEADER]
Method = Annotated[str, AfterValidator(check_method), WithJsonSchema(METHOD_SHAPE), EXPECTED_METHOD]
Methods = Annotated[
    tuple[Method, ...],
    BeforeValidator(parse_list),
    METHODS_SHAPE,
    Expected("a method, or a list of them", "GET", ["GET", "HEAD"]),
]
AddedHeaders = Annotated[
    Mapping[str, str],
    AfterValidator(check_added_headers),
    Narrowed({"propertyNames": CHANGED_SHAPE, "additionalProperties": VALUE_SHAPE}),
    Expected("a mapping of header names and values", {"x-team": "a"}, mend=mend_added),
]
RemovedHeaders = Annotated[
    tuple[Annotated[str, EXPECTED_HEADER], ...],
    AfterValidator(check_removed_headers),
    Narrowed({"items": {"type": "string", **CHANGED_SHAPE}}),
    Expected("a list of header names", ["x-internal"]),
]
Body = Annotated[str, AfterValidator(check_body), Narrowed({"maxLength": MAX_BODY})]


def check_part(name: str, wanted: TextMatch) -> list[Mistake]:
    """Refuse a part of a header's value that has characters a header cannot have."""
    if wanted.how in (How.ABSENT, How.REGEX) or HEADER_VALUE.fullmatch(f"x{wanted.text}x"):
        return []
    return [Mistake((name, wanted.how.value), "a header's value has no control characters")]
