"""What `xds serve` was told."""

from dataclasses import dataclass, field

from xds.server.address import ListenAddress
from xds.server.observe.log import LogFormat
from xds.session.limits import Limits


@dataclass(frozen=True, slots=True)
class Settings:
    """Where to listen, what clients may ask for, the seconds streams have to end, and how many processes serve them."""

    listen: ListenAddress
    limits: Limits = field(default_factory=Limits)
    grace: float = 5.0
    rest: ListenAddress | None = None
    admin: ListenAddress | None = None
    admin_required: bool = True  # else, where its port is in use, the server goes on without it
    workers: int = 1  # 1: the process that holds the catalog serves streams itself
    log_format: LogFormat = LogFormat.AUTO
    log_level: str = "info"
    otlp: str | None = None  # the collector of the server's own spans, as "host:port"
