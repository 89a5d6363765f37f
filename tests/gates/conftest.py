"""What the gates share: small notebooks to plant faults in, and the built book."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
for folder in (HERE.parents[1] / "tools", HERE):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


@pytest.fixture
def notebook(tmp_path: Path) -> Callable[..., Path]:
    """notebook(("code", "x = 1"), ("code", "x", "core")) writes a cleaned notebook and gives its path."""
    from gatekit import make_notebook

    import notebooks

    def write(*cells: tuple, name: str = "fixture.ipynb", cleaned: bool = True) -> Path:
        nb = make_notebook(*cells)
        path = tmp_path / name
        notebooks.write(notebooks.clean(nb) if cleaned else nb, path)
        return path

    return write


@pytest.fixture(scope="session")
def built_book() -> Path:
    """The folder of the built book."""
    from gatekit import HTML

    if not (HTML / "index.html").exists():
        pytest.fail("there is no built book: run make book first", pytrace=False)
    return HTML


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--shots", metavar="DIR", default=None, help="keep pictures of the pages of the built book in DIR"
    )


@pytest.fixture(scope="session")
def browser(built_book: Path) -> Iterator[Any]:
    """One Chromium for all pages of the built book that a process looks at."""
    import page

    opened = page.open_browser(built_book)
    yield opened
    opened.close()
