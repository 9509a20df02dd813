"""Inventories built from catalogs alone, without any other source of endpoints."""

from dataclasses import replace

from xds.catalog.catalog import Catalog
from xds.catalog.model.mesh import Strangers
from xds.endpoints.endpoint_set import collect_services
from xds.endpoints.registry import Registry
from xds.resources import inventory
from xds.resources.inventory import Inventory


def build_inventory(catalog: Catalog, before: Inventory | None = None) -> Inventory:
    """Build the inventory of a catalog, with the endpoints in the catalog."""
    return inventory.build_inventory(catalog, collect_services(catalog.services), before)


def welcome(catalog: Catalog) -> Catalog:
    """Return a catalog that lets nodes of a cluster which it does not name call every service."""
    return replace(catalog, mesh=replace(catalog.mesh, strangers=Strangers.SERVE))


class Translator:
    """Builds the inventory after each edit as a server does: it does not look at what did not change."""

    def __init__(self) -> None:
        self.registry = Registry()

    def build(self, catalog: Catalog, before: Inventory | None = None) -> Inventory:
        """Build the inventory of a catalog and of the endpoints in the registry."""
        self.registry.put_catalog(catalog)
        return inventory.build_inventory(catalog, self.registry.publish(), before)
