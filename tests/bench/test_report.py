"""The figures in the README match the raw file to the last digit."""

import json

import pytest

from tests.bench.report import DOCUMENT, FIGURES, PICTURE, draw, make_table, read_cells, renew
from tests.bench.soak import growth


def test_the_document_and_its_picture_show_the_raw_figures() -> None:
    """`python -m tests.bench report` changes neither."""
    figures = json.loads(FIGURES.read_text())
    assert renew(DOCUMENT.read_text(), figures) == DOCUMENT.read_text()
    assert draw(read_cells(figures)) == PICTURE.read_text()


def test_a_worse_figure_shows_as_worse() -> None:
    """The table and the picture leave out no bad figure."""
    figures = json.loads(FIGURES.read_text())
    for cell in figures["push"]:
        cell["change_cpu_ms"] = 99_999
    cells = read_cells(figures)
    assert make_table(cells, "").count("| 99,999 |") == 6
    assert draw(cells).count('class="bad"') >= 6
    assert max(cell.ratio for cell in cells) == pytest.approx(99_999 / 2.4)


def test_memory_growth_is_that_of_the_last_third() -> None:
    """The first third is a warm-up."""
    soak = {"samples": [{"memory_mb": memory} for memory in (50, 90, 99, 100, 100, 100, 101, 103, 105)]}
    assert growth(soak) == pytest.approx(3)
