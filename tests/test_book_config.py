"""The built book: launch buttons, the 404 page, numbers by chapter, nothing missing from the table of contents."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "book" / "_build" / "html"
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from execute_notebooks import chapters  # noqa: E402

import make  # noqa: E402

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
REPOSITORY = PYPROJECT["project"]["urls"]["Repository"]
BRANCH = PYPROJECT["tool"]["ppo-book"]["branch"]
NAMES = [path.stem for path in chapters()]

pytestmark = pytest.mark.book


def page(name: str) -> BeautifulSoup:
    path = HTML / name
    if not path.exists():
        pytest.fail(f"{name} is not in the built book: run make book first", pytrace=False)
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def launch_faults(soup: BeautifulSoup, chapter: str, branch: str) -> list[str]:
    """What is wrong with the launch buttons of a chapter's page."""
    owner_name = urlsplit(REPOSITORY).path.strip("/")
    file = f"notebooks/{chapter}.ipynb"
    links = {a.get_text(strip=True): a["href"] for a in soup.select(".dropdown-launch-buttons a")}
    faults = []
    for service in ("Binder", "Colab", "JupyterHub"):
        label = next((text for text in links if service in text), None)
        if label is None:
            faults.append(f"no {service} button")
            continue
        url = urlsplit(links[label])
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        if not label.endswith(f"· {branch}"):
            faults.append(f"the {service} button does not say {branch}")
        if service == "Binder":
            good = url.path == f"/v2/gh/{owner_name}/{branch}" and query.get("urlpath") == f"lab/tree/{file}"
        elif service == "Colab":
            good = url.path == f"/github/{owner_name}/blob/{branch}/{file}"
        else:
            good = (query.get("repo"), query.get("branch")) == (REPOSITORY, branch)
            good = good and query.get("urlpath", "").endswith(file)
        if not good:
            faults.append(f"the {service} button opens {links[label]}")
    return faults


@pytest.mark.parametrize("chapter", NAMES)
def test_the_launch_buttons_open_this_notebook_on_this_branch(chapter):
    assert (ROOT / "notebooks" / f"{chapter}.ipynb").exists()
    assert launch_faults(page(f"notebooks/{chapter}.html"), chapter, BRANCH) == []


def test_another_branch_or_notebook_is_found():
    soup = page(f"notebooks/{NAMES[0]}.html")
    assert len(launch_faults(soup, NAMES[0], "develop")) == 6
    assert len(launch_faults(soup, NAMES[-1], BRANCH)) == 3


def test_every_page_of_the_table_of_contents_exists():
    names = make.toc_pages()
    assert names[0] == "index" and len(names) > len(NAMES) > 0
    assert [name for name in names if not (HTML / f"{name}.html").exists()] == []


def test_no_other_page_is_in_the_folders_of_the_book():
    built = {
        p.relative_to(HTML).with_suffix("").as_posix()
        for d in ("notebooks", "book")
        for p in (HTML / d).glob("*.html")
    }
    assert built <= set(make.toc_pages())


def test_the_404_page_finds_its_way_from_any_depth():
    soup = page("404.html")
    for tag, attribute in (("a", "href"), ("link", "href"), ("script", "src"), ("img", "src")):
        for element in soup.find_all(tag):
            target = element.get(attribute)
            assert target is None or target.startswith(("https://", "data:")), (
                f"{tag} {target} depends on the address"
            )
    pages = [a["data-page"] for a in soup.select("a[data-page]")]
    assert "index.html" in pages
    assert [name for name in pages if not (HTML / name).exists()] == []


@pytest.mark.parametrize("chapter", NAMES)
def test_equations_carry_the_chapters_number(chapter):
    numbers = re.findall(r'class="eqno">\((\d+)\.\d+\)', str(page(f"notebooks/{chapter}.html")))
    assert set(numbers) <= {str(int(chapter.split("_")[0]))}


def test_some_equation_is_numbered():
    text = "".join((HTML / "notebooks" / f"{name}.html").read_text(encoding="utf-8") for name in NAMES)
    assert re.search(r'class="eqno">\(\d+\.\d+\)', text)


def test_a_solution_is_offered_as_a_solution():
    pages = [page(f"notebooks/{name}.html") for name in NAMES]
    cells = [cell for soup in pages for cell in soup.select("div.cell.tag_exercise")]
    assert cells, "no chapter has an exercise"
    for cell in cells:
        assert "Show the solution" in cell.get_text()


def test_mathjax_is_one_local_file():
    local = HTML / "_static" / "vendor" / "tex-svg.js"
    assert local.stat().st_size > 1_000_000
    scripts = [s["src"] for s in page(f"notebooks/{NAMES[0]}.html").find_all("script", src=True)]
    assert any(src.endswith("vendor/tex-svg.js") for src in scripts) or any(
        "tex-svg" in src for src in scripts
    )
    assert [src for src in scripts if "//" in src] == []


@pytest.mark.parametrize("chapter", NAMES)
def test_the_side_bar_shows_the_chapters_number(chapter):
    entry = page("index.html").select_one(f'.bd-links a[href$="notebooks/{chapter}.html"]')
    assert entry.get_text(strip=True).startswith(f"{chapter.split('_')[0]} · ")
