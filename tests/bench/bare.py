"""A bare server of grpc.aio, for comparison with xds. It answers with ready bytes and does nothing else.

`python -m tests.bench.bare PORT --variant delta|sotw --services N --changes N` serves clients of all clusters
(`tests.bench.fleet`). The first request of a stream gets all Clusters, and the second all ClusterLoadAssignments. The
others are ACKs, which the server ignores. SIGUSR1 pushes the next change of the first service's weight, starting with
FIRST_MARK, to every stream.
"""

import argparse
import asyncio
import gc
import json
import signal
from collections import deque
from functools import partial
from typing import Any

import grpc
import uvloop

from tests.bench.documents import NODE, make_document, make_documents, make_name
from tests.bench.fleet import FIRST_MARK, METHODS
from tests.inventories import Translator
from xds.catalog.assembly.workspace import Workspace
from xds.resources.view import kind_of
from xds.server.protocols.discovery import OPTIONS
from xds.session.session import DELTA, SOTW, Session, Variant
from xds.snapshot.store import SnapshotStore
from xds.wire import ADS, CLUSTER, CLUSTER_LOAD_ASSIGNMENT


def make_bodies(variant: Variant[Any], services: int, changes: int) -> tuple[list[bytes], deque[bytes]]:
    """Encode the answers to a stream's first requests, and the pushes of this number of changes, as xds does."""
    workspace = Workspace()
    translator = Translator()
    inventory = translator.build(workspace.update(make_documents(services, folder=True)))
    store = SnapshotStore(inventory)
    session: Session[Any] = Session(variant, lambda node: store.acquire(kind_of(node)).read, "bare")
    names = [make_name(number) for number in range(services)]

    def ask(type_url: str, asked: list[str], nonce: str = "") -> list[Any]:
        field = "resource_names" if variant is SOTW else "resource_names_subscribe"
        request = variant.request(node=NODE, type_url=type_url, response_nonce=nonce, **{field: asked})
        return session.on_request(request.SerializeToString()).responses

    firsts = []
    for type_url, asked in ((CLUSTER, []), (CLUSTER_LOAD_ASSIGNMENT, names)):
        [response] = ask(type_url, asked)
        firsts.append(response.body)
        ask(type_url, asked if variant is SOTW else [], response.nonce)
    pushes: deque[bytes] = deque()
    for mark in range(FIRST_MARK, FIRST_MARK + changes):
        document = make_document(0, weight=mark)
        inventory = translator.build(workspace.update({document.name: document}), inventory)
        [response] = session.on_change(store.update(inventory)[kind_of(NODE)]) or []
        pushes.append(response.body)
        ask(CLUSTER_LOAD_ASSIGNMENT, names if variant is SOTW else [], response.nonce)
    return firsts, pushes


async def serve_stream(
    firsts: list[bytes], streams: set[Any], _requests: object, context: "grpc.aio.ServicerContext[bytes, bytes]"
) -> None:
    """Answer the first requests, and continue to read."""
    for body in firsts:
        await context.read()
        await context.write(body)
    streams.add(context)
    try:
        while isinstance(await context.read(), bytes):
            pass
    finally:
        streams.discard(context)


async def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--variant", choices=METHODS, required=True)
    parser.add_argument("--services", type=int, required=True)
    parser.add_argument("--changes", type=int, required=True, help="how many are made ready")
    options = parser.parse_args()
    variant: Variant[Any] = DELTA if options.variant == "delta" else SOTW
    firsts, pushes = make_bodies(variant, options.services, options.changes)
    gc.collect()
    gc.freeze()  # as in xds
    streams: set[Any] = set()
    writing: set[asyncio.Task[None]] = set()

    def push() -> None:
        body = pushes.popleft()
        writing.clear()
        writing.update(asyncio.ensure_future(context.write(body)) for context in streams)

    limits = [(f"grpc.server.max_pending_requests{kind}", 20_000) for kind in ("", "_hard_limit")]
    server = grpc.aio.server(options=[*OPTIONS, *limits])
    method: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(
        partial(serve_stream, firsts, streams)
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(ADS, {METHODS[variant.name]: method}),))
    server.add_insecure_port(f"127.0.0.1:{options.port}")
    loop, ending = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, push)
    loop.add_signal_handler(signal.SIGTERM, ending.set)
    await server.start()
    print(json.dumps({"event": "serving"}), flush=True)
    await ending.wait()
    await server.stop(None)


if __name__ == "__main__":
    uvloop.run(main())
