"""Gate 1: the code that a page shows, copied in order into a fresh interpreter, runs. Nothing hidden is needed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
import reader
from gatekit import CHAPTERS, make_notebook
from reader import Cell

import notebooks

IMPORT = "import multiprocessing"
COUNT = "if True:\n\n\tcount = multiprocessing.cpu_count()"


@pytest.mark.book
@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_what_the_page_shows_runs(path: Path, built_book: Path, tmp_path: Path) -> None:
    page = built_book / "notebooks" / f"{path.stem}.html"
    assert page.exists(), f"{path.name} has no page in the built book: run make book first"
    cells = reader.visible_cells(page.read_text(encoding="utf-8"))
    assert cells, "the page shows no code"
    sources = [
        notebooks.joined(cell.source) for cell in notebooks.read(path).cells if cell.cell_type == "code"
    ]
    stale = reader.built_from(cells, sources)
    assert not stale, stale
    problem = reader.run(cells, tmp_path)
    if problem:
        pytest.fail(f"{path.name}: {problem}", pytrace=False)


# --- a real, small build: what is shown is read off the HTML that Sphinx writes

FIXTURE = (
    ("md", "# A page\n\n```python\nnot_a_cell = multiprocessing\n```"),
    ("code", "import os  # a & b < c"),
    ("code", IMPORT, "hide-input"),
    ("code", "import math", "hide-cell"),
    ("code", "import json", "remove-input"),
    ("code", "import re", "remove-cell"),
    ("code", "print('output')", "hide-output"),
    ("code", "### BEGIN SOLUTION\nanswer = 'ö “quoted”'\n### END SOLUTION", "exercise hide-input"),
    ("code", "assert answer", "check"),
    ("code", "1 / 0", "raises-exception"),
    ("code", "%%writefile worker.py\nx = 1"),
    ("code", COUNT),
)
CONF = 'extensions = ["myst_nb", "sphinx_togglebutton"]\nnb_execution_mode = "off"\nhtml_theme = "basic"\n'


@pytest.fixture(scope="session")
def built_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    source = tmp_path_factory.mktemp("sphinx")
    (source / "conf.py").write_text(CONF, encoding="utf-8")
    nb = make_notebook(*FIXTURE)
    nb.cells[1].metadata["mystnb"] = {"number_source_lines": True}
    notebooks.write(notebooks.clean(nb), source / "index.ipynb")
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", str(source), str(source / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return (source / "out" / "index.html").read_text(encoding="utf-8")


def test_the_visible_cells_of_a_built_page(built_page: str) -> None:
    assert reader.visible_cells(built_page) == [
        Cell("import os  # a & b < c"),
        Cell("print('output')"),
        Cell("### BEGIN SOLUTION\nanswer = 'ö “quoted”'\n### END SOLUTION"),
        Cell("assert answer"),
        Cell("1 / 0", raises=True),
        Cell("%%writefile worker.py\nx = 1"),
        Cell(COUNT),
    ]


def test_a_page_older_than_its_notebook_is_noticed(built_page: str) -> None:
    cells = reader.visible_cells(built_page)
    sources = [source for kind, source, *_ in FIXTURE if kind == "code"]
    assert reader.built_from(cells, sources) == ""
    edited = [source.replace("answer = 'ö", "answer = 'o") for source in sources]
    assert "the page is older than its notebook" in reader.built_from(cells, edited)
    assert "the page is older than its notebook" in reader.built_from(cells, sources[::-1])


@pytest.mark.parametrize(
    ("hidden", "wrapping"),
    [
        (True, "<details><summary>more</summary>{}</details>"),
        (True, "<div class='toggle'>{}</div>"),
        (True, "<div style='display: none'>{}</div>"),
        (True, "<section hidden>{}</section>"),
        (False, "<details open><summary>more</summary>{}</details>"),
        (False, "<div class='admonition'>{}</div>"),
    ],
)
def test_every_way_of_hiding_counts(hidden: bool, wrapping: str) -> None:
    cell = f"<div class='cell'><div class='cell_input'><pre>{IMPORT}\n</pre></div></div>"
    assert reader.visible_cells(wrapping.format(cell)) == ([] if hidden else [Cell(IMPORT)])


# --- the planted faults


def test_an_import_that_only_a_hidden_cell_has_is_caught(built_page: str, tmp_path: Path) -> None:
    """The founding fault: the notebook's cells run from top to bottom, what its page shows does not."""
    problem = reader.run(reader.visible_cells(built_page), tmp_path / "reader")
    assert "visible cell 7 of 7: NameError: name 'multiprocessing' is not defined" in problem
    everything = [
        Cell(source, "raises-exception" in tags) for kind, source, *tags in FIXTURE if kind == "code"
    ]
    assert reader.run(everything, tmp_path / "author") == ""


def test_a_cell_that_should_fail_and_does_not_is_caught(tmp_path: Path) -> None:
    problem = reader.run([Cell("x = 1"), Cell("x", raises=True)], tmp_path)
    assert "visible cell 2 of 2: the page says that this cell fails, and it does not" in problem


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("def f(:", "SyntaxError"),
        ("import os\nos._exit(3)", "the interpreter ended with exit code 3"),
        ("open('data.csv')", "FileNotFoundError"),
        ("json.dumps(1), sys.path", "name 'json' is not defined"),
        ("import no_such_module_here", "ModuleNotFoundError"),
    ],
)
def test_other_faults_are_named(tmp_path: Path, code: str, words: str) -> None:
    assert words in reader.run([Cell(code)], tmp_path)


def test_a_page_that_never_ends_is_stopped_with_its_processes(tmp_path: Path, monkeypatch) -> None:
    code = "import subprocess, sys, time\np = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)'])\n"
    code += "open('pid', 'w').write(str(p.pid))\nprint('started', flush=True)\ntime.sleep(99)"
    monkeypatch.setattr(reader, "RUNNER", code)  # without IPython, which starts slowly on a busy machine
    problem = reader.run([Cell("x = 1")], tmp_path, timeout=8)
    assert problem.startswith("not done after 8 s") and "started" in problem
    if sys.platform == "linux":
        state = Path("/proc", (tmp_path / "empty" / "pid").read_text(), "stat")
        for _ in range(100):  # a killed process may take a moment to be gone
            if not state.exists() or ") Z " in state.read_text():
                return
            time.sleep(0.1)
        pytest.fail("a process of the page outlived it")


def test_what_a_notebook_can_do_works(tmp_path: Path) -> None:
    """display, magics, top-level await, a module written by a cell, processes that spawn: as in a kernel."""
    cells = [
        Cell("%%writefile worker.py\ndef work(pipe):\n    pipe.send('done')"),
        Cell("import asyncio\nimport multiprocessing\nimport multiprocessing.connection\n\nimport worker"),
        Cell("await asyncio.sleep(0)\nhandle = display('x', display_id=True)\nhandle.update('y')"),
        Cell("name = undefined_name", raises=True),
        Cell("%%time\n%matplotlib inline"),
        Cell(
            "context = multiprocessing.get_context('spawn')\nours, theirs = context.Pipe()\n"
            "process = context.Process(target=worker.work, args=(theirs,))\nprocess.start()\n"
            "assert ours.poll(60) and ours.recv() == 'done'\nprocess.join()\nassert process.exitcode == 0"
        ),
        Cell("assert __name__ == '__main__' and '__file__' not in globals() and Out is not None"),
    ]
    assert reader.run(cells, tmp_path) == ""
