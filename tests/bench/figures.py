"""How the benches write their raw figures as rows of the document's table."""

from typing import Any

Row = tuple[str, str]
"""What a bench measures, and its figures as a sentence."""

VARIANTS = ("delta", "sotw")


def write_number(value: float) -> str:
    """Return a number for people: whole, or with one digit after the point if it is below 10."""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.1f}" if value < 10 else f"{value:,.0f}"


def by_variant(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the cells in the order of the variants."""
    return sorted(cells, key=lambda cell: VARIANTS.index(cell["variant"]))


def write_both(cells: list[dict[str, Any]], name: str) -> str:
    """Return a figure of both variants, such as `1.8 / 2.1`."""
    return " / ".join(write_number(cell[name]) for cell in by_variant(cells))
