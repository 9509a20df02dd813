"""What a node is sent that its Envoy does not take: fields of the catalog that need a later version."""

from collections.abc import Iterator, Mapping

from xds.catalog.catalog import Catalog, Subject
from xds.catalog.text.envoy_version import Version, parse_version
from xds.catalog.versions import Need, find_needs
from xds.resources.view import GatewayView, NodeView, SidecarView
from xds.wire.discovery_pb2 import Node

ENVOY = "envoy"
"""`node.user_agent_name` of every Envoy."""

Needs = Mapping[Subject, tuple[Need, ...]]
"""What services, gateways and the mesh need, without those that need nothing."""


def read_envoy_version(node: Node) -> Version | None:
    """Return the version of a node's Envoy; None if the node is another client, or has no version."""
    if node.user_agent_name != ENVOY:
        return None
    build = node.user_agent_build_version.version
    if build.ByteSize():
        return build.major_number, build.minor_number, build.patch
    return parse_version(node.user_agent_version)


def list_needs(catalog: Catalog) -> Needs:
    """Return all that a catalog needs. The time grows with the number of services, but not with that of endpoints."""
    mesh = catalog.mesh
    subjects: Iterator[tuple[Subject, object]] = iter(
        [
            *((("services", name), service) for name, service in catalog.services.items()),
            *((("gateways", name), gateway) for name, gateway in catalog.gateways.items()),
            *((("mesh", name), getattr(mesh, name)) for name in ("access_log", "tracing", "endpoint_stats")),
        ]
    )
    return {subject: found for subject, value in subjects if (found := tuple(find_needs(subject, value)))}


def find_unsupported(needs: Needs, view: NodeView, cluster: str, version: Version) -> Iterator[Need]:
    """Yield what nodes of a view and a `node.cluster` are sent that their version of Envoy does not take.

    The `loc` of each leads from the top of a catalog.
    """
    if not isinstance(view, SidecarView | GatewayView):
        return
    for subject, found in needs.items():
        for need in found:
            if version < need.since.version and _is_sent(view, cluster, subject, need):
                yield need._replace(loc=(*subject, *need.loc))


def _is_sent(view: SidecarView | GatewayView, cluster: str, subject: Subject, need: Need) -> bool:
    """Whether a view has the resource that a field is in.

    A service's `sidecar` is for its own Envoys, its `routes` are for the sidecars of its callers, and all else is in
    its cluster.
    """
    kind, name = subject
    if kind == "mesh":
        return True
    if kind == "gateways":
        return isinstance(view, GatewayView) and view.gateway == name
    field = need.loc[0]
    if field == "sidecar":
        return name == cluster
    if field == "routes":
        return isinstance(view, SidecarView) and (view.hosts is None or name in view.hosts)
    return view.upstreams is None or name in view.upstreams
