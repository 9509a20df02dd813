"""The cost of xds as a document: a comparison with go-control-plane as a table and a picture, and all other figures."""

import json
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import click

HERE = Path(__file__).parent
FIGURES = HERE / "figures.json"
"""The raw figures in the document. `python -m tests.bench ... --json` with this path writes them."""

PICTURE = HERE / "figures.svg"
DOCUMENT = HERE / "README.md"

FIRST, CHANGE = "first sync of 1,000 clients, CPU s", "one change, CPU ms"


@dataclass(frozen=True, slots=True)
class Cell:
    """One measurement: what clients ask for, what is measured, and each server's figure (lowest and highest run)."""

    clients: str
    what: str
    snapshot_cache: tuple[float, float]
    linear_cache: tuple[float, float]
    xds: float

    @property
    def ratio(self) -> float:
        """The figure of xds, divided by the best run of the better of the other two."""
        return self.xds / min(self.snapshot_cache[0], self.linear_cache[0])


GO: dict[tuple[str, int | None], dict[str, tuple[tuple[float, float], tuple[float, float], str]]] = {
    ("delta", None): {
        FIRST: ((11.0, 14.0), (3.3, 3.5), "first_sync_cpu_s"),
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
"""Measured figures of go-control-plane: its SnapshotCache, its LinearCache, and the name of the xds figure."""

WORDS = {"delta": "delta", "sotw": "State of the World"}


def read_cells(figures: dict[str, Any]) -> list[Cell]:
    """Return the figures of xds beside those of go-control-plane."""
    ours = {(cell["variant"], cell["clusters"]): cell for cell in figures["push"]}
    return [
        Cell(f"{WORDS[variant]}, {clusters or 'all'} clusters", what, snapshot, linear, ours[variant, clusters][name])
        for (variant, clusters), rows in GO.items()
        for what, (snapshot, linear, name) in rows.items()
    ]


def make_table(cells: Iterable[Cell]) -> str:
    """Return the comparison as a Markdown table."""
    lines = [
        "| clients ask for | what | go-control-plane: SnapshotCache | LinearCache | xds | ratio |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for cell in cells:
        go = " | ".join(map(_range, (cell.snapshot_cache, cell.linear_cache)))
        lines.append(f"| {cell.clients} | {cell.what} | {go} | {_number(cell.xds)} | {cell.ratio:.2f} |")
    return "\n".join(lines)


def make_list(figures: dict[str, Any]) -> str:
    """Return all other figures as a Markdown table."""
    [crowd] = figures["crowd"]
    storms = {cell["variant"]: cell for cell in figures["storm"]}
    few, many = figures["scale"]
    plain, _ = figures["start"]
    one, thousand = figures["effect"]
    bursts = {cell["variant"]: cell for cell in figures["burst"]}
    workers = {(cell["variant"], cell["workers"]): cell for cell in figures["workers"]}
    soaks = figures["soak"]
    file, folder = (_sum_load(figures["load"][layout]) for layout in ("one file", "a folder of files"))
    floors = {cell["variant"]: cell for cell in figures["floor"]}
    delta, sotw = storms["delta"], storms["sotw"]
    endpoints, flood = figures["endpoints"]["one"], figures["endpoints"]["flood"]

    def starts(name: str) -> str:
        return " / ".join(f"{cell[name]:.2f}" for cell in figures["start"])

    def both(cells: dict[str, Any], name: str) -> str:
        return " / ".join(_number(cells[variant][name]) for variant in ("delta", "sotw"))

    def bare(name: str) -> str:
        """Return the bare server's figure as a part of that of xds, for each variant."""
        return " / ".join(
            f"{cell[f'bare_{name}'] / cell[name]:.2f}" for cell in map(floors.get, ("delta", "sotw")) if cell
        )

    def gain(name: str) -> str:
        return f"{workers['delta', 2][name] / workers['delta', 1][name]:.2f}"

    rows = [
        (
            "gRPC's part: a bare gRPC server that only sends ready bytes, as a part of xds (`floor`), "
            "delta / State of the World",
            f"{bare('sync_cpu_s')} of the CPU of a first sync of 1,000 clients of all clusters; "
            f"{bare('change_cpu_ms')} of the CPU of one change at 20 clients",
        ),
        (
            "10,000 clients, all clusters, delta (`push --clients 10000`)",
            f"{_number(crowd['memory_mb'])} MB of memory; a change costs {crowd['change_cpu_ms'] / 1000:.1f} s of CPU; "
            f"half of the clients have it after {_number(crowd['change_p50_ms'])} ms and 99% "
            f"after {_number(crowd['change_p99_ms'])} ms; idle, the server takes {crowd['idle_core_percent']:.1f}% "
            "of a core",
        ),
        (
            "2,000 clients reconnect at once after a restart (`storm`), delta / State of the World",
            f"{both(storms, 'restart_cpu_s')} s of CPU until the server is idle; resources sent again: "
            f"{delta['resources_again']:,} / {sotw['resources_again']:,}",
        ),
        (
            "a push to another client while 2,000 lose their connections and reconnect (`storm`), "
            "delta / State of the World",
            f"99% of the pushes take at most {both(storms, 'storm_p99_ms')} ms, "
            f"and {both(storms, 'quiet_p99_ms')} ms without the storm "
            f"({delta['storm_p99_ms'] / delta['quiet_p99_ms']:.0f} / {sotw['storm_p99_ms'] / sotw['quiet_p99_ms']:.0f} "
            f"times as long); half of them take {both(storms, 'storm_p50_ms')} ms",
        ),
        (
            f"a start with {plain['services']} services (`start`), without a gateway / with one",
            f"{starts('serve_cpu_s')} s of CPU until the first client of `xds serve` has all; `xds check` "
            f"{starts('check_cpu_s')} s; `xds --help` {plain['help_cpu_s']:.2f} s",
        ),
        (
            f"{many['endpoints']:,} endpoints in {many['services']:,} services (`scale`)",
            f"{many['start_cpu_s']:.1f} s of CPU from the start to the first full answer; "
            f"{_number(many['endpoint_bytes'])} bytes of memory for each endpoint; one change costs "
            f"{many['change_cpu_ms']:.1f} ms of CPU and {_number(many['change_bytes'])} bytes, "
            f"{many['change_cpu_ms'] / few['change_cpu_ms']:.2f} times the CPU of one in {few['services']:,} services",
        ),
        (
            "1,000 changes in a second, 1,000 clients (`burst`), delta / State of the World",
            f"the last client has the last change {both(bursts, 'worst_ms')} ms after its save; a client gets at most "
            f"{both(bursts, 'most_messages')} messages; {both(bursts, 'cpu_s')} s of CPU",
        ),
        (
            f"from the save to the first request that a real Envoy balances by it (`effect`), {one['edits']} edits",
            f"half within {one['p50_ms']:.0f} ms, 99% within {one['p99_ms']:.0f} ms; with 1,000 services "
            f"{thousand['p50_ms']:.0f} and {thousand['p99_ms']:.0f} ms; {one['failed'] + thousand['failed']} of "
            f"{one['requests'] + thousand['requests']:,} requests failed",
        ),
        (
            f"{sum(cell['seconds'] for cell in soaks) / 60:.0f} minutes of random edits, lost connections and "
            f"refusals (`soak`), {soaks[0]['clients']} clients, delta / State of the World",
            f"{sum(cell['edits'] for cell in soaks):,} edits, {sum(cell['drops'] for cell in soaks):,} connections "
            f"lost; memory changed by {' / '.join(format(growth(cell), '+.1f') for cell in soaks)} MB from the second "
            "third of the time to the last; "
            f"the slowest answer took {_number(max(cell['stall_ms'] for cell in soaks))} ms",
        ),
        (
            "`--workers 2` beside one process; both share two cores with the clients (`workers`), delta",
            f"{gain('first_sync_s')} of the time and {gain('first_sync_cpu_s')} of the CPU for a first sync; "
            f"{gain('change_p99_ms')} of the time until 99% of the clients have a change; {gain('memory_mb')} "
            "of the memory",
        ),
        (
            "a catalog of 1,000 services as one file / as a folder (`load`)",
            f"{_number(file[0])} / {_number(folder[0])} ms of CPU from the text to both variants' first responses; "
            f"one changed endpoint {_number(file[1])} / {_number(folder[1])} ms",
        ),
        (
            "one changed endpoint of a service of "
            f"{', '.join(format(one['endpoints'], ',') for one in endpoints)}, from an instance source (`endpoints`)",
            f"{' / '.join(format(one['instance_cpu_ms'], '.2f') for one in endpoints)} ms of CPU, from the source's "
            f"update to the snapshots of 20 views; by an edit of YAML "
            f"{' / '.join(_number(one['yaml_cpu_ms']) for one in endpoints)} ms; the resource has "
            f"{' / '.join(format(one['bytes'], ',') for one in endpoints)} bytes",
        ),
        (
            f"{flood['changes']:,} changed endpoints a second over {flood['services']:,} services, 20 views "
            "(`endpoints`)",
            f"{flood['cores']:.2f} of a core",
        ),
    ]
    return "\n".join(["| what | figures |", "|---|---|", *(f"| {what} | {figure} |" for what, figure in rows)])


def growth(soak: dict[str, Any]) -> float:
    """Return the growth of a soak's mean memory from the second third of its samples to the last, in MB."""
    memory: list[float] = [sample["memory_mb"] for sample in soak["samples"]]
    third = max(1, len(memory) // 3)
    return statistics.mean(memory[-third:]) - statistics.mean(memory[-2 * third : -third] or memory[:1])


def _sum_load(rows: list[dict[str, Any]]) -> tuple[float, float]:
    """Return the CPU time of a first load and of one change, in milliseconds."""
    change = sum(row["cpu_ms"] for row in rows if "one endpoint" in row["step"])
    return sum(row["cpu_ms"] for row in rows) - change, change


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
        better = min(cell.snapshot_cache[0], cell.linear_cache[0])
        words = f"{_number(cell.xds)} against {_number(better)}: {cell.ratio:.2f}"
        rows.append(
            f'<text x="{LEFT - 12}" y="{y + 14}" text-anchor="end">{escape(cell.what)}</text>'
            f'<rect x="{LEFT}" y="{y + 2}" width="{length:.0f}" height="{ROW - 10}" '
            f'class="{"good" if cell.ratio <= 1 else "bad"}"/>'
            f'{cut}<text x="{LEFT + max(length, SCALE) + 10:.0f}" y="{y + 14}">{words}</text>'
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
    """Write the tables and the picture of README.md from the raw figures."""
    raw = json.loads(figures.read_text())
    PICTURE.write_text(draw(read_cells(raw)))
    DOCUMENT.write_text(renew(DOCUMENT.read_text(), raw))


def renew(document: str, figures: dict[str, Any]) -> str:
    """Return the document with new tables between their marks."""
    for mark, table in (("comparison", make_table(read_cells(figures))), ("figures", make_list(figures))):
        begin, end = f"<!-- {mark}: python -m tests.bench report -->", f"<!-- end of {mark} -->"
        before, _, rest = document.partition(begin)
        _, _, after = rest.partition(end)
        document = f"{before}{begin}\n{table}\n{end}{after}"
    return document


def _range(some: tuple[float, float]) -> str:
    low, high = some
    return _number(low) if low == high else f"{_number(low)} – {_number(high)}"


def _number(value: float) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.1f}" if value < 10 else f"{value:,.0f}"
