"""The inventory: after any edits it equals one that is built from nothing, and it names exactly what differs."""

from hypothesis import given
from hypothesis import strategies as st

from tests.catalog.test_workspace import FILES, TEXTS
from tests.inventories import build_inventory
from tests.sampling import examples
from xds.catalog.assembly.workspace import LastGood
from xds.catalog.catalog import Catalog
from xds.errors import CatalogError
from xds.resources.inventory import Inventory
from xds.sources.document import Document

EDITS = st.tuples(st.dictionaries(st.sampled_from(FILES), TEXTS, min_size=1, max_size=2), st.integers(0, 3))
"""The number of files that are saved or deleted at once, and of outcomes that pass before a test looks at one."""


@examples(300)
@given(st.lists(EDITS, min_size=2, max_size=8))
def test_after_any_edits_the_inventory_equals_one_built_from_nothing(
    edits: list[tuple[dict[str, str | None], int]],
) -> None:
    """This holds for good and bad edits. A refused file may become valid later. The test does not look at every
    catalog.
    """
    last_good, before = LastGood(), build_inventory(Catalog({}, {}))
    passing = 0
    for edit, skipped in edits:
        changes = {name: None if text is None else Document(name, text.encode()) for name, text in edit.items()}
        try:
            catalog = last_good.update(changes).catalog
        except CatalogError:
            continue
        if passing:
            passing -= 1
            continue
        passing = skipped
        after = build_inventory(catalog, before)
        assert after == expect(catalog, before)
        before = after


def expect(catalog: Catalog, before: Inventory) -> Inventory:
    """Build an inventory from nothing, and compare each name with the inventory before."""
    old, new = before.catalog, build_inventory(Catalog(catalog.services, catalog.gateways, mesh=catalog.mesh))
    parts = new.parts
    services = {name for name in {*old.services, *parts} if old.services.get(name) != catalog.services.get(name)}
    if bool(old.mesh.endpoint_stats) != bool(catalog.mesh.endpoint_stats):
        services |= {name for name, service in catalog.services.items() if service.endpoint_stats is None}
    names = {*old.gateways, *catalog.gateways}
    gateways = {name for name in names if old.gateways.get(name) != catalog.gateways.get(name)}
    return Inventory(catalog, new.endpoints, parts, frozenset(services), frozenset(gateways), old.mesh != catalog.mesh)


def test_unchanged_resources_are_not_built_again() -> None:
    """Both inventories have the identical objects, even when the file of these objects changed."""
    last_good = LastGood()
    texts = ("services: {a: {}, b: {}}", "services: {a: {retries: 1}, b: {}}")
    catalogs = [last_good.update({"c.yaml": Document("c.yaml", text.encode())}).catalog for text in texts]
    before = build_inventory(catalogs[0])
    after = build_inventory(catalogs[1], before)
    assert after.changed == {"a"}
    assert after.parts["b"] is before.parts["b"]
