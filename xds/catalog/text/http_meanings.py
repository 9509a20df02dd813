"""What values of other programs' keys are here that concern HTTP: paths, redirects, answers, headers, hosts, checks.

They are as in `meanings.py`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from xds.catalog.text.foreign import Fields, write_fields
from xds.catalog.text.meanings import URL, Meaning, duration, flag, never, number, one_or_more, text
from xds.catalog.text.protocols import USUAL_PORTS
from xds.wording import split_host_and_port, write_flow

LITERAL_PATH = re.compile(r"/[^\s*?#{}()\[\]|^$\\]*", re.ASCII)
ASKED = re.compile(r"""/[!"$-~]*""")
REDIRECTS = frozenset({301, 302, 303, 307, 308})
WAYS = {
    **dict.fromkeys(("value", "exact", "exact_match", "exactMatch", "string"), "exact"),
    **dict.fromkeys(("prefix", "prefix_match", "prefixMatch"), "prefix"),
    **dict.fromkeys(("suffix", "suffix_match", "suffixMatch"), "suffix"),
    **dict.fromkeys(("contains", "contains_match", "containsMatch"), "contains"),
    **dict.fromkeys(("regex", "regex_match", "safe_regex", "safe_regex_match"), "regex"),
}
"""Other names for the ways in which a header's value is compared."""

PRESENT = frozenset({"present", "present_match", "presentMatch"})
NAMES = ("name", "header", "header_name", "key", "parameter")


def path(value: object) -> str | None:
    """Read a path, also after a method or a scheme and host, and as Kubernetes writes it."""
    if isinstance(value, Mapping):
        inner = value.get("httpGet", value.get("http_get"))
        whole = inner if isinstance(inner, Mapping) and len(value) == 1 else value
        return path(whole["path"]) if whole.keys() == {"path"} else None
    if not isinstance(value, str):
        return None
    words = value.rstrip(";").removeprefix("httpchk ").split()
    if words[:1] and words[0].isupper() and words[0].isalpha():
        words = words[1:2]  # a method, and the version after the path
    return words[0] if len(words) == 1 and words[0].startswith("/") else None


def read_asked(value: object) -> dict[str, object] | None:
    """Return the fields of a check that asks for a URL; each endpoint is asked, in place of its host."""
    url = URL.fullmatch(value.rstrip(";")) if isinstance(value, str) else None
    if url is None or url[1].lower() not in ("http", "https"):
        return None
    scheme, rest = url[1].lower(), (url[3] or "").partition("#")[0]
    _, port = split_host_and_port(url[2]) or (url[2], USUAL_PORTS[scheme])
    path = rest if rest.startswith("/") else f"/{rest}"
    if not port or not ASKED.fullmatch(path):
        return None
    return {"http": path, "port": port, **({"tls": True} if scheme == "https" else {})}


def asked(value: object) -> object:
    """Read what a check by HTTP asks for: a path, or a URL."""
    found = read_asked(value)
    return path(value) if found is None else Fields(found)


def mend_asked(value: object) -> str:
    """Return the fields of a check that a URL in place of its path is meant for."""
    found = read_asked(value)
    return f"write {write_fields(found)}" if found else ""


def read_connected(value: object) -> dict[str, object] | None:
    """Return the fields of a check by TCP that is turned on, or has a port: alone or in an address."""
    if value is True:
        return {"tcp": True}
    address = split_host_and_port(value) if isinstance(value, str) else None
    port = address[1] if address else number(value)
    return None if port is None else {"tcp": True, "port": port}


def mend_connected(value: object) -> str:
    """Return the fields of a check by TCP that a port or an address is meant for."""
    found = read_connected(value)
    return f"write {write_fields(found)}" if found else ""


def mend_grpc(value: object) -> str:
    """Return how a check by gRPC is turned on, and off."""
    return 'write ""' if value is True else "leave it out" if value is False else ""


BESIDE_KIND: Final[Mapping[str, Meaning]] = {
    **dict.fromkeys(("interval", "timeout", "unhealthy_interval"), duration),
    **dict.fromkeys(("port", "healthy_threshold", "unhealthy_threshold"), number),
    **dict.fromkeys(("host",), text),
}
"""Fields of a check beside its kind."""


def _read_check(value: Mapping[str, object]) -> Fields | None:
    """Return a check whose kind is written as here; what it has beside that is left open if it has no translation."""
    kinds = [one for one in ("http", "grpc", "tcp") if one in value]
    if len(kinds) != 1:
        return None
    [kind] = kinds
    asks = value[kind]
    if kind == "http":
        own = read_asked(asks) or ({"http": asks} if path(asks) == asks else None)
    elif kind == "tcp":
        own = read_connected(asks)
    else:
        own = {"grpc": "" if asks is True else asks} if asks is True or isinstance(asks, str) else None
    beside = {name: BESIDE_KIND.get(name, never)(one) for name, one in value.items() if name != kind}
    if own is None or None in beside.values() or own.keys() & beside.keys():
        return Fields(health_check={kind: ...})
    return Fields(health_check={**own, **beside})


def check(value: object) -> Fields | None:
    """Read an active check: a path is by HTTP; what is only turned on is by TCP, as HAProxy's."""
    if (found := path(value)) is not None:
        return Fields(health_check={"http": found})
    if (whole := read_asked(value)) is not None:
        return Fields(health_check=whole)
    if value is True or value == "tcp":
        return Fields(health_check={"tcp": True})
    if value is False:
        return Fields(health_check="off")
    return _read_check(value) if isinstance(value, Mapping) else None


def check_kind(value: object) -> Fields | None:
    """Read the kind of a check."""
    kinds: dict[str, Fields] = {"tcp": Fields(tcp=True), "grpc": Fields(grpc=""), "http": Fields(http=...)}
    return kinds.get(str(value).lower())


def match(value: object) -> Fields | None:
    """Read which paths a route takes: a prefix, or a mapping or a location of nginx that says how it is compared."""
    if isinstance(value, list) and len(value) == 1:
        return match(value[0])
    if isinstance(value, Mapping):
        return _read_match(value)
    sign, _, rest = value.partition(" ") if isinstance(value, str) else ("", "", "")
    found = rest.strip() if sign in ("=", "^~") else value if isinstance(value, str) else ""
    if not LITERAL_PATH.fullmatch(found):
        return None
    return Fields(path=found) if sign == "=" else Fields(prefix=found)


def _read_match(value: Mapping[str, object]) -> Fields | None:
    words = {
        **dict.fromkeys(("prefix", "path_prefix", "pathPrefix", "PathPrefix"), "prefix"),
        **dict.fromkeys(("path", "exact", "path_exact", "Exact"), "path"),
        **dict.fromkeys(("regex", "safe_regex", "path_regex"), "regex"),
    }
    if len(value) != 1:
        return None
    [(key, found)] = value.items()
    if isinstance(found, Mapping):
        if key == "safe_regex" and found.keys() == {"regex"}:
            return Fields(regex=found["regex"])
        return _read_match(found) if key in ("uri", "path") else None
    return Fields({words[key]: found}) if key in words else None


def redirect(value: object) -> Fields | None:
    """Read where clients are sent: a URL, or true or false for https."""
    if (https := flag(value)) is not None:
        return Fields(redirect={"https": True}) if https else Fields()
    found = read_redirect(value)
    return None if found is None else Fields(redirect=found)


def read_redirect(value: object) -> dict[str, object] | None:
    """Return the fields of a redirect to a URL, or to a path; variables of nginx stand for what the client had."""
    if not isinstance(value, str) or not value:
        return None
    if value.lower() == "https":
        return {"https": True}
    if LITERAL_PATH.fullmatch(value):
        return {"path": value}
    plain = re.sub(r"\$(?:request_uri|uri)$", "", value.rstrip(";"))
    url = URL.fullmatch(plain)
    if url is None or url[1].lower() != "https":
        return None
    host, port = split_host_and_port(url[2]) or (url[2], None)
    found: dict[str, object] = {"https": True}
    if host not in ("$host", "$server_name", "$http_host"):
        found["host"] = host
    found |= {} if port is None else {"port": port}
    path = (url[3] or "").partition("#")[0]
    found |= {"path": path} if path else {}
    return None if "$" in str(found) else found


def mend_redirect(value: object) -> str:
    """Return the fields of a redirect that a URL or a path is meant for."""
    found = read_redirect(value)
    return f"write {write_flow(found)}" if found else ""


def answer(value: object) -> Fields | None:
    """Read an answer without a service: a status, with a text or, of a redirect, with a URL."""
    if isinstance(value, Mapping):
        return _read_answer(value)
    if (status := number(value)) is not None:
        return _answer(status)
    first, _, rest = value.rstrip(";").partition(" ") if isinstance(value, str) else ("", "", "")
    status = number(first)
    if status is not None:
        return _answer(status, rest.strip())
    found = read_redirect(value) if URL.fullmatch(first) else None
    return None if found is None else Fields(redirect=found)


def _read_answer(value: Mapping[str, object]) -> Fields | None:
    status, body = number(value.get("status", value.get("code"))), value.get("body", value.get("text", ""))
    if isinstance(body, Mapping):
        body = body.get("inline_string") if len(body) == 1 else None
    if status is None or not isinstance(body, str) or not value.keys() <= {"status", "code", "body", "text"}:
        return None
    return _answer(status, body)


def _answer(status: int, rest: str = "") -> Fields | None:
    if status in REDIRECTS:
        return Fields(redirect={**(read_redirect(rest) or {"host": ...}), "code": status})
    body = rest[1:-1] if len(rest) > 1 and rest[0] == rest[-1] and rest[0] in "\"'" else rest
    return Fields(respond={"status": status, "body": body} if body else {"status": status})


def deny(value: object) -> Fields | None:
    """Read that requests are refused."""
    if value == "all" or value is True:
        return Fields(respond={"status": 403})
    return Fields() if value is False else answer(value)


def wanted(value: object) -> dict[str, object] | None:
    """Read what is wanted of headers or parameters: a mapping, `x-user: a`, or the lists of Envoy and Kubernetes."""
    if isinstance(value, list):
        found = [wanted(one) for one in value]
        names = [name for one in found for name in one or {}]
        return {k: v for one in found for k, v in (one or {}).items()} if all(found) and _differ(names) else None
    if isinstance(value, str):
        pair = re.fullmatch(r"([\w-]+)(?:\s*[:=](?!//)\s*|\s+)(\S.*)", value)
        return {pair[1]: pair[2].strip()} if pair else None
    if not isinstance(value, Mapping) or not value:
        return None
    name = next((key for key in NAMES if isinstance(value.get(key), str)), None)
    if name is not None and (len(value) == 2 or {"type"} == value.keys() - {name, "value"}):
        return _read_wanted(value[name], {key: one for key, one in value.items() if key != name})
    return dict(_read_texts(value))


def mend_wanted(value: object) -> str:
    """Return how a list of headers or parameters, or a text with one, is written as a mapping."""
    if not isinstance(value, list | str) or not value:
        return ""
    if found := wanted(value):
        return f"write {write_flow(found)}"
    return "write one mapping, of names and what is wanted of each" if isinstance(value, list) else ""


def mend_added(value: object) -> str:
    """Return how a list of headers to set, or a text with one, is written as a mapping."""
    found = added(value) if isinstance(value, list | str) else None
    return f"write {write_flow(found)}" if found else ""


def _read_texts(value: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, one in value.items():
        if isinstance(one, Mapping) and len(one) == 1 and (found := _read_wanted(name, one)):
            yield from found.items()
        else:
            yield name, text(one) if text(one) is not None else one


def _read_wanted(name: str, how: Mapping[str, object]) -> dict[str, object] | None:
    """Return what is wanted of one header."""
    if "type" in how:
        kinds = {"exact": "exact", "regularexpression": "regex"}
        kind = kinds.get(str(how["type"]).lower())
        return _read_wanted(name, {kind: how.get("value")}) if kind else None
    [(key, one)] = how.items()
    if isinstance(one, Mapping) and key in ("string_match", "stringMatch") and len(one) == 1:
        return _read_wanted(name, one)
    if isinstance(one, Mapping):
        one = one.get("regex") if key in ("safe_regex", "safe_regex_match") else None
    if key in PRESENT:
        return {name: "*"} if one is True else {name: {"absent": True}} if one is False else None
    if key == "absent" and one is True:
        return {name: {"absent": True}}
    way, found = WAYS.get(key), text(one)
    if way is None or found is None:
        return None
    return {name: found if way == "exact" and found != "*" else {way: found}}


def _differ(names: list[str]) -> bool:
    return len({name.lower() for name in names}) == len(names) > 0


def added(value: object) -> dict[str, object] | None:
    """Read headers to set, with their values."""
    if isinstance(value, Mapping) and value and not value.keys() & {*NAMES}:
        found: dict[str, object] | None = {name: text(one) for name, one in value.items()}
    else:
        found = wanted(value)
    return found if found and all(isinstance(one, str) and "$" not in one for one in found.values()) else None


def hosts(value: object) -> object:
    """Read one host or several."""
    return one_or_more(value.rstrip(";") if isinstance(value, str) else value)


def methods(value: object) -> object:
    """Read one method or several, in capitals."""
    found = one_or_more(value)
    return (
        found.upper() if isinstance(found, str) else [one.upper() for one in found] if isinstance(found, list) else None
    )
