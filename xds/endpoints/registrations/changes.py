"""What a change of the registrations yields: for queries, for the mesh, for the log, and for a store."""

from dataclasses import dataclass, field
from enum import StrEnum

from xds.endpoints.registrations.check import Check
from xds.endpoints.registrations.definitions import Node
from xds.endpoints.registrations.indexes import Topic
from xds.endpoints.registrations.instance import Instance
from xds.endpoints.registrations.plain import Plain, write_plain
from xds.sources.source import InstanceId

RecordKey = tuple[str, str, str]
"""A kind of record (`node`, `instance` or `check`), a node's name, and an ID there."""


Record = Node | Instance | Check


class NoticeKind(StrEnum):
    """What an operator should know."""

    REMOVED = "an instance was removed, since its checks were critical for too long"
    FLAPPING = "an instance comes and goes"
    HELD = "most of a service turned critical at once, and is served on"
    RELEASED = "a service is served by its checks again"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that an operator should know. `instances` is how many it is about, `seconds` how long it may last."""

    kind: NoticeKind
    service: str
    instance: str = ""
    reason: str = ""
    instances: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Changes:
    """What changed since it was taken last.

    - `topics` are what queries may wait for.
    - `endpoints` are the endpoints of the mesh that changed, None for one that is gone.
    - `records` are what a store should have, None for what is gone; `write_records` returns them as plain values.
    - `notices` are for the log.
    """

    topics: set[Topic] = field(default_factory=set)
    endpoints: dict[InstanceId, object | None] = field(default_factory=dict)
    records: dict[RecordKey, Record | None] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)

    def write_records(self) -> dict[RecordKey, Plain | None]:
        """Return the records as JSON holds them."""
        return {key: None if record is None else write_plain(record) for key, record in self.records.items()}

    def __bool__(self) -> bool:
        return bool(self.topics or self.endpoints or self.records or self.notices)
