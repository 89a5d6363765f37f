"""The student edition: no solution in it, nothing that a notebook program shows raw, and the same lesson."""

from __future__ import annotations

import ast
import re
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import student_edition  # noqa: E402
import workshop  # noqa: E402

import notebooks  # noqa: E402

CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
RAW = re.compile(r"^:{3,}|^`{3,}\{|(?<!`)\{[a-z]+(:[a-z]+)?\}`|^\([\w-]+\)=$|^\{[.#]|^\$\$ *\(eq-", re.M)


def text(nb: nbformat.NotebookNode) -> str:
    return "\n".join(cell.source for cell in nb.cells)


def leaked(source: nbformat.NotebookNode, student: nbformat.NotebookNode) -> list[str]:
    """Lines of a solution that stand in the student edition, but in no lesson, hint or example of the source."""
    solutions = [region for cell in source.cells for region in notebooks.SOLUTION.findall(cell.source)]
    lessons = [cell.source for cell in source.cells if "exercise" not in notebooks.tags_of(cell)]
    taught = {line.strip() for lesson in lessons for line in lesson.split("\n")}
    given = {line.strip() for line in text(student).split("\n")}
    lines = [line.strip() for solution in solutions for line in solution.split("\n")]
    return [line for line in lines if line and line in given and line not in taught]


@pytest.fixture(scope="module")
def students() -> dict[str, nbformat.NotebookNode]:
    return {path.stem: student_edition.student_version(path) for path in CHAPTERS}


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_no_solution_line_leaks(path: Path, students: dict) -> None:
    source, student = nbformat.read(path, as_version=4), students[path.stem]
    assert "SOLUTION" not in text(student)
    assert leaked(source, student) == []
    exercises = [cell for cell in source.cells if "exercise" in notebooks.tags_of(cell)]
    for cell in exercises:
        assert len(notebooks.SOLUTION.findall(cell.source)) == 1, f"{cell.id}: one marked solution"
    assert text(student).count(student_edition.OPEN) == len(exercises)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_the_text_is_plain_markdown_and_the_code_compiles(path: Path, students: dict) -> None:
    student = students[path.stem]
    nbformat.validate(student)
    for cell in student.cells:
        if cell.cell_type == "markdown":
            without_code = re.sub(r"^```(?!\{).*?^```$", "", cell.source, flags=re.M | re.S)
            assert not RAW.search(without_code), (cell.id, RAW.search(without_code))
        else:
            assert not cell.outputs and cell.execution_count is None
            if "raises-exception" not in cell.metadata.get("tags", []) and not re.search(
                r"^[%!]", cell.source, re.M
            ):
                ast.parse(cell.source)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_only_the_exercises_differ_in_code(path: Path, students: dict) -> None:
    source = nbformat.read(path, as_version=4)
    student = {cell.id: cell for cell in students[path.stem].cells}
    for cell in source.cells:
        tags = notebooks.tags_of(cell)
        if student_edition.REMOVED_TAGS & set(tags):
            assert cell.id not in student
        elif cell.cell_type == "code" and "exercise" not in tags:
            assert student[cell.id].source == student_edition.with_hint(cell.source)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_the_text_is_true_of_a_notebook_without_solutions(path: Path, students: dict) -> None:
    """Nothing is folded in it, no solution can be taken, and `hint`, of which `check` speaks, can be called."""
    student = students[path.stem]
    words = text(student)
    assert "collapsed cell" not in words and "take the solution" not in words
    code = ast.parse("\n".join(c.source for c in student.cells if c.source.startswith(("import", "from"))))
    imports = [n for n in ast.walk(code) if isinstance(n, ast.ImportFrom) and n.module == "ppo_core.teach"]
    names = {alias.name for node in imports for alias in node.names}
    assert "check" not in names or "hint" in names


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_every_link_leads_somewhere_in_jupyterlab(path: Path, students: dict) -> None:
    """To another chapter, which lies beside it, or to the web; never to a page of the book or to a label of MyST."""
    for cell in students[path.stem].cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`|\$[^$]*\$", "", cell.source)):
                assert target.startswith("https://") or (ROOT / "notebooks" / target).is_file(), target


def test_a_page_of_the_book_is_named_and_not_linked(tmp_path: Path) -> None:
    links = "(here)=\nSee [notation](../book/notation.md#axes), [rosetta](#elsewhere), [below](here), [05](05_gae.ipynb)."
    cell = nbformat.v4.new_markdown_cell(links)
    assert student_edition.student_version(chapter(tmp_path, cell)).cells[0].source == (
        "See notation (in the book), rosetta (in the book), below, [05](05_gae.ipynb)."
    )


def test_hint_is_imported_beside_check() -> None:
    assert student_edition.with_hint("from ppo_core.teach import check\n") == (
        "from ppo_core.teach import check, hint\n"
    )
    assert student_edition.with_hint("from ppo_core.teach import check, zoo") == (
        "from ppo_core.teach import check, hint, zoo"
    )
    for same in ("from ppo_core.teach import check, hint", "from ppo_core.teach import zoo", "check = 1"):
        assert student_edition.with_hint(same) == same


def chapter(folder: Path, *cells: nbformat.NotebookNode) -> Path:
    path = folder / "05_planted.ipynb"
    nb = nbformat.v4.new_notebook(cells=list(cells))
    for number, cell in enumerate(nb.cells):
        cell.id = f"cell-{chr(97 + number)}"
    nbformat.write(nb, path)
    return path


def exercise(source: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_code_cell(source, metadata={"tags": ["exercise", "hide-input"]})


SOLVED = (
    "def f(x):\n    # 1) double it\n    ### BEGIN SOLUTION\n    y = 2 * x\n    return y\n    ### END SOLUTION"
)


def test_a_solution_becomes_a_stub_and_the_scaffold_stays(tmp_path: Path) -> None:
    cell = student_edition.student_version(chapter(tmp_path, exercise(SOLVED))).cells[0]
    assert cell.source == (
        'def f(x):\n    # 1) double it\n    # your answer here\n    raise NotImplementedError("not started")'
    )
    assert cell.metadata == {"tags": ["exercise"]}


def test_outside_a_function_the_stub_raises_nothing(tmp_path: Path) -> None:
    solved = exercise("answer = ...\n### BEGIN SOLUTION\nanswer = 42\n### END SOLUTION")
    cell = student_edition.student_version(chapter(tmp_path, solved)).cells[0]
    assert cell.source == "answer = ...\n# your answer here"


def test_the_leak_test_notices_a_line_outside_the_markers(tmp_path: Path) -> None:
    path = chapter(tmp_path, exercise(SOLVED + "\n    y = 2 * x"))
    source = nbformat.read(path, as_version=4)
    assert leaked(source, student_edition.student_version(path)) == ["y = 2 * x"]


def test_the_leak_test_notices_a_solution_that_was_left_in(tmp_path: Path) -> None:
    source = nbformat.read(chapter(tmp_path, exercise(SOLVED)), as_version=4)
    assert leaked(source, source) == ["### BEGIN SOLUTION", "y = 2 * x", "return y", "### END SOLUTION"]


@pytest.mark.parametrize(
    "broken", ["### BEGIN SOLUTION\nx = 1", "### BEGIN SOLUTION\n### BEGIN SOLUTION\nx = 1\n### END SOLUTION"]
)
def test_an_open_or_nested_region_is_an_error(tmp_path: Path, broken: str) -> None:
    with pytest.raises(RuntimeError, match="solution"):
        student_edition.student_version(chapter(tmp_path, exercise(broken)))


def test_what_a_teacher_keeps_is_taken_out(tmp_path: Path) -> None:
    secret = nbformat.v4.new_markdown_cell("For the teacher.", metadata={"tags": ["instructor"]})
    made = student_edition.student_version(
        chapter(tmp_path, secret, nbformat.v4.new_markdown_cell("For all."))
    )
    assert [cell.source for cell in made.cells] == ["For all."]


MYST = """:::{admonition} “A sentence.”
:class: misconception
Wrong: see {eq}`eq-05-one`, {term}`advantages <advantage>` and {py:func}`~ppo_core.compute_gae`, by {cite:t}`schulman2016gae`.
:::

:::{admonition} Why
:class: answer dropdown
Because {cite:p}`schulman2016gae,schulman2017ppo`.
:::

$$
a = b
$$ (eq-05-one)

```python
untouched = "{eq}`eq-05-one`"
```"""
PLAIN = """> **“A sentence.”**
>
> Wrong: see (05.1), advantages and `compute_gae`, by Schulman et al. (2016).

<details><summary><b>Why</b></summary>

Because (Schulman et al. 2016; Schulman et al. 2017).

</details>

$$
a = b
\\tag{05.1}
$$

```python
untouched = "{eq}`eq-05-one`"
```"""


def test_myst_becomes_plain(tmp_path: Path) -> None:
    made = student_edition.student_version(chapter(tmp_path, nbformat.v4.new_markdown_cell(MYST)))
    assert made.cells[0].source == PLAIN


@pytest.mark.parametrize("unknown", ["```{mermaid}\na\n```", "a {strange}`role`", ":::{admonition} open"])
def test_markup_without_a_plain_form_is_an_error(tmp_path: Path, unknown: str) -> None:
    with pytest.raises(student_edition.UnknownMarkup):
        student_edition.student_version(chapter(tmp_path, nbformat.v4.new_markdown_cell(unknown)))


def test_an_answer_is_never_overwritten(tmp_path: Path) -> None:
    made, kept = student_edition.build(tmp_path, CHAPTERS[:2], keep=True)
    made[0].write_text("my answers", encoding="utf-8")
    made, kept = student_edition.build(tmp_path, CHAPTERS[:3], keep=True)
    assert len(kept) == 2 and len(made) == 1
    assert (tmp_path / CHAPTERS[0].name).read_text(encoding="utf-8") == "my answers"


def test_the_pack_is_one_zip_with_the_student_edition_the_book_and_the_package(
    tmp_path: Path, monkeypatch
) -> None:
    html, dist = tmp_path / "html", tmp_path / "dist"
    with pytest.raises(FileNotFoundError, match="make book"):
        workshop.pack(html=html, dist=dist)
    html.mkdir()
    (html / "index.html").write_text("<p>the book</p>")
    wheel = "ppo_core-0.1.0-py3-none-any.whl"

    def pip(*arguments: object) -> None:
        assert arguments[:3] == ("wheel", "--no-deps", "-w")  # without --wheels nothing else is fetched
        Path(arguments[3]).mkdir()
        (Path(arguments[3]) / wheel).touch()

    monkeypatch.setattr(workshop, "pip", pip)
    made = workshop.pack(html=html, dist=dist)
    names = set(zipfile.ZipFile(made).namelist())
    expected = {"START-HERE.md", "book/index.html", "requirements.lock", f"packages/{wheel}"}
    expected |= {f"notebooks/{path.name}" for path in CHAPTERS} | {"benchmarks/ch10_cartpole_seeds.csv"}
    assert {f"{workshop.NAME}/{name}" for name in expected} <= names
    start = (dist / workshop.NAME / "START-HERE.md").read_text(encoding="utf-8")
    assert "-c requirements.lock" in start and "ppo_core doctor" in start and "--no-index" not in start
    assert "--no-index" in workshop.start_text(wheels=True, version="0")


@pytest.mark.parametrize("reachable", [True, False])
def test_a_room_without_a_network_gets_the_cpu_build_of_torch(
    tmp_path: Path, monkeypatch, reachable: bool
) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(workshop, "pip", lambda *arguments: asked.append([str(part) for part in arguments]))
    monkeypatch.setattr(workshop.platform, "system", lambda: "Linux")
    monkeypatch.setattr(workshop.make, "reachable", lambda url: reachable)
    workshop.collect(tmp_path)
    torch, rest = asked
    assert torch[-1] == f"torch=={workshop.make.TORCH}+cpu" and "--no-deps" in torch
    assert (workshop.make.CPU_INDEX in torch) is reachable
    assert rest[-1] == "ppo-core[lab]" and "--find-links" in rest and str(tmp_path) in rest
