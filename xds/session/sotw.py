"""The State of the World variant: each request states the whole subscription, a response the state of a type."""

from collections.abc import Iterable, Mapping
from functools import partial

from xds.resources.resource import Resource
from xds.session.batch import Batch, share
from xds.session.heartbeat import encode_ttl
from xds.session.subscription import WILDCARD, WILDCARD_BY_DEFAULT, Subscription
from xds.snapshot.snapshot import TypeSnapshot
from xds.wire import CLUSTER, LISTENER, discovery_pb2, encode_any
from xds.wire.discovery_pb2 import DiscoveryRequest, DiscoveryResponse

FULL_STATE = frozenset({CLUSTER, LISTENER})
"""The types whose responses hold all that is wanted: leaving a resource out deletes it (rule 14)."""

RESOURCE = "type.googleapis.com/envoy.service.discovery.v3.Resource"
"""The wrapper of a resource that has a time to live."""


class SotwSubscription(Subscription[DiscoveryRequest]):
    """One type of a State of the World stream."""

    __slots__ = ("named", "version_info")

    def __init__(self, type_url: str, *, with_ttl: bool = False) -> None:
        super().__init__(type_url, with_ttl=with_ttl)
        self.named = False  # once a name was asked for, asking for none is no wildcard (rule 21)
        self.version_info = ""  # of the last response that the client accepted

    def on_names(self, request: DiscoveryRequest, snapshot: TypeSnapshot, *, first: bool) -> None:
        """Take the names that a request states: they are the whole subscription (rule 16)."""
        asked = set(request.resource_names)
        self.named = self.named or bool(asked)
        wildcard = WILDCARD in asked or (not self.named and self.type_url in WILDCARD_BY_DEFAULT)
        asked.discard(WILDCARD)
        if not first and asked == self.names and wildcard == self.wildcard:
            return
        if wildcard and not self.wildcard:
            self.everything = self.owed = True
        self.want(asked - self.names)  # also what the wildcard sent already (rule 17)
        self.names, self.wildcard = asked, wildcard
        self.forget_unwanted()
        if first:
            self.returned = bool(request.version_info)
        if first and wildcard and not asked and request.version_info == snapshot.version:
            # The client comes back with all that there is (rule 19).
            self.known = {name: resource.version for name, resource in snapshot.resources.items()}
            self.everything = self.owed = False
            self.version_info = request.version_info

    def accept(self, batch: Batch) -> None:
        """Take a batch as known; one of a full-state type is all that the client now has."""
        self.version_info = batch.version_info
        if self.type_url in FULL_STATE:
            self.known.clear()
            self.rejected.clear()
        elif self.rejected:
            for name in batch.versions:
                self.rejected.pop(name, None)
        self.known.update((name, version) for name, version in batch.versions.items() if self.wants(name))

    def refused(self, batch: Batch) -> dict[str, str | None]:
        """Give the versions that a NACK refuses; what a full state leaves out is a removal that it refuses."""
        if self.type_url not in FULL_STATE:
            return super().refused(batch)
        return {**dict.fromkeys(self.known), **batch.versions}

    def compose(self, snapshot: TypeSnapshot) -> Batch | None:
        """Make a full-state response if anything in it changed, or one of what changed alone (rules 14, 15)."""
        versions, gone = self.select(snapshot)
        if self.type_url in FULL_STATE:
            # What a client that came back has is not known before it accepted something on this stream.
            is_unsure = self.returned and not self.version_info
            if not (versions or gone or self.owed or (is_unsure and self.dirty)):
                return None
            names = frozenset(snapshot.resources if self.wildcard else self.names & snapshot.resources.keys())
        else:
            for name in gone:  # nothing tells the client; should the name come back, it is sent
                self.known.pop(name, None)
            if not versions:
                return None
            names = frozenset(versions)
        make = partial(_encode, self.type_url, snapshot, names, with_ttl=self.with_ttl)
        return share(snapshot, (self.type_url, self.with_ttl, names), make)

    def compose_heartbeat(self, snapshot: TypeSnapshot) -> Batch | None:
        """Make a response of wrappers without a body. Envoy tells them by the version that it accepted last."""
        if self.type_url in FULL_STATE or not (versions := self.to_prolong(snapshot)):
            return None
        make = partial(_encode_heartbeat, self.type_url, snapshot, versions, self.version_info)
        return share(snapshot, (self.type_url, "heartbeat", self.version_info, frozenset(versions)), make)


def _encode(type_url: str, snapshot: TypeSnapshot, names: Iterable[str], *, with_ttl: bool) -> Batch:
    resources = [snapshot.resources[name] for name in sorted(names)]
    version_info = snapshot.version
    bodies = [_wrap(one, version_info, one.body) if one.ttl_ms and with_ttl else one.body for one in resources]
    response = DiscoveryResponse(version_info=version_info, type_url=type_url, resources=bodies)
    versions = {resource.name: resource.version for resource in resources}
    return Batch(versions, (), response.SerializeToString(), version_info)


def _encode_heartbeat(type_url: str, snapshot: TypeSnapshot, versions: Mapping[str, str], version_info: str) -> Batch:
    bodies = [_wrap(snapshot.resources[name], version_info) for name in versions]
    response = DiscoveryResponse(version_info=version_info, type_url=type_url, resources=bodies)
    return Batch(versions, (), response.SerializeToString(), version_info, is_heartbeat=True)


def _wrap(resource: Resource, version_info: str, body: bytes | None = None) -> bytes:
    wrapper = discovery_pb2.Resource(
        name=resource.name, version=version_info, ttl=encode_ttl(resource.ttl_ms), resource=body
    )
    return encode_any(RESOURCE, wrapper.SerializeToString())
