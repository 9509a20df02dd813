"""DiscoveryServer: the gRPC services of one process, at its port: discovery, CSDS and health."""

import asyncio
import gc

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from xds.resources.inventory import Inventory
from xds.resources.view import NodeKind
from xds.server.address import ListenError
from xds.server.clients.ask import Ask, ask_alone
from xds.server.protocols.csds import CsdsServicer
from xds.server.settings import Settings
from xds.server.streams.ads import AdsServicer
from xds.server.streams.pacing import collect_when_calm
from xds.session.limits import Limits
from xds.snapshot.store import SnapshotStore
from xds.wire import ADS

OPTIONS = (
    ("grpc.max_concurrent_streams", 1000),  # of one connection
    ("grpc.max_metadata_size", 16 * 2**10),
    ("grpc.keepalive_time_ms", 30_000),  # finds half-open connections
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),  # what it waits for the answer; keepalive_timeout_ms alone is not enough
    ("grpc.http2.max_pings_without_data", 0),  # as long as the stream is quiet
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),  # lets clients find them too
    ("grpc.http2.lookahead_bytes", 2**17),  # an Envoy's first 61 KB, and the names that follow, without asking for room
    ("grpc.http2.bdp_probe", 0),  # pings that measure the way for large requests: there are none
)

ANYONE = NodeKind("")
"""A caller that the catalog does not name."""

log = structlog.get_logger()


def build_servicer(inventory: Inventory, limits: Limits) -> AdsServicer:
    """Make a process's servicer, ready for its first client."""
    store = SnapshotStore(inventory)
    store.acquire(ANYONE)  # makes the types of messages ready: half a second that the first client would wait
    store.release(ANYONE)
    gc.collect()
    gc.freeze()  # the catalog stays: no collection looks through it again
    return AdsServicer(store, limits)


class DiscoveryServer:
    """Serves streams in this process. By `ask` its CSDS learns of the clients of others too."""

    def __init__(self, ads: AdsServicer, settings: Settings, ask: Ask | None = None) -> None:
        self.ask = ask or ask_alone(ads)
        self._ads = ads
        self._settings = settings
        self._health = health.aio.HealthServicer()
        limits = settings.limits
        options = {
            **dict(OPTIONS),
            # Without workers, a second server on one port is a mistake, not a share of the load.
            "grpc.so_reuseport": int(settings.workers > 1),
            "grpc.max_receive_message_length": limits.message_bytes,
            # Streams that wait to be taken, as after a restart: gRPC refuses 1,000 and more unless told otherwise.
            "grpc.server.max_pending_requests": limits.streams,
            "grpc.server.max_pending_requests_hard_limit": limits.streams,
        }
        self._server = grpc.aio.server(options=list(options.items()))
        self._server.add_generic_rpc_handlers(ads.build_handlers())
        if settings.listen.is_loopback:
            self._server.add_generic_rpc_handlers((CsdsServicer(ads, self.ask).build_handler(),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    async def start(self) -> int:
        """Listen, and give the port; raise ListenError when that cannot be."""
        for service in ("", ADS):
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        try:
            port = self._server.add_insecure_port(str(self._settings.listen))
        except RuntimeError as error:
            raise ListenError(f"cannot listen at {self._settings.listen}: {error}") from None
        await self._server.start()
        self._collecting = asyncio.create_task(collect_when_calm())
        return port

    async def publish(self, inventory: Inventory) -> int:
        """Take a new inventory, push what changed, and give the number of streams that it concerned."""
        return self._ads.publish(inventory)

    async def settle(self) -> int | None:
        """Wait until clients have answered what the last `publish` sent them; when that was."""
        return await self._ads.settle()

    async def stop(self) -> None:
        """Tell health checks, end every stream so that its client looks elsewhere, and close."""
        log.info("stopping", streams=len(list(self._ads.streams())))
        self._collecting.cancel()
        await self._health.enter_graceful_shutdown()
        for stream in self._ads.streams():
            stream.end("the control plane is stopping")
        await self._server.stop(self._settings.grace)
        for crowd in (self._ads.common.connected, self._ads.common.gone):
            crowd.flush()
