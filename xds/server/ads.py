"""The Aggregated Discovery Service, in both variants, over the snapshots of one store."""

from collections.abc import Iterable
from functools import partial
from itertools import count
from secrets import token_hex
from typing import Any

import grpc

from xds.resources.inventory import Inventory
from xds.server.stream import Context, Stream
from xds.session.session import DELTA, SOTW, Session, Variant
from xds.snapshot.snapshot import Snapshot
from xds.snapshot.store import SnapshotStore
from xds.wire import ADS
from xds.wire.discovery_pb2 import Node


class AdsServicer:
    """Serves every stream its node's view of the store, and pushes what changes to those whom it concerns."""

    def __init__(self, store: SnapshotStore) -> None:
        self.store = store
        self._streams: dict[str, set[Stream]] = {}
        self._names = count(1)
        self._run = token_hex(3)  # nonces of a server before a restart are not ours

    def build_handler(self) -> grpc.GenericRpcHandler:
        """Give the gRPC handler of both methods. Requests and responses pass as bytes: sessions read and make them."""
        methods: dict[str, Variant[Any]] = {"StreamAggregatedResources": SOTW, "DeltaAggregatedResources": DELTA}
        return grpc.method_handlers_generic_handler(
            ADS,
            {
                method: grpc.stream_stream_rpc_method_handler(partial(self._serve, variant))
                for method, variant in methods.items()
            },
        )

    def publish(self, inventory: Inventory) -> int:
        """Take a new inventory, push what changed, and give the number of streams that it concerned."""
        concerned = 0
        for node_cluster, change in self.store.update(inventory).items():
            for stream in self._streams[node_cluster]:
                stream.push(stream.session.on_change(change))
                concerned += 1
        return concerned

    def streams(self) -> Iterable[Stream]:
        """Give every stream whose node is known."""
        return [stream for streams in self._streams.values() for stream in streams]

    async def _serve(self, variant: Variant[Any], _requests: object, context: Context) -> None:
        stream: Stream

        def acquire(node: Node) -> Snapshot:
            self._streams.setdefault(node.cluster, set()).add(stream)
            return self.store.acquire(node.cluster)

        session: Session[Any] = Session(variant, acquire, f"{self._run}-{next(self._names)}")
        stream = Stream(context, session)
        try:
            await stream.serve()
        finally:
            if session.node is not None:
                self._release(session.node.cluster, stream)

    def _release(self, node_cluster: str, stream: Stream) -> None:
        self.store.release(node_cluster)
        self._streams[node_cluster].discard(stream)
        if not self._streams[node_cluster]:
            del self._streams[node_cluster]
