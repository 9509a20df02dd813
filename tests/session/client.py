"""A client of one session, without a socket. It sends the requests of a test, and decodes the responses."""

import re
from typing import Any

from google.protobuf.any_pb2 import Any as WireAny

from xds.resources.resource import encode_resource
from xds.session.session import DELTA, SOTW, RequestResult, Session
from xds.snapshot.snapshot import Snapshot, SnapshotChange, make_change
from xds.wire.discovery_pb2 import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
    DiscoveryRequest,
    DiscoveryResponse,
    Node,
    Status,
)

NODE = Node(id="web-1", cluster="web")

Reply = DiscoveryResponse | DeltaDiscoveryResponse

Contents = dict[str, dict[str, Any]]
"""Resources by type and name. A string stands for each content; None means that the resource is deleted.

A content names other resources by their names, as in `to a` or `1 refs:a,b`. Bytes are a whole message of Envoy's.
"""


def change_contents(before: Snapshot, contents: Contents) -> SnapshotChange:
    """Return the change of a snapshot in which some resources change."""
    updates = {
        type_url: {
            name: None if content is None else encode_resource(type_url, name, write_content(name, content))
            for name, content in names.items()
        }
        for type_url, names in contents.items()
    }
    return make_change(before, updates) or SnapshotChange(before, {}, {}, before, before)


def write_content(name: str, content: str | bytes) -> bytes:
    """Encode a content, and after it each of its words as in an encoded message: with its length before it."""
    if isinstance(content, bytes):
        return content
    return f"{name}={content}\0".encode() + b"".join(
        bytes([len(word)]) + word.encode() for word in re.findall(r"[\w/.-]+", content)
    )


def read_content(body: bytes) -> str:
    """Return the name and the content of an encoded resource, as `name=content`."""
    return WireAny.FromString(body).value.partition(b"\0")[0].decode()


class SotwClient:
    """A client of State of the World."""

    def __init__(self, contents: Contents, stream: str = "s", type_url: str | None = None) -> None:
        self.world = change_contents(Snapshot({}), contents).snapshot
        self.session: Session[DiscoveryRequest] = Session(SOTW, lambda _node: lambda: self.world, stream, type_url)
        self.result = RequestResult()

    def resume(self, *past: Snapshot) -> None:
        """Lose the stream, and open one to a server that remembers it, and that has served these snapshots."""
        memory, type_url = self.session.remember(), self.session.type_url
        self.session = Session(
            SOTW,
            lambda _node: lambda: self.world,
            "resumed",
            type_url,
            recall=lambda _node: memory,
            find_past=lambda _node: past,
        )

    def ask(
        self,
        type_url: str,
        *names: str,
        to: Reply | None = None,
        nonce: str = "",
        version: str = "",
        error: str = "",
    ) -> list[DiscoveryResponse]:
        """Send a request and return the responses. `to` is a response to answer: with an ACK, or with a NACK if there
        is an `error`.
        """
        request = DiscoveryRequest(
            node=NODE,
            type_url=type_url,
            resource_names=names,
            response_nonce=to.nonce if to else nonce,
            version_info=to.version_info if isinstance(to, DiscoveryResponse) and not error else version,
        )
        if error:
            request.error_detail.CopyFrom(Status(code=13, message=error))
        self.result = self.session.on_request(request.SerializeToString())
        return self.read(self.result)

    def change(self, contents: Contents) -> list[DiscoveryResponse]:
        """Change the resources, and return the responses that the session sends."""
        change = change_contents(self.world, contents)
        self.world = change.snapshot
        return self.read(RequestResult(self.session.on_change(change) or []))

    def read(self, result: RequestResult) -> list[DiscoveryResponse]:
        """Decode responses."""
        return [DiscoveryResponse.FromString(response.body) for response in result.responses]


class DeltaClient:
    """A client of the incremental variant."""

    def __init__(self, contents: Contents, stream: str = "s", type_url: str | None = None) -> None:
        self.world = change_contents(Snapshot({}), contents).snapshot
        self.session: Session[DeltaDiscoveryRequest] = Session(
            DELTA, lambda _node: lambda: self.world, stream, type_url
        )
        self.result = RequestResult()

    def resume(self) -> None:
        """Lose the stream, and open one to a server that remembers it."""
        memory = self.session.remember()
        self.session = Session(DELTA, lambda _node: lambda: self.world, "resumed", recall=lambda _node: memory)

    def ask(
        self,
        type_url: str,
        *subscribe: str,
        drop: tuple[str, ...] = (),
        to: Reply | None = None,
        nonce: str = "",
        has: dict[str, str] | None = None,
        error: str = "",
    ) -> list[DeltaDiscoveryResponse]:
        """Send a request and return the responses. `to` is a response to answer, `drop` unsubscribes, `has` are the
        initial versions.
        """
        request = DeltaDiscoveryRequest(
            node=NODE,
            type_url=type_url,
            resource_names_subscribe=subscribe,
            resource_names_unsubscribe=drop,
            initial_resource_versions=has,
            response_nonce=to.nonce if to else nonce,
        )
        if error:
            request.error_detail.CopyFrom(Status(code=13, message=error))
        self.result = self.session.on_request(request.SerializeToString())
        return self.read(self.result)

    def change(self, contents: Contents) -> list[DeltaDiscoveryResponse]:
        """Change the resources, and return the responses that the session sends."""
        change = change_contents(self.world, contents)
        self.world = change.snapshot
        return self.read(RequestResult(self.session.on_change(change) or []))

    def read(self, result: RequestResult) -> list[DeltaDiscoveryResponse]:
        """Decode responses."""
        return [DeltaDiscoveryResponse.FromString(response.body) for response in result.responses]


def contents_of(response: Reply) -> list[str]:
    """Return the contents of a response as `name=content`, sorted."""
    bodies = response.resources if isinstance(response, DiscoveryResponse) else [r.resource for r in response.resources]
    return sorted(read_content(body) for body in bodies)
