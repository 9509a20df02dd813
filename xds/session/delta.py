"""The incremental variant: a request states what changes of the subscription, a response what changed of the state."""

from collections.abc import Mapping
from functools import partial

from xds.session.batch import Batch, share
from xds.session.heartbeat import encode_ttl
from xds.session.subscription import WILDCARD, WILDCARD_BY_DEFAULT, Subscription
from xds.snapshot.snapshot import TypeSnapshot
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT
from xds.wire.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource

NAMED_BY_ROUTES = frozenset({CLUSTER, CLUSTER_LOAD_ASSIGNMENT})
"""The types of which a client that comes back keeps what is gone, until its routes name it no more (rule 32)."""


class DeltaSubscription(Subscription[DeltaDiscoveryRequest]):
    """One type of an incremental stream."""

    __slots__ = ()

    def on_names(self, request: DeltaDiscoveryRequest, snapshot: TypeSnapshot, *, first: bool) -> None:
        """Take what a request changes of the subscription, whatever its nonce (rule 29)."""
        asked = set(request.resource_names_subscribe)
        if request.resource_names_unsubscribe:
            self._unsubscribe(set(request.resource_names_unsubscribe))
        if first:
            # The client comes back with these: the same versions are not sent again (rule 30).
            self.known = dict(request.initial_resource_versions)
            self.returned = bool(self.known)
        if WILDCARD in asked or (first and not asked and self.type_url in WILDCARD_BY_DEFAULT):
            self.everything = True
            self.owed = not self.known
            self.wildcard = True
        asked.discard(WILDCARD)
        self.names |= asked
        if first:
            self.forget_unwanted()
            self.dirty |= asked & self.known.keys()
            asked -= self.known.keys()
            if self.type_url in NAMED_BY_ROUTES:
                self.withheld = self.known.keys() - snapshot.resources.keys()
        self.want(asked)

    def _unsubscribe(self, names: set[str]) -> None:
        if WILDCARD in names:
            self.wildcard = False
            self.names -= names
            self.forget_unwanted()
        elif self.wildcard:
            # It still covers them: send again, or say that they are gone (rule 23), if the client ever had them.
            self.due |= {name for name in names if name in self.names or name in self.known}
            self.names -= names
        else:
            self.names -= names
            for name in names:
                self._forget(name)
            self._clear_nack()

    def _forget(self, name: str) -> None:
        """Drop all state of a name: asking for it again gets it again (rule 11)."""
        self.known.pop(name, None)
        self.rejected.pop(name, None)
        for some in (self.due, self.dirty, self.following, self.withheld):
            some.discard(name)

    def accept(self, batch: Batch) -> None:
        """Take a batch as known, but for what was unsubscribed while it was in flight."""
        self.known.update((name, version) for name, version in batch.versions.items() if self.wants(name))
        for name in batch.removed:
            self.known.pop(name, None)
        if self.rejected:
            for name in (*batch.versions, *batch.removed):
                self.rejected.pop(name, None)

    def compose(self, snapshot: TypeSnapshot) -> Batch | None:
        """Make a response of what changed and what is gone (rules 25, 26, 27)."""
        versions, gone = self.select(snapshot)
        if not (versions or gone or self.owed):
            return None
        make = partial(_encode, self.type_url, snapshot, versions, gone, with_ttl=self.with_ttl)
        return share(snapshot, (self.type_url, self.with_ttl, frozenset(versions), gone), make)

    def compose_heartbeat(self, snapshot: TypeSnapshot) -> Batch | None:
        """Make a response of resources that have a version and a time to live alone."""
        if not (versions := self.to_prolong(snapshot)):
            return None
        make = partial(_encode_heartbeat, self.type_url, snapshot, versions)
        return share(snapshot, (self.type_url, "heartbeat", frozenset(versions)), make)


def _encode(
    type_url: str, snapshot: TypeSnapshot, versions: Mapping[str, str], gone: tuple[str, ...], *, with_ttl: bool
) -> Batch:
    chosen = [snapshot.resources[name] for name in versions]
    response = DeltaDiscoveryResponse(
        system_version_info=snapshot.version,
        type_url=type_url,
        resources=[
            Resource(name=one.name, version=one.version, resource=one.body, ttl=encode_ttl(one.ttl_ms * with_ttl))
            for one in chosen
        ],
        removed_resources=gone,
    )
    return Batch(versions, gone, response.SerializeToString(), snapshot.version)


def _encode_heartbeat(type_url: str, snapshot: TypeSnapshot, versions: Mapping[str, str]) -> Batch:
    response = DeltaDiscoveryResponse(
        system_version_info=snapshot.version,
        type_url=type_url,
        resources=[
            Resource(name=name, version=version, ttl=encode_ttl(snapshot.resources[name].ttl_ms))
            for name, version in versions.items()
        ],
    )
    return Batch(versions, (), response.SerializeToString(), snapshot.version, is_heartbeat=True)
