"""Settings: the options of `xds serve`, as the server uses them."""

from dataclasses import dataclass, field
from pathlib import Path

from xds.server.address import ListenAddress
from xds.server.descriptors import ConnectionShares, share_connections
from xds.server.observe.log import LogFormat
from xds.server.streams.stream import DRAIN_SECONDS
from xds.session.limits import Limits


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of one server.

    `grace` is how many seconds streams may take to end when the server stops. `drain_time` is how many seconds Envoys
    drain connections of a listener that changed or went. `connections_per_address` is how many connections one address
    may have at `listen`; None: half of all.
    """

    listen: ListenAddress
    limits: Limits = field(default_factory=Limits)
    connections_per_address: int | None = None
    grace: float = 5.0
    drain_time: float = DRAIN_SECONDS
    rest: ListenAddress | None = None
    admin: ListenAddress | None = None
    admin_required: bool = True  # when False, the server runs without the admin if the admin's port is in use
    workers: int = 1  # with 1, the process that holds the catalog also serves the streams
    log_format: LogFormat = LogFormat.AUTO
    log_level: str = "info"
    registry: ListenAddress | None = None
    registry_tokens: Path | None = None  # a file of hashed tokens; without it, everybody who can connect may register
    otlp: str | None = None  # the OTLP collector that receives the server's own spans, as "host:port"

    @property
    def connection_shares(self) -> ConnectionShares:
        """How many connections may be open at each port."""
        return share_connections(has_rest=self.rest is not None, has_registry=self.registry is not None)
