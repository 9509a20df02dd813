"""Addresses as people write them: `host:port`, an IP address, a host name, an address to listen on.

Pure functions, used as validators by the model's classes. Their errors are sentences for the operator.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv6Address
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator
from pydantic.dataclasses import dataclass
from pydantic.json_schema import WithJsonSchema

from xds.catalog.text.address_patterns import (
    BIND_SHAPE,
    ENDPOINT_SHAPE,
    HOST_HEADER_SHAPE,
    HOST_NAME,
    HOST_SHAPE,
    IPV4,
    LISTEN_SHAPE,
    NUMBERS,
    ROUTE_HOST_SHAPE,
)
from xds.catalog.text.field import Expected
from xds.catalog.text.foreign import write_fields
from xds.catalog.text.mistake import Mendable, Mistake, Mistakes
from xds.catalog.text.protocols import NO_DATAGRAMS, PORTS, USUAL_PORTS, read_scheme
from xds.wording import join_host_and_port, show, show_line, split_host_and_port, write_flow

EXPECTED_ENDPOINT: Final = Expected('"host:port"', "10.0.0.4:5000", "[::1]:5000")
EXPECTED_ADDRESS: Final = Expected("an IP address or host name", "10.0.0.4")
EXPECTED_IP: Final = Expected("an IP address to listen on", "127.0.0.1")
EXPECTED_BIND: Final = Expected(
    "an IP address to listen on, `any`, or a list of them", "127.0.0.1", ["10.0.0.1", "::1"]
)
EXPECTED_LISTEN: Final = Expected("an address to listen on, or a port of 127.0.0.1", "127.0.0.1:15001")
EXPECTED_HOST: Final = Expected("a host", "example.com")
EXPECTED_ROUTE_HOST: Final = Expected("a host", "example.com", "*.example.com", "*")
EXPECTED_HOST_HEADER: Final = Expected("a host", "example.com", "example.com:8080")

EXAMPLE_PORT: Final = 5000
MAX_PORT: Final = 65535

ANY_HOST: Final = "*"

DOWN = r"\b(?:down|disabled)\b"
"""The words with which HAProxy and nginx take a server out."""

LISTENS_ON: Final = ", with the port that it listens on"

PLACEHOLDER = re.compile(r"%\w+%|<[\w-]+>", re.ASCII)
SRV = re.compile(r"_[\w-]+\._(?:tcp|udp)\.", re.ASCII | re.IGNORECASE)
NETWORK = re.compile(r"[0-9.]+/[0-9]{1,2}(?::[0-9]+)?|[0-9A-Fa-f:]*::?[0-9A-Fa-f:]*/[0-9]{1,3}")
UNSPACED = re.compile(r"(\[[0-9A-Fa-f:.]+\])([0-9]{1,5})")


def normalize_ip(text: str) -> str | None:
    """Write an IP address the one way that Envoy and its peers compare; None when `text` is no IP address."""
    if IPV4.fullmatch(text):
        return text
    if ":" not in text or "%" in text:
        return None
    try:
        return str(IPv6Address(text))
    except ValueError:
        return None


def normalize_host(text: str) -> str | None:
    """Write an IP address (IPv6 with or without brackets) or a host name in one way; None for anything else."""
    if IPV4.fullmatch(text):
        return text
    if HOST_NAME.fullmatch(text):
        return None if NUMBERS.fullmatch(text.rpartition(".")[2]) else text.lower()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    return normalize_ip(text)


def split_address(text: str) -> tuple[str, int] | None:
    """Split "host:port", IPv6 in brackets; None when it is not of this form."""
    host, port = split_host_and_port(text) or ("", 0)
    known = normalize_ip(host) if text.startswith("[") else normalize_host(host)
    return (known, port) if known is not None and port else None


def covers_host(pattern: str, host: str) -> bool:
    """Whether a pattern of hosts, `*`, `*.example.com` or one host, takes every request for `host`.

    `host` may be such a pattern itself.
    """
    return pattern in ("*", host) or (pattern.startswith("*.") and host.endswith(pattern[1:]))


def find_covering_hosts(host: str) -> Iterator[str]:
    """Yield each pattern of hosts that takes every request for `host`, which may be such a pattern itself."""
    yield ANY_HOST
    if host == ANY_HOST:
        return
    yield host
    rest = host.removeprefix("*.")
    while "." in rest:
        rest = rest.partition(".")[2]
        yield f"*.{rest}"


def beside_endpoints(fields: Mapping[str, object], listens: str) -> str:
    """Return that fields, which a scheme stands for, are written beside endpoints, after what is said of the port."""
    return (
        f"{listens}{', and' if listens else ', with'} {write_fields(fields)} beside `endpoints`" if fields else listens
    )


def say_port(fields: Mapping[str, object], listens: str) -> str:
    """Return what is said of the port, and nothing of the fields that a scheme stands for."""
    return listens


def _find_contradiction(value: Mapping[str, object]) -> str | None:
    """Return that a URL in place of an address stands for another port than the one beside it; None if it does not."""
    scheme, separator, rest = str(value.get("address")).partition("://")
    port = PORTS.get(scheme.lower())
    if not separator or port is None or value.get("port") not in {*PORTS.values()} - {port}:
        return None
    fields = read_scheme(scheme)
    beside = f" and {write_fields(fields)} beside `endpoints`" if fields else ""
    host = re.split("[/?#:]", rest, maxsplit=1)[0]
    wrong = f"{show(scheme + '://')} stands for port {port}, which `port: {value['port']}` contradicts"
    return f"{wrong}: write {show(host)}, and for {scheme} `port: {port}`{beside}"


def parse_endpoint(value: object) -> object:
    """Turn "host:port", alone or as the `address` of a mapping without `port`, into address and port."""
    if isinstance(value, str):
        if parts := split_address(value):
            return {"address": parts[0], "port": parts[1]}
        raise explain_address(value, beside=beside_endpoints)
    if isinstance(value, dict) and (contradiction := _find_contradiction(value)):
        raise Mistakes(Mistake(("address",), contradiction))
    if isinstance(value, dict) and value.get("port") is None:
        address = value.get("address")
        if isinstance(address, str) and (parts := split_address(address)):
            return {**value, "address": parts[0], "port": parts[1]}
        if isinstance(address, str) and normalize_host(address) is not None:
            raise ValueError(
                f"`port` is missing: write it here, or in the address as in {EXPECTED_ENDPOINT.written[0]}"
            )
        if isinstance(address, str):
            found = explain_address(address, beside=beside_endpoints)
            raise Mistakes(Mistake(("address",), found.explain(lambda mend: split_address(mend) is not None)))
        # The check of the address reports its mistake. The port is made up, so that none is reported as missing.
        return {**value, "port": 1}
    return value


def check_address(value: str) -> str:
    """Check an endpoint's address, which has no port."""
    host = normalize_host(value)
    if host is None:
        if split_address(value):
            raise ValueError(f"{show(value)} has a port in it, and `port` is given too: leave out one of the two")
        raise explain_address(value, beside=beside_endpoints)
    return host


def check_ip(value: str) -> str:
    """Check an address to listen on."""
    address = normalize_ip(value)
    if address is None:
        if parts := split_address(value):
            mend = f"write `address: {write_flow(parts[0])}` and `port: {parts[1]}`"
            raise ValueError(f"expected an IP address alone, found {show(value)}: {mend}")
        if value.startswith("[") and (bare := normalize_ip(value[1:-1])):
            raise ValueError(f"an IP address without a port has no brackets: write {show(bare)}")
        raise ValueError(f"expected {EXPECTED_IP}, found {show(value)}{_localhost(value)}")
    return address


ANY: Final = "any"
"""All addresses of the machine, of IPv4 and of IPv6."""

ALL_OF_A_FAMILY: Final = {"0.0.0.0": "IPv4", "::": "IPv6"}  # noqa: S104


def check_bind(value: str) -> str:
    """Check one of the addresses to listen on: an IP address, or `any`."""
    if value == ANY:
        return value
    if value == "*":
        raise Mendable("`*` is no IP address", ANY)
    return check_ip(value)


def find_clash(one: str, other: str) -> bool:
    """Whether two listeners at these addresses want the same connections of one port.

    `::` is IPv6 alone, so that it stands beside `0.0.0.0`.
    """
    if one == other or ANY in (one, other):
        return True
    if (":" in one) != (":" in other):
        return False
    return bool({one, other} & ALL_OF_A_FAMILY.keys())


def check_binds(values: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse an address that another one in the list includes."""
    mistakes: list[Mistake] = []
    for index, one in enumerate(values):
        earlier = next((other for other in values[:index] if find_clash(one, other)), None)
        if earlier == one:
            mistakes.append(Mistake((index,), f"{one} is given twice", see=(values.index(one),)))
        elif earlier is not None:
            wide, narrow = (one, earlier) if one == ANY or one in ALL_OF_A_FAMILY else (earlier, one)
            message = f"{wide} includes {narrow}: leave out one of them"
            mistakes.append(Mistake((index,), message, see=(values.index(earlier),)))
    if mistakes:
        raise Mistakes(*mistakes)
    return values


def parse_listen(value: object) -> object:
    """Turn "127.0.0.1:15001" into address and port; a port alone is at 127.0.0.1."""
    if isinstance(value, str):
        parts = split_address(value)
        if parts is None or normalize_ip(parts[0]) is None:
            raise _explain_listen(value)
        return {"address": parts[0], "port": parts[1]}
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value <= 65535:
            raise ValueError(f"expected a port from 1 to 65535, found {value}")
        return {"address": "127.0.0.1", "port": value}
    if value is None or isinstance(value, bool | float | list | dict):
        raise ValueError(f"expected {EXPECTED_LISTEN}, found {show(value)}")
    return value


def _localhost(host: str) -> str:
    return ": write 127.0.0.1" if host.lower() == "localhost" else ""


def _explain_listen(text: str) -> ValueError:
    """Return why `text` is no address to listen on."""
    if text.isdecimal() and 1 <= int(text[:6]) <= MAX_PORT:
        return ValueError(f"expected {EXPECTED_LISTEN}, found {show(text)}: write {text} without quotes")
    host, colon, port = text.rpartition(":")
    if colon and host in ("", "*"):
        message = f"expected an IP address in front of the port, found {show(text)}"
        return Mendable(message, f"127.0.0.1:{port}", tail=", or 0.0.0.0 for every interface", complete=True)
    host = host if port.isdecimal() else text
    if normalize_host(host) is not None and normalize_ip(host.strip("[]")) is None:
        return ValueError(f"expected {EXPECTED_IP}, found {show(host)}{_localhost(host)}")
    if not set(host) & set(":[]%/") and not NUMBERS.fullmatch(host) and normalize_ip(host) is None:
        return ValueError(f"expected {EXPECTED_LISTEN}, found {show(text)}")
    return explain_address(text)


def explain_address(
    text: str,
    port: int = EXAMPLE_PORT,
    *,
    beside: Callable[[Mapping[str, object], str], str] = say_port,
    ports: Mapping[str, int] = USUAL_PORTS,
) -> Mendable:
    """Return why `text` is not "host:port" (nor a host, if the port is another field).

    `port` is for examples, `ports` are those that schemes stand for. `beside` says what has to be written too in place
    of a scheme that stands for fields of a service.
    """
    if not text.strip():
        return Mendable(f'expected an address, such as "10.0.0.4:{port}", found nothing', complete=True)
    if (foreign := _explain_foreign(text)) is not None:
        return foreign
    scheme, separator, rest = text.partition("://")
    if separator and scheme.lower() == "udp":
        return Mendable(NO_DATAGRAMS, complete=True)
    if separator:
        rest, path = _cut_path(rest)
        scheme_port = ports.get(scheme.lower())
        mends = _prefer(rest, f"{rest}:{scheme_port or port}")
        tail = beside(read_scheme(scheme) or {}, "" if scheme_port or split_address(rest) else LISTENS_ON)
        what = f" and no {show(path)} behind" if path.strip("/") else ""
        return Mendable(f"an address has no {show(scheme + '://')} in front{what}", *mends, tail=tail)
    if "/" in text:
        return Mendable("an address has no path", *_prefer(text.partition("/")[0]))
    host, colon, written = text.rpartition(":")
    if host.count(":") > 1 and written.isdecimal() and normalize_ip(host):
        return Mendable("an IPv6 address needs brackets before its port", f"[{host}]:{written}")
    if matched := UNSPACED.fullmatch(text):
        return Mendable("a colon is missing before the port", f"{matched[1]}:{matched[2]}")
    if bare := normalize_host(text):
        mend = join_host_and_port(bare, port)
        return Mendable("the port is missing", mend, tail=LISTENS_ON)
    return _explain_parts(host, colon, written) if colon else _explain_parts(text)


def _cut_path(text: str) -> tuple[str, str]:
    """Return the host and port of a URL without its scheme and user, and the path with what follows."""
    host = re.split("[/?#]", text, maxsplit=1)[0]
    return host.rpartition("@")[2], text[len(host) :]


def _explain_parts(host: str, colon: str = "", port: str = "") -> Mendable:
    """Return what is wrong with the host or, after a colon, with the port."""
    name = host.removesuffix(".")
    if name != host and normalize_host(name):
        return Mendable("a host has no dot at its end", *_prefer(f"{name}{colon}{port}", name))
    if not colon or normalize_host(host) is None:
        return Mendable(_explain_host(host), complete=True)
    return Mendable(f"expected a port from 1 to 65535 after the colon, found {show(port)}", complete=True)


def _explain_foreign(text: str) -> Mendable | None:
    """Return why a text is no address that is one for other programs; None for any other."""
    if text.startswith(("unix:", "pipe:", "/", "@")):
        message = f"{show(text)} is a Unix socket: an address has a host and a port, such as 127.0.0.1:{EXAMPLE_PORT}"
        return Mendable(message, complete=True)
    if "$" in text or "{{" in text or PLACEHOLDER.search(text):
        message = f"nothing is filled in for {show(text)}: write the address itself, or fill in the file before"
        return Mendable(message, complete=True)
    if SRV.match(text) and not split_address(text):
        return Mendable(
            f"{show(text)} names SRV records, which are not asked for: write each host and port", complete=True
        )
    if NETWORK.fullmatch(text):
        return Mendable(f"{show(text)} is a network: an address names one host", complete=True)
    compact = re.sub(r"\s*:\s*", ":", text.strip())
    if compact != text and split_address(compact):
        return Mendable("an address has no spaces in it", compact)
    return _explain_words(text) if len(text.split()) > 1 or "," in text else None


def read_server_line(text: str) -> tuple[dict[str, object], list[str]] | None:
    """Return the endpoint of a `server` line of HAProxy or nginx, as fields, and the words that are none of them.

    Return None without an address, and with several.
    """
    words = [word.lstrip("-").rstrip(",;") for word in text.split()]
    found = [place for place, word in enumerate(words) if split_address(word)]
    if len(found) != 1 or found[0] > 2 or any(map(normalize_ip, words[: found[0]])):
        return None
    place, address = found[0], words[found[0]]
    if place and words[0] != "server" and place == len(words) - 1:
        return None  # words in front that name nothing
    fields: dict[str, object] = {"address": address}
    rest = " ".join(words[place + 1 :])
    for pattern, name in ((r"\bweight[ =](\d{1,9})\b", "weight"), (r"\bbackup\b", "priority"), (DOWN, "drain")):
        if matched := re.search(pattern, rest, re.ASCII):
            fields[name] = int(matched[1]) if name == "weight" else 1 if name == "priority" else True
            rest = rest.replace(matched[0], "")
    return fields, rest.split()


def _explain_words(text: str) -> Mendable:
    """Return why a text of several words is no address: it is several, or has the options of HAProxy and nginx."""
    words = [word.lstrip("-") for word in re.split(r"[\s,;]+", text)]
    found = [word for word in words if split_address(word)]
    if len(found) > 1:
        return Mendable(f"has {len(found)} addresses: make each an item, {write_flow(found)}", complete=True)
    line = read_server_line(text)
    if line is None:
        return Mendable(_explain_host(text.rpartition(":")[0] or text), complete=True)
    fields, rest = line
    others = show_line(" ".join(rest))
    tail = f"; {others} belongs to the service" if rest else ""
    if len(fields) == 1:
        return Mendable("an address is one word", found[0], tail=tail)
    message = f"an address is one word, what follows it are fields: write {write_flow(fields)}{tail}"
    return Mendable(message, complete=True)


def _prefer(*mends: str) -> tuple[str, ...]:
    """Return the first address with a port, and the first host without: a field takes one of the two."""
    with_port = [mend for mend in mends if split_address(mend)]
    alone = [mend for mend in mends if normalize_host(mend)] or [mend for mend in map(_cut_port, mends) if mend]
    return (*with_port[:1], *alone[:1])


def _cut_port(text: str) -> str:
    parts = split_address(text)
    return parts[0] if parts else ""


def _explain_host(host: str) -> str:
    if NUMBERS.fullmatch(host):
        return f"{show(host)} is not an IPv4 address: four numbers from 0 to 255, without leading zeros"
    if "%" in host:
        return f"an address with a zone, {show(host)}, is not one for Envoy: leave out the % and what follows"
    if ":" in host or "[" in host or "]" in host:
        return f'{show(host)} is not an IPv6 address: write it as in "[::1]:5000"'
    return f"{show(host)} is not a host name: letters, digits, - and _ in parts of 63 at most, joined by dots"


@dataclass(frozen=True, slots=True)
class Listen:
    """An IP address and a port to listen on."""

    address: str
    port: int

    def __str__(self) -> str:
        return join_host_and_port(self.address, self.port)


SIDECAR = Listen("127.0.0.1", 15001)


def check_route_host(value: str) -> str:
    """Check and lower-case a route's host: exact, `*.example.com`, or `*` for any.

    Envoy compares hosts in lower case, and refuses a route configuration that names one twice.
    """
    if value == "*":
        return value
    if value.endswith(".*"):
        raise ValueError(
            f"{show(value)} is not taken: a host such as {value[:-1]}example.com would match it and "
            f"{show('*.example.com')}, and Envoy would choose by host and not by the order of routes; "
            f"write each host, as in [{value[:-1]}example.com, {value[:-1]}example.org]"
        )
    return check_host(value, wild=True, port="a host has no port, which is matched by the gateway's own")


def check_route_hosts(values: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a host that another one in the list includes; return no hosts for `*` alone."""
    mistakes: list[Mistake] = []
    for index, host in enumerate(values):
        wide = [
            (place, one)
            for place, one in enumerate(values)
            if (place < index or one != host) and covers_host(one, host)
        ]
        if wide:
            place, other = wide[0]
            what = "is given twice" if other == host else f"includes {show(host)}: leave out one of them"
            mistakes.append(Mistake((index,), f"{show(other)} {what}", see=(place,)))
    if mistakes:
        raise Mistakes(*mistakes)
    return () if values == (ANY_HOST,) else values


def check_redirect_host(value: str) -> str:
    """Check and lower-case the host of a redirect."""
    port = "a host has no port, which stands in `port` beside it"
    return check_host(value, port=port, secure=", with `https: true` beside it")


def check_host(value: str, *, wild: bool = False, port: str = "a host has no port here", secure: str = "") -> str:
    """Check and lower-case a host, `wild` ones too such as `*.example.com`.

    `port` is what is wrong with a host that has one. `secure` is what has to be written too in place of "https://".
    """
    host = value.lower()
    if "*" in host and not wild:
        raise ValueError(f"expected {EXPECTED_HOST}, found {show(value)}")
    if HOST_NAME.fullmatch(host.removeprefix("*.")):
        return host
    bare = host.rpartition("://")[2].partition("/")[0]
    name, colon, number = bare.rpartition(":")
    bare = (name if colon and number.isdecimal() else bare).removesuffix(".")
    mends = (bare,) if HOST_NAME.fullmatch(bare.removeprefix("*.")) else ()
    if "://" in host or "/" in host:
        tail = secure if host.startswith("https://") else ""
        raise Mendable("a host has no scheme or path", *mends, tail=tail)
    if mends and colon:
        raise Mendable(port, *mends)
    if mends:
        raise Mendable("a host does not end in a dot", *mends)
    if "*" in host:
        raise ValueError(f'a `*` may stand only in front, as in "*.example.com", or alone; found {show(value)}')
    raise ValueError(f"expected {EXPECTED_ROUTE_HOST if wild else EXPECTED_HOST}, found {show(value)}")


def check_host_header(value: str) -> str:
    """Check the Host header of a health check: a host, with or without a port."""
    if "://" in value:
        bare = value.partition("://")[2].partition("/")[0]
        raise Mendable("a host has no scheme or path", bare)
    host, colon, port = value.partition(":")
    if not HOST_NAME.fullmatch(host) or (colon and not port.isdecimal()):
        raise ValueError(f"expected {EXPECTED_HOST_HEADER}, found {show(value)}")
    if colon and not 1 <= int(port[:6]) <= MAX_PORT:
        raise ValueError(f"expected a port from 1 to {MAX_PORT} after the colon, found {show(port)}")
    return value


Address = Annotated[str, AfterValidator(check_address), ENDPOINT_SHAPE, EXPECTED_ADDRESS]
BindAddress = Annotated[str, AfterValidator(check_bind), WithJsonSchema(BIND_SHAPE), EXPECTED_IP]
ShortListen = Annotated[Listen, BeforeValidator(parse_listen), LISTEN_SHAPE, EXPECTED_LISTEN]
Host = Annotated[str, AfterValidator(check_host), HOST_SHAPE, EXPECTED_HOST]
RedirectHost = Annotated[str, AfterValidator(check_redirect_host), HOST_SHAPE, EXPECTED_HOST]
RouteHost = Annotated[str, AfterValidator(check_route_host), WithJsonSchema(ROUTE_HOST_SHAPE), EXPECTED_ROUTE_HOST]
HostHeader = Annotated[str, AfterValidator(check_host_header), HOST_HEADER_SHAPE, EXPECTED_HOST_HEADER]
