"""Reads the bodies of Consul's HTTP API into definitions, and refuses what Consul refuses, in its words.

Unlike Consul it takes fields that it does not know, and returns their names for a warning. It refuses what no endpoint
of the mesh could be: names that are no cluster's, ports out of range, kinds of checks that are not run here.
"""

import ipaddress
import re
from dataclasses import replace
from typing import Any, Final

from xds.catalog.text.names import NAME, NAME_RULE, RESERVED
from xds.endpoints.registrations.definitions import (
    MAX_CHECKS,
    STATUSES,
    CheckDefinition,
    Node,
    Registration,
    ServiceDefinition,
    Status,
    TaggedAddress,
    Weights,
    name_checks,
)
from xds.endpoints.registrations.durations import read_duration
from xds.endpoints.registrations.go_json import (
    Field,
    Fields,
    Warnings,
    decode,
    flag,
    mapping,
    read_struct,
    text,
    texts,
    whole,
)
from xds.endpoints.registrations.refusal import Refusal

MAX_WEIGHT = 65535
META_KEY = re.compile(r"[a-zA-Z0-9_-]+")
META_KEYS, META_KEY_SIZE, META_VALUE_SIZE = 64, 128, 512
LONGEST_ID = 512

SCRIPTS_DISABLED: Final = (
    "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true"
)
NO_KINDS: Final = ("docker", "alias", "h2ping", "udp", "osservice")
"""Kinds of checks of Consul that are not run here."""


def _duration(value: object, _path: str) -> float:
    return read_duration(value)


def _anything(value: object, _path: str) -> object:
    return value


CHECK: Final[Fields] = {
    "checkid": Field("check_id", text),
    "id": Field("check_id", text),
    "name": Field("name", text),
    "notes": Field("notes", text),
    "status": Field("status", text),
    "http": Field("http", text),
    "tcp": Field("tcp", text),
    "grpc": Field("grpc", text),
    "ttl": Field("ttl", _duration),
    "interval": Field("interval", _duration),
    "timeout": Field("timeout", _duration),
    "method": Field("method", text),
    "body": Field("body", text),
    "header": Field("header", mapping(texts, "map[string][]string")),
    "tlsservername": Field("tls_server_name", text),
    "tlsskipverify": Field("tls_skip_verify", flag),
    "grpcusetls": Field("grpc_use_tls", flag),
    "deregistercriticalserviceafter": Field("deregister_after", _duration),
    "successbeforepassing": Field("success_before_passing", whole),
    "failuresbeforewarning": Field("failures_before_warning", whole),
    "failuresbeforecritical": Field("failures_before_critical", whole),
    "outputmaxsize": Field("output_max_size", whole),
    "serviceid": Field("service_id", text),
    "token": Field("token", text),
    "script": Field("script", text),
    "args": Field("script", texts),
    "scriptargs": Field("script", texts),
    "dockercontainerid": Field("docker", text),
    "shell": Field("shell", text),
    "aliasnode": Field("alias", text),
    "aliasservice": Field("alias", text),
    "h2ping": Field("h2ping", text),
    "udp": Field("udp", text),
    "osservice": Field("osservice", text),
}
TAGGED_ADDRESS: Final[Fields] = {"address": Field("address", text), "port": Field("port", whole)}
WEIGHTS: Final[Fields] = {"passing": Field("passing", whole), "warning": Field("warning", whole)}
SERVICE: Final[Fields] = {
    "id": Field("service_id", text),
    "name": Field("name", text),
    "tags": Field("tags", texts),
    "meta": Field("meta", mapping(text, "map[string]string")),
    "address": Field("address", text),
    "port": Field("port", whole),
    "taggedaddresses": Field("tagged_addresses", _anything),
    "weights": Field("weights", _anything),
    "enabletagoverride": Field("enable_tag_override", flag),
    "check": Field("check", _anything),
    "checks": Field("checks", _anything),
    "token": Field("token", text),
    "kind": Field("kind", text),
    "namespace": Field("namespace", text),
}
GO_SERVICE: Final = (
    'struct { EnableTagOverrideSnake bool "json:\\"enable_tag_override\\""; TaggedAddressesSnake '
    'map[string]structs.ServiceAddress "json:\\"tagged_addresses\\""; *structs.Alias }'
)


def parse_registration(body: bytes, warnings: Warnings) -> Registration:
    """Return what a body of `/v1/agent/service/register` registers. Raises Refusal."""
    found = read_struct(decode(body), SERVICE, "", warnings, GO_SERVICE)
    raw = [found.pop("check", None), *_list(found.pop("checks", None), ".Checks")]
    read = [(_read_check(one, ".Check", warnings)) for one in raw if one]
    service = build_service(found, warnings)
    checks = tuple(build_check(one) for one in read if one)
    if len(checks) > MAX_CHECKS:
        raise Refusal(f"Invalid check: an instance may have {MAX_CHECKS} checks at most, found {len(checks)}")
    return Registration(service, name_checks(service, checks))


def build_service(found: dict[str, Any], warnings: Warnings, where: str = "") -> ServiceDefinition:
    """Return the definition of an instance with these keywords. Raises Refusal."""
    for ignored in ("token", "kind", "namespace"):
        if found.pop(ignored, ""):
            warnings.unknown.append(f"{where}{ignored.capitalize()}")
    name = found.get("name", "")
    if not name:
        raise Refusal("Missing service name")
    check_service_name(name)
    service_id = found.setdefault("service_id", name) or name
    if not service_id.isprintable() or len(service_id) > LONGEST_ID:
        raise Refusal(f"Invalid service ID: it is printable text of {LONGEST_ID} characters at most")
    found["service_id"] = service_id
    _check_address(found.get("address", ""))
    if not 0 <= found.get("port", 0) <= 65535:
        raise Refusal(f"Invalid service port: expected 0 to 65535, found {found['port']}")
    tagged = mapping(_read_tagged_address(warnings), "map[string]structs.ServiceAddress")
    if "tagged_addresses" in found:
        found["tagged_addresses"] = tagged(found["tagged_addresses"], ".TaggedAddresses")
    if "weights" in found:
        given = read_struct(found["weights"], WEIGHTS, ".Weights", warnings)
        found["weights"] = _check_weights(Weights(given.get("passing", 0), given.get("warning", 0)))
    _check_meta(found.get("meta", {}))
    return ServiceDefinition(**found)


def check_service_name(name: str) -> None:
    """Refuse a name that no service of the mesh can have, which is in small letters there. Raises Refusal."""
    if NAME.fullmatch(name.lower()) is None or name.lower() in RESERVED:
        raise Refusal(f"Invalid service name: {NAME_RULE}, and 253 characters at most")


def _check_address(address: str) -> None:
    try:
        any_address = ipaddress.ip_address(address.strip("[]")).is_unspecified
    except ValueError:
        any_address = False
    if any_address:
        raise Refusal("Invalid service address")


def _check_weights(weights: Weights) -> Weights:
    if weights.passing < 1:
        raise Refusal("Invalid Weights: Passing must be greater than 0")
    if weights.warning < 0:
        raise Refusal("Invalid Weights: Warning must be greater or equal than 0")
    if max(weights.passing, weights.warning) > MAX_WEIGHT:
        raise Refusal(f"Invalid Weights: Weight must be at most {MAX_WEIGHT}")
    return weights


def _check_meta(meta: dict[str, str]) -> None:
    if len(meta) > META_KEYS:
        raise Refusal(f"Invalid Service Meta: Node metadata cannot contain more than {META_KEYS} key/value pairs")
    for key, value in meta.items():
        problem = ""
        if not key:
            problem = "Key cannot be blank"
        elif not META_KEY.fullmatch(key):
            problem = "Key contains invalid characters"
        elif len(key) > META_KEY_SIZE:
            problem = f"Key is too long (limit: {META_KEY_SIZE} characters)"
        elif key.startswith("consul-"):
            problem = "Key prefix 'consul-' is reserved for internal use"
        elif len(value) > META_VALUE_SIZE:
            problem = f"Value is too long (limit: {META_VALUE_SIZE} characters)"
        if problem:
            raise Refusal(f"Invalid Service Meta: Couldn't load metadata pair ('{key}', '{value}'): {problem}")


def _read_tagged_address(warnings: Warnings) -> Any:
    return lambda value, path: TaggedAddress(**read_struct(value, TAGGED_ADDRESS, path, warnings))


def _list(value: object, path: str) -> list[object]:
    if value is None:
        return []
    if not isinstance(value, list):
        texts(value, path)
    return value if isinstance(value, list) else []


def _read_check(value: object, path: str, warnings: Warnings) -> dict[str, Any]:
    found = read_struct(value, CHECK, path, warnings)
    for ignored in ("service_id", "token", "shell"):
        found.pop(ignored, None)
    return found


def build_check(found: dict[str, Any]) -> CheckDefinition:
    """Return the definition of a check with these keywords. Raises Refusal."""
    found.pop("output_max_size", None)
    if found.pop("script", None):
        raise Refusal(SCRIPTS_DISABLED, 500)
    for kind in NO_KINDS:
        if found.pop(kind, None):
            raise Refusal(f"Invalid check: checks of the kind {kind} are not run here: use http, tcp, grpc or ttl")
    status = found.get("status", "")
    found["status"] = None
    check = CheckDefinition(**found)
    runs = bool(check.http or check.tcp or check.grpc)
    if check.interval > 0 and check.ttl > 0:
        raise Refusal("Invalid check: Interval and TTL cannot both be specified")
    if runs and check.interval <= 0:
        raise Refusal("Invalid check: Interval must be > 0 for Script, HTTP, or TCP checks")
    if not runs and check.ttl <= 0:
        raise Refusal("Invalid check: TTL must be > 0 for TTL checks")
    if not check.check_id.isprintable() or len(check.check_id) > LONGEST_ID:
        raise Refusal(f"Invalid check: its ID is printable text of {LONGEST_ID} characters at most")
    return replace(check, status=_read_status(status))


def _read_status(status: str) -> Status | None:
    if status and status not in STATUSES:
        raise Refusal("Status for checks must 'passing', 'warning', 'critical'")
    return Status(status) if status else None


def parse_check(body: bytes, warnings: Warnings) -> tuple[CheckDefinition, str]:
    """Return the check that a body of `/v1/agent/check/register` registers, and the ID of its service, which may be "".

    Raises Refusal.
    """
    found = read_struct(decode(body), CHECK, "", warnings, "structs.CheckDefinition")
    service_id = found.pop("service_id", "")
    for ignored in ("token", "shell"):
        found.pop(ignored, None)
    if not found.get("name"):
        raise Refusal("Missing check name")
    found["check_id"] = found.get("check_id") or found["name"]
    return build_check(found), service_id


def parse_update(body: bytes) -> tuple[Status, str]:
    """Return the status and output of a body of `/v1/agent/check/update`. Raises Refusal."""
    fields = {"status": Field("status", text), "output": Field("output", text)}
    found = read_struct(decode(body), fields, "", Warnings(), "agent.checkUpdate")
    status = found.get("status", "")
    if status not in STATUSES:
        raise Refusal(f"Invalid check status: '{status}'")
    return Status(status), found.get("output", "")


CATALOG_SERVICE: Final[Fields] = {**SERVICE, "service": Field("name", text)}
CATALOG_CHECK: Final[Fields] = {
    "checkid": Field("check_id", text),
    "name": Field("name", text),
    "notes": Field("notes", text),
    "status": Field("status", text),
    "output": Field("output", text),
    "serviceid": Field("service_id", text),
    "node": Field("node", text),
    "servicename": Field("service_name", text),
    "servicetags": Field("service_tags", texts),
    "type": Field("type", text),
    "definition": Field("definition", _anything),
}
CATALOG_NODE: Final[Fields] = {
    "node": Field("name", text),
    "address": Field("address", text),
    "id": Field("node_id", text),
    "nodemeta": Field("meta", mapping(text, "map[string]string")),
    "taggedaddresses": Field("tagged_addresses", mapping(text, "map[string]string")),
    "datacenter": Field("datacenter", text),
    "service": Field("service", _anything),
    "check": Field("check", _anything),
    "checks": Field("checks", _anything),
    "serviceid": Field("service_id", text),
    "checkid": Field("check_id", text),
    "skipnodeupdate": Field("skip", flag),
    "writerequest": Field("write", _anything),
    "namespace": Field("namespace", text),
}


class CatalogEntry:
    """What `/v1/catalog/register` and `/deregister` are about: a node, and what is registered there."""

    def __init__(self, body: bytes, warnings: Warnings, datacenter: str) -> None:
        found = read_struct(decode(body), CATALOG_NODE, "", warnings, "structs.RegisterRequest")
        if found.get("datacenter") and found["datacenter"] != datacenter:
            raise Refusal("No path to datacenter", 500)
        self.service_id: str = found.get("service_id", "")
        self.check_id: str = found.get("check_id", "")
        keywords = ("name", "address", "node_id", "meta", "tagged_addresses")
        self.node = Node(**{"name": "", **{key: found[key] for key in keywords if key in found}})
        if not self.node.name.isprintable() or len(self.node.name) > LONGEST_ID:
            raise Refusal(f"a node's name is printable text of {LONGEST_ID} characters at most", 400)
        service = found.get("service")
        keywords_of_service = read_struct(service, CATALOG_SERVICE, ".Service", warnings) if service else None
        self.service = build_service(keywords_of_service, warnings, "Service.") if keywords_of_service else None
        raw = [found.get("check"), *_list(found.get("checks"), ".Checks")]
        self.checks = tuple(_read_catalog_check(one, warnings) for one in raw if one)


def _read_catalog_check(value: object, warnings: Warnings) -> tuple[CheckDefinition, str, str]:
    """Return a check of the catalog API, the ID of its service, and its output."""
    found = read_struct(value, CATALOG_CHECK, ".Check", warnings)
    name = found.get("name", "")
    status = _read_status(found.get("status", "")) or Status.CRITICAL
    check_id = found.get("check_id") or name
    if not check_id:
        raise Refusal("Missing check name")
    check = CheckDefinition(check_id=check_id, name=name, notes=found.get("notes", ""), status=status)
    return check, found.get("service_id", ""), found.get("output", "")
