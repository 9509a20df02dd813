"""The State of the World variant: each request states the whole subscription, a response the state of a type."""

from collections.abc import Iterable
from functools import partial

from xds.session.subscription import WILDCARD, Batch, Subscription, share
from xds.snapshot.snapshot import TypeSnapshot
from xds.wire import CLUSTER, LISTENER
from xds.wire.discovery_pb2 import DiscoveryRequest, DiscoveryResponse

FULL_STATE = frozenset({CLUSTER, LISTENER})
"""The types whose responses hold all that is wanted: leaving a resource out deletes it (rule 14)."""


class SotwSubscription(Subscription[DiscoveryRequest]):
    """One type of a State of the World stream."""

    __slots__ = ("named",)

    def __init__(self, type_url: str) -> None:
        super().__init__(type_url)
        self.named = False  # once a name was asked for, asking for none is no wildcard (rule 21)

    def on_names(self, request: DiscoveryRequest, snapshot: TypeSnapshot, *, first: bool) -> None:
        """Take the names that a request states: they are the whole subscription (rule 16)."""
        asked = set(request.resource_names)
        self.named = self.named or bool(asked)
        wildcard = WILDCARD in asked or (not self.named and self.type_url in FULL_STATE)
        asked.discard(WILDCARD)
        if not first and asked == self.names and wildcard == self.wildcard:
            return
        if wildcard and not self.wildcard:
            self.everything = self.owed = True
        self.due |= asked - self.names  # also what the wildcard sent already (rule 17)
        self.names, self.wildcard = asked, wildcard
        self.forget_unwanted()
        if first and wildcard and not asked and request.version_info == snapshot.version:
            # The client comes back with all that there is (rule 19).
            self.known = {name: resource.version for name, resource in snapshot.resources.items()}
            self.everything = self.owed = False

    def accept(self, batch: Batch) -> None:
        """Take a batch as known; one of a full-state type is all that the client now has."""
        if self.type_url in FULL_STATE:
            self.known.clear()
        self.known.update((name, version) for name, version in batch.versions.items() if self.wants(name))

    def compose(self, snapshot: TypeSnapshot) -> Batch | None:
        """Make a full-state response if anything in it changed, or one of what changed alone (rules 14, 15)."""
        versions, gone = self.select(snapshot)
        if self.type_url in FULL_STATE:
            if not (versions or gone or self.owed):
                return None
            names = frozenset(snapshot.resources if self.wildcard else self.names & snapshot.resources.keys())
        else:
            for name in gone:  # nothing tells the client; should the name come back, it is sent
                self.known.pop(name, None)
            if not versions:
                return None
            names = frozenset(versions)
        return share(snapshot, names, partial(_encode, self.type_url, snapshot, names))


def _encode(type_url: str, snapshot: TypeSnapshot, names: Iterable[str]) -> Batch:
    resources = [snapshot.resources[name] for name in sorted(names)]
    response = DiscoveryResponse(
        version_info=snapshot.version, type_url=type_url, resources=[resource.body for resource in resources]
    )
    return Batch({resource.name: resource.version for resource in resources}, (), response.SerializeToString())
