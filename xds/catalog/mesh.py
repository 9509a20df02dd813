"""What holds for all of a mesh: the words below `mesh:`, each of them in one file of a folder."""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass

from xds.catalog.access_log import AccessLog, ShortAccessLog
from xds.catalog.tracing import ShortTracing, Tracing
from xds.catalog.words import CONFIG


@dataclass(frozen=True, slots=True, config=CONFIG)
class Mesh:
    """The defaults of every sidecar and gateway."""

    access_log: Annotated[
        ShortAccessLog | None, Field(description="the access log of those that say nothing else; off when left out")
    ] = None
    tracing: Annotated[
        ShortTracing | None, Field(description="spans of requests, for an OpenTelemetry collector; off when left out")
    ] = None


MeshWord = AccessLog | Tracing
"""What may stand below `mesh:`."""

WORDS: Final[Mapping[str, TypeAdapter[AccessLog] | TypeAdapter[Tracing]]] = {
    "access_log": TypeAdapter(ShortAccessLog),
    "tracing": TypeAdapter(ShortTracing),
}
"""How each word below `mesh:` is read."""
