"""In the built book: every chapter from 01 on has something to move, and it costs a page less than 300 kB."""

from __future__ import annotations

from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from kit import ALL

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "book" / "_build" / "html" / "notebooks"
CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
BUDGET = 300_000  # bytes of a page that explorables may take
WITHOUT = {"00_the_import", "21_determinism_and_resume"}  # nothing there to turn: no formula, no slider

pytestmark = pytest.mark.book


def explorables_of(page: str) -> dict[str, int]:
    """Explorable → the bytes of its output on the page."""
    soup = BeautifulSoup(page, "html.parser")
    outputs = [
        output for output in soup.select(".output.text_html") if output.select_one("[data-explorable]")
    ]
    return {
        output.select_one("[data-explorable]")["data-explorable"]: len(str(output).encode())
        for output in outputs
    }


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_a_chapter_has_something_to_move_within_the_budget(path: Path) -> None:
    found = explorables_of((HTML / f"{path.stem}.html").read_text(encoding="utf-8"))
    assert found or path.stem in WITHOUT
    assert sum(found.values()) < BUDGET, found


def test_every_explorable_has_its_place_in_the_book() -> None:
    placed: set[str] = set()
    for path in CHAPTERS:
        placed |= set(explorables_of((HTML / f"{path.stem}.html").read_text(encoding="utf-8")))
    assert placed == {kind.module for kind in ALL}


def test_a_page_that_is_too_heavy_is_noticed() -> None:
    heavy = (
        f'<div class="output text_html"><div data-explorable="x"></div><script>{"x" * BUDGET}</script></div>'
    )
    assert explorables_of(heavy)["x"] > BUDGET
