"""Encodes values, written as in protobuf's JSON, as fields: numbers, text, enums, durations and so on.

A value that is the default is encoded too, since it may have to replace another value when messages merge. A function
raises a ValueError, whose text is for the operator, for a value that it cannot encode.
"""

import base64
import binascii
import math
import re
import struct
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from xds.catalog.text.durations import parse_duration
from xds.wire.varint import encode_field, encode_varint
from xds.wording import show, suggest

JSON_DURATION = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,9}))?s", re.ASCII)

VARINT, FIXED64, FIXED32 = 0, 1, 5

INTEGERS = {
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
    "sint32": (-(2**31), 2**31 - 1),
    "sint64": (-(2**63), 2**63 - 1),
    "fixed32": (0, 2**32 - 1),
    "fixed64": (0, 2**64 - 1),
    "sfixed32": (-(2**31), 2**31 - 1),
    "sfixed64": (-(2**63), 2**63 - 1),
}
"""The smallest and the largest value of each kind of integer."""

FIXED = {"fixed32": "<I", "sfixed32": "<i", "float": "<f", "fixed64": "<Q", "sfixed64": "<q", "double": "<d"}
WRAPPED = {
    "BoolValue": "bool",
    "BytesValue": "bytes",
    "DoubleValue": "double",
    "FloatValue": "float",
    "Int32Value": "int32",
    "Int64Value": "int64",
    "StringValue": "string",
    "UInt32Value": "uint32",
    "UInt64Value": "uint64",
}
"""Protobuf's wrappers of one value, and for each the type of that value."""


def encode_scalar(number: int, kind: str, type_: Any, value: object) -> bytes:
    """Encode a field that is not a message, with its tag; raise ValueError if the value is of another type."""
    if kind == "string":
        return encode_field(number, _read_string(value).encode())
    if kind == "bytes":
        return encode_field(number, _read_bytes(value))
    if kind == "enum":
        return encode_varint(number << 3 | VARINT) + encode_varint(_read_enum(type_, value))
    if kind == "bool":
        if not isinstance(value, bool):
            raise ValueError(f"expected true or false, found {show(value)}")
        return encode_varint(number << 3 | VARINT) + encode_varint(value)
    plain = _read_float(kind, value) if kind in ("float", "double") else _read_integer(kind, value)
    if kind in FIXED:
        packed = struct.pack(FIXED[kind], plain)
        return encode_varint(number << 3 | (FIXED32 if len(packed) == 4 else FIXED64)) + packed
    integer = int(plain)
    if kind.startswith("sint"):
        integer = integer << 1 if integer >= 0 else (-integer << 1) - 1
    return encode_varint(number << 3 | VARINT) + encode_varint(integer)


def _read_string(value: object) -> str:
    if isinstance(value, str):
        return value
    hint = f': write "{show(value)}" in quotes' if isinstance(value, bool | int | float) else ""
    raise ValueError(f"expected text, found {show(value)}{hint}")


def _read_bytes(value: object) -> bytes:
    try:
        return base64.b64decode(_read_string(value), validate=True)
    except binascii.Error:
        raise ValueError(f"expected bytes in base64, found {show(value)}") from None


def _read_integer(kind: str, value: object) -> int:
    least, most = INTEGERS[kind]
    if isinstance(value, str) and kind.endswith("64") and re.fullmatch(r"-?\d{1,20}", value, re.ASCII):
        value = int(value)  # protobuf's JSON writes 64-bit numbers as strings
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        hint = f": write {value.strip()} without quotes" if isinstance(value, str) and value.strip().isdecimal() else ""
        raise ValueError(f"expected a whole number from {least} to {most}, found {show(value)}{hint}")
    return value


def _read_float(kind: str, value: object) -> float:
    if isinstance(value, str) and value in ("NaN", "Infinity", "-Infinity"):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"expected a number, found {show(value)}")  # noqa: TRY004
    if kind == "float" and math.isfinite(value) and abs(value) > 3.4028234e38:
        raise ValueError(f"{value} is too large for a float")
    return float(value)


def _read_enum(type_: Any, value: object) -> int:
    names = {getattr(one, "proto_name", None) or one.name: int(one) for one in type_}
    if isinstance(value, str) and value in names:
        return names[value]
    if isinstance(value, int) and not isinstance(value, bool) and value in names.values():
        return value
    upper = {name.lower(): name for name in names}
    near = suggest(value, upper) if isinstance(value, str) else ""
    for lower, name in upper.items():
        near = near.replace(f"`{lower}`", f"`{name}`")
    raise ValueError(f"expected one of {', '.join(names)}; found {show(value)}{near}")


def _encode_duration(value: object) -> bytes:
    """Encode a duration, written as in protobuf's JSON ("1.5s") or in any way that the catalog allows."""
    if isinstance(value, str) and (matched := JSON_DURATION.fullmatch(value)):
        sign = -1 if matched[1] else 1
        seconds, nanos = sign * int(matched[2]), sign * int((matched[3] or "").ljust(9, "0"))
    else:
        parsed = parse_duration(value)
        if not isinstance(parsed, timedelta):
            raise ValueError(f"expected a duration, such as 1.5s, found {show(value)}")
        seconds, nanos = parsed.days * 86_400 + parsed.seconds, parsed.microseconds * 1000
    return encode_scalar(1, "int64", None, seconds) + encode_scalar(2, "int32", None, nanos)


def _encode_timestamp(value: object) -> bytes:
    try:
        parsed = datetime.fromisoformat(_read_string(value))
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        raise ValueError(f'expected a time such as "2030-01-31T12:00:00Z", found {show(value)}')
    nanos = encode_scalar(2, "int32", None, parsed.microsecond * 1000)
    return encode_scalar(1, "int64", None, math.floor(parsed.timestamp())) + nanos


def _encode_struct(value: object) -> bytes:
    if not isinstance(value, Mapping):
        raise ValueError(f"expected a mapping, found {show(value)}")  # noqa: TRY004
    entries = (encode_field(1, key.encode()) + encode_field(2, _encode_value(one)) for key, one in value.items())
    return b"".join(encode_field(1, entry) for entry in entries)


def _encode_value(value: object) -> bytes:
    if value is None:
        return encode_varint(1 << 3 | VARINT) + b"\0"
    if isinstance(value, bool):
        return encode_scalar(4, "bool", None, value)
    if isinstance(value, int | float):
        return encode_scalar(2, "double", None, value)
    if isinstance(value, str):
        return encode_scalar(3, "string", None, value)
    if isinstance(value, list):
        return encode_field(6, _encode_list(value))
    return encode_field(5, _encode_struct(value))


def _encode_list(value: object) -> bytes:
    if not isinstance(value, list):
        raise ValueError(f"expected a list, found {show(value)}")  # noqa: TRY004
    return b"".join(encode_field(1, _encode_value(one)) for one in value)


def _encode_mask(value: object) -> bytes:
    names = (re.sub("([A-Z])", r"_\1", one).lower() for one in _read_string(value).split(","))
    return b"".join(encode_field(1, name.encode()) for name in names)


WELL_KNOWN: dict[str, Callable[[object], bytes]] = {
    "Duration": _encode_duration,
    "Timestamp": _encode_timestamp,
    "Struct": _encode_struct,
    "Value": _encode_value,
    "ListValue": _encode_list,
    "FieldMask": _encode_mask,
}
"""The well-known types that have a form of their own in protobuf's JSON."""
