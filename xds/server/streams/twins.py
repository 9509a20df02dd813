"""Twins: Envoys that have one node id, which each of them should have alone."""

from collections.abc import Iterable

from xds.resources.view import kind_of
from xds.server.streams.stream import Stream
from xds.wire import CLUSTER, LISTENER


def find_twins(streams: Iterable[Stream]) -> list[Stream]:
    """Return streams of one node id that are of different Envoys, one for each; none if they may be of one.

    An Envoy has one subscription to clusters and one to listeners, on one stream or two. It may have many to endpoints,
    on streams and connections of their own. A process with gRPC's own client has a stream for each target.
    """
    of_type: dict[str, list[Stream]] = {CLUSTER: [], LISTENER: []}
    for stream in streams:
        session = stream.session
        if session.node is not None and not kind_of(session.node).grpc:
            for type_url in of_type.keys() & session.subscriptions.keys():
                of_type[type_url].append(stream)
    most = max(of_type.values(), key=len)
    return most if len(most) > 1 else []
