"""Pictures and plain lines show the same about a phase."""

import io

import pytest
from rich.console import Console

from xds.cli.demo.phase_result import PhaseResult
from xds.cli.demo.phases import Verdict
from xds.cli.demo.screen import PlainScreen, draw_phase, draw_summary

INSTANCES = ("api-1", "api-2", "api-3")


def make_result(verdict: Verdict) -> PhaseResult:
    """Return the result of a finished phase."""
    return PhaseResult(
        title="weighted 3:2:1",
        words="in each round of six: three, two and one",
        instances=INSTANCES,
        expected=[3 / 6, 2 / 6, 1 / 6],
        changes=["-     balance: random", "+     balance: weighted"],
        effect_seconds=0.041,
        counts=[150, 100, 50],
        requests=300,
        verdict=verdict,
    )


HELD = make_result(Verdict(True, "exact shares: 150, 100, 50"))
SHORT = make_result(Verdict(False, "2 of 300 requests failed"))


def draw(result: PhaseResult, width: int) -> str:
    """Return a result as a terminal of this width shows it."""
    console = Console(file=io.StringIO(), width=width)
    with console.capture() as capture:
        console.print(draw_phase(result, width))
    return capture.get()


@pytest.mark.parametrize("width", [80, 100, 200])
def test_a_picture_shows_edit_effect_shares_and_verdict(width: int) -> None:
    """All of it fits on terminals from 80 columns."""
    drawn = draw(HELD, width)
    expected = ("- ", "balance: weighted", "saved → in effect: 41 ms", "50.0%", "16.7%", "✔ exact shares: 150, 100, 50")
    assert [text for text in expected if text not in drawn] == []


def test_bars_are_as_long_as_their_shares() -> None:
    """The bar of a half is three times as long as that of a sixth."""
    api_1, *_, api_3 = (line.count("█") for line in draw(HELD, 100).splitlines() if line.strip().startswith("api-"))
    assert api_1 == 3 * api_3


def test_a_phase_that_fell_short_is_marked() -> None:
    """The picture and the lines show which promise it broke."""
    file = io.StringIO()
    PlainScreen(Console(file=file)).end(SHORT)
    assert "FAILED: 2 of 300 requests failed" in file.getvalue()
    assert "✘ 2 of 300 requests failed" in draw(SHORT, 100)


def test_the_summary_shows_every_phase() -> None:
    """One picture has each phase with its verdict."""
    console = Console(file=io.StringIO(), width=100)
    with console.capture() as capture:
        console.print(draw_summary([HELD, SHORT], 100))
    drawn = capture.get()
    assert drawn.count("weighted 3:2:1") == 2
    assert "✔" in drawn
    assert "✘" in drawn
