"""The HTTP admin: it shows the connected clients, what each is or would be served, and the metrics.

It shows every node's configuration, so it listens on loopback unless the operator sets another address. What holds for
every request, such as that no page in a browser may send it, is in `http_server`.

It changes one thing: `POST /apply` confirms a removal that is held. Only programs on this machine may, and with a
Content-Type that a page cannot send to another site without asking first, which is refused.

Long answers are made in a thread, as pieces. A dump or a status that many ask for at once is made once.
"""

import asyncio
import ipaddress
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import partial
from itertools import chain
from operator import itemgetter
from typing import Protocol

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from xds.catalog.model.locality import Locality
from xds.resources.inventory import Inventory
from xds.resources.view import NodeKind
from xds.server.address import ListenAddress
from xds.server.admin.endpoint_metrics import build_endpoint_registry, find_localities
from xds.server.admin.metrics import Metrics
from xds.server.clients.ask import (
    Ask,
    ask_one_process,
    count_clients,
    count_silent,
    describe_clients,
    find_served_node,
    find_targets,
    list_failed_clusters,
)
from xds.server.clients.documents import (
    AppliedState,
    Json,
    build_kind,
    describe_documents,
    describe_resource,
    describe_server,
    describe_snapshot,
    describe_standing,
    list_kind,
    write_dump,
)
from xds.server.clients.targets import describe_targets
from xds.server.descriptors import share_connections
from xds.server.http_server import HttpServer, answer_json
from xds.server.observe.counters import CatalogCounters
from xds.server.shared_work import BusyError, Slow, Together
from xds.server.streams.ads import AdsServicer
from xds.snapshot.snapshot import Snapshot
from xds.wire import CLUSTER, TYPE_URLS, short_type
from xds.wording import suggest, write_json

INDEX = """\
xds admin: it answers GET requests, which change nothing.

/status                    every connected client, and its state for each type
/dump?node=ID              the resources that this node is served
/dump?cluster=NAME         the resources that a node with this node.cluster is served, connected or not; with an empty
                           NAME, what a node is served that may call every service
/cluster?name=NAME         whether the catalog has a service or gateway of this name, and what nodes with this
                           node.cluster are served if not
/snapshot?cluster=NAME     names and versions of the resources that nodes with this node.cluster are served;
                           give `cluster` again for more of them
/resource?cluster=NAME&type=TYPE&name=NAME
                           one of these resources in full; TYPE is a short name such as Cluster

/catalog                   the files of the catalog that is served, as text

With `cluster`, also:      &grpc for what gRPC's own clients are served, which differs from Envoy's
                           &region=R&zone=Z&sub_zone=S for what nodes in this locality are served

/held                      removals that wait until they are confirmed, with the differences of their files
/apply?id=ID               by POST: confirms one of these; give `id` again for more of them (`xds apply --yes`).
                           Only from this machine, with Content-Type: application/json

/metrics                   for Prometheus: the metrics of xds
/metrics/endpoints         for Prometheus: each endpoint's expected share, for services with `endpoint_stats`
/v1/sd/prometheus          for Prometheus' http_sd_configs: the addresses of the Envoys' own metrics
"""

MAX_CLUSTERS = 100
"""How many clusters one request for /snapshot may name."""

RETRY_S = 5
"""When to ask again, if there is too much to do."""

log = structlog.get_logger()


class Removals(Protocol):
    """What is held and waits for a confirmation."""

    def describe_held(self) -> list[Json]:
        """Return what is held, with the differences of files. It takes a while: call it in a thread."""
        ...

    async def confirm(self, held_ids: Sequence[str]) -> tuple[str, ...] | None:
        """Let go what is held with these ids; return None, and do nothing, unless all of them are held.

        Return the files whose removals do not go yet, since what is left has mistakes without them.
        """
        ...


class NoRemovals:
    """Nothing is held."""

    def describe_held(self) -> list[Json]:
        """Return nothing."""
        return []

    async def confirm(self, _held_ids: Sequence[str]) -> tuple[str, ...] | None:
        """Do nothing."""
        return None


class AdminServer(HttpServer):
    """Answers requests at its own address. It uses `ask` to learn of the clients of every process.

    `applied` returns the state of the source that is served, and `removals` what is held.
    """

    def __init__(
        self,
        address: ListenAddress,
        ads: AdsServicer,
        applied: Callable[[], AppliedState],
        ask: Ask | None = None,
        counters: CatalogCounters | None = None,
        removals: Removals | None = None,
    ) -> None:
        app = web.Application(client_max_size=2**16)
        for path, answer in {
            "/": self._index,
            "/status": self._status,
            "/dump": self._dump,
            "/cluster": self._cluster,
            "/snapshot": self._snapshot,
            "/resource": self._resource,
            "/held": self._list_held,
            "/catalog": self._catalog,
            "/metrics": self._scrape,
            "/metrics/endpoints": self._scrape_endpoints,
            "/v1/sd/prometheus": self._discover,
        }.items():
            app.router.add_get(path, answer)
        app.router.add_post("/apply", self._apply)
        super().__init__(address, app, connections=share_connections(has_rest=False).admin)
        self._ads = ads
        self._applied = applied
        self._ask = ask or ask_one_process(ads)
        self._removals = removals or NoRemovals()
        self._metrics = Metrics(counters or CatalogCounters())
        self._slow = Slow()
        self._asked_status = Together(self._write_status)
        self._asked_metrics = Together(self._build_metrics)
        self._asked_shares = Together(self._build_shares)
        self._kept: tuple[Inventory, NodeKind, Snapshot] | None = None  # a caller often asks for more of one snapshot

    async def stop(self) -> None:
        """Stop listening, and end what is in progress."""
        await super().stop()
        self._slow.close()

    async def _answer_slowly(
        self, request: web.Request, key: Hashable, parts: Callable[[], Iterable[str]]
    ) -> web.StreamResponse:
        """Answer with a JSON text whose parts are made in a thread, shared by all who ask for the same key now."""
        try:
            async with self._slow.share((request.path, key), parts) as answer:
                pieces = answer.read()
                first = await anext(pieces, b"")
                response = web.StreamResponse(headers={"Content-Type": "application/json; charset=utf-8"})
                await response.prepare(request)
                if request.method == "HEAD":
                    return response
                try:
                    await response.write(first)
                    async for piece in pieces:
                        await response.write(piece)
                    await response.write_eof()
                except ConnectionError:
                    raise
                except Exception as error:  # a bug in xds: half an answer must not look like a whole one
                    log.error("HTTP request failed", path=request.path, error=repr(error))
                    if request.transport is not None:
                        request.transport.abort()
                return response
        except BusyError:
            words = "too many long answers are being made: ask again later"
            raise web.HTTPServiceUnavailable(text=words, headers={"Retry-After": str(RETRY_S)}) from None

    async def _index(self, _request: web.Request) -> web.Response:
        return web.Response(text=INDEX)

    async def _status(self, _request: web.Request) -> web.Response:
        return web.Response(body=await self._asked_status.ask(), content_type="application/json")

    async def _write_status(self) -> bytes:
        applied = self._applied()  # before the clients: else their status could be of an older state than `applied`
        answers = await self._ask(describe_clients)
        silent = sum((await self._ask(count_silent)).all)
        failed = sorted({*chain.from_iterable((await self._ask(list_failed_clusters)).all)})
        inventory, now = self._ads.store.inventory, time.time()

        def write() -> bytes:
            clients = sorted(chain.from_iterable(answers.all), key=itemgetter("cluster", "node_id", "connected_at"))
            server = describe_server(inventory, applied, answers.silent, now)
            found = {"clients": clients, "twins": find_twins(clients), "streams_without_request": silent}
            return write_json({**server, **found, "failed_clusters": failed}).encode()

        return await asyncio.to_thread(write)

    async def _dump(self, request: web.Request) -> web.StreamResponse:
        if "node" not in request.query and "cluster" in request.query:
            kind = _read_kind(request, request.query["cluster"])
            inventory = self._ads.store.inventory
            return await self._answer_slowly(request, (kind, id(inventory)), lambda: self._dump_kind(inventory, kind))
        node_id = _required(request, "node")
        answers = await self._ask(partial(find_served_node, node_id))
        served = next((found for _, found in answers.all if found), None)
        if served is None:
            connected = [one for ids, _ in answers.all for one in ids]
            message = f"no node {node_id!r} is connected{'' if connected else ', and no other node'}"
            if answers.silent:
                silent = ", ".join(map(str, answers.silent))
                message += f"; worker {silent} did not answer, so it may be connected there"
                raise web.HTTPServiceUnavailable(text=message)
            raise web.HTTPNotFound(text=f"{message}{suggest(node_id, connected)}")
        node, configs = served.node, served.configs
        resources = tuple((one.name, one.version) for _, _, of_type in configs for one in of_type)
        key = (node.SerializeToString(), tuple((kind, version) for kind, version, _ in configs), resources)
        return await self._answer_slowly(request, key, lambda: write_dump(node, configs))

    def _dump_kind(self, inventory: Inventory, kind: NodeKind) -> Iterable[str]:
        snapshot = self._ads.store.build_snapshot(kind) if kind.cluster else build_kind(inventory, kind)
        return write_dump(*list_kind(kind, snapshot))

    async def _cluster(self, request: web.Request) -> web.Response:
        return answer_json(describe_standing(self._ads.store, _required(request, "name")))

    async def _snapshot(self, request: web.Request) -> web.StreamResponse:
        _required(request, "cluster")
        names = list(dict.fromkeys(request.query.getall("cluster")))
        if len(names) > MAX_CLUSTERS:
            raise web.HTTPBadRequest(text=f"at most {MAX_CLUSTERS} clusters can be asked for at once")
        inventory = self._ads.store.inventory
        kinds = {name: _read_kind(request, name) for name in names}

        standings = {name: self._ads.store.find_standing(name) for name in names}

        def write() -> Iterable[str]:
            clusters = {name: describe_snapshot(self._snapshot_for(inventory, kind)) for name, kind in kinds.items()}
            yield write_json({"clusters": clusters, "standings": standings})

        return await self._answer_slowly(request, (tuple(kinds.values()), id(inventory)), write)

    async def _resource(self, request: web.Request) -> web.StreamResponse:
        cluster, kind, name = (_required(request, key) for key in ("cluster", "type", "name"))
        types = {short_type(type_url): type_url for type_url in TYPE_URLS}
        type_url = types.get(kind, kind)
        if type_url not in TYPE_URLS:
            raise web.HTTPBadRequest(text=f"no type {kind!r}{suggest(kind, types)}")
        inventory, node_kind = self._ads.store.inventory, _read_kind(request, cluster)

        def write() -> Iterable[str]:
            resource = self._snapshot_for(inventory, node_kind).of(type_url).resources.get(name)
            if resource is None:
                raise web.HTTPNotFound(text=f"nodes of {cluster!r} are served no {short_type(type_url)} {name!r}")
            yield write_json(describe_resource(type_url, resource))

        return await self._answer_slowly(request, (node_kind, type_url, name, id(inventory)), write)

    async def _list_held(self, request: web.Request) -> web.StreamResponse:
        held = tuple(one.id for one in self._applied().held)
        return await self._answer_slowly(
            request, held, lambda: iter((write_json({"held": self._removals.describe_held()}),))
        )

    async def _apply(self, request: web.Request) -> web.Response:
        _check_local(request)
        _required(request, "id")
        held_ids = request.query.getall("id")
        refused = await asyncio.shield(self._removals.confirm(held_ids))  # it is done, even if the client goes
        if refused is None:
            raise web.HTTPConflict(text="this is not held any more, or something else is: see `xds apply`")
        return answer_json({"applied": held_ids, "refused_files": list(refused)})

    async def _catalog(self, request: web.Request) -> web.StreamResponse:
        applied = self._applied()
        return await self._answer_slowly(
            request, (applied.digest, applied.at), lambda: iter((write_json(describe_documents(applied)),))
        )

    async def _scrape(self, request: web.Request) -> web.Response:
        return await _answer_scrape(request, await self._asked_metrics.ask())

    async def _scrape_endpoints(self, request: web.Request) -> web.Response:
        return await _answer_scrape(request, await self._asked_shares.ask())

    async def _build_metrics(self) -> CollectorRegistry:
        counts = await self._ask(count_clients)
        return self._metrics.build_registry(counts, self._ads.store.inventory, self._applied(), time.time())

    async def _build_shares(self) -> CollectorRegistry:
        answers = await self._ask(find_targets)
        localities = find_localities(chain.from_iterable(answers.all))
        return await asyncio.to_thread(build_endpoint_registry, self._ads.store.inventory, localities)

    async def _discover(self, _request: web.Request) -> web.Response:
        """Answer Prometheus' service discovery, with 503 when a worker did not answer.

        After an error Prometheus keeps its last list. A list that lacks a worker's clients would remove them.
        """
        answers = await self._ask(find_targets)
        if answers.silent:
            silent = ", ".join(map(str, answers.silent))
            raise web.HTTPServiceUnavailable(text=f"worker {silent} does not answer for its clients")
        return answer_json(describe_targets(chain.from_iterable(answers.all)))

    def _snapshot_for(self, inventory: Inventory, kind: NodeKind) -> Snapshot:
        if self._kept is None or self._kept[0] is not inventory or self._kept[1] != kind:
            self._kept = inventory, kind, self._ads.store.build_snapshot(kind)
        return self._kept[2]


def find_twins(clients: Iterable[Json]) -> dict[str, list[str]]:
    """Return the node ids that several Envoys have, with the Envoys' addresses, by the clients of all processes.

    An Envoy subscribes to clusters once. gRPC's own client has a stream for each target.
    """
    peers: dict[str, list[str]] = {}
    for client in clients:
        if not client["grpc"] and any(of_type["type"] == short_type(CLUSTER) for of_type in client["types"]):
            peers.setdefault(client["node_id"], []).append(client["peer"])
    return {node_id: of_id for node_id, of_id in peers.items() if len(of_id) > 1}


def _read_kind(request: web.Request, cluster: str) -> NodeKind:
    locality = Locality(*(request.query.get(word, "") for word in Locality._fields))
    return NodeKind(cluster, "grpc" in request.query, locality)


async def _answer_scrape(request: web.Request, registry: CollectorRegistry) -> web.Response:
    try:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    except (ValueError, TypeError):  # a version that is no number
        encode, content_type = choose_encoder("")
    return web.Response(body=await asyncio.to_thread(encode, registry), headers={"Content-Type": content_type})


def _check_local(request: web.Request) -> None:
    """Refuse a request that may change something, unless a program on this machine sent it."""
    own, peer = (
        request.transport.get_extra_info(end) if request.transport else None for end in ("sockname", "peername")
    )
    if not own or not peer or not (peer[0] == own[0] or ipaddress.ip_address(peer[0].partition("%")[0]).is_loopback):
        raise web.HTTPForbidden(text="only a program on the server's own machine may do this")
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="Content-Type must be application/json")


def _required(request: web.Request, key: str) -> str:
    """Return a required query parameter, which may be empty. Raises HTTPBadRequest when it is missing."""
    value = request.query.get(key)
    if value is None:
        raise web.HTTPBadRequest(text=f"`{key}` is missing in the query: {request.path}?{key}=…")
    return value
