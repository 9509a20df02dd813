"""What holds for all of a mesh: the fields below `mesh:`, each of them in one file of a folder."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final, get_type_hints

from pydantic import Field, Strict, TypeAdapter
from pydantic.dataclasses import dataclass

from xds.catalog.model.access_log import AccessLog, ShortAccessLog
from xds.catalog.model.brake import USUAL_SHARE, Brake, ShortBrake
from xds.catalog.model.tracing import ShortTracing, Tracing
from xds.catalog.text.envoy_version import Oldest
from xds.catalog.text.field import OFF, About, Expected, Since
from xds.catalog.text.names import CONFIG


class Strangers(StrEnum):
    """What a node gets whose `node.cluster` is neither a service nor a gateway: nothing, or every service."""

    REFUSE = "refuse"
    SERVE = "serve"


class Unlisted(StrEnum):
    """What becomes of a registered service that the catalog does not name: it is served with defaults, or not."""

    SERVE = "serve"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True, config=CONFIG)
class RegistryPolicy:
    """How services that register themselves are served: see `xds serve --registry`."""

    unlisted: Annotated[
        Unlisted,
        Field(
            description="Whether a registered service that the catalog does not name is served with defaults (`serve`) "
            "or not (`ignore`)"
        ),
    ] = Unlisted.SERVE


@dataclass(frozen=True, slots=True, config=CONFIG)
class Mesh:
    """What applies to every sidecar and gateway without a value of its own."""

    access_log: Annotated[
        ShortAccessLog | None,
        Field(description="The access log of every sidecar and gateway without its own"),
        About(default="off", envoy="AccessLog"),
    ] = None
    tracing: Annotated[
        ShortTracing | None,
        OFF,
        Field(description="Spans of requests, for an OpenTelemetry collector"),
        About(default="off", envoy="HttpConnectionManager.tracing"),
        Since((1, 37), older="older ones send the host alone as `http.url`"),
    ] = None
    endpoint_stats: Annotated[
        bool | None,
        Strict(),
        Field(description="Metrics of each endpoint, in the Envoys that call it"),
        About(default="false", envoy="Cluster.track_cluster_stats"),
    ] = None
    brake: Annotated[
        ShortBrake | None,
        Field(description="How much an edit may take away at once; the server holds more until it is confirmed"),
        About(default=f"{USUAL_SHARE:g}%"),
    ] = None
    envoy: Annotated[
        Oldest | None,
        Field(description="The oldest Envoys of the mesh. `xds check` warns of fields that these do not take"),
        About(default="any: nothing is checked"),
    ] = None
    strangers: Annotated[
        Strangers | None,
        Field(
            description="Whether a node whose `node.cluster` is no service and no gateway of the catalog may call "
            "every service (`serve`), or gets nothing (`refuse`)"
        ),
        About(default="refuse"),
    ] = None

    registry: Annotated[
        RegistryPolicy | None,
        Field(description="How services that register themselves (`xds serve --registry`) are served"),
        Expected("", {"unlisted": "ignore"}),
    ] = None

    @property
    def unlisted(self) -> Unlisted:
        """What becomes of a registered service that the catalog does not name."""
        return Unlisted.SERVE if self.registry is None else self.registry.unlisted

    @property
    def brake_share(self) -> float | None:
        """What may be taken away at once, in percent; None: all."""
        return (self.brake or Brake()).percent

    @property
    def confirm_after(self) -> timedelta | None:
        """After which time a removal that is held is taken; None: never."""
        return self.brake.confirm_after if self.brake else None


MeshValue = AccessLog | Tracing | Brake | RegistryPolicy | Strangers | str | bool
"""What may stand below `mesh:`."""

MESH_FIELDS: Final[Mapping[str, TypeAdapter[MeshValue | None]]] = {
    name: TypeAdapter(hint) for name, hint in get_type_hints(Mesh, include_extras=True).items()
}
"""How each field below `mesh:` is read."""
