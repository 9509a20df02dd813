"""The census: what is asked of every process that serves streams, whether there is one or many.

A question is a function of a process's servicer, and its answer plain data: both can be sent to another process. The
admin and CSDS learn of clients in no other way, so that they need not know how many processes there are.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from xds.resources.resource import Resource
from xds.server.clients.documents import Json, describe_client
from xds.server.clients.status import State, gather_clients
from xds.server.clients.targets import Target, find_target
from xds.server.observe.counters import Tally
from xds.server.streams.ads import AdsServicer
from xds.wire.discovery_pb2 import Node

T = TypeVar("T")

MAX_NACKED = 100
"""How many refusals at most a process names."""

CLIENTS_AT_ONCE = 50
"""After how many clients a description lets streams go on."""

Question = Callable[[AdsServicer], Coroutine[Any, Any, T]]


@dataclass(frozen=True, slots=True)
class Answers(Generic[T]):
    """Each process's answer by its number, 0 for the one that holds the catalog; and who did not answer in time."""

    by_worker: Mapping[int, T]
    silent: tuple[int, ...] = ()

    @property
    def all(self) -> list[T]:
        """The answers alone."""
        return list(self.by_worker.values())


class Ask(Protocol):
    """Asks every process, and waits for none for ever."""

    async def __call__(self, question: Question[T], /) -> Answers[T]:
        """Give what they answer."""
        ...


def ask_alone(ads: AdsServicer) -> Ask:
    """Give how to ask where one process does everything."""

    async def ask(question: Question[T], /) -> Answers[T]:
        return Answers({0: await question(ads)})

    return ask


async def describe_clients(ads: AdsServicer) -> list[Json]:
    """Describe each client, and how it stands with each type."""
    clients = []
    for number, client in enumerate(gather_clients(ads.streams())):
        if number and number % CLIENTS_AT_ONCE == 0:
            await asyncio.sleep(0)
        clients.append(describe_client(client))
    return clients


@dataclass(frozen=True, slots=True)
class Served:
    """What a node is served: of each type that it subscribed to, its type_url, version and resources."""

    node: Node
    configs: list[tuple[str, str, list[Resource]]]


async def find_served(node_id: str, ads: AdsServicer) -> tuple[list[str], Served | None]:
    """Name all nodes that are connected, and give what that one is served, if it is among them."""
    clients = {client.node.id: client for client in gather_clients(ads.streams())}
    if (client := clients.get(node_id)) is None:
        return list(clients), None
    configs = [(one.type_url, one.snapshot.version, one.served()) for one in client.types()]
    return list(clients), Served(client.node, configs)


@dataclass(frozen=True, slots=True)
class Counts:
    """What the metrics count: clients by variant, and by type_url and state; who refuses something; what was sent.

    `nacked` are ids, clusters and type_urls; `versions` the type_urls and checksums of what is served. `tally` grows as
    long as the process `pid` lives.
    """

    variants: Counter[str]
    states: Counter[tuple[str, State]]
    nacked: list[tuple[str, str, str]]
    versions: set[tuple[str, int]]
    tally: Tally
    pid: int


async def count_clients(ads: AdsServicer) -> Counts:
    """Count; it takes time with the number of clients, not with what they are served."""
    clients = gather_clients(ads.streams())
    stands = [(client.node, one) for client in clients for one in client.types()]
    states = [(node, one.type_url, one.state) for node, one in stands]
    nacked = [(node.id, node.cluster, type_url) for node, type_url, state in states if state is State.NACKED]
    return Counts(
        variants=Counter(client.variant for client in clients),
        states=Counter((type_url, state) for _, type_url, state in states),
        nacked=nacked[:MAX_NACKED],
        versions={(one.type_url, one.snapshot.checksum) for _, one in stands},
        tally=ads.common.tally,
        pid=os.getpid(),
    )


async def find_targets(ads: AdsServicer) -> list[Target]:
    """Say where the metrics of each client are that told a port."""
    return [target for client in gather_clients(ads.streams()) if (target := find_target(client)) is not None]
