"""A sidecar: where it listens for its application's requests, and what it allows."""

from dataclasses import field
from typing import Annotated, Final

from pydantic import Field, PlainValidator
from pydantic.dataclasses import dataclass

from xds.catalog.model.listener_options import HttpField, HttpOptions, Limits, LimitsField
from xds.catalog.raw.fields import NO_RAW, Raw, make_raw_shape, parse_raw
from xds.catalog.text.addresses import EXPECTED_LISTEN, SIDECAR, ShortListen
from xds.catalog.text.field import About, Alone, Example, IfWrong
from xds.catalog.text.names import CONFIG

MESSAGES: Final = ("listener", "http_connection_manager", "route_configuration")


@dataclass(frozen=True, slots=True, config=CONFIG)
class Sidecar:
    """A service's sidecar; the short form is where it listens."""

    listen: Annotated[
        ShortListen,
        Field(description="Where the sidecar listens for its application: IP address and port, or a port of loopback"),
        About(envoy="Listener.address"),
    ] = SIDECAR
    limits: Annotated[LimitsField, Example({"header_size": "96KiB"})] = field(default_factory=Limits)
    http: Annotated[HttpField, Example({"accept_http_10": True})] = field(default_factory=HttpOptions)
    envoy: Annotated[
        Raw,
        PlainValidator(parse_raw(*MESSAGES)),
        make_raw_shape(*MESSAGES),
        Field(description="Fields of Envoy's own messages, merged into those that xds makes"),
        About(default="none", envoy="Listener, HttpConnectionManager, RouteConfiguration"),
        IfWrong(whole=True),
    ] = field(default_factory=lambda: NO_RAW)


USUAL_SIDECAR: Final = Sidecar()

ShortSidecar = Annotated[Sidecar, Alone("listen"), Example({"listen": EXPECTED_LISTEN.examples[0]})]
