"""What `xds explain` and `xds route` look at: the catalog, where everything in it stands, and what a node is served."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xds.catalog.assembly.workspace import Workspace
from xds.catalog.catalog import Catalog
from xds.catalog.model.mesh import Strangers
from xds.catalog.reading.places import find_place, format_path
from xds.catalog.reading.yaml import Tree, parse_yaml
from xds.catalog.text.mistake import Loc
from xds.cli.admin_client import AdminClient, Json, NotFoundError
from xds.sources.document import Document
from xds.sources.files.watch import FileSource
from xds.wording import join_or, suggest


class UnknownNodeError(Exception):
    """It is not clear which node is meant, or there is none of that name; the message says what there is."""


class OwnLocalityError(Exception):
    """A connected node sends its locality itself, so none can be given for it."""


@dataclass(frozen=True, slots=True)
class Field:
    """A value as the operator wrote it, its path in the catalog, and the file and line where it stands."""

    value: Any
    path: str
    place: str


class Written:
    """The files of a catalog as they are written. A file is read when something in it is asked for."""

    def __init__(self, documents: Mapping[str, Document]) -> None:
        self._texts = {name: (one.content or b"").decode(errors="replace") for name, one in sorted(documents.items())}
        self._trees: dict[str, Tree] = {}

    def find(self, loc: Loc) -> Field | None:
        """Return what stands at `loc`, which begins with a kind and a name as in `("services", "api")`, or None."""
        name = str(loc[1])
        for source, text in self._texts.items():
            if name not in text:
                continue
            tree = self._trees.get(source) or self._trees.setdefault(source, parse_yaml(text))
            line, _, there = find_place(tree.place, loc, key=True)
            if there == loc:
                return Field(_follow(tree.value, loc), format_path(loc), f"{source}:{line}")
        return None

    def find_fields(self, loc: Loc) -> dict[str, Field]:
        """Return the fields of the mapping at `loc`, by name, in the order in which they are written."""
        found = self.find(loc)
        names = found.value if found is not None and isinstance(found.value, dict) else {}
        return {name: field for name in names if (field := self.find((*loc, name))) is not None}


def _follow(value: Any, loc: Loc) -> Any:
    for step in loc:
        value = value[step]
    return value


@dataclass(frozen=True, slots=True)
class Known:
    """A catalog, and what one node is served of it, in the shape of the admin's `/dump`."""

    catalog: Catalog
    written: Written
    dump: Json

    @property
    def node(self) -> Mapping[str, Any]:
        """The node: its `node_id`, which is empty for one that is not connected, `cluster`, `grpc` and `locality`."""
        found: Mapping[str, Any] = self.dump["node"]
        return found

    @property
    def name(self) -> str:
        """The node as messages name it."""
        return self.node["node_id"] or self.node["cluster"] or "a sidecar"

    def explain_stranger(self) -> str | None:
        """Return that the node's `node.cluster` is not in the catalog, and what it is served; None if it is there."""
        cluster = self.node["cluster"]
        if not cluster or cluster in self.catalog.services or cluster in self.catalog.gateways:
            return None
        if self.catalog.mesh.strangers is Strangers.SERVE:
            served = "such a node may call every service"
        elif any(config["resources"] for config in self.dump["configs"]):
            served = "the node keeps what it had, as `xds dump` shows"
        else:
            served = "the node is sent nothing"
        return f"the catalog has no service or gateway {cluster}{suggest(cluster, list_names(self.catalog))}; {served}"


def list_names(catalog: Catalog) -> list[str]:
    """Return what a `node.cluster` can be: the names of gateways and services."""
    return [*catalog.gateways, *catalog.services]


def _find_gateway(catalog: Catalog) -> str | None:
    """Return the only gateway; None if there is none. Raises UnknownNodeError when it is not clear which is meant."""
    if len(catalog.gateways) > 1:
        raise UnknownNodeError(f"there are several gateways: write --node {join_or(sorted(catalog.gateways))}")
    return next(iter(catalog.gateways), None)


def ask_server(
    admin: tuple[str, int], node: str | None, locality: Mapping[str, str], *, default_gateway: bool = False
) -> Known:
    """Ask a server about a connected node, by its id, or about the nodes with a `node.cluster`; None is no service's.

    Raises AdminError, NotFoundError if there is neither, and OwnLocalityError.
    """
    with AdminClient(admin) as client:
        files = client.get("/catalog")["files"]
        documents = {name: Document(name, text.encode()) for name, text in files.items()}
        catalog = Workspace().update(documents)
        if node is None and default_gateway:
            node = _find_gateway(catalog)
        return Known(catalog, Written(documents), _ask_dump(client, catalog, node, locality))


def _ask_dump(client: AdminClient, catalog: Catalog, node: str | None, locality: Mapping[str, str]) -> Json:
    if node is not None:
        try:
            dump = client.get("/dump", [("node", node)])
        except NotFoundError:
            if node not in catalog.gateways and node not in catalog.services:
                raise
        else:
            if any(locality.values()):
                raise OwnLocalityError(f"{node} sends its own locality: leave out --region, --zone and --sub-zone")
            return dump
    return client.get("/dump", [("cluster", node or ""), *locality.items()])


def read_files(path: Path, node: str | None, locality: Mapping[str, str], *, default_gateway: bool = False) -> Known:
    """Return what nodes with the `node.cluster` of that name would be served from the files at `path`.

    Raises CatalogError, and UnknownNodeError for a name that is not in the catalog.
    """
    # Imported here, since Envoy's message classes take half a second to import.
    from xds.catalog.model.locality import Locality
    from xds.endpoints.endpoint_set import collect_services
    from xds.resources.inventory import build_inventory
    from xds.resources.view import NodeKind
    from xds.server.clients.documents import describe_kind

    documents = FileSource(path).read()
    catalog = Workspace().update(documents)
    names = list_names(catalog)
    node_cluster = node or (_find_gateway(catalog) if node is None and default_gateway else None) or ""
    if node_cluster and node_cluster not in names:
        hint = suggest(node_cluster, names) or f": it has {', '.join(sorted(names)[:SHOWN])}"
        raise UnknownNodeError(f"the catalog has no service or gateway {node_cluster}{hint}")
    inventory = build_inventory(catalog, collect_services(catalog.services))
    dump = describe_kind(inventory, NodeKind(node_cluster, locality=Locality(**locality)))
    return Known(catalog, Written(documents), dump)


SHOWN = 8
