"""AdsServicer: the discovery services (ADS, and one service per type), which serve the snapshots of one store.

How one stream is read and written is in `stream.py`; what it is answered is in `xds.session`.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import count
from secrets import token_hex
from typing import Any

import grpc
import structlog

from xds.errors import PeerError
from xds.resources.inventory import Inventory
from xds.resources.view import NodeKind, Standing, kind_of
from xds.server.streams.call import Call, Context
from xds.server.streams.metering import Addresses
from xds.server.streams.pacing import Turns
from xds.server.streams.propagation import Propagation
from xds.server.streams.stream import DRAIN_SECONDS, SharedState, Stream
from xds.server.streams.twins import find_twins
from xds.session.fetch import PolledView, check_fetch
from xds.session.held import Latest
from xds.session.limits import Limits
from xds.session.request import check_node, check_request, parse_request
from xds.session.session import DELTA, SOTW, Session, Variant
from xds.snapshot.served import Place
from xds.snapshot.store import SnapshotStore
from xds.wire import ADS, SERVICES
from xds.wire.discovery_pb2 import DiscoveryRequest, DiscoveryResponse, Node

DEFAULT_LIMITS = Limits()

log = structlog.get_logger()

KEEP_SECONDS = 1800.0
"""How long what a cluster had is kept after the catalog has dropped it and its last node has left, at least; at most
twice as long."""

TWIN_SECONDS = 60.0
"""How long two streams with one node id may overlap: until then, one may be of a connection that is lost."""

VIEW_COST = 400
"""What a view costs whose services are built: the turns of two large requests (`pacing.py`)."""

MAX_TRIES = 3
"""How often a view is built that an edit overtakes; then the rest waits for nothing."""

MAX_POLLED = 64
"""How many views are kept for nodes that poll. The views that were asked for last stay."""


class AdsServicer:
    """Serves each stream its node's view of the store, and pushes a change to the streams that it concerns."""

    def __init__(
        self, store: SnapshotStore, limits: Limits = DEFAULT_LIMITS, drain_seconds: float = DRAIN_SECONDS
    ) -> None:
        self.store = store
        self.shared = SharedState(drain_seconds)
        self._limits = limits
        self._addresses = Addresses(limits.streams, time.monotonic)
        self._streams: set[Stream] = set()  # those that have sent their node
        self._by_id: dict[str, list[Stream]] = {}
        self._swept_at = time.monotonic()
        self._polled: OrderedDict[NodeKind, tuple[Place, PolledView]] = OrderedDict()
        self._stream_numbers = count(1)
        self._propagation: Propagation | None = None
        self._preparing = asyncio.Lock()
        self._run_id = token_hex(3)  # makes nonces differ from those of the server before a restart

    def build_handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        """Return the gRPC handlers of all services. They pass messages as bytes, which sessions parse and encode."""
        aggregated: dict[str, Variant[Any]] = {"StreamAggregatedResources": SOTW, "DeltaAggregatedResources": DELTA}
        handlers = [grpc.method_handlers_generic_handler(ADS, self._build_streams(aggregated, None))]
        for service, (word, type_url) in SERVICES.items():
            methods = self._build_streams({f"Stream{word}": SOTW, f"Delta{word}": DELTA}, type_url)
            methods[f"Fetch{word}"] = grpc.unary_unary_rpc_method_handler(partial(self._fetch, type_url))
            handlers.append(grpc.method_handlers_generic_handler(service, methods))
        return tuple(handlers)

    def _build_streams(
        self, variants: Mapping[str, Variant[Any]], type_url: str | None
    ) -> "dict[str, grpc.RpcMethodHandler[bytes, bytes]]":
        return {
            method: grpc.stream_stream_rpc_method_handler(partial(self._serve, variant, type_url))
            for method, variant in variants.items()
        }

    async def _fetch(self, type_url: str, data: bytes, context: Context) -> bytes:
        try:
            check_request(DiscoveryRequest, data, self._limits.names)
            request = parse_request(DiscoveryRequest, data)
            answer = self.fetch(request, type_url)
        except PeerError as error:
            await context.abort(grpc.StatusCode[error.status], str(error))
        if answer is None:
            await context.abort(grpc.StatusCode.ABORTED, "version_info is current: there is nothing new to fetch")
        return answer.SerializeToString()

    def fetch(self, request: DiscoveryRequest, type_url: str) -> DiscoveryResponse | None:
        """Return the answer to a poll, or None when the client's `version_info` is current. Raises PeerError."""
        check_fetch(request, type_url)
        return self._acquire_polled(request.node).answer(request, type_url)

    def _acquire_polled(self, node: Node) -> PolledView:
        """Return the view of a node that polls, and keep it, since the next poll needs it again."""
        kind = kind_of(node)
        if kind not in self._polled:
            if len(self._polled) >= MAX_POLLED:
                place, polled = self._polled.popitem(last=False)[1]
                place.leave(polled)
                self.store.release(place.kind)
            place = self._acquire(node)
            polled = PolledView(place.read())
            place.follow(polled)
            place.note_always(polled, always=True)
            self._polled[kind] = place, polled
        self._polled.move_to_end(kind)
        return self._polled[kind][1]

    async def publish(self, inventory: Inventory) -> int:
        """Take a new inventory, push what changed, and return the number of streams that asked for any of it.

        It takes time for each view that changes and for each of these streams. Now and then the loop has a turn: who
        connects then gets what its view has at that moment. It must have ended before the next call.
        """
        turns, concerned = Turns(), 0
        update = self.store.begin_update(inventory)
        for _ in update.build():
            await turns.give()
        self.shared.propagation = propagation = Propagation()
        for step in self.store.take(update):
            concerned += sum(one.on_change(step.change) for one in step.concerned)
            await turns.give()
        propagation.seal()
        self._propagation = propagation
        self._sweep()
        in_use = self.store.clusters
        changed = in_use if inventory.mesh_changed else inventory.changed | inventory.changed_gateways
        for cluster in sorted(changed & in_use):
            self._tell_if_unnamed(cluster)
        return concerned

    async def wait_for_answers(self) -> int | None:
        """Wait until clients have answered everything that the last `publish` sent, and return when that was.

        The time is a time.monotonic_ns(), or None when the change concerned no client. The wait ends: the stream of a
        client that does not answer is closed.
        """
        return None if self._propagation is None else await asyncio.shield(self._propagation.done)

    async def _prepare(self, node: Node, host: str) -> None:
        """Build what takes long of a node's view, if nobody has built it, and let the loop have turns meanwhile.

        Nodes of one address take turns with those of others. Raises PeerError for a node that is refused.
        """
        check_node(node)
        kind = kind_of(node)
        if self.store.has_place(kind):
            return
        await self.shared.pacer.wait(host, VIEW_COST)
        for _ in range(MAX_TRIES):  # the inventory may change meanwhile
            if self.store.is_prepared(kind):
                return
            async with self._preparing:
                turns = Turns()
                for _ in self.store.prepare(kind):
                    await turns.give()

    def _acquire(self, node: Node) -> Place:
        """Return the place of a node, and log it if the catalog does not name the node's cluster."""
        self._sweep()
        place = self.store.acquire(kind_of(node))
        self._tell_if_unnamed(node.cluster, node)
        return place

    def _tell_if_unnamed(self, cluster: str, node: Node | None = None) -> None:
        standing = self.store.find_standing(cluster)
        hint = self.store.find_hint(cluster) if standing in (Standing.KEPT, Standing.UNKNOWN) else None
        self.shared.unnamed.tell(cluster, standing, hint, node)

    def _sweep(self) -> None:
        """Forget what is kept for nodes that have been away for long."""
        if time.monotonic() - self._swept_at >= KEEP_SECONDS:
            self._swept_at = time.monotonic()
            self.store.sweep()

    def count_silent(self) -> int:
        """Return how many streams are open that have sent no request yet."""
        return self._addresses.streams - len(self._streams)

    def streams(self) -> Iterable[Stream]:
        """Return every stream that has sent its node."""
        return [*self._streams]

    async def _serve(self, variant: Variant[Any], type_url: str | None, _requests: object, context: Context) -> None:
        stream: Stream

        def acquire(node: Node) -> Latest:
            place = self._acquire(node)
            stream.enter(place)
            self._streams.add(stream)
            self._note_id(node, stream)
            return place.read

        session: Session[Any] = Session(
            variant,
            acquire,
            f"{self._run_id}-{next(self._stream_numbers)}",
            type_url,
            self._limits,
            recall=lambda node: stream.recall(node),
            pool=self.store.pool,
            find_past=lambda node: self.store.build_past(kind_of(node)),
        )
        call = Call(context)
        address = self._addresses.open(call.peer)
        if address is None:
            reason = "this server has reached its limit of streams, in all or of this address"
            self.shared.repeats.tell(None, log.warning, "stream refused", peer=call.peer, reason=reason)
            await call.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, reason)
            return
        stream = Stream(call, session, self.shared, address, self._prepare)
        try:
            await stream.serve()
        finally:
            call.end()
            self._addresses.close(address)
            if session.node is not None:
                self._release(session.node, stream)

    def _note_id(self, node: Node, stream: Stream) -> None:
        """Note which node id a stream has, and look later whether two Envoys have it."""
        streams = self._by_id.setdefault(node.id, [])
        streams.append(stream)
        if len(streams) > 1:
            asyncio.get_running_loop().call_later(TWIN_SECONDS, self._check_twins, node.id)

    def _check_twins(self, node_id: str) -> None:
        since = time.time() - TWIN_SECONDS + 1.0
        twins = find_twins(one for one in self._by_id.get(node_id, ()) if one.connected_at <= since)
        if twins and (node := twins[0].session.node) is not None:
            self.shared.twins.tell(node, sorted({twin.peer for twin in twins}))

    def _release(self, node: Node, stream: Stream) -> None:
        self._by_id[node.id].remove(stream)
        if len(self._by_id[node.id]) <= 1:
            self.shared.twins.settle(node.id)
        if not self._by_id[node.id]:
            del self._by_id[node.id]
        self._streams.discard(stream)
        if (place := stream.leave()) is not None:
            self.store.release(place.kind)
