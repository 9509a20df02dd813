"""`python -m tests.bench NAME [--services N] [--json FILE]`: measure, and print a table."""

import json
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from tests.bench.load import measure_load
from tests.bench.push import measure_push


@click.group()
def main() -> None:
    """Measure xds: CPU time, which a busy machine changes little, and bytes."""


@main.command()
@click.option("--services", default=1000, show_default=True, help="Services of 10 endpoints each.")
@click.option("--json", "path", type=click.Path(path_type=Path), help="Write the raw figures to a file.")
def load(services: int, path: Path | None) -> None:
    """A catalog's first load, and one changed endpoint, as one file and as a folder of files."""
    figures = {}
    for layout in ("one file", "a folder of files"):
        rows = measure_load(services, folder=layout != "one file").rows
        figures[layout] = [{"step": step, "cpu_ms": cpu, "bytes": size} for step, cpu, size in rows]
        table = Table("step", "CPU ms", "bytes", title=f"{services} services × 10 endpoints in {layout}")
        table.columns[1].justify = table.columns[2].justify = "right"
        for step, cpu, size in rows:
            table.add_row(step, f"{cpu:,.2f}", f"{size:,}" if size else "")
        for title, part in (
            ("first load", [r for r in rows if "one endpoint" not in r[0]]),
            ("one endpoint", [r for r in rows if "one endpoint" in r[0]]),
        ):
            table.add_row(f"[bold]all of {title}", f"[bold]{sum(cpu for _, cpu, _ in part):,.2f}")
        Console().print(table)
    if path:
        path.write_text(json.dumps(figures, indent=2))


@main.command()
@click.option("--clients", default=1000, show_default=True, help="Clients, each with a connection of its own.")
@click.option("--services", default=1000, show_default=True, help="Services of 10 endpoints each.")
@click.option("--changes", default=20, show_default=True, help="How often one endpoint's weight is changed.")
@click.option("--variant", type=click.Choice(["delta", "sotw"]), multiple=True, default=["delta", "sotw"])
@click.option("--clusters", type=int, multiple=True, help="Clusters a client asks for; 0 is all. [default: 0, 20]")
@click.option("--json", "path", type=click.Path(path_type=Path), help="Write the raw figures to a file.")
def push(
    clients: int, services: int, changes: int, variant: tuple[str, ...], clusters: tuple[int, ...], path: Path | None
) -> None:
    """What clients cost the server: their first sync, and one changed endpoint, from the save of its file."""
    cells = [
        measure_push(kind, clients, some or None, services, changes) for some in clusters or (0, 20) for kind in variant
    ]
    table = Table(title=f"{clients} clients, {services} services × 10 endpoints; CPU is the server's own")
    table.add_column("clients ask for", no_wrap=True)
    for head in ("sync, CPU s", "change, CPU ms", "p50 ms", "p99 ms", "KB", "memory, MB"):
        table.add_column(head, justify="right")
    for cell in cells:
        delays = (cell.change_p50_ms, cell.change_p99_ms)
        figures = (cell.first_sync_cpu_s, cell.change_cpu_ms, *delays, cell.change_kb, cell.memory_mb)
        table.add_row(f"{cell.variant}, {cell.clusters or 'all'}", *(f"{figure:,.1f}" for figure in figures))
    Console().print(table)
    if path:
        path.write_text(json.dumps([asdict(cell) for cell in cells], indent=2))


if __name__ == "__main__":
    main()
