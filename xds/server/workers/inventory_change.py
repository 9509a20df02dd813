"""InventoryChange: the changes of the inventory that the leader sends to its workers.

A change contains only the services and gateways that changed, with their encoded resources, so that workers parse no
YAML.
"""

import copyreg
import io
import pickle
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from xds.catalog.catalog import Catalog
from xds.catalog.model.endpoint import Endpoint
from xds.catalog.model.gateway import Gateway
from xds.catalog.model.mesh import Mesh
from xds.catalog.model.service import Service
from xds.endpoints.endpoint_set import NO_ENDPOINTS, Endpoints, EndpointSet, Key
from xds.resources.inventory import Inventory, Parts, find_reliant

EndpointChange = EndpointSet | Mapping[Key, Endpoint]
"""A service's endpoints as they are now, or those alone that others took the place of."""


@dataclass(frozen=True, slots=True)
class InventoryChange:
    """The services that changed, with their endpoints and resources, the gateways that changed, and the mesh.

    None means removed. Of the services that are `reassigned` nothing changed but their endpoints.
    """

    services: Mapping[str, tuple[Service, EndpointSet, Parts] | None]
    gateways: Mapping[str, Gateway | None]
    mesh: Mesh = field(default_factory=Mesh)
    reassigned: Mapping[str, tuple[EndpointChange, Parts]] = field(default_factory=dict)


def describe_change(inventory: Inventory, before: Inventory) -> InventoryChange:
    """Describe what differs from the inventory before."""
    old, new = before.catalog.services, inventory.catalog.services
    light = {name for name in inventory.reassigned if old.get(name) is new[name]}
    reassigned = {
        name: (_diff_endpoints(before.endpoints.of(name), inventory.endpoints.of(name)), inventory.parts[name])
        for name in light
    }
    changed = (inventory.changed | inventory.dependents) - light
    return replace(_describe(inventory, changed, inventory.changed_gateways), reassigned=reassigned)


def _diff_endpoints(was: EndpointSet, now: EndpointSet) -> EndpointChange:
    if [*was.by_key] != [*now.by_key]:
        return now
    return {key: endpoint for key, endpoint in now.by_key.items() if endpoint is not was.by_key[key]}


def describe_all(inventory: Inventory) -> InventoryChange:
    """Return the whole inventory, as the change from an empty one."""
    return _describe(inventory, inventory.catalog.services, inventory.catalog.gateways)


def _describe(inventory: Inventory, services: Iterable[str], gateways: Iterable[str]) -> InventoryChange:
    catalog, parts, endpoints = inventory.catalog, inventory.parts, inventory.endpoints
    return InventoryChange(
        {
            name: (catalog.services[name], endpoints.of(name), parts[name]) if name in parts else None
            for name in services
        },
        {name: catalog.gateways.get(name) for name in gateways},
        catalog.mesh,
    )


def apply_change(change: InventoryChange, before: Inventory) -> Inventory:
    """Return the inventory after a change. Applying the same change twice has the same result."""
    services, gateways, parts = dict(before.catalog.services), dict(before.catalog.gateways), dict(before.parts)
    endpoints = dict(before.endpoints.by_service)
    for name, held in change.services.items():
        if held is None:
            services.pop(name, None)
            parts.pop(name, None)
            endpoints.pop(name, None)
        else:
            services[name], endpoints[name], parts[name] = held
    for name, (of_endpoints, of_parts) in change.reassigned.items():
        was = endpoints.get(name, NO_ENDPOINTS)
        endpoints[name] = of_endpoints if isinstance(of_endpoints, EndpointSet) else was.replace(of_endpoints)
        parts[name] = of_parts
    changed = frozenset((*change.services, *change.reassigned))
    for name, gateway in change.gateways.items():
        if gateway is None:
            gateways.pop(name, None)
        else:
            gateways[name] = gateway
    return replace(
        before,
        catalog=Catalog(services, gateways, mesh=change.mesh),
        endpoints=Endpoints(endpoints),
        parts=parts,
        changed=changed,
        reassigned=frozenset(change.reassigned),
        dependents=frozenset(),
        changed_gateways=frozenset(change.gateways),
        mesh_changed=before.catalog.mesh != change.mesh,
        reliant=find_reliant(services, change.services, before.reliant),
        made={name: made for name, made in before.made.items() if name not in changed},
        shared={},
        encoded={},  # only the leader, who builds, has use for it
    )


def encode_change(change: InventoryChange) -> bytes:
    """Return an encoded change, which all workers are sent."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, pickle.HIGHEST_PROTOCOL)
    # `pickle` does not support the catalog's read-only mappings.
    pickler.dispatch_table = {**copyreg.dispatch_table, MappingProxyType: lambda proxy: (_freeze, (dict(proxy),))}
    pickler.dump(change)
    return buffer.getvalue()


def decode_change(data: bytes) -> InventoryChange:
    """Return the change that `encode_change` encoded."""
    change: InventoryChange = pickle.loads(data)  # noqa: S301 the data is from the process that started this one
    return change


def _freeze(mapping: dict[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(mapping)
