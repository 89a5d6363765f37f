"""The cost line of a chapter says what was measured, and every chapter stays within the budget."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from studies import read_study

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
COST = re.compile(
    r"Runs in (?:about )?(\d+) s on 2 cores · (\d+) minutes to read(?: · (\d+) exercises?, about (\d+) minutes)?"
)
EFFORT = re.compile(r"^(\d+) minutes · level [123] of 3$", re.M)


def text_of(path: Path) -> str:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def measured() -> dict[str, float]:
    _, rows = read_study("chapter_seconds")
    return {row["chapter"]: float(row["seconds"]) for row in rows}


def faults(claimed: float, seconds: float) -> list[str]:
    """A claim may be off by half and three seconds: machines differ, but not a new experiment that nobody timed."""
    allowed = 0.5 * seconds + 3
    return [] if abs(claimed - seconds) <= allowed else [f"{claimed:g} s claimed, {seconds:g} s measured"]


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_the_cost_line_is_what_was_measured(path: Path) -> None:
    cost = COST.search(text_of(path))
    assert cost, "no cost line of the usual form"
    assert faults(float(cost[1]), measured()[path.stem]) == []


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_the_exercises_and_their_minutes_add_up(path: Path) -> None:
    text = text_of(path)
    cost, efforts = COST.search(text), [int(minutes) for minutes in EFFORT.findall(text)]
    assert int(cost[3] or 0) == len(efforts) == text.count("```{exercise}")
    assert abs(int(cost[4] or 0) - sum(efforts)) <= 5, f"{sum(efforts)} minutes of exercises"


def test_the_budget() -> None:
    seconds = measured()
    assert seconds.keys() == {path.stem for path in CHAPTERS}, "run: python benchmarks/chapter_seconds.py"
    assert max(seconds.values()) < 60 and sum(seconds.values()) / 2 < 8 * 60


@pytest.mark.parametrize("claimed, seconds", [(10, 30), (40, 15), (10, 60)])
def test_an_old_claim_is_noticed(claimed: float, seconds: float) -> None:
    assert faults(claimed, seconds) and not faults(seconds, seconds)
