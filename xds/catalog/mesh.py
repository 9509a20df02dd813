"""What holds for all of a mesh: the words below `mesh:`, each of them in one file of a folder."""

from typing import Annotated, Final

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass

from xds.catalog.access_log import AccessLog, ShortAccessLog
from xds.catalog.words import CONFIG


@dataclass(frozen=True, slots=True, config=CONFIG)
class Mesh:
    """The defaults of every sidecar and gateway."""

    access_log: Annotated[
        ShortAccessLog | None, Field(description="the access log of those that say nothing else; off when left out")
    ] = None


MeshWord = AccessLog
"""What may stand below `mesh:`."""

WORDS: Final[dict[str, TypeAdapter[MeshWord]]] = {"access_log": TypeAdapter(ShortAccessLog)}
"""How each word below `mesh:` is read."""
