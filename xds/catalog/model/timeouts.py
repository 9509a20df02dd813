"""Timeouts: how long a service's callers wait."""

from datetime import timedelta
from typing import Annotated, Final

from pydantic import Field
from pydantic.dataclasses import dataclass

from xds.catalog.text.field import About
from xds.catalog.text.names import CONFIG, Duration, Wait

DEFAULT_REQUEST: Final = timedelta(seconds=15)
"""How long a caller waits for an answer by default: also Envoy's own default for a route."""


@dataclass(frozen=True, slots=True, config=CONFIG)
class Timeouts:
    """How long a caller waits: for a connection, for the whole answer, and without a byte."""

    connect: Annotated[
        Wait, Field(description="For a connection to be made"), About(envoy="Cluster.connect_timeout")
    ] = timedelta(seconds=1)
    request: Annotated[
        Duration | None,
        Field(description="For the whole answer, including retries; `0s` means no limit"),
        About(default=f"{DEFAULT_REQUEST.seconds}s; for grpc the client's own deadline", envoy="RouteAction.timeout"),
    ] = None
    idle: Annotated[
        Duration | None,
        Field(description="Without a byte in either direction"),
        About(default="5m; for tcp 1h", envoy="RouteAction.idle_timeout"),
    ] = None


def mend_timeouts(value: object) -> str:
    """Return what to write for no timeout."""
    return "for no limit write {request: 0s}" if value in ("off", False) else ""
