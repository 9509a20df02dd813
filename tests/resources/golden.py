"""Golden translation: each catalog in `golden/` is next to its resources, one file per resource type.

A folder named `grpc_client…` has what gRPC's own clients receive; the other folders have what Envoys receive.
`python -m tests.resources.golden` writes the expected files again. Read the diff before you commit it.
"""

import re
from contextlib import suppress
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import betterproto2
import yaml
from betterproto2 import Casing
from envoy_data_plane.envoy.config.cluster.v3 import Cluster
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment
from envoy_data_plane.envoy.config.listener.v3 import Listener
from envoy_data_plane.envoy.config.route.v3 import RouteConfiguration
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import Secret
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message_factory import GetMessageClass

from tests.inventories import build_inventory
from xds.catalog.assembly.assembly import build_catalog
from xds.catalog.catalog import Catalog
from xds.catalog.model.locality import Locality
from xds.catalog.raw.types import find_type
from xds.catalog.reading.fragment import parse_fragment
from xds.resources.inventory import Inventory
from xds.resources.resource import Resource
from xds.resources.view import NodeKind, NodeView, build_open_view
from xds.snapshot.building import build_snapshot
from xds.sources.document import Document
from xds.wire import CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION, SECRET
from xds.wire.pool import build_pool, find_packed
from xds.wire.varint import read_varint

FOLDER = Path(__file__).parent / "golden"
HERE = Locality("eu", "eu-1a", "rack-1")
CATALOGS = sorted(FOLDER.glob("*/catalog.yaml"))

PACKED = re.compile(rb"\n([\x15-\x7f]|[\x80-\xff]\x01)type\.googleapis\.com/")
"""The beginning of a google.protobuf.Any: the tag of its first field, the length of its type URL, and its prefix."""

MESSAGES: dict[str, tuple[str, type[betterproto2.Message]]] = {
    CLUSTER: ("clusters", Cluster),
    CLUSTER_LOAD_ASSIGNMENT: ("endpoints", ClusterLoadAssignment),
    LISTENER: ("listeners", Listener),
    ROUTE_CONFIGURATION: ("routes", RouteConfiguration),
    SECRET: ("secrets", Secret),
}


def read_catalog(path: Path) -> Catalog:
    """Read a catalog as `xds serve` does. Raise CatalogError when it has mistakes."""
    return build_catalog({path.name: parse_fragment(Document(path.name, path.read_bytes()))})


def translate(path: Path) -> dict[str, str]:
    """Return the text of each expected file, by file name, for the catalog at `path`.

    Clusters and endpoints are the same for every node that receives them, unless they depend on the node's locality.
    For those, there are separate entries with what nodes in `HERE` receive. Listeners and routes are listed by
    `node.cluster`; clusters with the same view share an entry.
    """
    catalog = read_catalog(path)
    inventory = build_inventory(catalog)
    grpc = path.parent.name.startswith("grpc_client")
    files: dict[str, dict[str, Any]] = {name: {} for name, _ in MESSAGES.values()}
    nodes: dict[NodeView, list[str]] = {}
    for node_cluster in [*sorted(catalog.gateways), *sorted(catalog.services), "anyone"]:
        nodes.setdefault(build_open_view(inventory, NodeKind(node_cluster, grpc)), []).append(node_cluster)
    for view, node_clusters in nodes.items():
        snapshot = build_snapshot(view, inventory)
        for type_url, (file, _) in MESSAGES.items():
            resources = snapshot.of(type_url).resources
            if type_url == SECRET and not resources:
                continue
            if type_url in (LISTENER, ROUTE_CONFIGURATION, SECRET):
                files[file][", ".join(node_clusters)] = [decode(resource) for _, resource in sorted(resources.items())]
            else:
                files[file].update((name, decode(resource)) for name, resource in resources.items())
    if not files["secrets"]:  # most catalogs have no secrets
        del files["secrets"]
    _add_localities(files, inventory, grpc=grpc)
    texts = {f"{file}.yaml": yaml.safe_dump(content, sort_keys=True, width=120) for file, content in files.items()}
    # betterproto2 puts an underscore before the last two letters.
    return {name: text.replace("consecutive_5_xx", "consecutive_5xx") for name, text in texts.items()}


def _add_localities(files: dict[str, dict[str, Any]], inventory: Inventory, *, grpc: bool) -> None:
    """Add the resources that depend on the node's locality."""
    for name in inventory.reliant:
        here = inventory.grpc_resources(name, HERE) if grpc else inventory.resources(name, HERE)
        for type_url in (CLUSTER, CLUSTER_LOAD_ASSIGNMENT):
            of_type = files[MESSAGES[type_url][0]]
            if type_url in here and of_type[name] != (decoded := decode(here[type_url])):
                of_type[f"{name}, in eu/eu-1a/rack-1"] = decoded
    if any(reliance.zone_aware for reliance in inventory.reliant.values()) and not grpc:
        for name in inventory.catalog.services:
            [resource] = inventory.local_resources(name).values()
            files["endpoints"][resource.name] = decode(resource)


def decode(resource: Resource) -> dict[str, Any]:
    """Return a resource with the field names of Envoy's documentation, decoded by envoy-data-plane's classes."""
    return deepcopy(_decode(resource.body))  # YAML would write an alias for what stands twice


@cache
def _decode(body: bytes) -> dict[str, Any]:
    """Decode a resource once: these classes take milliseconds, and two modules ask for the same resources."""
    message = AnyMessage.FromString(body)
    _, kind = MESSAGES[message.type_url]
    import_types(message.value)
    decoded: dict[str, Any] = kind.parse(merge(message.type_url, message.value)).to_dict(casing=Casing.SNAKE)
    return decoded


def import_types(value: bytes) -> None:
    """Import the classes of all messages that are packed in an encoded message, which decoding needs."""
    for found in PACKED.finditer(value):
        length, _ = read_varint(found[1], 0)
        end = found.end(1) + length
        with suppress(LookupError):  # bytes that only look like a type
            find_type(value[found.end() : end].decode(errors="replace"))


def merge(type_url: str, value: bytes) -> bytes:
    """Return the encoded message as protobuf merges it, which betterproto2 does not: messages that come twice.

    Protobuf passes on the fields that it does not know.
    """
    try:
        kind = build_pool().FindMessageTypeByName(type_url.rpartition("/")[2])
    except KeyError:
        return value
    message = GetMessageClass(kind).FromString(value)
    for packed in find_packed(message):
        packed.value = merge(packed.type_url, packed.value)
    return message.SerializeToString(deterministic=True)


def write() -> None:
    """Write every catalog's expected files."""
    for path in CATALOGS:
        for name, text in translate(path).items():
            (path.parent / name).write_text(text)


if __name__ == "__main__":
    write()
