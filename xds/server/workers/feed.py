"""What a worker is fed with: services and gateways as they are now, already encoded; no YAML, and only what changed."""

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
    """Each service, with what it contributes, and each gateway that changed (None: it is gone); what holds for all."""

    services: Mapping[str, tuple[Service, Parts] | None]
    gateways: Mapping[str, Gateway | None]
    mesh: Mesh = field(default_factory=Mesh)


def describe_change(inventory: Inventory) -> InventoryChange:
    """Say what differs from the inventory before."""
    return _describe(inventory, inventory.changed | inventory.dependents, inventory.changed_gateways)


def describe_all(inventory: Inventory) -> InventoryChange:
    """Say what differs from nothing."""
    return _describe(inventory, inventory.catalog.services, inventory.catalog.gateways)


def _describe(inventory: Inventory, services: Iterable[str], gateways: Iterable[str]) -> InventoryChange:
    catalog, parts = inventory.catalog, inventory.parts
    return InventoryChange(
        {name: (catalog.services[name], parts[name]) if name in parts else None for name in services},
        {name: catalog.gateways.get(name) for name in gateways},
        catalog.mesh,
    )


def apply_change(change: InventoryChange, before: Inventory) -> Inventory:
    """Give the inventory that comes after; a change that was applied already changes nothing."""
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
    """Encode a change, once for all workers."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, pickle.HIGHEST_PROTOCOL)
    # The read-only mappings of the catalog are what `pickle` does not know.
    pickler.dispatch_table = {**copyreg.dispatch_table, MappingProxyType: lambda proxy: (_freeze, (dict(proxy),))}
    pickler.dump(change)
    return buffer.getvalue()


def unpack(data: bytes) -> InventoryChange:
    """Decode what `pack` made."""
    change: InventoryChange = pickle.loads(data)  # noqa: S301 it is from the process that started this one
    return change


def _freeze(mapping: dict[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(mapping)
