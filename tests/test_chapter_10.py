"""What chapter 10 says about the package in words, held against the package."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from studies import load_script, read_study, with_later_settings

from ppo_core import IterationStats, PPOConfig

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "notebooks" / "10_ppo_assembled.ipynb"
NAME = "ch10_cartpole_seeds"


def metrics_table() -> list[list[str]]:
    """The rows of the table that explains the metrics: [name, unit, taken over, what to look for]."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    text = next("".join(c["source"]) for c in cells if ":name: tab-10-metrics" in "".join(c["source"]))
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return [[entry.strip() for entry in row] for row in rows]


def test_the_table_explains_every_metric_in_order() -> None:
    assert [row[0].strip("`") for row in metrics_table()] == list(IterationStats._fields)


def test_every_metric_has_a_unit_and_a_window() -> None:
    for row in metrics_table():
        assert len(row) == 4 and all(row), f"{row[0]} lacks an entry"


@pytest.fixture(scope="module")
def study() -> tuple[dict[str, str], list[dict[str, str]]]:
    return read_study(NAME)


def test_the_stored_study_used_the_default_settings(study) -> None:
    header, _ = study
    settings = {name: value for name, value in PPOConfig().to_dict().items() if name != "seed"}
    assert with_later_settings(json.loads(header["settings"])) == settings, f"run again: {header['command']}"


def test_the_stored_study_is_what_its_script_writes(study, monkeypatch) -> None:
    """The first row of the last seed, computed again, and the iterations that have a row."""
    script = load_script(NAME, monkeypatch)
    header, rows = study
    seed = int(header["seeds"].split(", ")[-1])
    stored = [row for row in rows if int(row["seed"]) == seed]
    config = PPOConfig()
    wanted = [i for i in range(1, config.num_iterations + 1) if script.wanted(i, config.num_iterations)]
    assert [int(row["iteration"]) for row in stored] == wanted
    first = next(script.study(seed))
    assert list(first) == list(stored[0])
    for name, value in first.items():
        assert float(value) == pytest.approx(float(stored[0][name]), abs=1e-4), name


def test_five_of_five_seeds_solve_the_task(study) -> None:
    header, rows = study
    last = {row["seed"]: float(row["evaluation"]) for row in rows}
    assert len(last) == 5 == len(re.findall(r"\d+", header["seeds"]))
    assert min(last.values()) >= 475
