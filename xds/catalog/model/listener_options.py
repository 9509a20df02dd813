"""What a listener of a gateway or a sidecar allows its clients, and how it reads HTTP."""

from datetime import timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, Field, Strict
from pydantic.dataclasses import dataclass

from xds.catalog.text.addresses import HostHeader
from xds.catalog.text.field import About, Narrowed
from xds.catalog.text.mistake import Mistake, Mistakes
from xds.catalog.text.names import CONFIG, Duration, Wait
from xds.catalog.text.sizes import Size

KIBIBYTE = 1024
MAX_HEADER_SIZE = 8192 * KIBIBYTE


def check_header_size(size: int) -> int:
    """Refuse what Envoy does not count."""
    if size % KIBIBYTE or size > MAX_HEADER_SIZE:
        raise ValueError("expected a whole number of KiB, 8192KiB at most")
    return size


NO_HEADER_SIZE = r"^0*([0-9]{1,3}B|[0-9]{1,2}[kK]B|[0-9]+\.0*[1-9][0-9]*KiB|(9|[1-9][0-9]+)MiB|1Gi?B)$"
HeaderSize = Annotated[Size, AfterValidator(check_header_size), Narrowed({"not": {"pattern": NO_HEADER_SIZE}})]


@dataclass(frozen=True, slots=True, config=CONFIG)
class Limits:
    """How much, and how long, clients can keep a listener busy. A gateway has stricter defaults than a sidecar."""

    header_size: Annotated[
        HeaderSize | None,
        Field(description="All headers of a request together, in whole KiB"),
        About(default="60KiB", envoy="HttpConnectionManager.max_request_headers_kb"),
    ] = None
    header_timeout: Annotated[
        Wait | None,
        Field(description="For all headers of a request to arrive"),
        About(default="10s at a gateway, none at a sidecar", envoy="HttpConnectionManager.request_headers_timeout"),
    ] = None
    streams: Annotated[
        Annotated[int, Strict(), Field(ge=1, le=2**31 - 1)] | None,
        Field(description="Requests at once on one connection of HTTP/2 or HTTP/3"),
        About(default="100 at a gateway, 1024 at a sidecar", envoy="Http2ProtocolOptions.max_concurrent_streams"),
    ] = None
    buffer: Annotated[
        Size | None,
        Field(description="How much data Envoy holds for one connection"),
        About(default="1MiB", envoy="Listener.per_connection_buffer_limit_bytes"),
    ] = None
    idle: Annotated[
        Duration | None,
        Field(description="How long a connection without requests is kept"),
        About(default="1h", envoy="HttpProtocolOptions.idle_timeout"),
    ] = None


GATEWAY_HEADER_TIMEOUT: Final = timedelta(seconds=10)
GATEWAY_STREAMS: Final = 100
"""The limits of a gateway without its own: its clients are not trusted."""


@dataclass(frozen=True, slots=True, config=CONFIG)
class HttpOptions:
    """How a listener reads HTTP requests."""

    accept_http_10: Annotated[
        bool,
        Strict(),
        Field(description="Also take requests of HTTP/1.0, which get 426 otherwise"),
        About(envoy="Http1ProtocolOptions.accept_http_10"),
    ] = False
    default_host_for_http_10: Annotated[
        HostHeader | None,
        Field(description="The host of requests of HTTP/1.0 without a Host header"),
        About(default="none: they get 400", envoy="Http1ProtocolOptions.default_host_for_http_10"),
    ] = None
    strip_trailing_host_dot: Annotated[
        bool,
        Strict(),
        Field(description="Take the host `api.` for `api`"),
        About(envoy="HttpConnectionManager.strip_trailing_host_dot"),
    ] = False
    normalize_path: Annotated[
        bool | None,
        Strict(),
        Field(description="Resolve `.` and `..` in a path before routes are matched, and as it is sent on"),
        About(default="true at a gateway, false at a sidecar", envoy="HttpConnectionManager.normalize_path"),
    ] = None
    merge_slashes: Annotated[
        bool | None,
        Strict(),
        Field(description="Take `//` in a path for `/` before routes are matched, and as it is sent on"),
        About(default="true at a gateway, false at a sidecar", envoy="HttpConnectionManager.merge_slashes"),
    ] = None

    def normalizes_path(self, *, edge: bool) -> bool:
        """Whether `..` in a path is resolved; `edge` is whether it is a gateway."""
        return edge if self.normalize_path is None else self.normalize_path

    def merges_slashes(self, *, edge: bool) -> bool:
        """Whether `//` in a path counts as `/`; `edge` is whether it is a gateway."""
        return edge if self.merge_slashes is None else self.merge_slashes


def check_http_options(options: HttpOptions) -> HttpOptions:
    """Refuse a default host where no request of HTTP/1.0 is taken."""
    if options.default_host_for_http_10 is not None and not options.accept_http_10:
        raise Mistakes(Mistake(("default_host_for_http_10",), "needs `accept_http_10: true` beside it"))
    return options


LimitsField = Annotated[
    Limits,
    Field(description="How much, and how long, clients can keep a listener busy"),
]
HttpField = Annotated[
    Annotated[HttpOptions, AfterValidator(check_http_options)],
    Field(description="How a listener reads HTTP requests"),
]
