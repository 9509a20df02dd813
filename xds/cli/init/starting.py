"""The text of a catalog to begin with, which is checked as strictly as `xds check --strict` does."""

from collections.abc import Iterator
from dataclasses import dataclass

from xds.cli.check import check
from xds.sources.document import Document
from xds.wording import write_flow

PROTOCOLS = ("http", "http2", "grpc", "tcp")

HEAD = """\
# The catalog of xds. Save a change, and every Envoy follows.
#   xds check --strict FILE    finds mistakes
#   xds docs services          explains the fields
"""


class StartError(ValueError):
    """Something cannot stand in a catalog; the message says what, for the operator."""


@dataclass(frozen=True, slots=True)
class StartService:
    """A service: its name, its endpoints as `host:port`, what it speaks, and the path of its health check."""

    name: str
    endpoints: tuple[str, ...]
    protocol: str = "http"
    health_check: str | None = None


@dataclass(frozen=True, slots=True)
class StartGateway:
    """A gateway: its name, and where it listens."""

    name: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Start:
    """What a catalog begins with. The gateway sends `/` to the first service, and `/NAME` to each other."""

    services: tuple[StartService, ...]
    gateway: StartGateway | None


def parse_service(text: str, protocol: str, health_check: str | None) -> StartService:
    """Read `NAME=HOST:PORT,HOST:PORT`. Raises StartError; what stands in it is checked by `write_catalog`."""
    name, equals, endpoints = text.partition("=")
    found = tuple(one.strip() for one in endpoints.split(",") if one.strip())
    if not equals or not name.strip() or not found:
        raise StartError(f"{text!r} is no service: write it as in web=127.0.0.1:7001,127.0.0.1:7002")
    return StartService(name.strip(), found, protocol, health_check)


def write_catalog(start: Start) -> str:
    """Return the text of a catalog. Raises StartError with the first problem that a strict check finds."""
    names = [service.name for service in start.services]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise StartError(f"the service {twice} is given twice: write all its endpoints at once")
    text = "\n".join([HEAD, *_write_services(start), *_write_gateway(start)]) + "\n"
    report = check({"catalog.yaml": Document("catalog.yaml", text.encode())}, strict=True)
    if report.problems:
        problem = report.problems[0]
        raise StartError(f"{problem.path}: {problem.message}" if problem.path else problem.message)
    return text


def _write_services(start: Start) -> Iterator[str]:
    yield "services:"
    for service in start.services:
        yield f"  {write_flow(service.name)}:"
        if service.protocol != "http":
            yield f"    protocol: {service.protocol}"
        if service.protocol == "tcp":
            port = service.endpoints[0].rpartition(":")[2]
            yield f"    local_port: {port if port.isdecimal() else write_flow(port)}  # where its callers reach it"
        yield "    endpoints:"
        yield from (f"      - {write_flow(endpoint)}" for endpoint in service.endpoints)
        if service.health_check is not None:
            kind = "grpc: true" if service.protocol == "grpc" else f"http: {write_flow(service.health_check)}"
            yield f"    health_check: {{{kind}}}"


def _write_gateway(start: Start) -> Iterator[str]:
    if start.gateway is None:
        return
    first, *others = start.services
    is_tcp = first.protocol == "tcp"
    if is_tcp and others:
        raise StartError("a gateway's port takes one TCP service: write one --service, or --no-gateway")
    yield from ("", "gateways:", f"  {write_flow(start.gateway.name)}:")
    yield f"    address: {write_flow(start.gateway.address)}"
    yield f"    port: {start.gateway.port}"
    yield "    routes:  # the first that matches is used"
    for service in others:
        yield f"      - {{prefix: {write_flow(f'/{service.name}')}, to: {write_flow(service.name)}}}"
    yield f"      - {{{'' if is_tcp else 'prefix: /, '}to: {write_flow(first.name)}}}"
