"""The reference of the catalog as Markdown: a table for each mapping, however often it occurs in a catalog."""

from collections.abc import Iterator

from xds.cli.docs.path import Place
from xds.cli.docs.text import describe, describe_class

HEAD = """\
<!-- made by: xds docs --output markdown > xds/catalog/reference.md -->
# Reference of the catalog

Every field of the catalog. [README.md](README.md) explains them with examples. `xds docs services.retries` prints the
same for one field on a terminal.

"""


def write_markdown(top: Place) -> str:
    """Return a table of fields for each mapping at or below a place."""
    mappings = _find_mappings(top)
    named = {kind: places[0] for kind, places in mappings.items()}
    contents = [f"- [{_title(place)}](#{_anchor(place)})" for place in named.values()]
    sections = [_write_section(places, named) for places in mappings.values()]
    return HEAD + "\n".join(contents) + "\n\n" + "\n\n".join(sections) + "\n"


def _find_mappings(top: Place) -> dict[type, list[Place]]:
    """Return every mapping with fields of its own: by its class, the places where it occurs."""
    found: dict[type, list[Place]] = {}
    waiting = [top]
    while waiting:
        place = waiting.pop(0)
        mapping = place.mapping
        if mapping is None or not mapping.field.fields:
            continue
        places = found.setdefault(mapping.field.type, [])
        places.append(mapping)
        if len(places) == 1:
            waiting = [*mapping.list_fields(), *waiting]
    return found


def _write_section(places: list[Place], named: dict[type, Place]) -> str:
    place = places[0]
    lines = [f"## {_title(place)}", "", describe_class(place), ""]
    if len(places) > 1:
        lines += [f"The same fields are in {', '.join(f'`{one.name}`' for one in places[1:])}.", ""]
    lines += ["| field | meaning | value | default | in Envoy |", "|---|---|---|---|---|"]
    return "\n".join([*lines, *(_write_row(one, named) for one in place.list_fields())])


def _write_row(place: Place, named: dict[type, Place]) -> str:
    record = describe(place)
    mapping = place.mapping
    target = None if mapping is None else named.get(mapping.field.type)
    name = f"`{place.field.name}`"
    return " | ".join(
        (
            f"| [{name}](#{_anchor(target)})" if target is not None else f"| {name}",
            _cell("; ".join((record.meaning, *(f"needs {one}" for one in record.since)))),
            _cell("; ".join(_list_values(record.expected, record.unit, record.examples))),
            "**required**" if record.required else _cell(record.default),
            f"{_cell(record.envoy)} |" if record.envoy else "|",
        )
    )


def _list_values(expected: str, unit: str, examples: tuple[str, ...]) -> Iterator[str]:
    yield expected
    if unit and unit not in expected:
        yield f"unit: {unit}"
    if examples:
        yield f"example: {', '.join(f'`{example}`' for example in examples)}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "\\<")


def _title(place: Place) -> str:
    return place.name or "The top of a file"


def _anchor(place: Place) -> str:
    return _title(place).lower().replace(".", "").replace(" ", "-")
