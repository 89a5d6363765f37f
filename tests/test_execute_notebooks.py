"""tools/execute_notebooks.py: what is executed again, what is not, and what a failing cell looks like."""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import execute_notebooks  # noqa: E402
from execute_notebooks import cache_path, chapters, execute_all  # noqa: E402


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A small repository: a package, a lock, a table of contents and two chapters."""
    for folder in ("book", "notebooks", "ppo_core/viz", "benchmarks"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "ppo_core" / "gae.py").write_text("V = 1\n")
    (tmp_path / "ppo_core" / "viz" / "clip.mjs").write_text("export default {}\n")
    (tmp_path / "benchmarks" / "speed.csv").write_text("a,b\n1,2\n")
    (tmp_path / "requirements.lock").write_text("torch==2.13.0\n")
    (tmp_path / "README.md").write_text("hello\n")
    toc = "format: jb-book\nroot: index\nparts:\n- chapters:\n  - file: notebooks/01_a\n  - file: notebooks/02_b\n  - file: book/api\n"
    (tmp_path / "book" / "_toc.yml").write_text(toc)
    write(tmp_path / "notebooks" / "01_a.ipynb", "x = 1", "print(x + 1)")
    write(tmp_path / "notebooks" / "02_b.ipynb", "print('b')")
    return tmp_path


def write(path: Path, *sources: str) -> None:
    cells = [nbformat.v4.new_code_cell(source, id=f"cell-{n}") for n, source in enumerate(sources)]
    metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)


def test_the_chapters_are_those_of_the_table_of_contents(book):
    assert [path.name for path in chapters(book)] == ["01_a.ipynb", "02_b.ipynb"]


@pytest.mark.parametrize(
    "file", ["ppo_core/gae.py", "ppo_core/viz/clip.mjs", "benchmarks/speed.csv", "requirements.lock"]
)
def test_the_cache_belongs_to_what_the_outputs_depend_on(book, file):
    before = cache_path(book)
    (book / file).write_text("changed\n")
    assert cache_path(book) != before


def test_a_new_module_and_a_renamed_one_change_the_cache(book):
    before = cache_path(book)
    (book / "ppo_core" / "new.py").write_text("")
    with_new = cache_path(book)
    (book / "ppo_core" / "new.py").rename(book / "ppo_core" / "other.py")
    assert len({before, with_new, cache_path(book)}) == 3


def test_the_cache_ignores_the_rest(book):
    before = cache_path(book)
    (book / "README.md").write_text("another text\n")
    (book / "book" / "style.css").write_text("body {}\n")
    (book / "ppo_core" / "gae.py").write_bytes(b"V = 1\r\n")  # a Windows checkout
    assert cache_path(book) == before


def test_sphinx_reads_the_same_cache():
    conf = (ROOT / "book" / "conf.py").read_text(encoding="utf-8")
    assert "nb_execution_cache_path = str(cache_path())" in conf
    assert 'nb_execution_mode = "cache"' in conf


@pytest.mark.slow
def test_only_what_changed_is_executed_and_the_outputs_are_cached(book, capsys):
    from jupyter_cache import get_cache

    assert execute_all(chapters(book), root=book) == 0
    first = capsys.readouterr().out
    assert first.count("started") == 2

    assert execute_all(chapters(book), root=book) == 0
    assert "2 of 2 chapters are unchanged" in capsys.readouterr().out

    write(book / "notebooks" / "02_b.ipynb", "print('changed')")
    assert execute_all(chapters(book), root=book) == 0
    third = capsys.readouterr().out
    assert "02_b.ipynb" in third and "01_a.ipynb" not in third

    cache = get_cache(cache_path(book))
    _, executed = cache.merge_match_into_notebook(execute_notebooks.read(book / "notebooks" / "02_b.ipynb"))
    assert executed.cells[0].outputs[0].text == "changed\n"


@pytest.mark.slow
def test_a_failing_cell_is_named_and_is_not_cached(book, capsys):
    write(
        book / "notebooks" / "01_a.ipynb",
        "ok = True",
        "def step():\n    return multiprocessing.Process()",
        "step()",
    )
    (book / "notebooks" / "02_b.ipynb").unlink()
    assert execute_all(chapters(book), root=book) == 2
    said = capsys.readouterr().out
    assert "01_a.ipynb, cell 3 (id cell-2) failed" in said
    assert "NameError: name 'multiprocessing' is not defined" in said
    assert "02_b.ipynb" in said and "does not exist" in said
    with pytest.raises(KeyError):
        from jupyter_cache import get_cache

        get_cache(cache_path(book)).match_cache_notebook(
            execute_notebooks.read(book / "notebooks" / "01_a.ipynb")
        )


@pytest.mark.slow
def test_a_kernel_that_dies_is_named(book, capsys):
    write(book / "notebooks" / "01_a.ipynb", "import os", "os._exit(1)")
    assert execute_all(chapters(book)[:1], root=book) == 1
    said = capsys.readouterr().out
    assert "01_a.ipynb, cell 2 (id cell-1) failed" in said and "Kernel died" in said


def test_old_caches_are_removed_but_one(tmp_path):
    for n in range(4):
        (tmp_path / f"{execute_notebooks.CACHE_PREFIX}{n}").mkdir()
    execute_notebooks.prune(tmp_path / f"{execute_notebooks.CACHE_PREFIX}0")
    left = {path.name for path in tmp_path.iterdir()}
    assert len(left) == 2 and f"{execute_notebooks.CACHE_PREFIX}0" in left
