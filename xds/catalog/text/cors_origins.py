"""Origins: which web pages may call, as people write them and as browsers send them."""

import re
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import PlainValidator
from pydantic.json_schema import WithJsonSchema

from xds.catalog.text.address_patterns import HOST_NAME, LABEL
from xds.catalog.text.field import Expected
from xds.catalog.text.mistake import Mendable, Mistake, Mistakes
from xds.catalog.text.regex import PATTERN_SHAPE, check_pattern
from xds.wording import show

HOSTS = rf"{LABEL}(\.{LABEL})*"
ORIGIN_SHAPE = WithJsonSchema(
    {
        "anyOf": [
            {
                "type": "string",
                "pattern": rf"^(\*|[Hh][Tt][Tt][Pp][Ss]?://((\*\.)?{HOSTS}|\[[0-9A-Fa-f:.]+\])(:[0-9]{{1,5}})?|\*\.{HOSTS}(:[0-9]{{1,5}})?)$",
            },
            {
                "type": "object",
                "properties": {"regex": {**PATTERN_SHAPE, "description": "a pattern (RE2) for the whole origin"}},
                "required": ["regex"],
                "additionalProperties": False,
            },
        ]
    }
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose web pages may call: one origin, any (`*`), those of a domain (`*` in front of it), or a pattern's."""

    text: str
    is_regex: bool = False

    @property
    def pattern(self) -> str | None:
        """The pattern (RE2) that an origin must match; None for one origin, and for any."""
        if self.is_regex:
            return self.text
        if self.text == "*" or "*" not in self.text:
            return None
        scheme, _, domain = self.text.rpartition("://")
        quoted = re.sub(r"([.\[\]])", r"\\\1", domain.removeprefix("*"))
        return f"{scheme or 'https?'}://[a-z0-9.-]+{quoted}"

    @property
    def takes_all(self) -> bool:
        """Whether it matches origins that the operator did not name."""
        if self.is_regex:
            return any(re.fullmatch(self.text, f"{scheme}://xds.invalid") for scheme in ("http", "https"))
        return self.text == "*"


ORIGIN = re.compile(r"(?:(https?)://)?(\*\.)?([^/:*?#@\s]+|\[[0-9a-f:.]+\])(?::(\d{1,5}))?", re.ASCII)
EXPECTED_ORIGIN: Final = Expected(
    "an origin", "https://shop.example.com", "https://*.example.com", {"regex": "https://shop[0-9]"}, "*"
)


def parse_origin(value: object) -> Origin:
    """Read an origin as a browser sends it, in small letters, without the usual port."""
    if isinstance(value, Origin):
        return value
    if isinstance(value, dict) and list(value) == ["regex"] and isinstance(value["regex"], str) and value["regex"]:
        try:
            return Origin(check_pattern(value["regex"]), is_regex=True)
        except ValueError as error:
            raise Mistakes(Mistake(("regex",), str(error))) from None
    if not isinstance(value, str):
        raise ValueError(f"expected {EXPECTED_ORIGIN}, found {show(value)}")  # noqa: TRY004
    return Origin(value) if value == "*" else _read_origin(value.lower())


def _read_origin(text: str) -> Origin:
    if text == "null":
        raise ValueError("is the origin of any sandboxed page or local file: do not trust it")
    matched = ORIGIN.fullmatch(text)
    if matched is None:
        return _refuse_origin(text)
    scheme, wild, host, port = matched.groups()
    if not HOST_NAME.fullmatch(host) and (wild or not host.startswith("[")):
        return _refuse_origin(text)
    if not scheme and not wild:
        raise Mendable("an origin has a scheme", f"https://{text}")
    if (scheme, port) in (("https", "443"), ("http", "80")):
        raise Mendable("a browser leaves out the usual port", text.rpartition(":")[0])
    origin = Origin(text)
    if origin.pattern is not None:
        check_pattern(origin.pattern)
    return origin


def _refuse_origin(text: str) -> Origin:
    scheme, _, rest = text.rpartition("://")
    host = rest.partition("/")[0]
    if host != rest and host and ORIGIN.fullmatch(f"{scheme}://{host}"):
        raise Mendable("an origin has no path", f"{scheme}://{host}")
    raise ValueError(f"expected {EXPECTED_ORIGIN}, found {show(text)}")


CorsOrigin = Annotated[Origin, PlainValidator(parse_origin), ORIGIN_SHAPE, EXPECTED_ORIGIN]
