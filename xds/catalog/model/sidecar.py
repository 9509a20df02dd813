"""A sidecar: where it listens for its application's requests, and what it allows."""

from dataclasses import field
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, PlainValidator
from pydantic.dataclasses import dataclass

from xds.catalog.model.listener_options import HttpField, HttpOptions, Limits, LimitsField
from xds.catalog.raw.fields import NO_RAW, Raw, make_raw_shape, parse_raw
from xds.catalog.text.addresses import EXPECTED_LISTEN, SIDECAR, ShortListen
from xds.catalog.text.field import About, Alone, Example, IfWrong, Moved
from xds.catalog.text.foreign import VALUE, Here
from xds.catalog.text.meanings import number, text
from xds.catalog.text.names import CONFIG
from xds.wording import join_host_and_port, write_flow

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


def join_listen(value: object) -> object:
    """Refuse an address beside its port: both stand in one text."""
    match value:
        case {"address": str(address), "port": int(port), **rest} if not rest:
            listen = join_host_and_port(address, port)
            raise ValueError(
                f"an address to listen on is one text with its port: write {write_flow({'listen': listen})}"
            )
    return value


ShortSidecar = Annotated[
    Sidecar,
    BeforeValidator(join_listen),
    Alone("listen"),
    Example({"listen": EXPECTED_LISTEN.examples[0]}),
    Moved(
        {
            **dict.fromkeys(("port", "listen_port", "inbound_port"), Here({"listen": VALUE}, number)),
            **dict.fromkeys(("address", "bind", "listener"), Here({"listen": VALUE}, text)),
        }
    ),
]
