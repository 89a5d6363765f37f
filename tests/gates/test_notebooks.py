"""Every notebook is in the one form of tools/notebooks.py, and the tool names each way to leave it."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from gatekit import CHAPTERS, make_notebook

import notebooks

STREAM = {"output_type": "stream", "name": "stdout", "text": "1\n"}
EXERCISE = "### BEGIN SOLUTION\ny = 2\n### END SOLUTION"


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_notebook_is_in_the_one_form(path: Path) -> None:
    assert notebooks.problems(path) == []


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_notebook_is_valid(path: Path) -> None:
    nbformat.validate(json.loads(path.read_text(encoding="utf-8")))


def edit(path: Path, change) -> Path:
    nb = json.loads(path.read_text(encoding="utf-8"))
    change(nb)
    path.write_text(json.dumps(nb, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
    return path


def stored(path: Path, cell: int, count: int, *outputs: dict) -> Path:
    return edit(path, lambda nb: nb["cells"][cell].update(outputs=list(outputs), execution_count=count))


# --- check: each planted fault is named, with its cell


def test_a_clean_notebook_passes(notebook) -> None:
    path = notebook(
        ("md", "# Title"),
        ("code", "import math"),
        ("code", "print(1)", "nbval-check-output"),
        ("code", EXERCISE, "exercise hide-input"),
        ("code", 'y = check("y", y)', "check"),
        ("code", "def f():\n    return 1", "core"),
        ("code", "x = ('%d'\n     % 3)"),
        ("code", "%matplotlib inline\nfiles = !ls\nx?\nif x:\n    %time x"),
        ("code", "%%writefile worker.py\nimport os"),
        ("code", "1/0", "raises-exception"),
    )
    stored(path, 2, 2, STREAM | {"text": ["1\n"]})
    assert notebooks.problems(path) == []


def test_a_stored_output_without_the_tag_is_named(notebook) -> None:
    path = stored(notebook(("code", "import math"), ("code", "print(1)")), 1, 2, STREAM)
    assert notebooks.problems(path) == [
        "cell 'cell-b' (2): stores an output without the tag nbval-check-output",
        "cell 'cell-b' (2): stores an execution count without the tag nbval-check-output",
    ]


def test_a_tagged_cell_without_output_is_named(notebook) -> None:
    found = notebooks.problems(notebook(("code", "print(1)", "nbval-check-output")))
    assert len(found) == 1 and "stores no output" in found[0] and "'cell-a'" in found[0]


def test_a_wrong_execution_count_is_named(notebook) -> None:
    path = stored(notebook(("code", "print(1)", "nbval-check-output")), 0, 7, STREAM)
    assert any(
        "execution count 7, its place among the code cells is 1" in p for p in notebooks.problems(path)
    )


PICTURE = {
    "output_type": "display_data",
    "metadata": {},
    "data": {"image/png": "iVBOR", "text/plain": "<Figure>"},
}
OBJECT = {"output_type": "stream", "name": "stdout", "text": "<Line2D at 0x7f1122334455>"}
WARNING = {"output_type": "stream", "name": "stderr", "text": "careful"}
HOME = {"output_type": "stream", "name": "stdout", "text": "/home/ada/ppo"}


@pytest.mark.parametrize(
    ("output", "words"),
    [(PICTURE, "image/png"), (OBJECT, "address"), (WARNING, "stderr"), (HOME, "a home path (/home/ada)")],
)
def test_an_output_that_cannot_be_compared_is_named(notebook, output: dict, words: str) -> None:
    path = stored(notebook(("code", "f()", "nbval-check-output")), 0, 1, output)
    assert any(words in p and "'cell-a'" in p for p in notebooks.problems(path))


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([("code", "x = 1", "exercice")], "tag 'exercice' is not a tag of this book"),
        ([("md", "text", "exercice")], "tag 'exercice' is not a tag of this book"),
        (
            [("code", EXERCISE, "exercise hide-input"), ("code", "x = 1")],
            "next code cell is not tagged 'check'",
        ),
        ([("code", EXERCISE, "exercise hide-input")], "next code cell is not tagged 'check'"),
        ([("code", EXERCISE, "exercise"), ("code", "check(1)", "check")], "without the tag 'hide-input'"),
        ([("code", "y = 2", "exercise hide-input"), ("code", "check(1)", "check")], "BEGIN SOLUTION"),
        (
            [("code", EXERCISE + "\nimport math", "exercise hide-input"), ("code", "check(1)", "check")],
            "an import",
        ),
        ([("code", "x = 1"), ("code", "check(1)", "check")], "the code cell before it is no exercise"),
        ([("code", EXERCISE, "exercise hide-input"), ("code", "y", "check")], "does not call check"),
        ([("code", "from IPython.display import clear_output")], "uses clear_output"),
        ([("code", "import IPython\nIPython.display.clear_output()")], "uses clear_output"),
        ([("code", "%%time\nclear_output()")], "uses clear_output"),
        ([("code", "from tqdm import tqdm")], "uses tqdm"),
        ([("code", "import tqdm.auto as bar")], "uses tqdm"),
        ([("code", "open('/Users/ada/data.csv')")], "a home path (/Users/ada)"),
        ([("md", r"see C:\Users\ada")], "a home path"),
        ([("code", "key = 'ghp_" + "a1" * 18 + "'")], "a token"),
        ([("md", "[open](http://localhost:8888/?token=" + "0a" * 24 + ")")], "a token"),
        ([("code", "host = '192.168.1.17'")], "a private address (192.168.1.17)"),
        ([("code", "x = (1")], "is not Python"),
        ([("code", "x = 1", "core")], "tagged 'core' but defines nothing"),
        ([("code", "x = 1", "check check")], "a tag is given twice"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_a_planted_fault_is_named(notebook, cells: list[tuple], words: str) -> None:
    found = notebooks.problems(notebook(*cells, cleaned=False))
    assert any(words in problem for problem in found), found


def test_version_numbers_and_plain_words_are_no_giveaway() -> None:
    assert (
        list(
            notebooks.giveaways(
                "ruff 10.1.2, torch 2.13.0, the root of x, 10 / 3, skip-connection-of-a-network"
            )
        )
        == []
    )


def test_this_machine_and_user_are_giveaways(monkeypatch) -> None:
    monkeypatch.setattr(notebooks.socket, "gethostname", lambda: "gpu-box-17")
    monkeypatch.setattr(notebooks.getpass, "getuser", lambda: "lovelace")
    assert list(notebooks.giveaways("ran on gpu-box-17")) == ["the name of this machine (gpu-box-17)"]
    assert list(notebooks.giveaways("by lovelace")) == ["your user name (lovelace)"]


@pytest.mark.parametrize(
    "name", ["3fa1b2c4", "0", "17", "3fa1b2c4-1d2e-4f5a-8b9c-0d1e2f3a4b5c", "With Capitals"]
)
def test_an_id_that_says_nothing_is_named(notebook, name: str) -> None:
    path = edit(notebook(("md", "# The ratio"), ("code", "x = 1")), lambda nb: nb["cells"][1].update(id=name))
    assert notebooks.problems(path) == [
        f"cell {name!r} (2): the id is missing, random or used twice; `clean` would call it 'the-ratio-code'"
    ]


@pytest.mark.parametrize(
    "name", ["gae-recursion", "gae_recursion", "imports", "lambda-0", "decade-faced-dead"]
)
def test_an_id_that_says_something_is_kept(notebook, name: str) -> None:
    path = edit(notebook(("code", "x = 1")), lambda nb: nb["cells"][0].update(id=name))
    assert notebooks.problems(path) == []


def test_other_forms_of_the_same_notebook_are_refused(notebook) -> None:
    path = notebook(("code", "x = 1"))
    text = path.read_text(encoding="utf-8")
    for other in (text.rstrip(), text.replace("\n ", "\n  "), text.replace("x = 1", "x = 1  ")):
        path.write_text(other, encoding="utf-8")
        assert "not in the one form" in notebooks.problems(path)[0]
    path.write_text("{", encoding="utf-8")
    assert "is not a notebook" in notebooks.problems(path)[0]


def test_long_cells_are_reported_and_not_refused(notebook, capsys) -> None:
    path = notebook(("code", "\n".join(f"x{i} = {i}" for i in range(31))), ("code", "y = 1\n" * 30))
    assert notebooks.main(["check", str(path)]) == 0
    assert "cell 'cell-a' has 31 lines" in capsys.readouterr().out
    assert notebooks.long_cells(path) == ["cell 'cell-a' has 31 lines"]


def test_check_exits_1_and_names_notebook_and_cell(notebook, capsys) -> None:
    path = notebook(("code", "x = 1", "exercice"), cleaned=False)
    assert notebooks.main(["check", str(path)]) == 1
    assert f"{path}: cell 'cell-a' (1): tag 'exercice'" in capsys.readouterr().out


# --- clean


def test_clean_takes_out_what_depends_on_the_run(tmp_path: Path) -> None:
    nb = make_notebook(
        ("md", "# The ratio\n\n"), ("code", "x = 1\n\n"), ("code", "print(x)", "core nbval-check-output core")
    )
    nb.metadata.update(widgets={"state": {}}, vscode={"id": 1}, mystnb={"execution_timeout": 90})
    nb.metadata.language_info.update(version="3.11.7")
    nb.cells[1].update(execution_count=12, outputs=[nbformat.from_dict(STREAM)], id="3fa1b2c4")
    nb.cells[1].metadata.update(
        collapsed=True, mystnb={"figure": {"name": "fig-a"}}, execution={"iopub.busy": "now"}
    )
    prints = [nbformat.from_dict(STREAM | {"text": text}) for text in ("1\n", "2\n")]
    result = {
        "output_type": "execute_result",
        "data": {"text/plain": "3"},
        "metadata": {"a": 1},
        "execution_count": 9,
    }
    nb.cells[2].update(execution_count=9, outputs=[*prints, nbformat.from_dict(result)])

    cleaned = notebooks.clean(nb)
    assert dict(cleaned.metadata) == notebooks.NOTEBOOK_METADATA | {"mystnb": {"execution_timeout": 90}}
    text, plain, tagged = cleaned.cells
    assert (text.source, plain.source) == ("# The ratio", "x = 1")
    assert (plain.id, plain.outputs, plain.execution_count) == ("the-ratio-code", [], None)
    assert plain.metadata == {"mystnb": {"figure": {"name": "fig-a"}}}
    assert tagged.metadata.tags == ["core", "nbval-check-output"]
    assert tagged.outputs[0] == STREAM | {"text": "1\n2\n"}
    assert tagged.outputs[1] == result | {"metadata": {}, "execution_count": 2}
    assert tagged.execution_count == 2
    nbformat.validate(cleaned)

    path = tmp_path / "a.ipynb"
    notebooks.write(cleaned, path)
    assert notebooks.text_of(notebooks.clean(notebooks.read(path))) == path.read_text(encoding="utf-8")
    assert path.read_bytes().endswith(b"}\n")


def test_clean_gives_every_cell_its_own_readable_id() -> None:
    nb = make_notebook(
        ("code", "x = 1"),
        ("md", "## A·B!"),
        ("md", "text"),
        ("code", "y"),
        ("code", "y"),
        ("code", "def gae_loop():\n    pass"),
    )
    for cell, name in zip(nb.cells, ["1", "2", "keep-me", "keep-me", "", "deadbeef"], strict=True):
        cell.id = name
    cleaned = notebooks.clean(nb)
    assert [cell.id for cell in cleaned.cells] == [
        "start-code",
        "a-b",
        "keep-me",
        "a-b-code",
        "a-b-code-2",
        "gae-loop",
    ]
    assert [cell.id for cell in notebooks.clean(cleaned).cells] == [cell.id for cell in cleaned.cells]


def test_clean_command_rewrites_and_then_has_nothing_to_do(notebook, capsys) -> None:
    path = stored(notebook(("code", "print(1)")), 0, 3, STREAM)
    assert notebooks.main(["clean", str(path)]) == 0
    assert notebooks.main(["clean", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: cleaned\n{path}: already clean\n"
    assert notebooks.problems(path) == []


# --- store: real kernels


def test_store_fills_the_tagged_cells_and_no_others(notebook) -> None:
    path = notebook(
        ("code", "import math\nprint('not kept')"),
        ("code", "print('a'); print('b')\nmath.floor(2.5)", "nbval-check-output"),
        ("code", "1 / 0", "raises-exception nbval-check-output"),
    )
    assert notebooks.store(path) == ["cell-b", "cell-c"]
    assert notebooks.problems(path) == []
    first, second, third = notebooks.read(path).cells
    assert (first.outputs, first.execution_count) == ([], None)
    assert [o.get("text") or o.data for o in second.outputs] == [["a\n", "b\n"], {"text/plain": ["2"]}]
    assert second.execution_count == second.outputs[1].execution_count == 2
    assert third.outputs[0].traceback == ["ZeroDivisionError: division by zero"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import os\nos.urandom(4).hex()", "printed two different things"),
        ("from IPython.display import HTML\nHTML('<b>x</b>')", "shows text/html"),
        ("x = 1", "shows nothing"),
        ("import sys\nprint('careful', file=sys.stderr)", "writes to stderr"),
    ],
)
def test_store_refuses_and_names_the_cell(notebook, capsys, source: str, words: str) -> None:
    path = notebook(("md", "# T"), ("code", source, "nbval-check-output"))
    before = path.read_bytes()
    assert notebooks.main(["store", str(path)]) == 1
    said = capsys.readouterr().err
    assert words in said and "'cell-b'" in said and str(path) in said
    assert path.read_bytes() == before
