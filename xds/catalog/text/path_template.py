"""Templates for paths, `/users/{id}/orders/*`, and what their variables are put into.

This module refuses what Envoy's uri_template matcher refuses, and a little more: text before a `*`.
"""

import re
from collections import Counter
from typing import Annotated, Final

from pydantic import AfterValidator
from pydantic.json_schema import WithJsonSchema

from xds.catalog.text.field import Expected, IfWrong
from xds.catalog.text.mistake import Mendable
from xds.catalog.text.names import mend_path
from xds.wording import show

MAX_LENGTH = 256
"""Envoy's limit on the length of a template, and of what its variables are put into."""

MAX_VARIABLES = 5
"""Envoy's limit on a template's variables."""

MAX_NAME = 16
"""Envoy's limit on the length of a variable's name."""

SIGNS = r"a-zA-Z0-9._~%!$&'()+,;:@=-"
LITERAL = re.compile(rf"[{SIGNS}]+")
NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*")
SEGMENT = re.compile(r"/((?:\{[^{}]*\}|[^/{}])*)")
VARIABLE = re.compile(r"\{([^{}=]*)(?:=([^{}]*))?\}")
AFFIXED = re.compile(rf"[{SIGNS}]*(\{{[^{{}}=]*\}})[{SIGNS}]*")
SUFFIXED = re.compile(rf"(\*\*?|\{{[^{{}}]*\}})([{SIGNS}]+)")

_NAME = rf"[a-zA-Z][a-zA-Z0-9_]{{0,{MAX_NAME - 1}}}"
_SEGMENT = rf"(\*\*?|[{SIGNS}]+|[{SIGNS}]*\{{{_NAME}\}}[{SIGNS}]*|\{{{_NAME}=[/*{SIGNS}]+\}})"
TEMPLATE_SHAPE = WithJsonSchema(
    {
        "type": "string",
        "maxLength": MAX_LENGTH,
        "pattern": rf"^(/|(/{_SEGMENT})+([{SIGNS}]+|/)?)$",
    }
)
REWRITE_SHAPE = WithJsonSchema(
    {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_LENGTH,
        "pattern": rf"^(/([{SIGNS}]|\{{{_NAME}\}})+)*/?$",
    }
)


EXPECTED_TEMPLATE: Final = Expected("a path with variables", "/users/{id}/orders/*")
EXPECTED_REWRITE: Final = Expected("a path with variables of the route's template", "/v2/{id}")
EXPECTED_SUBSTITUTION: Final = Expected("a path that begins with /, without query", mend=mend_path)


def check_template(value: str) -> str:
    """Refuse a text that is not a template for Envoy."""
    _check_length(value)
    if not value.startswith("/"):
        mends = (f"/{value}",) if value[:1].isalnum() else ()
        raise Mendable(f"expected {EXPECTED_TEMPLATE}, found {show(value)}", *mends, complete=True)
    if value == "/":
        return value
    segments = SEGMENT.findall(value)
    if "".join(f"/{one}" for one in segments) != value:
        raise ValueError("a { begins a variable, and a } ends it, as in /users/{id}")
    if segments[-1] == "":
        segments.pop()
    elif suffixed := SUFFIXED.fullmatch(segments[-1]):
        segments[-1] = suffixed[1]
    parts = [part for segment in segments for part in _split(segment)]
    if "**" in parts[:-1] and any(part in ("*", "**") for part in parts[parts.index("**") + 1 :]):
        raise ValueError("no *, ** or variable may stand after a **")
    names = Counter(find_variables(value))
    if names.total() > MAX_VARIABLES:
        raise ValueError(f"has {names.total()} variables, where {MAX_VARIABLES} at most are taken")
    if twice := [name for name, count in names.items() if count > 1]:
        raise ValueError(f"has the variable {twice[0]} twice")
    return value


def _check_length(value: str) -> None:
    if len(value) > MAX_LENGTH:
        raise ValueError(f"has {len(value)} characters, where {MAX_LENGTH} at most are taken")


def _split(segment: str) -> list[str]:
    """Return a segment's literals, `*` and `**`, those of a variable one by one."""
    if segment in ("*", "**") or LITERAL.fullmatch(segment):
        return [segment]
    if not segment:
        raise ValueError("has two slashes in a row")
    affixed = AFFIXED.fullmatch(segment)
    matched = VARIABLE.fullmatch(affixed[1] if affixed else segment)
    if matched is None:
        raise ValueError(
            f"a segment is text, *, ** or one variable, as in /users/{{id}} or /v{{major}}; found {show(segment)}: "
            "after the last *, text may follow, as in /*.html"
        )
    name, inner = matched[1], matched[2]
    if not NAME.fullmatch(name) or len(name) > MAX_NAME:
        raise ValueError(
            f"a variable's name has letters, digits and _, begins with a letter, and is {MAX_NAME} long at most; "
            f"found {show(name)}"
        )
    parts = ["*"] if inner is None else inner.split("/")
    for part in parts:
        if part not in ("*", "**") and not LITERAL.fullmatch(part):
            raise ValueError(f"a variable stands for text, * and ** between slashes, found {show(inner)}")
    return parts


def find_variables(template: str) -> list[str]:
    """Return the variables of a template or of a rewrite."""
    return [name for name, _ in VARIABLE.findall(template)]


def has_affixed_variable(template: str) -> bool:
    """Whether a variable of a template is a part of a segment, as in /v{major}, other than /{name}.html at the end."""
    segments = SEGMENT.findall(template)
    if segments and SUFFIXED.fullmatch(segments[-1]):
        segments.pop()
    return any("{" in one and not VARIABLE.fullmatch(one) for one in segments)


def find_start(template: str) -> str:
    """Return what every path that a template matches begins with."""
    return re.split(r"[*{]", template, maxsplit=1)[0]


def check_template_rewrite(value: str) -> str:
    """Refuse a text into which Envoy cannot put a template's variables."""
    rest = VARIABLE.sub("x", value)
    _check_length(value)
    if not value.startswith("/") or not re.fullmatch(rf"[/{SIGNS}]+", rest):
        raise ValueError(f"expected {EXPECTED_REWRITE}, found {show(value)}")
    if "//" in value:
        raise ValueError("has two slashes in a row")
    if wrong := [
        name + ("=" if inner else "") for name, inner in VARIABLE.findall(value) if inner or not NAME.fullmatch(name)
    ]:
        raise ValueError(f"a variable stands here by its name alone, as in /v2/{{id}}, found {show(wrong[0])}")
    return value


GROUP = re.compile(r"\\(.)", re.DOTALL)


def check_substitution(value: str) -> str:
    r"""Refuse a text that is not a path; it may contain `\1` to `\9`."""
    if len(value) > 4096 or not re.fullmatch(r'[/\\][!"$->@-~]*', value):
        mends = (f"/{value}",) if value[:1].isalnum() else ()
        raise Mendable(f"expected {EXPECTED_SUBSTITUTION}, found {show(value)}", *mends, complete=True)
    for what in GROUP.findall(value):
        if not what.isdigit():
            raise ValueError(rf"a \ stands only before a group's number, as in \1, found {show(what)} after it")
    if re.search(r"(?<!\\)\\$", value):
        raise ValueError(r"a \ stands only before a group's number, as in \1")
    return value


SUBSTITUTION_SHAPE = WithJsonSchema(
    {"type": "string", "maxLength": 4096, "pattern": r'^(/|\\[0-9])([!"$->@-\[\]-~]|\\[0-9])*$'}
)
PathTemplate = Annotated[str, AfterValidator(check_template), TEMPLATE_SHAPE, EXPECTED_TEMPLATE, IfWrong(stand_in="/")]
TemplateRewrite = Annotated[str, AfterValidator(check_template_rewrite), REWRITE_SHAPE, EXPECTED_REWRITE]
Substitution = Annotated[str, AfterValidator(check_substitution), SUBSTITUTION_SHAPE, EXPECTED_SUBSTITUTION]
