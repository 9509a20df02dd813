"""The remainder: what a service or gateway with mistakes says besides them.

Rules over a whole list or mapping are checked by the model only when every part of it is sound. So each mistake that
was told is taken out, or gives way to a stand-in that no rule minds, and what remains is validated again. Nothing
here runs for a service or gateway without mistakes, and nothing of a remainder is ever served.
"""

from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from xds.catalog.reading.mistakes import cut_opaque, find_fields, locate_faults, name_field
from xds.catalog.text.mistake import Loc
from xds.wording import suggest

NOBODY: Final = "invalid"
"""A name, and part of names, that is nobody's (RFC 2606)."""

ENDS = ("to", "redirect", "respond")

STAND_INS: dict[str, Any] = {
    "services[]": {"upstreams": []},
    "gateways[]": {"port": 1, "routes": [{"to": NOBODY}]},
    "upstreams": [],
    "http": "/",
    "grpc": "",
    "expect[]": 200,
    "routes": [{"to": NOBODY}],
    "routes[]": {"to": NOBODY},
    "to": NOBODY,
    "port": 1,
    "prefix": "/",
    "path": "/",
    "template": "/",
    "name": NOBODY,
    "headers[]": "*",
    "query[]": "*",
    "redirect": {"https": True},
    "respond": {},
    "metadata[]": None,
    "listeners": [{"port": 1, "routes": [{"to": NOBODY}]}],
    "tls": {"certificates": [{"certificate": "/invalid", "key": "/invalid"}]},
    "weights[]": 1,
    "window": "1s",
    "base": "1ms",
    "on[]": 503,
    "metric_names[]": NOBODY,
    "sni": NOBODY,
    "subject_alt_names": [NOBODY],
    "subject_alt_names[]": NOBODY,
    "alpn[]": NOBODY,
    "certificate": "/invalid",
    "key": "/invalid",
}
"""What stands in for a wrong value where leaving it out would be a mistake, or say something else."""


CHECKS = frozenset({"http", "grpc", "tcp"})
"""The ways to check health, of which a health check has one."""


class Remainder:
    """One service's or gateway's value, and the ways in it that lead to what is `broken`: there nothing is known."""

    def __init__(self, kind: str, value: object) -> None:
        self.value: Any = _copy(value)
        self.broken: set[Loc] = set()
        self._kind = kind

    def remove(self, errors: ValidationError) -> None:
        """Take out of the value what was found wrong with it."""
        for error in errors.errors(include_url=False):
            if error["type"] == "unexpected_keyword_argument":
                self._remove_key(error["loc"])
            elif error["type"] == "too_long":
                self._cut(error)
            elif error["type"] != "too_short" or not error["input"]:
                for loc, is_rule in locate_faults(error):
                    self._remove_value(loc, is_rule=is_rule)
        if ("protocol",) in self.broken:
            self._assume_protocol()
        self._remove_emptied()

    def _remove_emptied(self) -> None:
        """Remove what says nothing any more: what it would be by was told already."""
        if isinstance(check := self.value.get("health_check"), dict) and not CHECKS & check.keys():
            del self.value["health_check"]
        for word in ("affinity", "balance"):
            if self.value.get(word) == {}:
                del self.value[word]

    def _assume_protocol(self) -> None:
        """Put the protocol in place that no rule minds: beside a local port, or else a health check by gRPC."""
        if "routes" in self.value:
            self.value.pop("local_port", None)  # with both, one is wrong, and it is not known which
        self.value["protocol"] = "tcp" if "local_port" in self.value else "grpc"

    def _remove_key(self, loc: Loc) -> None:
        """Remove an unknown key; what it was perhaps meant for is not known either."""
        if (whole := cut_opaque(loc)) != loc:
            self._remove_value(whole, is_rule=False)
            return
        owner = self._find(loc[:-1])
        owner.pop(loc[-1], None)
        word = str(loc[-1]).partition(":")[0]
        for field in find_fields(self._full(loc[:-1])):
            if field not in owner and suggest(word, [field]):
                # Without `upstreams` a service calls all others; every other field that is left out means less.
                self._remove_value((*loc[:-1], field), is_rule=field != "upstreams")

    def _cut(self, error: ErrorDetails) -> None:
        del self._find(error["loc"])[error["ctx"]["max_length"] :]

    def _remove_value(self, loc: Loc, *, is_rule: bool) -> None:
        if loc[:1] == ("endpoints",) and (len(loc) == 2 or loc[2:] in (("address",), ("port",))):
            self._replace_endpoint(loc[:2])
            return
        if loc[:1] == ("listeners",) and (len(loc) == 2 or loc[2:] in (("port",), ("address",))):
            self._replace_listener(loc)
            return
        if loc[:2] == ("locality", "failover"):
            loc = loc[:2]  # of levels in their order nothing is known when one of them is wrong
        while loc and not isinstance(self._find(loc[:-1]), dict | list):
            loc = loc[:-1]  # a word that is short for a mapping
        self.broken.add(loc)
        field = name_field(self._full(loc))
        if not loc:
            self.value = _copy(STAND_INS[field])
            return
        owner, step = self._find(loc[:-1]), loc[-1]
        if isinstance(owner, list):
            owner[int(step)] = f"{step}.{NOBODY}" if field == "upstreams[]" else _copy(STAND_INS.get(field))
        elif field in STAND_INS and not (is_rule and _is_spare(field, owner)):
            owner[step] = _copy(STAND_INS[field])
        else:
            owner.pop(step, None)

    def _replace_endpoint(self, loc: Loc) -> None:
        """Give an endpoint an address of its own, so that it equals no other."""
        self.broken.add(loc)
        endpoints, index = self._find(loc[:1]), int(loc[1])
        rest = endpoints[index] if isinstance(endpoints[index], dict) else {}
        endpoints[index] = {**rest, "address": f"{index}.{NOBODY}", "port": 1}

    def _replace_listener(self, loc: Loc) -> None:
        """Give a listener a place of its own, so that it equals no other."""
        self.broken.add(loc)
        listeners, index = self._find(loc[:1]), int(loc[1])
        rest = listeners[index] if isinstance(listeners[index], dict) else {"routes": [{"to": NOBODY}]}
        listeners[index] = {**rest, "address": f"192.0.2.{index}", "port": 65535 - index}

    def _find(self, loc: Loc) -> Any:
        found = self.value
        for step in loc:
            found = None if isinstance(found, str) else found[step]
        return found

    def _full(self, loc: Loc) -> Loc:
        return (self._kind, "", *loc)


def _is_spare(field: str, owner: Any) -> bool:
    """Tell whether a value may be left out: of a route's ends one is wanted, and of a gateway a port and routes."""
    if field in ("port", "routes"):
        return field in owner
    if field == "listeners":
        return "port" in owner
    return field not in ENDS or any(end in owner for end in ENDS if end != field)


def _copy(value: Any) -> Any:
    """Copy lists and mappings, which aliases may share with others."""
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value
