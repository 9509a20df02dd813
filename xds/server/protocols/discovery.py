"""DiscoveryServer: the gRPC server of one process, with the discovery services, CSDS and health checking."""

import asyncio
import gc
from collections.abc import Iterable

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from xds.resources.inventory import Inventory
from xds.server.address import ListenError
from xds.server.clients.ask import Ask, ask_one_process
from xds.server.connections import Doorkeeper
from xds.server.protocols.csds import CsdsServicer
from xds.server.settings import Settings
from xds.server.streams.ads import AdsServicer
from xds.server.streams.pacing import collect_when_calm
from xds.snapshot.store import SnapshotStore
from xds.wire import ADS

OPTIONS = (
    ("grpc.max_concurrent_streams", 1000),  # per connection
    ("grpc.max_connection_idle_ms", 60_000),  # of a connection without a call
    ("grpc.server_handshake_timeout_ms", 10_000),  # of one that does not begin with HTTP/2
    ("grpc.max_metadata_size", 16 * 2**10),
    ("grpc.keepalive_time_ms", 30_000),  # finds half-open connections
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),  # the wait for a ping's answer; keepalive_timeout_ms alone has no effect
    ("grpc.http2.max_pings_without_data", 0),  # no limit: a stream may be quiet for long
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),  # lets clients send keepalive pings too
    ("grpc.http2.lookahead_bytes", 2**17),  # room for Envoy's first 61 KB and its names, without a window update
    ("grpc.http2.bdp_probe", 0),  # no pings that measure bandwidth: requests are too small to need them
)

log = structlog.get_logger()


def build_servicer(inventory: Inventory, settings: Settings, past: Iterable[Inventory] = ()) -> AdsServicer:
    """Return a process's servicer, ready for its first client. `past` is what clients may have from before."""
    store = SnapshotStore(inventory, past)
    gc.collect()
    gc.freeze()  # the catalog stays in memory, so collections need not scan it
    return AdsServicer(store, settings.limits, settings.drain_time)


class DiscoveryServer:
    """Serves streams in this process. Its CSDS uses `ask` to include the clients of other processes."""

    def __init__(self, ads: AdsServicer, settings: Settings, ask: Ask | None = None) -> None:
        self.ask = ask or ask_one_process(ads)
        self._ads = ads
        self._settings = settings
        self._health = health.aio.HealthServicer()
        limits = settings.limits
        self._connections = settings.connection_shares.grpc
        options = {
            **dict(OPTIONS),
            # Without workers, a second server at the same port is a mistake and must fail.
            "grpc.so_reuseport": int(settings.workers > 1),
            "grpc.max_allowed_incoming_connections": self._connections,
            "grpc.max_receive_message_length": limits.message_bytes,
            # New streams that wait, as after a restart. gRPC's own default refuses more than 1,000.
            "grpc.server.max_pending_requests": limits.streams,
            "grpc.server.max_pending_requests_hard_limit": limits.streams,
        }
        self._server = grpc.aio.server(options=list(options.items()))
        self._server.add_generic_rpc_handlers(ads.build_handlers())
        if settings.listen.is_loopback:
            self._server.add_generic_rpc_handlers((CsdsServicer(ads, self.ask).build_handler(),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    async def start(self) -> int:
        """Listen, and return the port. Raises ListenError."""
        for service in ("", ADS):
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        try:
            port = self._server.add_insecure_port(str(self._settings.listen))
        except RuntimeError as error:
            raise ListenError(f"cannot listen at {self._settings.listen}: {error}") from None
        await self._server.start()
        self._collecting = asyncio.create_task(collect_when_calm())
        per_address = self._settings.connections_per_address or max(1, self._connections // 2)
        self._limiting = asyncio.create_task(Doorkeeper(port, per_address).watch(self._list_peers))
        return port

    def _list_peers(self) -> list[str]:
        return [stream.peer for stream in self._ads.streams()]

    async def publish(self, inventory: Inventory) -> int:
        """Take a new inventory, push what changed, and return the number of streams that it concerned."""
        return await self._ads.publish(inventory)

    async def wait_for_answers(self) -> int | None:
        """Wait until clients have answered the last `publish`, and return when that was, as AdsServicer does."""
        return await self._ads.wait_for_answers()

    async def stop(self) -> None:
        """Report NOT_SERVING to health checks, end every stream so that clients reconnect elsewhere, and close."""
        log.info("stopping", streams=len(list(self._ads.streams())))
        self._collecting.cancel()
        self._limiting.cancel()
        await self._health.enter_graceful_shutdown()
        for stream in self._ads.streams():
            stream.end("the control plane is stopping")
        await self._server.stop(self._settings.grace)
        for client_log in (self._ads.shared.connected, self._ads.shared.gone):
            client_log.flush()
