"""Writes an explanation for a terminal, with colours and bars, and as plain lines for a pipe."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from xds.catalog.entrances import SIDECAR_LISTENER
from xds.cli.explain.explanation import ClusterExplanation, Explanation, Route, Target
from xds.wording import printable, write_flow

HEADINGS = ("ENDPOINT", "WEIGHT", "HEALTH", "PRIORITY", "LOCALITY", "SHARE")

GAP = 2
"""Columns between two cells."""

BAR = 20
"""The length of the bar for a share of 100%, in columns."""


def draw(explanation: Explanation, width: int) -> RenderableType:
    """Return an explanation for a terminal so many columns wide."""
    parts: list[RenderableType] = [as_text(line, style) for line, style in _write_explanation(explanation)]
    return Group(*parts, *draw_choices(explanation.choices, width))


def draw_choices(choices: Sequence[ClusterExplanation], width: int) -> Iterator[RenderableType]:
    """Yield how each cluster chooses, and a table of its endpoints."""
    for explained in choices:
        yield from (as_text(line, style) for line, style in _write_cluster(explained))
        if not explained.endpoints:
            continue
        shown = _choose_columns(explained, width)
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, GAP, 0, 0))
        for heading in shown:
            right = heading in ("WEIGHT", "PRIORITY", "SHARE")
            table.add_column(heading, justify="right" if right else "left", no_wrap=True)
        for row, endpoint in zip(_rows(explained), explained.endpoints, strict=True):
            cells = dict(zip(HEADINGS, row, strict=True))
            bar = Text("━" * round(BAR * endpoint.percent / 100), "green")
            style = "dim" if endpoint.percent == 0 else ""
            table.add_row(*(cells.get(heading, bar) for heading in shown), style=style)
        yield table


def _choose_columns(explained: ClusterExplanation, width: int) -> list[str]:
    """Return the headings of the columns that fit: who it is and its share are never left out, nor cut."""
    rows = _rows(explained)
    widths = {heading: max(map(len, column)) for heading, *column in zip(HEADINGS, HEADINGS, *rows, strict=True)}
    widths[""] = BAR
    shown = [*HEADINGS, ""]
    for heading in ("", "LOCALITY", "PRIORITY", "HEALTH", "WEIGHT"):
        if sum(widths[one] + GAP for one in shown) - GAP <= width:
            break
        shown.remove(heading)
    return shown


def as_text(line: str, style: str) -> RenderableType:
    """Return a line whose continuation on a narrow terminal is indented as far as its beginning."""
    rest = line.lstrip(" ")
    indent = len(line) - len(rest)
    return Padding(Text(rest, style), (0, 0, 0, indent))


def write_lines(explanation: Explanation) -> Iterator[str]:
    """Yield an explanation as lines that do not depend on the terminal's width."""
    yield from (line for line, _ in _write_explanation(explanation))
    yield from write_choices(explanation.choices)


def write_choices(choices: Sequence[ClusterExplanation]) -> Iterator[str]:
    """Yield how each cluster chooses, and its endpoints."""
    for explained in choices:
        yield from (line for line, _ in _write_cluster(explained))
        rows = [HEADINGS, *_rows(explained)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows if explained.endpoints else ():
            yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _write_explanation(explanation: Explanation) -> Iterator[tuple[str, str]]:
    yield f"A request for {printable(explanation.service)} from {describe_node(explanation.node)}", "bold"
    if explanation.note is not None:
        yield printable(explanation.note), "yellow"
    for (listener, address, domains), routes in groupby(explanation.ways, _entrance):
        hosts = f", for {', '.join(map(printable, domains))}" if domains else ""
        yield "", ""
        yield f"It arrives at {address} (listener {printable(listener)}){hosts}. The first match is used:", ""
        for route in routes:
            yield from write_route(route)


def write_route(route: Route) -> Iterator[tuple[str, str]]:
    """Yield lines, with their styles, about one route: what it matches, where it is written, what it does."""
    end = printable(route.answer) if route.answer else _describe_targets(route.targets)
    yield f"{route.position:>3}. {printable(route.match)} → {end}", "cyan"
    yield f"     {printable(route.field)} at {printable(route.place)}", ""
    for line in route.handling:
        yield f"     {printable(line)}", "dim"


def _entrance(route: Route) -> tuple[str, str, tuple[str, ...]]:
    """Return what routes have in common that stand below one line: the hosts of a sidecar, not those of a gateway."""
    return route.listener, route.address, route.domains if route.listener == SIDECAR_LISTENER else ()


def _write_cluster(explained: ClusterExplanation) -> Iterator[tuple[str, str]]:
    place = f" ({printable(explained.place)})" if explained.place else ""
    yield "", ""
    yield f"Cluster {describe_target(explained)}: {explained.policy}{place}", "bold"
    for note in explained.notes:
        yield f"  {printable(note)}", "dim"
    if not explained.endpoints:
        yield "  no endpoint: requests to it are answered 503", "red"


def _rows(explained: ClusterExplanation) -> list[Sequence[str]]:
    return [
        (one.address, str(one.weight), one.health, str(one.priority), one.locality or "-", f"{one.percent:.1f}%")
        for one in explained.endpoints
    ]


def describe_node(node: Mapping[str, Any]) -> str:
    """Return a node in words: its id if it is connected, its `node.cluster`, and its locality."""
    kind = "a gRPC client" if node.get("grpc") else "a node"
    cluster = f"{kind} of {node['cluster']}" if node["cluster"] else f"{kind} that may call every service"
    where = f" in {node['locality']}" if node.get("locality") else ""
    return printable(f"{node['node_id']}, {cluster}{where}" if node["node_id"] else f"{cluster}{where}")


def _describe_targets(targets: Sequence[Target]) -> str:
    if not targets:
        return "no service"
    if len(targets) == 1:
        return describe_target(targets[0])
    return ", ".join(f"{one.percent:.4g}% {describe_target(one)}" for one in targets)


def describe_target(target: Target | ClusterExplanation) -> str:
    """Return a target as a route names it, with the labels of its subset: `api/v2 (version: 2.0)`."""
    return printable(f"{target.name} {write_labels(target.subset)}" if target.subset else target.name)


def write_labels(labels: Mapping[str, Any]) -> str:
    """Return labels in brackets, as they are written in the catalog."""
    return f"({', '.join(f'{key}: {write_flow(value)}' for key, value in labels.items())})"
