"""The README's comparison with go-control-plane: a table and a picture, both made from raw figures."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import click

HERE = Path(__file__).parent
FIGURES = HERE / "figures.json"
"""The raw figures that the README shows, of `python -m tests.bench ... --json tests/bench/figures.json`."""

PICTURE = HERE / "figures.svg"
README = HERE.parent.parent / "README.md"
BEGIN, END = "<!-- python -m tests.bench report -->", "<!-- end of the report -->"

FIRST, CHANGE = "first sync of 1,000 clients, CPU s", "one change, CPU ms"


@dataclass(frozen=True, slots=True)
class Cell:
    """One measurement: who asks for what, what was measured, and what each took, as low and high of several runs."""

    clients: str
    what: str
    snapshot_cache: tuple[float, float]
    linear_cache: tuple[float, float]
    xds: float

    @property
    def ratio(self) -> float:
        """What xds takes of what the better of the two takes, by its best run."""
        return self.xds / min(self.snapshot_cache[0], self.linear_cache[0])


GO: dict[tuple[str, int | None], dict[str, tuple[tuple[float, float], tuple[float, float], str]]] = {
    ("delta", None): {
        FIRST: ((11, 14), (3.3, 3.5), "first_sync_cpu_s"),
        CHANGE: ((625, 733), (1265, 1265), "change_cpu_ms"),
        "one change, half of the clients have it, ms": ((340, 420), (555, 577), "change_p50_ms"),
        "one change, 99% have it, ms": ((580, 740), (845, 885), "change_p99_ms"),
        "resident memory, MB": ((1016, 1016), (900, 940), "memory_mb"),
    },
    ("sotw", None): {
        FIRST: ((10, 12.7), (2.8, 3.2), "first_sync_cpu_s"),
        CHANGE: ((8760, 8930), (1585, 1950), "change_cpu_ms"),
        "one change, to all clients, KB": ((364_900, 364_900), (489, 489), "change_kb"),
    },
    ("delta", 20): {
        FIRST: ((3.3, 3.7), (1.4, 1.6), "first_sync_cpu_s"),
        CHANGE: ((183, 210), (1.9, 2.6), "change_cpu_ms"),
    },
    ("sotw", 20): {
        FIRST: ((2.6, 3.0), (1.5, 1.5), "first_sync_cpu_s"),
        CHANGE: ((230, 284), (2.8, 3.6), "change_cpu_ms"),
    },
}
"""go-control-plane as it was measured: its SnapshotCache and its LinearCache, and the name of our figure."""

WORDS = {"delta": "delta", "sotw": "State of the World"}


def read_cells(figures: dict[str, Any]) -> list[Cell]:
    """Put our figures beside those of go-control-plane."""
    ours = {(cell["variant"], cell["clusters"]): cell for cell in figures["push"]}
    return [
        Cell(f"{WORDS[variant]}, {clusters or 'all'} clusters", what, snapshot, linear, ours[variant, clusters][name])
        for (variant, clusters), rows in GO.items()
        for what, (snapshot, linear, name) in rows.items()
    ]


def make_table(cells: Iterable[Cell]) -> str:
    """Write the comparison as Markdown."""
    lines = [
        "| clients ask for | | go-control-plane: SnapshotCache | LinearCache | xds | of the better |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for cell in cells:
        go = " | ".join(map(_range, (cell.snapshot_cache, cell.linear_cache)))
        lines.append(f"| {cell.clients} | {cell.what} | {go} | {_number(cell.xds)} | {cell.ratio:.2f} |")
    return "\n".join(lines)


WIDTH, ROW, LEFT, SCALE, TOP = 900, 26, 330, 300, 58
"""Of the picture, in pixels: its width, a row's height, where bars begin, how long 1 is, and where the rows begin."""


def draw(cells: list[Cell]) -> str:
    """Draw the comparison as SVG: for each row, how much of the better Go server's figure xds needs."""
    height = TOP + ROW * (len(cells) + len({cell.clients for cell in cells})) + 34
    rows: list[str] = []
    y, group = TOP, ""
    for cell in cells:
        if cell.clients != group:
            group = cell.clients
            y += ROW
            rows.append(f'<text x="20" y="{y - 8}" class="group">{escape(group)}</text>')
        length = min(cell.ratio, 1.6) * SCALE
        better = min(cell.snapshot_cache[0], cell.linear_cache[0])
        words = f"{_number(cell.xds)} against {_number(better)}: {cell.ratio:.2f}"
        rows.append(
            f'<text x="{LEFT - 12}" y="{y + 14}" text-anchor="end">{escape(cell.what)}</text>'
            f'<rect x="{LEFT}" y="{y + 2}" width="{length:.0f}" height="{ROW - 10}" '
            f'class="{"good" if cell.ratio <= 1 else "bad"}"/>'
            f'<text x="{LEFT + max(length, SCALE) + 10:.0f}" y="{y + 14}">{words}</text>'
        )
        y += ROW
    line = LEFT + SCALE
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">
<style>
text {{ font: 13px system-ui, sans-serif; fill: #24292f }}
.title {{ font-size: 17px; font-weight: 600 }} .group {{ font-weight: 600 }} .faint {{ fill: #57606a }}
.good {{ fill: #1a7f64 }} .bad {{ fill: #bc4c00 }} line {{ stroke: #57606a; stroke-dasharray: 4 3 }}
</style>
<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>
<text x="20" y="28" class="title">What xds needs, where the better of go-control-plane's two caches needs 1</text>
<text x="20" y="48" class="faint">1,000 clients, 1,000 services of 10 endpoints; shorter is better</text>
{chr(10).join(rows)}
<line x1="{line}" y1="{TOP + 4}" x2="{line}" y2="{y + 4}"/>
<text x="{line}" y="{y + 22}" text-anchor="middle" class="faint">go-control-plane = 1</text>
</svg>
"""


@click.command()
@click.option("--figures", default=FIGURES, show_default=True, type=click.Path(exists=True, path_type=Path))
def report(figures: Path) -> None:
    """Write the README's table and picture anew, from raw figures."""
    cells = read_cells(json.loads(figures.read_text()))
    PICTURE.write_text(draw(cells))
    README.write_text(renew(README.read_text(), cells))


def renew(readme: str, cells: list[Cell]) -> str:
    """Put the table between its marks in the README."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{make_table(cells)}\n{END}{after}"


def _range(some: tuple[float, float]) -> str:
    low, high = some
    return _number(low) if low == high else f"{_number(low)} – {_number(high)}"


def _number(value: float) -> str:
    return f"{value:,.1f}" if value < 10 else f"{value:,.0f}"
