"""Gate 2: nbval, with the options of `make test`, fails when a stored output is not what the cell prints."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from gatekit import CHAPTERS, ROOT, make_notebook

import notebooks


def nbval_options() -> list[str]:
    """The nbval options that make.py gives to pytest."""
    for node in ast.walk(ast.parse((ROOT / "make.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.List | ast.Tuple):
            words = [e.value for e in node.elts if isinstance(e, ast.Constant) and isinstance(e.value, str)]
            if any(word.startswith("--nbval") for word in words):
                return [word for word in words if word.startswith("--nbval")]
    pytest.fail("make.py gives pytest no --nbval option", pytrace=False)


CELLS = (
    ("md", "# T"),
    ("code", "import math\n\nprint('not stored')"),
    ("code", "print(math.floor(2.5))\nmath.pi", "nbval-check-output"),
    ("code", "undefined_name", "raises-exception"),
)
PLANTED = {
    "unchanged": (),
    "printed": ('"2\\n"', '"3\\n"'),  # a printed number
    "shown": ('"3.141592653589793"', '"3.141592653589794"'),  # a shown value, in its last place
    "code": ('"math.pi"', '"math.e"'),  # the code, and not the output
    "failing": ('"import math\\n"', '"import maths\\n"'),  # a cell that now raises
}


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[int]]:
    """For each planted change, the numbers of the code cells that fail under nbval. One run for all of them."""
    folder = tmp_path_factory.mktemp("nbval")
    original = folder / "unchanged.ipynb"
    notebooks.write(notebooks.clean(make_notebook(*CELLS)), original)
    assert notebooks.store(original) == ["cell-c"]
    text = original.read_text(encoding="utf-8")
    for name, change in PLANTED.items():
        if change:
            assert text.count(change[0]) == 1, (change, text)
            (folder / f"{name}.ipynb").write_text(text.replace(*change), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-rA",
        "-p",
        "no:cacheprovider",
        "-c",
        str(ROOT / "pyproject.toml"),
    ]
    command += [f"--rootdir={folder}", *nbval_options(), str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    outcomes = re.findall(r"^(PASSED|FAILED) \S*?(\w+)\.ipynb::\S*? ?Cell (\d+)", done.stdout, re.M)
    assert len(outcomes) == 3 * len(PLANTED), done.stdout + done.stderr
    assert done.returncode == 1
    return {
        name: [int(cell) for outcome, file, cell in outcomes if outcome == "FAILED" and file == name]
        for name in PLANTED
    }


def test_a_notebook_that_prints_what_it_stores_passes(failures: dict[str, list[int]]) -> None:
    assert failures["unchanged"] == []


@pytest.mark.parametrize("change", ["printed", "shown", "code"])
def test_a_stored_output_that_is_not_what_the_cell_prints_fails(
    failures: dict[str, list[int]], change: str
) -> None:
    assert failures[change] == [1]


def test_a_cell_that_raises_fails(failures: dict[str, list[int]]) -> None:
    assert failures["failing"][0] == 0


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_every_chapter_stores_something_to_compare(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert any(cell.get("outputs") for cell in cells), (
        f"no cell is tagged {notebooks.STORED}: nbval compares nothing"
    )
