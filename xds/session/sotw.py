"""The State of the World (SotW) variant of the protocol.

Each request contains the whole subscription of its type. A response contains the state of its type.
"""

from collections.abc import Iterable, Mapping
from functools import partial

from xds.resources.resource import Resource
from xds.session.batch import Batch, is_large, share
from xds.session.heartbeat import encode_ttl
from xds.session.request import read_repeat
from xds.session.subscription import WILDCARD, WILDCARD_BY_DEFAULT, Subscription, check_names, without
from xds.snapshot.snapshot import TypeSnapshot
from xds.wire import CLUSTER, LISTENER, discovery_pb2, encode_any
from xds.wire.discovery_pb2 import DiscoveryRequest, DiscoveryResponse

FULL_STATE = frozenset({CLUSTER, LISTENER})
"""The types whose responses contain every wanted resource: a resource that is left out is removed (rule 14)."""

RESOURCE = "type.googleapis.com/envoy.service.discovery.v3.Resource"
"""The message that wraps a resource with a TTL."""

NAME_BYTES = 16
"""The approximate size of a name in a request, in bytes."""

DecodedNames = tuple[bytes, frozenset[str]]
"""The names of a request, encoded and decoded."""


class SotwSubscription(Subscription[DiscoveryRequest]):
    """One type of a State of the World stream."""

    __slots__ = ("encoded_names", "has_named", "version_info")

    def __init__(self, type_url: str, *, with_ttl: bool = False) -> None:
        super().__init__(type_url, with_ttl=with_ttl)
        self.has_named = False  # a request has named a resource: from then on, no names mean no wildcard (rule 21)
        self.encoded_names = b""  # the names of the last request, encoded
        self.version_info = ""  # the version of the last response that the client accepted

    def on_names(self, request: DiscoveryRequest, snapshot: TypeSnapshot, *, first: bool) -> None:
        """Replace the subscription with the names of a request (rule 16)."""
        version_info = request.version_info
        encoded = _encode_names(request)
        if not first and encoded == self.encoded_names:
            return
        self.encoded_names, asked = _decode_names(encoded, snapshot)
        self.has_named = self.has_named or bool(asked)
        wildcard = WILDCARD in asked or (not self.has_named and self.type_url in WILDCARD_BY_DEFAULT)
        if WILDCARD in asked:
            asked -= {WILDCARD}
        if not first and asked == self.names and wildcard == self.wildcard:
            return
        if wildcard and not self.wildcard:
            self.compare_all = self.must_respond = True
        # Even if the wildcard has sent them already (rule 17).
        self.mark_to_send(asked - self.names if self.names else asked)
        self.names, self.wildcard = asked, wildcard
        self.forget_unwanted()
        if first:
            self.reconnected = bool(version_info)
        if first and wildcard and not asked and version_info == snapshot.version:
            # The client reconnects and already has the current state (rule 19).
            self.known = snapshot.versions
            self.compare_all = self.must_respond = False
            self.version_info = version_info

    def is_repeat(self, data: bytes) -> bool:
        """Whether an encoded request answers the response in flight, with the names of the request before."""
        if self.in_flight is None or not self.encoded_names:
            return False
        return read_repeat(data, self.encoded_names) == (self.type_url.encode(), self.in_flight.nonce.encode())

    def accept(self, batch: Batch) -> None:
        """Store the version of an accepted batch, and forget NACKs that it settles."""
        self.version_info = batch.version_info
        if self.type_url in FULL_STATE:
            self.rejected = {}
        elif self.rejected:
            self.rejected = without(self.rejected, batch.versions.keys())

    def known_after(self, batch: Batch) -> Mapping[str, str]:
        """Return what the client has after an accepted batch; for a full-state type, only what the batch contains."""
        accepted = {name: version for name, version in batch.versions.items() if self.wants(name)}
        return accepted if self.type_url in FULL_STATE else {**self.known, **accepted}

    def refused(self, batch: Batch) -> dict[str, str | None]:
        """Return the versions that a NACK of the batch refuses, with None for a removal.

        A full-state response removes the resources that it leaves out, so the NACK refuses these removals too.
        """
        if self.type_url not in FULL_STATE:
            return super().refused(batch)
        return {**dict.fromkeys(self.known), **batch.versions}

    def compose(self, snapshot: TypeSnapshot) -> Batch | None:
        """Return a response, or None if nothing changed (rules 14, 15).

        For a full-state type it contains all wanted resources, for the other types those that changed.
        """
        selection = self.select(snapshot)
        if self.type_url in FULL_STATE:
            # What a reconnecting client has is unknown until it accepts a response on this stream.
            is_unsure = self.reconnected and not self.version_info
            if not (selection.names or selection.gone or self.must_respond or (is_unsure and self.changed)):
                return None
            names = None if self.wildcard else frozenset(name for name in self.names if name in snapshot.resources)
        else:
            # A response cannot tell the client about a removal. If the name exists again later, it is sent.
            self.known = without(self.known, selection.gone)
            if not selection.names:
                return None
            names = selection.names
        make = partial(_encode, self.type_url, snapshot, names, with_ttl=self.with_ttl)
        return share(snapshot, (self.type_url, self.with_ttl, names), make)

    def compose_heartbeat(self, snapshot: TypeSnapshot) -> Batch | None:
        """Return a response of wrappers without a body, or None if none has a TTL.

        It has the version that the client accepted last, by which Envoy recognizes a heartbeat.
        """
        if self.type_url in FULL_STATE or not (versions := self.select_heartbeat(snapshot)):
            return None
        make = partial(_encode_heartbeat, self.type_url, snapshot, versions, self.version_info)
        return share(snapshot, (self.type_url, "heartbeat", self.version_info, frozenset(versions)), make)


def _encode_names(request: DiscoveryRequest) -> bytes:
    """Return a request's names, encoded, and clear its other fields.

    Equal bytes mean equal names, so names can be compared without making a string of each.
    """
    for field in ("version_info", "node", "type_url", "response_nonce", "error_detail"):
        request.ClearField(field)
    return request.SerializeToString()


def _decode_names(encoded: bytes, snapshot: TypeSnapshot) -> DecodedNames:
    def decode() -> DecodedNames:
        names = frozenset(DiscoveryRequest.FromString(encoded).resource_names)
        check_names(names)
        return encoded, names

    return share(snapshot, ("encoded_names", encoded), decode) if is_large(len(encoded) // NAME_BYTES) else decode()


def _encode(type_url: str, snapshot: TypeSnapshot, names: Iterable[str] | None, *, with_ttl: bool) -> Batch:
    resources = [snapshot.resources[name] for name in sorted(snapshot.resources if names is None else names)]
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
