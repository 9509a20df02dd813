"""A catalog file: what may stand at its top, and so everything that may stand in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import ConfigDict, Field

from xds.catalog.model.gateway_rules import CheckedGateway
from xds.catalog.model.mesh import Mesh
from xds.catalog.model.service_rules import CheckedService
from xds.catalog.text.field import Example, Expected, IfWrong
from xds.catalog.text.names import NOBODY, Name

FileService = Annotated[
    CheckedService, Expected("a service's fields, such as `endpoints`"), IfWrong(stand_in={"upstreams": []})
]
FileGateway = Annotated[
    CheckedGateway,
    Expected("a gateway's fields, such as `port` and `routes`"),
    IfWrong(stand_in={"port": 1, "routes": [{"to": NOBODY}]}),
]


@dataclass(frozen=True, slots=True)
class CatalogFile:
    """A catalog file has services, gateways and mesh defaults, or some of them. A catalog can have many files."""

    __pydantic_config__ = ConfigDict(extra="forbid", title="A service catalog of xds")

    services: Annotated[Mapping[Name, FileService], Field(description="The services, by name")] = field(
        default_factory=dict
    )
    gateways: Annotated[
        Mapping[Name, FileGateway], Field(description="The gateways, by name: Envoys that take requests from outside")
    ] = field(default_factory=dict)
    mesh: Annotated[
        Mesh,
        Field(description="What applies to every sidecar and gateway without a value of its own"),
        Example({"access_log": "errors"}),
    ] = field(default_factory=Mesh)
