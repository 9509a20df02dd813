"""The demo's output: a live table with bars on a terminal, plain lines elsewhere, and an SVG of the whole run."""

import io
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from rich.bar import Bar
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from xds.cli.demo.phase_result import PhaseResult

COLOURS = ("cyan", "magenta", "yellow")

SVG_WIDTH = 100
MAX_BAR_WIDTH = 34
WIDTH_BESIDE_BARS = 32
"""The columns for names, numbers and the space between."""

FULL_BAR = 0.7
"""The share that fills a bar. It is above every expected share, and the same in all phases, so that bars compare."""


class Screen(Protocol):
    """The output of the demo."""

    def say(self, text: str = "") -> None:
        """Show lines of text."""

    def begin(self, result: PhaseResult) -> None:
        """Start showing a phase."""

    def update(self, result: PhaseResult) -> None:
        """Show the phase's current state."""

    def end(self, result: PhaseResult) -> None:
        """Show the phase's outcome, which stays on the screen."""

    def close(self) -> None:
        """Restore the terminal."""


class PlainScreen:
    """Plain lines for a pipe, a file or a CI log, without colours and live updates."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, text: str = "") -> None:
        """Print lines without wrapping them, since programs and `grep` read them too."""
        self._console.file.write(f"{text}\n")
        self._console.file.flush()

    def begin(self, result: PhaseResult) -> None:
        """Print the phase's title."""
        self.say(f"\n{result.title}: {result.words}")

    def update(self, result: PhaseResult) -> None:
        """Print nothing: `end` prints the outcome."""

    def end(self, result: PhaseResult) -> None:
        """Print the changes, the counts and the verdict."""
        for line in (*result.changes, *filter(None, [result.effect]), *result.notes, result.traffic):
            self.say(f"  {line}")
        for name, count, observed, expected in zip(
            result.instances, result.counts, result.observed, result.expected, strict=True
        ):
            self.say(f"  {name}  {count:5}  observed {observed:6.1%}  expected {expected:6.1%}")
        if result.verdict:
            self.say(f"  {'held' if result.verdict.holds else 'FAILED'}: {result.verdict.words}")

    def close(self) -> None:
        """Do nothing."""


class LiveScreen:
    """A terminal, on which the running phase is redrawn in place below the earlier ones."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None

    def say(self, text: str = "") -> None:
        """Print lines without wrapping them, so that commands can be copied."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def begin(self, result: PhaseResult) -> None:
        """Start redrawing a phase in place."""
        self._live = Live(draw_phase(result, self._console.width), console=self._console, auto_refresh=False)
        self._live.start()

    def update(self, result: PhaseResult) -> None:
        """Redraw the phase."""
        if self._live:
            self._live.update(draw_phase(result, self._console.width), refresh=True)

    def end(self, result: PhaseResult) -> None:
        """Draw the phase for the last time."""
        self.update(result)
        self.close()

    def close(self) -> None:
        """Stop redrawing, and show the cursor again."""
        if self._live:
            self._live.stop()
        self._live = None


def open_screen() -> Screen:
    """Return the screen that fits standard output."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # so that an encoding without arrows raises no error
    console = Console()
    return LiveScreen(console) if console.is_terminal and not console.is_dumb_terminal else PlainScreen(console)


def draw_phase(result: PhaseResult, width: int) -> RenderableType:
    """Return one phase as a picture of `width` columns."""
    parts: list[RenderableType] = [Text.assemble("\n", (result.title, "bold"), f"  {result.words}")]
    parts += [Text(f"  {line}", "red" if line.startswith("-") else "green") for line in result.changes]
    if result.effect:
        parts.append(Text(f"  {result.effect}", "bold"))
    parts += [Text(f"  {note}") for note in result.notes]
    if result.counts:
        parts += [Padding(_bars(result, width), (0, 0, 0, 2)), Text(f"  {result.traffic}", "dim")]
    if result.verdict:
        parts.append(Padding(_verdict(result), (0, 0, 0, 2)))
    return Group(*parts)


def draw_summary(results: Sequence[PhaseResult], width: int) -> RenderableType:
    """Return the outcomes of all phases as a picture of `width` columns."""
    parts: list[RenderableType] = []
    for result in results:
        heading = Text.assemble((result.title, "bold"), f": {result.effect or result.words}")
        parts += [heading, _bars(result, width, header=not parts), _verdict(result), ""]
    return Padding(Group(*parts[:-1]), (0, 1))


def save_svg(path: Path, results: Sequence[PhaseResult]) -> None:
    """Save the picture of a whole run as an SVG without external fonts."""
    console = Console(record=True, width=SVG_WIDTH, file=io.StringIO(), color_system="truecolor", force_terminal=True)
    console.print(draw_summary(results, SVG_WIDTH))
    svg = console.export_svg(title="xds demo", unique_id="xds-demo")
    path.write_text(re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL))


def _bars(result: PhaseResult, width: int, *, header: bool = True) -> Table:
    bar_width = min(MAX_BAR_WIDTH, (width - WIDTH_BESIDE_BARS) // 2)
    table = Table(box=None, pad_edge=False, show_header=header, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("instance", no_wrap=True, width=8)
    for name in ("observed", "expected"):
        table.add_column(name, width=bar_width)
        table.add_column("", justify="right", width=6)
    for name, observed, expected, colour in zip(
        result.instances, result.observed, result.expected, COLOURS, strict=True
    ):
        table.add_row(
            Text(name, colour),
            Bar(FULL_BAR, 0, min(observed, FULL_BAR), width=bar_width, color=colour),
            f"{observed:.1%}",
            Bar(FULL_BAR, 0, expected, width=bar_width, color="bright_black"),
            f"{expected:.1%}",
        )
    return table


def _verdict(result: PhaseResult) -> Text:
    if result.verdict is None:
        return Text("")
    if result.verdict.holds:
        return Text(f"✔ {result.verdict.words}", "bold green")
    return Text(f"✘ {result.verdict.words}", "bold red")
