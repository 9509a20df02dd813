"""The Client Status Discovery Service (CSDS): the standard API for what `xds status` shows.

It shows every node's configuration, so it is served only when the server listens on loopback. Its messages may be
large. They are built on request, in a thread.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import chain

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError

from xds.errors import PeerError
from xds.server.clients.ask import Ask, ask_one_process
from xds.server.clients.status import SubscribedType, gather_clients
from xds.server.streams.ads import AdsServicer
from xds.server.streams.call import Context
from xds.wire import SECRET
from xds.wire.discovery_pb2 import Node as WireNode
from xds.wire.envoy.admin_v3_pb2 import ClientResourceStatus, UpdateFailureState
from xds.wire.envoy.config_core_v3_pb2 import Locality, Node
from xds.wire.envoy.service_status_v3_pb2 import (
    ClientConfig,
    ClientStatusRequest,
    ClientStatusResponse,
    ConfigStatus,
)
from xds.wire.envoy.type_matcher_v3_pb2 import NodeMatcher
from xds.wire.messages import encode

CSDS = "envoy.service.status.v3.ClientStatusDiscoveryService"


SYNCED = (ConfigStatus.SYNCED, ClientResourceStatus.ACKED)
ERROR = (ConfigStatus.ERROR, ClientResourceStatus.NACKED)
STALE = (ConfigStatus.STALE, ClientResourceStatus.REQUESTED)
NOT_SENT = (ConfigStatus.NOT_SENT, ClientResourceStatus.REQUESTED)
MISSING = (ConfigStatus.NOT_SENT, ClientResourceStatus.DOES_NOT_EXIST)


@dataclass(frozen=True, slots=True)
class Config:
    """One resource of one client: what is served, and the client's status for it. Times are time.time() values."""

    type_url: str
    name: str
    version: str
    body: bytes
    pushed_at: float | None
    status: tuple[ConfigStatus, ClientResourceStatus]
    message: str
    nacked_at: float | None


class CsdsServicer:
    """Answers from the streams of the discovery services. `ask` collects them from every process."""

    def __init__(self, ads: AdsServicer, ask: Ask | None = None) -> None:
        self._ask = ask or ask_one_process(ads)
        self._slow = asyncio.Semaphore(1)
        self._thread = ThreadPoolExecutor(1, "csds")  # one at a time, also when callers go and others come

    def build_handler(self) -> grpc.GenericRpcHandler:
        """Return the gRPC handler of both methods."""
        return grpc.method_handlers_generic_handler(
            CSDS,
            {
                "StreamClientStatus": grpc.stream_stream_rpc_method_handler(self._stream),
                "FetchClientStatus": grpc.unary_unary_rpc_method_handler(self._fetch),
            },
        )

    async def _stream(self, _requests: object, context: Context) -> None:
        while isinstance(data := await context.read(), bytes):  # at the end it is grpc.aio.EOF
            await context.write(await self._fetch(data, context))

    async def _fetch(self, data: bytes, context: Context) -> bytes:
        async with self._slow:
            loop = asyncio.get_running_loop()
            try:
                node_ids, contents = await loop.run_in_executor(self._thread, parse_request, data)
            except PeerError as error:
                await context.abort(grpc.StatusCode[error.status], str(error))
            answers = await self._ask(partial(list_configs, node_ids))
            configs = sorted(chain.from_iterable(answers.all), key=lambda one: (one[0].cluster, one[0].id))
            return await loop.run_in_executor(self._thread, partial(encode_response, configs, contents=contents))


def parse_request(data: bytes) -> tuple[frozenset[str] | None, bool]:
    """Return the node ids that a ClientStatusRequest asks for (None: all), and whether it asks for contents.

    Raises PeerError for bytes that are no such request, and for a matcher other than an exact node id.
    """
    try:
        request = ClientStatusRequest.FromString(data)
    except DecodeError as error:
        raise PeerError("INVALID_ARGUMENT", f"not a ClientStatusRequest: {error}") from None
    node_ids = frozenset(map(_read_node_id, request.node_matchers))
    return node_ids or None, not request.exclude_resource_contents


def _read_node_id(matcher: NodeMatcher) -> str:
    node_id, size = matcher.node_id, matcher.ByteSize()
    matcher.DiscardUnknownFields()  # such as node_metadatas
    if matcher.ByteSize() != size or node_id.WhichOneof("match_pattern") != "exact" or node_id.ignore_case:
        raise PeerError("INVALID_ARGUMENT", "a node_matcher must be an exact node_id: nothing else is supported")
    return node_id.exact


async def list_configs(node_ids: frozenset[str] | None, ads: AdsServicer) -> list[tuple[WireNode, list[Config]]]:
    """Return each client of this process, or those with these ids, with its status for each resource."""
    return [
        (client.node, [config for subscribed in client.types() for config in describe_configs(subscribed)])
        for client in gather_clients(ads.streams())
        if node_ids is None or client.node.id in node_ids
    ]


def describe_configs(subscribed: SubscribedType) -> list[Config]:
    """Return a client's status for each resource of one type that it subscribed to."""
    type_url, stream, subscription = subscribed.type_url, subscribed.stream, subscribed.subscription
    resources, nack = subscribed.snapshot.resources, subscription.nack
    configs = []
    for name in sorted(subscribed.wanted_names()):
        resource, known = resources.get(name), subscription.known.get(name)
        if resource is None:
            status = MISSING
        elif known == resource.version:
            status = SYNCED
        elif name in subscription.rejected:
            status = ERROR
        elif known is not None or (subscription.in_flight and name in subscription.in_flight.batch.versions):
            status = STALE
        else:
            status = NOT_SENT
        configs.append(
            Config(
                type_url=type_url,
                name=name,
                version=resource.version if resource else "",
                body=resource.body if resource else b"",
                pushed_at=stream.pushed_at.get(type_url),
                status=status,
                message=nack.message if nack and status is ERROR else "",
                nacked_at=stream.nacked_at.get(type_url),
            )
        )
    return configs


def encode_response(clients: list[tuple[WireNode, list[Config]]], *, contents: bool) -> bytes:
    """Return an encoded ClientStatusResponse; `contents` adds the resources themselves, except secrets."""
    return encode(
        ClientStatusResponse(
            config=[
                ClientConfig(
                    node=_build_node(node),
                    generic_xds_configs=[_build_config(one, contents=contents) for one in configs],
                )
                for node, configs in clients
            ]
        )
    )


def _build_node(node: WireNode) -> Node:
    locality = Locality(region=node.locality.region, zone=node.locality.zone, sub_zone=node.locality.sub_zone)
    return Node(id=node.id, cluster=node.cluster, locality=locality, user_agent_name=node.user_agent_name)


def _build_config(config: Config, *, contents: bool) -> ClientConfig.GenericXdsConfig:
    status, client_status = config.status
    shown = contents and config.body and config.type_url != SECRET  # the caller is not the node that owns the secret
    error = UpdateFailureState(
        details=config.message, version_info=config.version, last_update_attempt=_read_time(config.nacked_at)
    )
    return ClientConfig.GenericXdsConfig(
        type_url=config.type_url,
        name=config.name,
        version_info=config.version,
        xds_config=Any.FromString(config.body) if shown else None,
        last_updated=_read_time(config.pushed_at),
        config_status=status,
        client_status=client_status,
        error_state=error if config.status is ERROR else None,
    )


def _read_time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
