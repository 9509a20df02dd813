"""The questions about clients that the admin and CSDS ask every process that serves streams.

A question is a function that takes a process's servicer. Questions and answers can be pickled, so that they can be sent
to another process. So the admin and CSDS need not know whether one or several processes serve the streams.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from xds.resources.resource import Resource
from xds.resources.view import Standing
from xds.server.clients.documents import Json, describe_client
from xds.server.clients.status import Client, State, gather_clients
from xds.server.clients.targets import Target, find_target
from xds.server.observe.counters import StreamCounters
from xds.server.observe.log import count_dropped
from xds.server.streams.ads import AdsServicer
from xds.snapshot.store import SnapshotStore
from xds.wire.discovery_pb2 import Node

T = TypeVar("T")

MAX_NACKED = 100
"""The maximum number of NACKs that one process names."""

AT_ONCE = 5_000
"""After how much work `describe_clients` lets the event loop serve streams: a client is 100, each of its names is 1."""

CLIENT_WORK = 100

Question = Callable[[AdsServicer], Coroutine[Any, Any, T]]
"""A question to one process, which answers from its servicer's streams."""


@dataclass(frozen=True, slots=True)
class Answers(Generic[T]):
    """The answers by process number, and the numbers of workers that did not answer in time (`silent`).

    Number 0 is the process that holds the catalog.
    """

    by_worker: Mapping[int, T]
    silent: tuple[int, ...] = ()

    @property
    def all(self) -> list[T]:
        """The answers without the numbers."""
        return list(self.by_worker.values())


class Ask(Protocol):
    """Asks every process a question. It waits for each process for a limited time."""

    async def __call__(self, question: Question[T], /) -> Answers[T]:
        """Return the answers."""
        ...


def ask_one_process(ads: AdsServicer) -> Ask:
    """Return the `Ask` of a server that has one process only."""

    async def ask(question: Question[T], /) -> Answers[T]:
        return Answers({0: await question(ads)})

    return ask


async def describe_clients(ads: AdsServicer) -> list[Json]:
    """Return each client, with its status for each type."""
    clients, work = [], 0
    for client in gather_clients(ads.streams()):
        if work > AT_ONCE:
            await asyncio.sleep(0)
            work = 0
        work += CLIENT_WORK + client.count_names()
        clients.append(describe_client(client, ads.store))
    return clients


async def count_silent(ads: AdsServicer) -> int:
    """Return how many streams are open that have sent no request yet."""
    return ads.count_silent()


async def list_failed_clusters(ads: AdsServicer) -> list[str]:
    """Return the clusters with nodes whose view cannot be built through a bug in xds."""
    return ads.shared.faults.clusters


@dataclass(frozen=True, slots=True)
class ServedNode:
    """What a node is served: for each type that it subscribed to, the type_url, the version and the resources."""

    node: Node
    configs: list[tuple[str, str, list[Resource]]]


async def find_served_node(node_id: str, ads: AdsServicer) -> tuple[list[str], ServedNode | None]:
    """Return the ids of all connected nodes, and what the node `node_id` is served (None: it is not connected)."""
    clients = {client.node.id: client for client in gather_clients(ads.streams())}
    if (client := clients.get(node_id)) is None:
        return list(clients), None
    configs = [(one.type_url, one.snapshot.version, one.served()) for one in client.types()]
    return list(clients), ServedNode(client.node, configs)


@dataclass(frozen=True, slots=True)
class Counts:
    """The counts of one process for the metrics.

    `variants` counts clients by variant, `states` by type_url and state, and `unnamed` those whose cluster the catalog
    does not name, by `node.cluster` and what they are served. `nacked` are a node id, a node.cluster and a
    type_url for each current NACK. `versions` are the type_urls and checksums of what is served. `counters` has the
    counters since the process `pid` started. `silent` counts the streams that have sent no request.
    """

    variants: Counter[str]
    states: Counter[tuple[str, State]]
    unnamed: Counter[tuple[str, Standing]]
    nacked: list[tuple[str, str, str]]
    versions: set[tuple[str, int]]
    counters: StreamCounters
    pid: int
    silent: int


async def count_clients(ads: AdsServicer) -> Counts:
    """Return the counts. The time grows with the number of clients, not with the number of resources."""
    ads.shared.counters.dropped_lines = count_dropped()
    clients = gather_clients(ads.streams())
    subscribed = [(client.node, one) for client in clients for one in client.types()]
    states = [(node, one.type_url, one.state) for node, one in subscribed]
    nacked = [(node.id, node.cluster, type_url) for node, type_url, state in states if state is State.NACKED]
    return Counts(
        variants=Counter(client.variant for client in clients),
        states=Counter((type_url, state) for _, type_url, state in states),
        unnamed=count_unnamed(clients, ads.store),
        nacked=nacked[:MAX_NACKED],
        versions={(one.type_url, one.snapshot.checksum) for _, one in subscribed},
        counters=ads.shared.counters,
        pid=os.getpid(),
        silent=ads.count_silent(),
    )


def count_unnamed(clients: Iterable[Client], store: SnapshotStore) -> Counter[tuple[str, Standing]]:
    """Count the clients whose cluster the catalog does not name, by `node.cluster` and what they are served."""
    by_cluster = Counter(client.node.cluster for client in clients)
    standings = {cluster: store.find_standing(cluster) for cluster in by_cluster}
    return Counter(
        {
            (cluster, standings[cluster]): number
            for cluster, number in by_cluster.items()
            if standings[cluster] is not Standing.NAMED
        }
    )


async def find_targets(ads: AdsServicer) -> list[Target]:
    """Return where the metrics are of each client whose node has a metrics port."""
    return [target for client in gather_clients(ads.streams()) if (target := find_target(client)) is not None]
