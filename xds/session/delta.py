"""The incremental variant: a request states what changes of the subscription, a response what changed of the state."""

from functools import partial

from xds.session.subscription import WILDCARD, Batch, Subscription, share
from xds.snapshot.snapshot import TypeSnapshot
from xds.wire import CLUSTER, LISTENER
from xds.wire.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource

WILDCARD_BY_DEFAULT = frozenset({CLUSTER, LISTENER})
"""The types of which a first request without names wants all (rules 20, 22)."""


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
        if WILDCARD in asked or (first and not asked and self.type_url in WILDCARD_BY_DEFAULT):
            self.everything = True
            self.owed = not self.known
            self.wildcard = True
        asked.discard(WILDCARD)
        self.names |= asked
        if first:
            self.dirty |= asked & self.known.keys()
            asked -= self.known.keys()
            self.forget_unwanted()
        self.due |= asked

    def _unsubscribe(self, names: set[str]) -> None:
        if WILDCARD in names:
            self.wildcard = False
        self.names -= names
        if self.wildcard:
            self.due |= names  # the wildcard still covers them: send again, or say that they are gone (rule 23)
        else:
            self.forget_unwanted()

    def accept(self, batch: Batch) -> None:
        """Take a batch as known, but for what was unsubscribed while it was in flight."""
        self.known.update((name, version) for name, version in batch.versions.items() if self.wants(name))
        for name in batch.removed:
            self.known.pop(name, None)

    def compose(self, snapshot: TypeSnapshot) -> Batch | None:
        """Make a response of what changed and what is gone (rules 25, 26, 27)."""
        versions, gone = self.select(snapshot)
        if not (versions or gone or self.owed):
            return None
        return share(snapshot, (frozenset(versions), gone), partial(_encode, self.type_url, snapshot, versions, gone))


def _encode(type_url: str, snapshot: TypeSnapshot, versions: dict[str, str], gone: tuple[str, ...]) -> Batch:
    response = DeltaDiscoveryResponse(
        system_version_info=snapshot.version,
        type_url=type_url,
        resources=[
            Resource(name=name, version=version, resource=snapshot.resources[name].body)
            for name, version in versions.items()
        ],
        removed_resources=gone,
    )
    return Batch(versions, gone, response.SerializeToString())
