"""`python -m tests.bench NAME [--services N] [--json FILE]`: measure, and print a table."""

import json
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from tests.bench.load import measure_load


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


if __name__ == "__main__":
    main()
