"""The HTTP admin: who is connected, what each is served, what would be served, and the metrics. It changes nothing.

It shows every node's configuration, so that it listens on loopback unless the operator says otherwise. On loopback a
browser's page cannot read it either: a request whose Host is neither `localhost` nor an IP address is refused.
"""

import asyncio
import ipaddress
import time
from collections.abc import Callable
from functools import partial
from itertools import chain
from operator import itemgetter

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client.exposition import choose_encoder

from xds.catalog.model.locality import Locality
from xds.resources.inventory import Inventory
from xds.resources.view import NodeKind
from xds.server.address import ListenAddress, Site
from xds.server.admin.endpoint_metrics import build_endpoint_registry, find_places
from xds.server.admin.metrics import Metrics
from xds.server.clients.ask import Ask, ask_alone, count_clients, describe_clients, find_served, find_targets
from xds.server.clients.documents import (
    Json,
    Taken,
    describe_dump,
    describe_kind,
    describe_resource,
    describe_server,
    describe_snapshot,
    snapshot_for,
)
from xds.server.clients.targets import describe_targets
from xds.server.observe.counters import CatalogTally
from xds.server.streams.ads import AdsServicer
from xds.snapshot.snapshot import Snapshot
from xds.wire import TYPE_URLS, short_type
from xds.wording import suggest

INDEX = """\
xds admin: it answers GET, and changes nothing.

/status                    every connected client, and how it stands with each type
/dump?node=ID              exactly what that node is served
/dump?cluster=NAME         what nodes of that node.cluster would be served; empty for one that is no service's
/snapshot?cluster=NAME     names and versions of what nodes of that node.cluster are served; may be repeated
/resource?cluster=NAME&type=TYPE&name=NAME
                           one resource of these, written out; TYPE as in Cluster or ClusterLoadAssignment
                           with cluster also &grpc: what gRPC's own clients are served instead of Envoys,
                           and &region=R&zone=Z&sub_zone=S: what nodes there are served
/metrics                   for Prometheus
/metrics/endpoints         for Prometheus: each endpoint's expected share, of services with `endpoint_stats`
/v1/sd/prometheus          where the Envoys' own metrics are, for Prometheus' http_sd_configs
"""

MAX_CLUSTERS = 100

log = structlog.get_logger()


class AdminServer(Site):
    """Answers questions at an address of its own: by `ask`, of every process that has clients."""

    def __init__(
        self,
        address: ListenAddress,
        ads: AdsServicer,
        taken: Callable[[], Taken],
        ask: Ask | None = None,
        tally: CatalogTally | None = None,
    ) -> None:
        app = web.Application(middlewares=[self._guard], client_max_size=2**16)
        for path, answer in {
            "/": self._index,
            "/status": self._status,
            "/dump": self._dump,
            "/snapshot": self._snapshot,
            "/resource": self._resource,
            "/metrics": self._scrape,
            "/metrics/endpoints": self._scrape_endpoints,
            "/v1/sd/prometheus": self._discover,
        }.items():
            app.router.add_get(path, answer)
        super().__init__(address, app)
        self._ads = ads
        self._taken = taken
        self._ask = ask or ask_alone(ads)
        self._metrics = Metrics(tally or CatalogTally())
        self._slow = asyncio.Semaphore(1)  # what takes a while is done one at a time, beside the loop
        self._kept: tuple[Inventory, NodeKind, Snapshot] | None = None  # who asks for one resource asks for more

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse what a browser's page could have sent under a name of its own; say every error as JSON."""
        try:
            self._check_host(request)
            response = await handler(request)
        except web.HTTPException as error:
            response = web.json_response({"error": error.text}, status=error.status)
            if isinstance(error, web.HTTPMethodNotAllowed):
                response.headers["Allow"] = "GET, HEAD"
        except Exception as error:  # a bug of ours must not take the stream's loop with it
            log.error("admin failed", path=request.path, error=repr(error))
            response = web.json_response({"error": "xds failed; its log says why"}, status=500)
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    def _check_host(self, request: web.Request) -> None:
        if self.address.is_loopback and not names_this_machine(request.headers.get("Host", "")):
            raise web.HTTPForbidden(text="the Host header has to be localhost or an IP address")

    async def _index(self, _request: web.Request) -> web.Response:
        return web.Response(text=INDEX)

    async def _status(self, _request: web.Request) -> web.Response:
        taken = self._taken()  # before anybody is asked: no client is said to have what it was told of later
        answers = await self._ask(describe_clients)
        clients = sorted(chain.from_iterable(answers.all), key=itemgetter("cluster", "node_id", "connected_at"))
        inventory = self._ads.store.inventory
        server = describe_server(inventory, taken, answers.silent, time.time())
        return web.json_response({**server, "clients": clients})

    async def _dump(self, request: web.Request) -> web.Response:
        if "node" not in request.query and "cluster" in request.query:
            kind = _read_kind(request, request.query["cluster"])
            async with self._slow:
                return web.json_response(await asyncio.to_thread(describe_kind, self._ads.store.inventory, kind))
        node_id = _required(request, "node")
        answers = await self._ask(partial(find_served, node_id))
        served = next((found for _, found in answers.all if found), None)
        if served is None:
            connected = [one for ids, _ in answers.all for one in ids]
            words = f"no node {node_id!r} is connected{'' if connected else ', nor is any other'}"
            if answers.silent:
                silent = ", ".join(map(str, answers.silent))
                raise web.HTTPServiceUnavailable(text=f"{words}, unless to worker {silent}, which does not answer")
            raise web.HTTPNotFound(text=f"{words}{suggest(node_id, connected)}")
        async with self._slow:
            return web.json_response(await asyncio.to_thread(describe_dump, served.node, served.configs))

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
            return web.json_response({"clusters": await asyncio.to_thread(describe)})

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

    async def _scrape(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        counts = await self._ask(count_clients)
        registry = self._metrics.build_registry(counts, self._ads.store.inventory, self._taken().refused_files)
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    async def _scrape_endpoints(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        answers = await self._ask(find_targets)
        inventory = self._ads.store.inventory

        def describe() -> bytes:
            return encode(build_endpoint_registry(inventory, find_places(chain.from_iterable(answers.all))))

        async with self._slow:
            body = await asyncio.to_thread(describe)
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _discover(self, _request: web.Request) -> web.Response:
        """Answer Prometheus, which goes by the last list that it got whole: so it gets none that lacks anybody."""
        answers = await self._ask(find_targets)
        if answers.silent:
            silent = ", ".join(map(str, answers.silent))
            raise web.HTTPServiceUnavailable(text=f"worker {silent} does not answer for its clients")
        return web.json_response(describe_targets(chain.from_iterable(answers.all)))

    def _snapshot_for(self, inventory: Inventory, kind: NodeKind) -> Snapshot:
        if self._kept is None or self._kept[0] is not inventory or self._kept[1] != kind:
            self._kept = inventory, kind, snapshot_for(inventory, kind)
        return self._kept[2]


def _read_kind(request: web.Request, cluster: str) -> NodeKind:
    locality = Locality(*(request.query.get(word, "") for word in Locality._fields))
    return NodeKind(cluster, "grpc" in request.query, locality)


def names_this_machine(host: str) -> bool:
    """Tell whether a Host header is `localhost` or an IP address: no name that somebody's DNS may point here."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and not host.endswith("]") else host
    if name.lower() == "localhost":
        return True
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _required(request: web.Request, key: str) -> str:
    """Give a part of the query that has to be there, though it may be empty for a node without a cluster."""
    value = request.query.get(key)
    if value is None:
        raise web.HTTPBadRequest(text=f"say which one: {request.path}?{key}=…")
    return value
