"""What values of other programs' keys are here: numbers, switches, durations, lists, addresses.

Each function takes the value that was written, and returns the value for one of our fields, `Fields`, or None if it has
no translation. What it returns need not be valid: a hint names a value only if its field takes it.
"""

import re
from collections.abc import Callable, Mapping

from xds.catalog.text.addresses import (
    normalize_host,
    normalize_ip,
    read_server_line,
    split_address,
)
from xds.catalog.text.durations import DURATION
from xds.catalog.text.foreign import Fields, Said
from xds.catalog.text.protocols import NO_DATAGRAMS, USUAL_PORTS, read_scheme
from xds.wording import split_host_and_port

Meaning = Callable[[object], object]

SWITCHES = {
    **dict.fromkeys(("true", "yes", "on", "enabled", "1"), True),
    **dict.fromkeys(("false", "no", "off", "disabled", "none", "0"), False),
}
SEPARATORS = re.compile(r"[,;\s]+")
URL = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?#\s]*)([/?#]\S*)?", re.IGNORECASE | re.ASCII)
"""Its scheme, its host and port, and its path with what follows."""


def never(value: object) -> None:
    """Translate no value."""


def flag(value: object) -> bool | None:
    """Read true and false, also as other programs write them."""
    return SWITCHES.get(str(value).lower())


def flag_or_text(value: object) -> object:
    """Read true and false, and anything else as it is."""
    meant = flag(value)
    return value if meant is None else meant


def negated(value: object) -> bool | None:
    """Read the opposite of what is meant here."""
    meant = flag(value)
    return None if meant is None else not meant


def when(meant: object, otherwise: object = None) -> Meaning:
    """Translate true into one value and false into another."""
    return lambda value: {True: meant, False: otherwise, None: None}[flag(value)]


def scheme(value: object) -> Fields | None:
    """Read a scheme as whether there is TLS."""
    return {"https": Fields(tls=True), "http": Fields()}.get(str(value).lower())


def number(value: object) -> int | None:
    """Read a whole number, also in quotes."""
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value) if str(value).isdecimal() else None
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) <= 10 else None


def text(value: object) -> str | None:
    """Read text, and a number as it was written."""
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None


def duration(value: object) -> str | None:
    """Read a duration with its unit, also with a space before that."""
    found = re.sub(r"\s+", "", value) if isinstance(value, str) else ""
    return found if found and DURATION.fullmatch(found) else None


def seconds(value: object) -> str | None:
    """Read a number of seconds, or a duration."""
    count = number(value)
    return duration(value) if count is None else f"{count}s"


def size(value: object) -> object:
    """Read a size, also in nginx's units, which are powers of 1024."""
    found = re.fullmatch(r"(\d{1,9})([kmg])", value.lower(), re.ASCII) if isinstance(value, str) else None
    return f"{found[1]}{found[2].upper()}iB" if found else value


def items(value: object) -> list[object] | None:
    """Read a list, the keys of a mapping, or the words of a text."""
    if isinstance(value, Mapping):
        return [*value] if value and all(one is None or isinstance(one, Mapping) for one in value.values()) else None
    if isinstance(value, str):
        return list(filter(None, SEPARATORS.split(value))) or None
    return value or None if isinstance(value, list) else None


def one_or_more(value: object) -> object:
    """Read a list of texts, of which one alone needs no list."""
    found = items(value)
    if found is None or not all(isinstance(one, str) for one in found):
        return None
    return found[0] if len(found) == 1 else found


def file(value: object) -> str | None:
    """Read the path of a file."""
    return value.rstrip(";") if isinstance(value, str) else None


def labels(value: object) -> dict[str, object] | None:
    """Read a mapping of labels, or texts such as `version=2`."""
    if isinstance(value, Mapping):
        return dict(value) or None
    words = items(value) or []
    pairs = [re.split("[=:]", one, maxsplit=1) for one in words if isinstance(one, str)]
    return dict(map(tuple, pairs)) if pairs and all(len(one) == 2 and all(one) for one in pairs) else None  # type: ignore[arg-type]


def subset(value: object) -> Fields | None:
    """Read labels as the endpoints' that make a subset, whose name is open."""
    found = labels(value) if isinstance(value, Mapping) else None
    if found and all(isinstance(one, Mapping) for one in found.values()):
        return Fields(subsets=found)
    return Fields(subsets={...: found}) if found else None


def metadata(value: object) -> Fields | None:
    """Read labels of endpoints whose addresses are open."""
    found = labels(value)
    return Fields(endpoints=[{"address": ..., "metadata": found}]) if found else None


# Addresses.


def address(value: object) -> object:
    """Read the address of an endpoint: text, or Envoy's messages around it."""
    if isinstance(value, Mapping):
        for inner in ("address", "socket_address"):
            if isinstance(value.get(inner), Mapping):
                return address(value[inner])
        host, port = value.get("address", value.get("host")), value.get("port_value", value.get("port"))
        if value.keys() <= {"address", "host", "port_value", "port", "protocol"} and isinstance(host, str):
            return Fields(address=host) if port is None else Fields(address=host, port=number(port))
    return value if isinstance(value, str) and (split_address(value) or normalize_host(value)) else None


def addresses(value: object) -> Fields | Said | None:
    """Read the endpoints of a service: one or several addresses, URLs, or lines of HAProxy and nginx."""
    if (port := number(value)) is not None:
        return Fields(endpoints=[{"address": ..., "port": port}])
    found: list[object] = []
    others: list[dict[str, object]] = []
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, str) and one.lower().startswith("udp://"):
            return Said(NO_DATAGRAMS)
        endpoints, beside = _read_endpoint(one)
        found += endpoints
        others.append(beside)
        if not endpoints or beside != others[0]:
            return None
    return Fields(endpoints=found, **others[0]) if found else None


def _read_endpoint(value: object) -> tuple[list[object], dict[str, object]]:
    """Return the endpoints that a value has, none if it cannot be read, and the fields that they need beside them."""
    if isinstance(value, Mapping):
        found = address(value)
        return ([dict(found)] if isinstance(found, Fields) and "port" in found else []), {}
    if not isinstance(value, str):
        return [], {}
    if url := URL.fullmatch(value):
        fields, is_plain = read_scheme(url[1]), url[3] in (None, "/")
        port = USUAL_PORTS.get(url[1].lower())
        whole = next(filter(split_address, (url[2], f"{url[2]}:{port}")), None)
        return ([whole] if whole and fields is not None and is_plain else []), fields or {}
    if (host := normalize_host(value)) is not None and not split_address(value):
        return [{"address": host, "port": ...}], {}
    words = [one for one in SEPARATORS.split(value) if one]
    if all(map(split_address, words)):
        return [*words], {}
    endpoint, rest = read_server_line(value) or ({}, ["?"])
    if rest not in ([], ["check"]):
        return [], {}
    return [endpoint if len(endpoint) > 1 else endpoint["address"]], {"health_check": {"tcp": True}} if rest else {}


def listens(value: object) -> object:
    """Read where a gateway listens: a port, an address and port, or several ports."""
    if isinstance(value, list):
        ports = [number(one) for one in value]
        many = len(ports) > 1 and None not in ports
        return Fields(listeners=[{"port": port} for port in ports]) if many else listens(value[0]) if ports else None
    if (port := number(value)) is not None:
        return port
    words = value.rstrip(";").split() if isinstance(value, str) else [""]
    parts = [one for one in SEPARATORS.split(value) if one] if isinstance(value, str) else []
    if len(parts) > 1 and None not in map(number, parts):
        return listens(parts)
    host, port = ("", number(words[0])) if words and words[0].isdecimal() else _split_listen(words[0] if words else "")
    if port is None or not {*words[1:]} <= {"ssl", "default_server", "http2"} or (host and normalize_ip(host) is None):
        return None
    found: dict[str, object] = {"address": host} if host not in ("", "0.0.0.0") else {}  # noqa: S104 - it is the default
    return Fields(found, port=port, **({"tls": ...} if "ssl" in words else {}))


def _split_listen(value: str) -> tuple[str, int | None]:
    host, port = split_host_and_port(value) or ("", None)
    if value[:1] in (":", "*"):
        host, port = "", number(value.removeprefix("*").removeprefix(":"))
    return host, port
