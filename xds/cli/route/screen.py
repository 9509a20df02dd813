"""Writes what happens to a request, for a terminal and as plain lines for a pipe."""

from collections.abc import Iterator

from rich.console import Group, RenderableType

from xds.cli.explain.screen import as_text, describe_node, draw_choices, write_choices, write_route
from xds.cli.route.finding import Finding
from xds.wording import printable


def draw(finding: Finding, width: int) -> RenderableType:
    """Return a finding for a terminal so many columns wide."""
    return Group(*(as_text(line, style) for line, style in _write(finding)), *draw_choices(finding.choices, width))


def write_lines(finding: Finding) -> Iterator[str]:
    """Yield a finding as lines that do not depend on the terminal's width."""
    yield from (line for line, _ in _write(finding))
    yield from write_choices(finding.choices)


def _write(finding: Finding) -> Iterator[tuple[str, str]]:
    where = f", at {finding.listener}" if finding.listener else ""
    yield f"{printable(finding.method)} {printable(finding.url)} to {describe_node(finding.node)}{where}", "bold"
    for note in finding.notes:
        yield f"  {printable(note)}", "yellow"
    if finding.route is not None:
        yield from write_route(finding.route)
    if finding.verdict:
        answer = f"{finding.status}: " if finding.status else ""
        yield f"{answer}{printable(finding.verdict)}", "bold red"
    for miss in finding.misses:
        yield f"  {printable(miss.match)}: not by its {', '.join(map(printable, miss.fields))}", ""
        yield f"     {printable(miss.field)} at {printable(miss.place)}", "dim"
