"""Feed: the changes of the inventory that the leader sends to its workers.

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
from xds.catalog.model.gateway import Gateway
from xds.catalog.model.mesh import Mesh
from xds.catalog.model.service import Service
from xds.resources.inventory import Inventory, Parts, find_reliant


@dataclass(frozen=True, slots=True)
class InventoryChange:
    """The services that changed, with their resources, the gateways that changed, and the mesh; None means removed."""

    services: Mapping[str, tuple[Service, Parts] | None]
    gateways: Mapping[str, Gateway | None]
    mesh: Mesh = field(default_factory=Mesh)


def describe_change(inventory: Inventory) -> InventoryChange:
    """Return what differs from the inventory before."""
    return _describe(inventory, inventory.changed | inventory.dependents, inventory.changed_gateways)


def describe_all(inventory: Inventory) -> InventoryChange:
    """Return the whole inventory, as the change from an empty one."""
    return _describe(inventory, inventory.catalog.services, inventory.catalog.gateways)


def _describe(inventory: Inventory, services: Iterable[str], gateways: Iterable[str]) -> InventoryChange:
    catalog, parts = inventory.catalog, inventory.parts
    return InventoryChange(
        {name: (catalog.services[name], parts[name]) if name in parts else None for name in services},
        {name: catalog.gateways.get(name) for name in gateways},
        catalog.mesh,
    )


def apply_change(change: InventoryChange, before: Inventory) -> Inventory:
    """Return the inventory after a change. Applying the same change twice has the same result."""
    services, gateways, parts = dict(before.catalog.services), dict(before.catalog.gateways), dict(before.parts)
    for name, held in change.services.items():
        if held is None:
            services.pop(name, None)
            parts.pop(name, None)
        else:
            services[name], parts[name] = held
    for name, gateway in change.gateways.items():
        if gateway is None:
            gateways.pop(name, None)
        else:
            gateways[name] = gateway
    return replace(
        before,
        catalog=Catalog(services, gateways, mesh=change.mesh),
        parts=parts,
        changed=frozenset(change.services),
        changed_gateways=frozenset(change.gateways),
        mesh_changed=before.catalog.mesh != change.mesh,
        reliant=find_reliant(services, change.services, before.reliant),
        made={name: made for name, made in before.made.items() if name not in change.services},
    )


def pack(change: InventoryChange) -> bytes:
    """Return an encoded change, which all workers are sent."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, pickle.HIGHEST_PROTOCOL)
    # `pickle` does not support the catalog's read-only mappings.
    pickler.dispatch_table = {**copyreg.dispatch_table, MappingProxyType: lambda proxy: (_freeze, (dict(proxy),))}
    pickler.dump(change)
    return buffer.getvalue()


def unpack(data: bytes) -> InventoryChange:
    """Return the change that `pack` encoded."""
    change: InventoryChange = pickle.loads(data)  # noqa: S301 the data is from the process that started this one
    return change


def _freeze(mapping: dict[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(mapping)
