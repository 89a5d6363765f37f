"""Gate 6: each number in prose comes from a cell of its page, or from the claim register; and the gate notices faults."""

from __future__ import annotations

import json
from pathlib import Path

import claims
import pytest
from gatekit import HTML, ROOT
from page import toc_pages

REFERENCE = ("book/",)  # definitions, not measurements: symbols, terms, signatures, sources
PAGES = [page for page in toc_pages(ROOT / "book" / "_toc.yml") if not page.startswith(REFERENCE)]


@pytest.fixture(scope="module")
def register() -> list[dict]:
    return claims.read_register()


@pytest.mark.book
@pytest.mark.parametrize("page", PAGES)
def test_every_number_in_prose_is_printed_or_registered(page: str, register: list[dict]) -> None:
    path = HTML / f"{page}.html"
    if not path.exists():
        pytest.fail(f"{path} is not built: make book", pytrace=False)
    html = path.read_text(encoding="utf-8")
    found = claims.unsupported(page, html, register)
    assert not found, "\n".join(f"{claim.number}: {claim.sentence}" for claim in found)
    assert claims.unused(page, html, register) == []


def test_every_row_of_the_register_holds(register: list[dict]) -> None:
    faults = [f"{row.get('page')}: {fault}" for row in register for fault in claims.faults_of(row)]
    faults += [f"no page {row['page']}" for row in register if row["page"] not in PAGES]
    assert faults == []


# --- what the gate takes, and what it refuses


def page_of(text: str, code: str = "", output: str = "") -> str:
    cell = f'<div class="cell"><div class="cell_input"><pre>{code}</pre></div><div class="cell_output"><pre>{output}</pre></div></div>'
    return f'<article class="bd-article">{text}{cell}</article>'


ROW = {"page": "p", "where": "the pole stood", "numbers": [473], "kind": "definition", "why": "…"}


@pytest.mark.parametrize(
    "text, code, output",
    [
        ("<p>It takes 7 steps.</p>", "steps = 7", ""),
        ("<p>The error is 0.62.</p>", "", "error 0.6180339"),
        ("<p>That is 62 % of all.</p>", "", "share 0.6180339"),
        ("<p>That is 62 % of all.</p>", "", "share 62%"),
        ("<p>After 50,000 steps.</p>", "PPOConfig(total_timesteps=50_000)", ""),
        ("<p>It fell by −0.25.</p>", "", "[-0.25, 0.5]"),
        ("<p>See chapter 07, step <code>12</code>, and Python 3.11.</p>", "", ""),
        ('<p>With <span class="math">3.5</span> it is.</p>', "", ""),
        ("<p>Bug B12 of 2021-03-01, thread #311.</p>", "", ""),
        ("<p>For 473 steps the pole stood.</p>", "", ""),
    ],
)
def test_a_number_that_the_page_shows_is_taken(text: str, code: str, output: str) -> None:
    assert claims.unsupported("p", page_of(text, code, output), [ROW]) == []


@pytest.mark.parametrize(
    "text, output, number",
    [
        ("<p>It takes 7 steps.</p>", "8", "7"),
        ("<p>The error is 0.62.</p>", "0.6280", "0.62"),
        ("<p>The error is 0.618.</p>", "0.62", "0.618"),
        ("<p>That is 62 % of all.</p>", "62.9", "62 %"),
        ("<li>After 50,000 steps.</li>", "50", "50,000"),
        ("<table><tr><td>12.5</td></tr></table>", "x12 5", "12.5"),
        ("<p>It fell by −0.25.</p>", "0.25", "−0.25"),
        ("<p>For 473 steps the cart stood.</p>", "", "473"),  # registered, for another sentence
        ("<p>Twice as fast: 2× the steps, 40% less.</p>", "2", "40%"),
    ],
)
def test_a_number_from_nowhere_is_named(text: str, output: str, number: str) -> None:
    assert [claim.number for claim in claims.unsupported("p", page_of(text, "", output), [ROW])] == [number]


def test_another_page_may_not_use_the_row() -> None:
    text = page_of("<p>For 473 steps the pole stood.</p>")
    assert claims.unsupported("p", text, [ROW]) == []
    assert len(claims.unsupported("q", text, [ROW])) == 1


def test_a_row_that_no_sentence_needs_is_named() -> None:
    assert claims.unused("p", page_of("<p>For 473 steps the pole stood.</p>"), [ROW]) == []
    assert claims.unused("p", page_of("<p>For 500 steps the pole stood.</p>"), [ROW]) == [
        "473 … the pole stood"
    ]


BASE = {"page": "p", "where": "w", "numbers": [3]}


@pytest.mark.parametrize(
    "row, fault",
    [
        ({"kind": "believed"}, "kind 'believed'"),
        ({"kind": "measured", "file": "t.csv"}, "command missing"),
        ({"kind": "measured", "file": "none.csv", "command": "python t.py"}, "no such file"),
        ({"kind": "measured", "file": "t.csv", "command": "python none.py"}, "no such file"),
        ({"kind": "measured", "file": "t.csv", "command": "python t.py", "numbers": [4]}, "does not hold 4"),
        ({"kind": "cited", "source": "nobody2020"}, "no such source"),
        ({"kind": "counted", "file": "t.py", "lines": ["g"]}, "defines no g"),
        ({"kind": "counted", "file": "t.py", "lines": ["f"], "numbers": [9]}, "9 claimed, 2 counted"),
    ],
)
def test_a_row_that_does_not_hold_is_named(row: dict, fault: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n3,0.125\n")
    (tmp_path / "t.py").write_text("def f():\n    return 3\n")
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "references.bib").write_text("@book{schulman2017ppo,\n}")
    (found,) = claims.faults_of({**BASE, **row}, tmp_path)
    assert fault in found


def test_rows_that_hold(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n3,0.125\n")
    cell = {"cell_type": "code", "source": ["def f():\n", "    x = 1\n", "    return 3"]}
    (tmp_path / "t.ipynb").write_text(
        json.dumps({"cells": [{"cell_type": "code", "source": ["%time"]}, cell]})
    )
    (tmp_path / "t.py").touch()
    measured = {"kind": "measured", "file": "t.csv", "command": "python t.py --all"}
    assert claims.faults_of({**BASE, **measured, "numbers": [3, "0.13", "12.5 %"]}, tmp_path) == []
    assert claims.faults_of({**BASE, "kind": "counted", "file": "t.ipynb", "lines": ["f"]}, tmp_path) == []
