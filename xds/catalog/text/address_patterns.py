"""The patterns of hosts, IP addresses and ports, and their shapes in the JSON Schema.

A schema knows an IPv6 address only roughly.
"""

import re
from typing import Any, Final

from pydantic.json_schema import WithJsonSchema

OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
IPV4 = re.compile(rf"{OCTET}(?:\.{OCTET}){{3}}")
LABEL = r"[a-zA-Z0-9_](?:[a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?"
HOST_NAME = re.compile(rf"(?=.{{1,253}}\Z){LABEL}(?:\.{LABEL})*")
NUMBERS = re.compile(r"[0-9.]*(?:^|\.)[0-9]+")
"""What ends in a number is an IPv4 address or nothing: no top-level domain is one."""

MAX_ADDRESSES: Final = 100
"""How many addresses one listener can have."""

MAX_HOSTS: Final = 100
"""How many hosts one route can have."""

NAMES = rf"{LABEL}(?:\.{LABEL})*"
NO_NUMBER = r"(?!([^:]*\.)?[0-9]+(:|$))"
"""In front of a host: its last part is no number."""

BARE_IPV6 = r"(?=[^\]]*:[^\]]*:)(?![^\]]*[0-9A-Fa-f]{5})[0-9A-Fa-f:.]{2,45}"
IPV6 = rf"\[{BARE_IPV6}\]"
ANY_HOST = rf"{IPV4.pattern}|{NO_NUMBER}{NAMES}"
PORT = r"(?!0+$)([0-9]{1,4}|[0-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"  # 1 to 65535


def make_shape(pattern: str, **more: object) -> dict[str, Any]:
    """Return the JSON Schema of a text that matches a pattern as a whole."""
    return {"type": "string", **more, "pattern": f"^({pattern})$"}


ADDRESS_SHAPE: Final = make_shape(rf"({IPV6}|{ANY_HOST}):{PORT}")
ENDPOINT_SHAPE = WithJsonSchema(make_shape(rf"{BARE_IPV6}|({IPV6}|{ANY_HOST})(:{PORT})?"))
BIND_SHAPE: Final = make_shape(f"any|{IPV4.pattern}|{BARE_IPV6}")
BINDS_SHAPE = WithJsonSchema(
    {"anyOf": [BIND_SHAPE, {"type": "array", "items": BIND_SHAPE, "minItems": 1, "maxItems": MAX_ADDRESSES}]}
)
HOST_SHAPE = WithJsonSchema(make_shape(NAMES, maxLength=253))
SNI_SHAPE = WithJsonSchema(make_shape(f"(?!{IPV4.pattern}$){NAMES}", maxLength=253))
ALT_NAME_SHAPE = WithJsonSchema(make_shape(f"{NAMES}|{BARE_IPV6}", maxLength=253))
CERTIFICATE_HOST_SHAPE = WithJsonSchema(make_shape(rf"(\*\.)?{NO_NUMBER}{NAMES}", maxLength=255))
ROUTE_HOST_SHAPE: Final = make_shape(rf"\*|(\*\.)?{NAMES}", maxLength=255)
ROUTE_HOSTS_SHAPE = WithJsonSchema(
    {"anyOf": [ROUTE_HOST_SHAPE, {"type": "array", "items": ROUTE_HOST_SHAPE, "minItems": 1, "maxItems": MAX_HOSTS}]}
)
HOST_HEADER_SHAPE = WithJsonSchema(make_shape(f"{NAMES}(:{PORT})?"))
LISTEN_SHAPE = WithJsonSchema(
    {"anyOf": [make_shape(rf"({IPV6}|{IPV4.pattern}):{PORT}"), {"type": "integer", "minimum": 1, "maximum": 65535}]}
)
