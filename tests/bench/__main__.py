"""`python -m tests.bench NAME [--json FILE]` measures and prints a table."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, astuple, fields
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from tests.bench.asked import measure_asked
from tests.bench.burst import measure_burst
from tests.bench.effect import measure_effect
from tests.bench.endpoints import measure_flood, measure_one
from tests.bench.figures import VARIANTS
from tests.bench.floor import measure_floor
from tests.bench.load import measure_load
from tests.bench.push import measure_push
from tests.bench.report import report
from tests.bench.routes import measure_routes
from tests.bench.scale import measure_scale
from tests.bench.soak import Sample, measure_soak
from tests.bench.start import measure_start
from tests.bench.storm import measure_storm

json_option = click.option(
    "--json", "path", type=click.Path(path_type=Path), help="Write the raw figures to a file, under the command's name."
)
clients_option = click.option("--clients", default=1000, show_default=True, help="Each with a connection of its own.")
services_option = click.option("--services", default=1000, show_default=True, help="Services of 10 endpoints each.")
variants_option = click.option(
    "--variant", "variants", type=click.Choice(VARIANTS), multiple=True, default=VARIANTS, show_default=True
)


@click.group()
def main() -> None:
    """Measure xds: CPU time, which depends little on the machine's load, and bytes.

    The server runs on the first core, its clients on the last.
    """


@main.command()
@services_option
@json_option
def load(services: int, path: Path | None) -> None:
    """Measure a first load and one changed endpoint, for a catalog in one file and in a folder."""
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
    keep("load", figures, path)


@main.command()
@click.option("--size", "sizes", type=int, multiple=True, default=(10, 100, 1000, 10000), show_default=True)
@click.option("--services", default=100, show_default=True, help="Services, each with as many endpoints.")
@click.option("--repeats", default=20, show_default=True, help="How often an endpoint is changed; the median counts.")
@click.option("--changes", default=10000, show_default=True, help="Changes a second of a flood over 1000 services.")
@json_option
def endpoints(sizes: tuple[int, ...], services: int, repeats: int, changes: int, path: Path | None) -> None:
    """Measure one changed endpoint among 10 to 10,000, as an instance and as YAML, and a flood of changes."""
    table = Table("endpoints", "instance, CPU ms", "YAML, CPU ms", "bytes", title="One changed endpoint, 20 views")
    ones = [measure_one(size, min(services, 200000 // size), repeats) for size in sizes]
    for one in ones:
        table.add_row(f"{one.endpoints:,}", f"{one.instance_cpu_ms:.3f}", f"{one.yaml_cpu_ms:.2f}", f"{one.bytes:,}")
    Console().print(table)
    flood = measure_flood(changes, 1000)
    print(f"{flood.changes:,} changes a second over {flood.services:,} services, 20 views: {flood.cores:.2f} of a core")
    keep("endpoints", {"one": [asdict(one) for one in ones], "flood": asdict(flood)}, path)


@main.command()
@clients_option
@services_option
@click.option("--changes", default=20, show_default=True, help="How often one endpoint's weight is changed.")
@variants_option
@click.option("--clusters", type=int, multiple=True, help="Clusters a client asks for, with their endpoints; 0 is all.")
@click.option("--assignments", type=int, multiple=True, help="The same, but of all Clusters, and endpoints of so many.")
@click.option("--at-once", type=int, help="How many clients connect at once. [default: all]")
@click.option("--key", default="push", show_default=True, help="The name under which the raw figures are written.")
@json_option
def push(
    clients: int,
    services: int,
    changes: int,
    variants: tuple[str, ...],
    clusters: tuple[int, ...],
    assignments: tuple[int, ...],
    at_once: int | None,
    key: str,
    path: Path | None,
) -> None:
    """Measure the cost of clients for the server: first sync, one changed endpoint from the save of its file, idle.

    Without `--clusters` and `--assignments` it measures three kinds of clients: of everything, of 20 Clusters with
    their endpoints, and of all Clusters with the endpoints of 20.
    """
    kinds = [(some or None, None) for some in clusters] + [(None, some) for some in assignments]
    cells = [
        measure_push(variant, clients, some, services, changes, at_once, assignments=assigned)
        for some, assigned in kinds or [(None, None), (20, None), (None, 20)]
        for variant in variants
    ]
    show(f"{clients} clients, {services} services × 10 endpoints", cells)
    keep(key, cells, path)


@main.command()
@clients_option
@services_option
@click.option("--changes", default=40, show_default=True, help="How often one endpoint's weight is changed.")
@variants_option
@json_option
def floor(clients: int, services: int, changes: int, variants: tuple[str, ...], path: Path | None) -> None:
    """Compare xds with a bare grpc.aio server that only sends ready bytes. No server on grpc.aio is cheaper.

    This measures the first sync of all clients, and a change for 20 of them.
    """
    cells = [measure_floor(variant, clients, services, changes) for variant in variants]
    show("What of it is gRPC's", cells)
    keep("floor", cells, path)


@main.command()
@click.option("--clients", type=int, multiple=True, default=(1, 1000, 4000), show_default=True)
@services_option
@click.option("--changes", default=40, show_default=True, help="How often one endpoint's weight is changed.")
@variants_option
@json_option
def asked(clients: tuple[int, ...], services: int, changes: int, variants: tuple[str, ...], path: Path | None) -> None:
    """Measure a change that some of the clients asked for, and one that nobody asked for; each with and without a file.

    Each client asks for 20 clusters.
    """
    cells = [measure_asked(variant, number, services, changes) for variant in variants for number in clients]
    show("A change by who asked for it", cells)
    keep("asked", cells, path)


@main.command()
@clients_option
@services_option
@click.option("--changes", default=20, show_default=True, help="How often one endpoint's weight is changed.")
@variants_option
@json_option
def workers(clients: int, services: int, changes: int, variants: tuple[str, ...], path: Path | None) -> None:
    """Compare one process with two on all cores, which the clients share."""
    cells = [
        measure_push(variant, clients, None, services, changes, workers=number)
        for variant in variants
        for number in (1, 2)
    ]
    show(f"{clients} clients, {services} services × 10 endpoints", cells)
    keep("workers", cells, path)


@main.command()
@click.option("--clients", default=2000, show_default=True, help="Each with a connection of its own.")
@services_option
@variants_option
@json_option
def storm(clients: int, services: int, variants: tuple[str, ...], path: Path | None) -> None:
    """Measure the return of all clients at once with their resources: after a restart, and beside another client."""
    cells = [measure_storm(variant, clients, services) for variant in variants]
    show("A reconnect storm", cells)
    keep("storm", cells, path)


@main.command()
@click.option("--services", default=10, show_default=True, help="Services of 10 endpoints each.")
@click.option("--runs", default=7, show_default=True)
@json_option
def start(services: int, runs: int, path: Path | None) -> None:
    """Measure the CPU time of `xds --help`, `xds check`, and of `xds serve` until its first client has everything."""
    cells = [measure_start(services, runs, gateway=gateway) for gateway in (False, True)]
    show(f"A start, the median of {runs}", cells)
    keep("start", cells, path)


@main.command()
@click.option("--services", type=int, multiple=True, default=(1000, 5000), show_default=True)
@click.option("--endpoints", default=20, show_default=True, help="Endpoints a service.")
@json_option
def scale(services: tuple[int, ...], endpoints: int, path: Path | None) -> None:
    """Measure a cold start, memory, and a change, among few and many services."""
    cells = [measure_scale(number, endpoints) for number in services]
    show("The size of a catalog", cells)
    keep("scale", cells, path)


@main.command()
@clients_option
@services_option
@click.option("--changes", default=1000, show_default=True, help="Saves within a second.")
@variants_option
@json_option
def burst(clients: int, services: int, changes: int, variants: tuple[str, ...], path: Path | None) -> None:
    """Measure many changes within a second, and the time until the last client has the last of them."""
    cells = [measure_burst(variant, clients, services, changes) for variant in variants]
    show(f"{changes} changes in a second", cells)
    keep("burst", cells, path)


@main.command()
@click.option("--services", type=int, multiple=True, default=(1, 1000), show_default=True)
@click.option("--edits", default=100, show_default=True)
@json_option
def effect(services: tuple[int, ...], edits: int, path: Path | None) -> None:
    """Measure the time from the save of the YAML to the first request that a real Envoy balances by it."""
    cells = [measure_effect(number, edits) for number in services]
    show("From edit to effect", cells)
    keep("effect", cells, path)


@main.command()
@click.option("--routes", default=3000, show_default=True, help="Half of them by host, half for any host.")
@services_option
@click.option("--edits", default=200, show_default=True)
@json_option
def routes(routes: int, services: int, edits: int, path: Path | None) -> None:
    """Measure the time from the save of one route of a large gateway until a client has it."""
    cells = [measure_routes(routes, services, edits)]
    show("One edited route", cells)
    keep("routes", cells, path)


@main.command()
@click.option("--clients", default=300, show_default=True, help="Each with a connection of its own.")
@click.option("--services", default=300, show_default=True, help="Services of 10 endpoints each.")
@click.option("--minutes", default=10.0, show_default=True)
@variants_option
@json_option
def soak(clients: int, services: int, minutes: float, variants: tuple[str, ...], path: Path | None) -> None:
    """Make random edits, lost connections and refusals for minutes, half for each variant. Measure what remains."""
    cells = [measure_soak(variant, clients, services, minutes * 60 / len(variants)) for variant in variants]
    for cell in cells:
        table = Table(*(field.name.replace("_", " ") for field in fields(Sample)), title=f"{cell.variant}, at rest")
        for sample in cell.samples:
            table.add_row(*map(write, astuple(sample)))
        Console().print(table)
    show("A soak", cells)
    keep("soak", cells, path)


main.add_command(report)


def show(title: str, cells: Sequence[Any]) -> None:
    """Print figures, with one column for each measurement."""
    table = Table(title=f"{title}; CPU is the server's own")
    rows = [asdict(cell) for cell in cells]
    table.add_column("", no_wrap=True)
    for _ in rows:
        table.add_column(justify="right")
    for name in rows[0]:
        if not isinstance(rows[0][name], list):
            table.add_row(name.replace("_", " "), *(write(row[name]) for row in rows))
    Console().print(table)


def write(value: object) -> str:
    """Return a figure for people."""
    match value:
        case None:
            return "–"
        case float():
            return f"{value:,.2f}" if abs(value) < 10 else f"{value:,.0f}"
        case int():
            return f"{value:,}"
    return str(value)


def keep(name: str, cells: Any, path: Path | None) -> None:
    """Save raw figures in a JSON file, beside the figures of other commands, with the commit that was measured."""
    if path:

        def plain(cell: Any) -> Any:
            return asdict(cell) if hasattr(cell, "__dataclass_fields__") else cell

        figures = json.loads(path.read_text()) if path.exists() else {}
        figures[name] = list(map(plain, cells)) if isinstance(cells, list) else plain(cells)
        figures.setdefault("commits", {})[name] = find_commit()
        path.write_text(json.dumps(figures, indent=1) + "\n")


def find_commit() -> str:
    """Return the commit of the code, with a `+` if the code is not as it is there; "" outside of a repository."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return found.stdout.strip()


if __name__ == "__main__":
    main()
