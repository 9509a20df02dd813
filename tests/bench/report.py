"""The cost of xds as a document: a comparison with go-control-plane as a table and a picture, and all other figures.

Each bench describes its own figures.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import click

from tests.bench.burst import describe_burst
from tests.bench.effect import describe_effect
from tests.bench.endpoints import describe_endpoints
from tests.bench.figures import Row, write_number
from tests.bench.floor import describe_floor
from tests.bench.load import describe_load
from tests.bench.push import describe_crowd, describe_workers
from tests.bench.routes import describe_routes
from tests.bench.scale import describe_scale
from tests.bench.soak import describe_soak
from tests.bench.start import describe_start
from tests.bench.storm import describe_storm

HERE = Path(__file__).parent
FIGURES = HERE / "figures.json"
"""The raw figures in the document. `python -m tests.bench ... --json` with this path writes them."""

PICTURE = HERE / "figures.svg"
DOCUMENT = HERE / "README.md"

FIRST, CHANGE, MEMORY = "first sync of 1,000 clients, CPU s", "one change, CPU ms", "resident memory, MB"
FIELDS = {FIRST: "first_sync_cpu_s", CHANGE: "change_cpu_ms", MEMORY: "memory_mb"}
"""The name of each figure in those of xds."""

Kind = tuple[str, int | None, int | None]
"""What clients ask for: the variant, of how many Clusters, and the endpoints of how many; None is all."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One measurement: what clients ask for, what is measured, and each server's figure."""

    clients: str
    what: str
    go: float
    xds: float

    @property
    def ratio(self) -> float:
        """The figure of xds, divided by that of go-control-plane."""
        return self.xds / self.go


GO: dict[Kind, dict[str, float]] = {
    ("delta", None, None): {FIRST: 3.31, CHANGE: 652},
    ("sotw", None, None): {FIRST: 3.00, CHANGE: 1463},
    ("delta", None, 20): {FIRST: 1.72, CHANGE: 2.6, MEMORY: 874},
    ("sotw", None, 20): {FIRST: 1.79, CHANGE: 2.8, MEMORY: 618},
    ("delta", 20, None): {FIRST: 0.69, CHANGE: 2.4, MEMORY: 265},
    ("sotw", 20, None): {FIRST: 0.65, CHANGE: 2.8, MEMORY: 265},
}
"""The figures of go-control-plane, of one run."""

VARIANT_WORDS = {"delta": "delta", "sotw": "State of the World"}


def describe_kind(kind: Kind) -> str:
    """Return what clients ask for, in words."""
    variant, clusters, assignments = kind
    if clusters:
        what = f"{clusters} Clusters and their endpoints"
    else:
        what = f"all Clusters, endpoints of {assignments}" if assignments else "all Clusters, all endpoints"
    return f"{VARIANT_WORDS[variant]}: {what}"


def read_cells(figures: dict[str, Any]) -> list[Cell]:
    """Return the figures of xds beside those of go-control-plane."""
    ours = {(cell["variant"], cell["clusters"], cell["assignments"]): cell for cell in figures["push"]}
    return [
        Cell(describe_kind(kind), what, go, ours[kind][FIELDS[what]])
        for kind, row in GO.items()
        for what, go in row.items()
    ]


def make_table(cells: Iterable[Cell], commit: str) -> str:
    """Return the comparison as a Markdown table; `commit` is that of xds."""
    lines = [f"| clients ask for | what | go-control-plane | xds ({commit}) | ratio |", "|---|---|--:|--:|--:|"]
    for cell in cells:
        go, xds = write_number(cell.go), write_number(cell.xds)
        lines.append(f"| {cell.clients} | {cell.what} | {go} | {xds} | {cell.ratio:.2f} |")
    return "\n".join(lines)


def make_list(figures: dict[str, Any]) -> str:
    """Return all other figures as a Markdown table."""
    lines = ["| what | figures | commit |", "|---|---|---|"]
    for name, describe in DESCRIBED.items():
        for what, figure in describe(figures[name]):
            lines.append(f"| {what} | {figure} | {figures['commits'][name]} |")
    return "\n".join(lines)


DESCRIBED: dict[str, Callable[[Any], Sequence[Row]]] = {
    "floor": lambda cells: [describe_floor(cells)],
    "crowd": lambda cells: [describe_crowd(cells)],
    "storm": describe_storm,
    "start": lambda cells: [describe_start(cells)],
    "scale": lambda cells: [describe_scale(cells)],
    "burst": lambda cells: [describe_burst(cells)],
    "effect": lambda cells: [describe_effect(cells)],
    "routes": lambda cells: [describe_routes(cells)],
    "soak": lambda cells: [describe_soak(cells)],
    "workers": lambda cells: [describe_workers(cells)],
    "load": lambda cells: [describe_load(cells)],
    "endpoints": describe_endpoints,
}
"""What says the figures of each bench in words."""


WIDTH, ROW, LEFT, SCALE, TOP = 900, 26, 330, 300, 58
"""The picture in pixels: its width, a row's height, the start of bars, the length of 1, and the start of rows."""

LONGEST = 1.25
"""The longest bar as a ratio. The picture cuts longer ones."""


def draw(cells: list[Cell]) -> str:
    """Return the comparison as SVG. Each row has a bar with the length of its ratio."""
    height = TOP + ROW * (len(cells) + len({cell.clients for cell in cells})) + 34
    rows: list[str] = []
    y, group = TOP, ""
    for cell in cells:
        if cell.clients != group:
            group = cell.clients
            y += ROW
            rows.append(f'<text x="20" y="{y - 8}" class="group">{escape(group)}</text>')
        length = min(cell.ratio, LONGEST) * SCALE
        end = LEFT + LONGEST * SCALE
        cut = "" if cell.ratio <= LONGEST else f'<path d="M{end - 22} {y} l8 0 l-8 {ROW - 6} l-8 0 z" fill="#ffffff"/>'
        text = f"{write_number(cell.xds)} against {write_number(cell.go)}: {cell.ratio:.2f}"
        rows.append(
            f'<text x="{LEFT - 12}" y="{y + 14}" text-anchor="end">{escape(cell.what)}</text>'
            f'<rect x="{LEFT}" y="{y + 2}" width="{length:.0f}" height="{ROW - 10}" '
            f'class="{"good" if cell.ratio <= 1 else "bad"}"/>'
            f'{cut}<text x="{LEFT + max(length, SCALE) + 10:.0f}" y="{y + 14}">{text}</text>'
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
<text x="20" y="28" class="title">What xds needs, where go-control-plane needs 1</text>
<text x="20" y="48" class="faint">1,000 clients, 1,000 services of 10 endpoints; shorter is better</text>
{chr(10).join(rows)}
<line x1="{line}" y1="{TOP + 4}" x2="{line}" y2="{y + 4}"/>
<text x="{line}" y="{y + 22}" text-anchor="middle" class="faint">go-control-plane = 1</text>
</svg>
"""


@click.command()
@click.option("--figures", default=FIGURES, show_default=True, type=click.Path(exists=True, path_type=Path))
def report(figures: Path) -> None:
    """Write the tables and the picture of README.md from the raw figures."""
    raw = json.loads(figures.read_text())
    PICTURE.write_text(draw(read_cells(raw)))
    DOCUMENT.write_text(renew(DOCUMENT.read_text(), raw))


def renew(document: str, figures: dict[str, Any]) -> str:
    """Return the document with new tables between their marks."""
    for mark, table in (
        ("comparison", make_table(read_cells(figures), figures["commits"]["push"])),
        ("figures", make_list(figures)),
    ):
        begin, end = f"<!-- {mark}: python -m tests.bench report -->", f"<!-- end of {mark} -->"
        before, _, rest = document.partition(begin)
        _, _, after = rest.partition(end)
        document = f"{before}{begin}\n{table}\n{end}{after}"
    return document
