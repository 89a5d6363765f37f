"""Gate 8, the part that needs no browser: pages, what they load, where they link, and what stands for their pictures."""

from __future__ import annotations

import sys
from pathlib import Path

import page
import pytest
from gatekit import CHAPTERS, HTML, ROOT

sys.path.insert(0, str(ROOT / "tools"))
import content_security

PAGES = page.html_pages(HTML)


def test_every_notebook_is_in_the_table_of_contents() -> None:
    listed = page.toc_pages(ROOT / "book" / "_toc.yml")
    assert [path.name for path in CHAPTERS if f"notebooks/{path.stem}" not in listed] == []


@pytest.mark.book
def test_every_page_of_the_table_of_contents_is_built(built_book: Path) -> None:
    listed = page.toc_pages(ROOT / "book" / "_toc.yml")
    assert len(listed) > 1
    assert [name for name in listed if not (built_book / f"{name}.html").exists()] == []


@pytest.mark.book
@pytest.mark.parametrize("name", PAGES or ["no page"])
def test_page_loads_nothing_from_elsewhere(name: str, built_book: Path) -> None:
    assert page.outside_loads((built_book / name).read_text(encoding="utf-8")) == []


@pytest.mark.book
@pytest.mark.parametrize("name", PAGES or ["no page"])
def test_page_links_lead_somewhere(name: str, built_book: Path) -> None:
    assert page.dead_links(built_book, name, (built_book / name).read_text(encoding="utf-8")) == []


@pytest.mark.book
@pytest.mark.parametrize("name", PAGES or ["no page"])
def test_page_says_in_words_what_its_pictures_show(name: str, built_book: Path) -> None:
    assert page.image_problems((built_book / name).read_text(encoding="utf-8")) == []


@pytest.mark.book
@pytest.mark.parametrize("name", PAGES or ["no page"])
def test_page_has_the_policy_of_its_content(name: str, built_book: Path) -> None:
    html = (built_book / name).read_text(encoding="utf-8")
    assert content_security.protected(html) == html


# --- planted faults


@pytest.mark.parametrize(
    "element",
    [
        '<script src="https://cdn.example.org/x.js"></script>',
        '<script src="//cdn.example.org/x.js"></script>',
        '<link rel="stylesheet" href="https://fonts.example.org/a.css">',
        '<link rel="preconnect" href="https://fonts.example.org">',
        '<img src="http://example.org/a.png" alt="a curve">',
        '<img srcset="https://example.org/a.png 2x" src="a.png" alt="a curve">',
        '<iframe src="https://example.org/"></iframe>',
        "<style>@import 'https://fonts.example.org/a.css';</style>",
        "<style>a { background: url(https://example.org/a.png) }</style>",
        '<p style="background: url(//example.org/a.png)">x</p>',
        '<script src="/_static/x.js"></script>',
    ],
)
def test_a_load_from_elsewhere_is_caught(element: str) -> None:
    assert len(page.outside_loads(f"<html><body>{element}</body></html>")) == 1


def test_what_is_not_loaded_is_allowed() -> None:
    html = (
        '<link rel="canonical" href="https://example.org/"><a href="https://example.org/">x</a>'
        '<script src="_static/x.js"></script><img src="data:image/png;base64,AAAA" alt="a curve">'
        '<link rel="icon" href="_static/favicon.ico"><script>const a = "https://example.org";</script>'
    )
    assert page.outside_loads(html) == []


@pytest.mark.parametrize(
    "alt",
    [
        *(None, "", "  ", "image", "A figure.", "plot 3"),
        *(
            "<Figure size 640x480 with 1 Axes>",
            "Figure size 640x480 with 1 Axes",
            "<matplotlib.axes.Axes at 0x7f11>",
        ),
        *("../_images/abc.png", "return.svg", "notebooks/output_1"),
    ],
)
def test_alt_text_that_says_nothing_is_caught(alt: str | None) -> None:
    assert page.alt_problem(alt)


@pytest.mark.parametrize(
    "alt",
    ["The return rises from 20 to 500 within 60 000 steps.", "PPO, line by line - Home", "Learning curve", "优势随 λ 变化", "r/min against time"],
)  # fmt: skip
def test_alt_text_in_words_passes(alt: str) -> None:
    assert page.alt_problem(alt) == ""


def test_a_picture_without_words_is_caught_on_the_page() -> None:
    html = (
        '<img src="a.png"><img src="b.png" alt="The return rises."><img src="c.png" alt="" aria-hidden="true">'
        '<a href="#"><img src="logo.svg" alt=""> The book</a><a href="#"><img src="d.png" alt=""></a>'
    )
    assert page.image_problems(html) == ["'a.png' has no alt text", "'d.png' has no alt text"]


def test_dead_links_are_caught(tmp_path: Path) -> None:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "index.html").write_text('<h1 id="top">T</h1>', encoding="utf-8")
    links = [
        "../index.html#top",
        "../index.html#end",
        "../gone.html",
        "#here",
        "#there",
        "https://example.org/x",
        "mailto:a@b.org",
    ]
    html = '<p id="here">x</p>' + "".join(f'<a href="{link}">x</a>' for link in links)
    (tmp_path / "notebooks" / "a.html").write_text(html, encoding="utf-8")
    assert page.dead_links(tmp_path, "notebooks/a.html", html) == [
        "a link to '../index.html#end', where nothing has that name",
        "a link to '../gone.html', which is not there",
        "a link to '#there', where nothing has that name",
    ]


def test_a_toc_is_read_in_every_form(tmp_path: Path) -> None:
    toc = tmp_path / "_toc.yml"
    toc.write_text(
        "format: jb-book\nroot: index\nparts:\n  - caption: A\n    chapters:\n      - file: notebooks/00_a.ipynb\n"
        "        sections:\n          - file: book/b\n      - url: https://example.org\n",
        encoding="utf-8",
    )
    assert page.toc_pages(toc) == ["index", "notebooks/00_a", "book/b"]
