"""The HTTP admin: it shows the connected clients, what each is or would be served, and the metrics.

It shows every node's configuration, so it listens on loopback unless the operator sets another address. On loopback, it
refuses a request whose Host is neither `localhost` nor an IP address: so a page in a browser cannot read it under a
name that DNS points to this machine (DNS rebinding).

It changes one thing: `POST /apply` confirms a removal that is held. Only programs on this machine may, and no page in a
browser: it would send an Origin, and cannot send JSON to another site without asking first, which is answered with 405.
"""

import asyncio
import ipaddress
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain
from operator import itemgetter
from typing import Protocol

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client.exposition import choose_encoder

from xds.catalog.model.locality import Locality
from xds.resources.inventory import Inventory
from xds.resources.view import NodeKind
from xds.server.address import HttpServer, ListenAddress
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
)
from xds.server.clients.documents import (
    AppliedState,
    Json,
    describe_documents,
    describe_dump,
    describe_kind,
    describe_resource,
    describe_server,
    describe_snapshot,
    describe_standing,
    describe_view,
)
from xds.server.clients.targets import describe_targets
from xds.server.observe.counters import CatalogCounters
from xds.server.streams.ads import AdsServicer
from xds.snapshot.snapshot import Snapshot
from xds.wire import CLUSTER, TYPE_URLS, short_type
from xds.wording import split_host_and_port, suggest

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
        app = web.Application(middlewares=[self._guard], client_max_size=2**16)
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
        super().__init__(address, app)
        self._ads = ads
        self._applied = applied
        self._ask = ask or ask_one_process(ads)
        self._removals = removals or NoRemovals()
        self._metrics = Metrics(counters or CatalogCounters())
        self._slow = asyncio.Semaphore(1)  # slow work runs in a thread, one request at a time
        self._kept: tuple[Inventory, NodeKind, Snapshot] | None = None  # a caller often asks for more of one snapshot

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse a request with a foreign Host header, and answer every error as JSON."""
        try:
            self._check_host(request)
            response = await handler(request)
        except web.HTTPException as error:
            response = web.json_response({"error": error.text}, status=error.status)
            if isinstance(error, web.HTTPMethodNotAllowed):
                response.headers["Allow"] = "POST" if request.path == "/apply" else "GET, HEAD"
        except Exception as error:  # a bug in the admin must not stop the streams
            log.error("admin failed", path=request.path, error=repr(error))
            response = web.json_response({"error": "a bug in xds: its log has the exception"}, status=500)
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    def _check_host(self, request: web.Request) -> None:
        if self.address.is_loopback and not names_this_machine(request.headers.get("Host", "")):
            raise web.HTTPForbidden(text="the Host header must be localhost or an IP address")

    async def _index(self, _request: web.Request) -> web.Response:
        return web.Response(text=INDEX)

    async def _status(self, _request: web.Request) -> web.Response:
        applied = self._applied()  # before the clients: else their status could be of an older state than `applied`
        answers = await self._ask(describe_clients)
        clients = sorted(chain.from_iterable(answers.all), key=itemgetter("cluster", "node_id", "connected_at"))
        inventory = self._ads.store.inventory
        server = describe_server(inventory, applied, answers.silent, time.time())
        silent = sum((await self._ask(count_silent)).all)
        found = {"clients": clients, "twins": find_twins(clients), "streams_without_request": silent}
        return web.json_response({**server, **found})

    async def _dump(self, request: web.Request) -> web.Response:
        if "node" not in request.query and "cluster" in request.query:
            kind = _read_kind(request, request.query["cluster"])
            async with self._slow:
                return web.json_response(await asyncio.to_thread(self._describe_kind, kind))
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
        async with self._slow:
            return web.json_response(await asyncio.to_thread(describe_dump, served.node, served.configs))

    def _describe_kind(self, kind: NodeKind) -> Json:
        store = self._ads.store
        return describe_view(kind, store.build_snapshot(kind)) if kind.cluster else describe_kind(store.inventory, kind)

    async def _cluster(self, request: web.Request) -> web.Response:
        return web.json_response(describe_standing(self._ads.store, _required(request, "name")))

    async def _snapshot(self, request: web.Request) -> web.Response:
        _required(request, "cluster")
        names = list(dict.fromkeys(request.query.getall("cluster")))
        if len(names) > MAX_CLUSTERS:
            raise web.HTTPBadRequest(text=f"at most {MAX_CLUSTERS} clusters can be asked for at once")
        inventory = self._ads.store.inventory
        kinds = {name: _read_kind(request, name) for name in names}

        def describe() -> Json:
            return {name: describe_snapshot(self._snapshot_for(inventory, kind)) for name, kind in kinds.items()}

        async with self._slow:
            clusters = await asyncio.to_thread(describe)
        standings = {name: self._ads.store.find_standing(name) for name in names}
        return web.json_response({"clusters": clusters, "standings": standings})

    async def _resource(self, request: web.Request) -> web.Response:
        cluster, kind, name = (_required(request, key) for key in ("cluster", "type", "name"))
        types = {short_type(type_url): type_url for type_url in TYPE_URLS}
        type_url = types.get(kind, kind)
        if type_url not in TYPE_URLS:
            raise web.HTTPBadRequest(text=f"no type {kind!r}{suggest(kind, types)}")
        inventory, node_kind = self._ads.store.inventory, _read_kind(request, cluster)

        def describe() -> Json | None:
            resource = self._snapshot_for(inventory, node_kind).of(type_url).resources.get(name)
            return None if resource is None else describe_resource(type_url, resource)

        async with self._slow:
            found = await asyncio.to_thread(describe)
        if found is None:
            raise web.HTTPNotFound(text=f"nodes of {cluster!r} are served no {short_type(type_url)} {name!r}")
        return web.json_response(found)

    async def _list_held(self, _request: web.Request) -> web.Response:
        async with self._slow:
            return web.json_response({"held": await asyncio.to_thread(self._removals.describe_held)})

    async def _apply(self, request: web.Request) -> web.Response:
        _check_origin(request)
        _required(request, "id")
        held_ids = request.query.getall("id")
        refused = await self._removals.confirm(held_ids)
        if refused is None:
            raise web.HTTPConflict(text="this is not held any more, or something else is: see `xds apply`")
        return web.json_response({"applied": held_ids, "refused_files": list(refused)})

    async def _catalog(self, _request: web.Request) -> web.Response:
        async with self._slow:
            return web.json_response(await asyncio.to_thread(describe_documents, self._applied()))

    async def _scrape(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        counts = await self._ask(count_clients)
        registry = self._metrics.build_registry(counts, self._ads.store.inventory, self._applied(), time.time())
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    async def _scrape_endpoints(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        answers = await self._ask(find_targets)
        inventory = self._ads.store.inventory

        def describe() -> bytes:
            return encode(build_endpoint_registry(inventory, find_localities(chain.from_iterable(answers.all))))

        async with self._slow:
            body = await asyncio.to_thread(describe)
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _discover(self, _request: web.Request) -> web.Response:
        """Answer Prometheus' service discovery, with 503 when a worker did not answer.

        After an error Prometheus keeps its last list. A list that lacks a worker's clients would remove them.
        """
        answers = await self._ask(find_targets)
        if answers.silent:
            silent = ", ".join(map(str, answers.silent))
            raise web.HTTPServiceUnavailable(text=f"worker {silent} does not answer for its clients")
        return web.json_response(describe_targets(chain.from_iterable(answers.all)))

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


def names_this_machine(host: str) -> bool:
    """Whether a Host header is `localhost` or an IP address, and not a name that DNS can point to this machine."""
    name, _ = split_host_and_port(host) or (host.removeprefix("[").removesuffix("]"), None)
    if name.lower() == "localhost":
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _check_origin(request: web.Request) -> None:
    """Refuse a request that may change something, unless a program on this machine sent it, and no page."""
    own, peer = (
        request.transport.get_extra_info(end) if request.transport else None for end in ("sockname", "peername")
    )
    if not own or not peer or not (peer[0] == own[0] or ipaddress.ip_address(peer[0].partition("%")[0]).is_loopback):
        raise web.HTTPForbidden(text="only a program on the server's own machine may do this")
    if "Origin" in request.headers or request.headers.get("Sec-Fetch-Site", "none") != "none":
        raise web.HTTPForbidden(text="no page in a browser may do this")
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="Content-Type must be application/json")


def _required(request: web.Request, key: str) -> str:
    """Return a required query parameter, which may be empty. Raises HTTPBadRequest when it is missing."""
    value = request.query.get(key)
    if value is None:
        raise web.HTTPBadRequest(text=f"`{key}` is missing in the query: {request.path}?{key}=…")
    return value
