"""Writes an explanation for a terminal, with colours and bars, and as plain lines for a pipe."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from xds.cli.admin_client import printable
from xds.cli.explain.explanation import ClusterExplanation, Explanation, Route, Target

HEADINGS = ("ENDPOINT", "WEIGHT", "HEALTH", "PRIORITY", "LOCALITY", "SHARE")
BAR = 20
"""The length of the bar for a share of 100%, in columns."""


def draw(explanation: Explanation) -> RenderableType:
    """Return an explanation for a terminal."""
    parts: list[RenderableType] = [Text(line, style) for line, style in _write_routes(explanation)]
    for explained in explanation.choices:
        parts += [Text(line, style) for line, style in _write_cluster(explained)]
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
        for heading in (*HEADINGS, ""):
            table.add_column(heading, justify="right" if heading in ("WEIGHT", "PRIORITY", "SHARE") else "left")
        for row, endpoint in zip(_rows(explained), explained.endpoints, strict=True):
            style = "dim" if endpoint.percent == 0 else ""
            table.add_row(*row, Text("━" * round(BAR * endpoint.percent / 100), "green"), style=style)
        parts += [table] if explained.endpoints else []
    return Group(*parts)


def write_lines(explanation: Explanation) -> Iterator[str]:
    """Yield an explanation as lines that do not depend on the terminal's width."""
    yield from (line for line, _ in _write_routes(explanation))
    for explained in explanation.choices:
        yield from (line for line, _ in _write_cluster(explained))
        rows = [HEADINGS, *_rows(explained)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows if explained.endpoints else ():
            yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _write_routes(explanation: Explanation) -> Iterator[tuple[str, str]]:
    yield f"A request for {printable(explanation.service)} from {_describe_node(explanation.node)}", "bold"
    for (listener, address, domains), routes in groupby(explanation.ways, _listener_and_domains):
        hosts = f", for {', '.join(map(printable, domains))}" if domains else ""
        yield "", ""
        yield f"It arrives at {address} (listener {printable(listener)}){hosts}. The first match is used:", ""
        for route in routes:
            end = printable(route.answer) if route.answer else _describe_targets(route.targets)
            yield f"{route.position:>3}. {printable(route.match)} → {end}", "cyan"
            for line in route.handling:
                yield f"     {printable(line)}", "dim"


def _listener_and_domains(route: Route) -> tuple[str, str, tuple[str, ...]]:
    return route.listener, route.address, route.domains


def _write_cluster(explained: ClusterExplanation) -> Iterator[tuple[str, str]]:
    yield "", ""
    yield f"Cluster {_describe_cluster(explained.cluster, explained.subset)}: {explained.policy}", "bold"
    for note in explained.notes:
        yield f"  {printable(note)}", "dim"
    if not explained.endpoints:
        yield "  no endpoint: requests to it are answered 503", "red"


def _rows(explained: ClusterExplanation) -> list[Sequence[str]]:
    return [
        (one.address, str(one.weight), one.health, str(one.priority), one.locality or "-", f"{one.percent:.1f}%")
        for one in explained.endpoints
    ]


def _describe_node(node: Mapping[str, Any]) -> str:
    kind = "a gRPC client" if node.get("grpc") else "a node"
    cluster = f"{kind} of {node['cluster']}" if node["cluster"] else f"{kind} that may call every service"
    where = f" in {node['locality']}" if node.get("locality") else ""
    return printable(f"{node['node_id']}, {cluster}{where}" if node["node_id"] else f"{cluster}{where}")


def _describe_targets(targets: Sequence[Target]) -> str:
    if not targets:
        return "no cluster"
    if len(targets) == 1:
        return _describe_cluster(targets[0].cluster, targets[0].subset)
    return ", ".join(f"{one.percent:.4g}% {_describe_cluster(one.cluster, one.subset)}" for one in targets)


def _describe_cluster(cluster: str, subset: Mapping[str, Any]) -> str:
    shown = {key: f"{value:g}" if isinstance(value, float) else value for key, value in subset.items()}
    labels = ", ".join(f"{key}: {value}" for key, value in shown.items())
    return printable(f"{cluster} ({labels})" if labels else cluster)
