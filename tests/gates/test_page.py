"""Gate 8: every page of the built book, in a real browser with the network cut off.

At 1280 and 390 px, light and dark, from a local server and from file://. `--shots DIR` keeps pictures of what was seen.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import page
import pytest
from gatekit import HTML, ROOT

sys.path.insert(0, str(ROOT / "tools"))
import content_security

pytestmark = pytest.mark.browser
# what tests/gates/test_page_sources.py does not see; two files, so that two processes share the work
PAGES = [name for name in page.html_pages(HTML) if not name.startswith("_modules/")]


@pytest.mark.book
@pytest.mark.parametrize("name", PAGES or ["no page"])
def test_page_in_a_browser(name: str, browser: page.Browser, request: pytest.FixtureRequest) -> None:
    problems = browser.problems(name, pictures=request.config.getoption("--shots"))
    if problems:
        pytest.fail(f"{name}:\n  " + "\n  ".join(problems), pytrace=False)


# --- planted faults: one page each, and a page without any

GOOD_IMAGE = (
    '<img alt="A grey square" src="data:image/svg+xml,'
    "%3Csvg xmlns='http://www.w3.org/2000/svg' width='9' height='9'%3E%3C/svg%3E\">"
)
SLIDER = """<div class="explorable"><label>λ <input type="range" min="0" max="10" value="3"></label><output>3</output></div>
<script>document.querySelector("input").oninput = (e) => { document.querySelector("output").value = e.target.value; };</script>"""
DEAD = SLIDER.replace('document.querySelector("output").value = e.target.value;', "")
SILLY = SLIDER.replace("= e.target.value", "= Math.log(e.target.value - 9) * 0 + Number(e.target.value)")
STUCK = SLIDER.replace("<input ", '<input tabindex="-1" ')
MATHS = '<p><span class="math">\\({}\\)</span></p><script defer src="tex-svg.js"></script>'
DARK = "<style>@media (prefers-color-scheme: dark) {{ body {{ background: #111; color: {}; }} }}</style><p>Some words to read.</p>"

FAULTS = {
    "a script from another host": ('<script src="https://cdn.example.org/x.js"></script>', "asks for https://cdn.example.org/x.js"),
    "a font from another host": ("<style>@import 'https://fonts.example.org/a.css';</style>", "asks for https://fonts.example.org/a.css"),
    "a fetch to another port": ("<script>fetch('http://127.0.0.1:9/x').catch(() => 0)</script>", "asks for http://127.0.0.1:9/x"),
    "a web socket": ("<script>new WebSocket('ws://127.0.0.1:9/x').onerror = () => 0</script>", "opens a socket to ws://127.0.0.1:9/x"),
    "a request when scrolled": (
        '<div style="height: 9000px"></div><img loading="lazy" alt="A far square" src="https://example.org/a.png">',
        "asks for https://example.org/a.png",
    ),
    "a path from the root": ('<link rel="stylesheet" href="/style.css">', "asks for file:///style.css"),
    "a console error": ("<script>console.error('lost')</script>", "console error: lost"),
    "a script error": ("<script>nothing.at.all()</script>", "script error: ReferenceError"),
    "a rejected promise": ("<script>Promise.reject(new Error('late'))</script>", "script error: Error: late"),
    "a missing file": ('<script src="gone.js"></script>', "could not load gone.js (404)"),
    "a broken image": ('<img alt="A curve that rises" src="page.js">', "a broken image: page.js"),
    "a page too wide for a phone": ('<div id="wide" style="width: 500px">x</div>', "is 118 px wider than the screen because of div#wide"),
    "maths that is not typeset": ('<p><span class="math">\\(x^2\\)</span></p>', "1 of 1 formulas are not typeset"),
    "an unknown command in maths": (MATHS.format("\\nosuchthing"), "a command that MathJax does not know"),
    "a mistake in maths": (MATHS.format("\\left(x"), "a formula has an error"),
    "maths left in the text": ("<p>Here $$x^2$$ is meant.</p>", "raw maths in the text"),
    "an image without alt text": (GOOD_IMAGE.replace('alt="A grey square"', ""), "has no alt text"),
    "a figure's repr as alt text": (GOOD_IMAGE.replace("A grey square", "&lt;Figure size 640x480 with 1 Axes&gt;"), "the picture's repr"),
    "a file name as alt text": (GOOD_IMAGE.replace("A grey square", "_images/curve.png"), "a file name as alt text"),
    "a canvas without a name": ('<canvas width="9" height="9"></canvas>', "canvas '' has no alt text"),
    "a control without a label": ('<input type="range">', "axe label (critical)"),
    "pale text": ('<p style="color: #bbb; background: #fff">Some words to read.</p>', "axe color-contrast (serious)"),
    "a pale word in code": (
        '<div class="highlight"><pre><span class="k">import</span></pre></div>'
        '<div class="highlight"><pre><span class="k">import</span> <span class="n" style="color: #ccc">this</span></pre></div>',
        "axe color-contrast (serious)",
    ),
    "pale text in the dark only": (DARK.format("#333"), "axe color-contrast (serious)"),
    "a dead slider": (DEAD, 'explorable 1: "λ" (range) moves nothing'),
    "a slider that Tab does not reach": (STUCK, 'explorable 1: "λ" cannot be reached with the Tab key'),
    "a silly number at the end": (SILLY, 'explorable 1: "λ" at its lower end shows NaN'),
    "an explorable that did not start": ('<div class="explorable"><p>In words.</p></div>', "explorable 1 did not start"),
    "a widget that needs a kernel": ('<script type="application/vnd.jupyter.widget-view+json">{}</script>', "1 widget(s) that need a kernel"),
}  # fmt: skip
GOOD = {
    "an image with words": GOOD_IMAGE,
    "a logo beside its name": f'<a href="#x" id="x">{GOOD_IMAGE.replace("A grey square", "")} The book</a>',
    "a slider that answers": SLIDER,
    "maths": MATHS.format("x^2"),
    "a wide table in its own box": '<div style="overflow-x: auto" tabindex="0"><div style="width: 900px">x</div></div>',
    "a link elsewhere": '<p><a href="https://example.org/">elsewhere</a></p>',
    "dark with light text": DARK.format("#ddd"),
}
FRAME = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,"></head>'
    "<body><main><article><h1>A page</h1>{}</article></main></body></html>"
)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[page.Browser]:
    folder = tmp_path_factory.mktemp("pages")
    for group in (FAULTS, GOOD):
        for case in group:
            body = FAULTS[case][0] if group is FAULTS else GOOD[case]
            (folder / f"{case.replace(' ', '_')}.html").write_text(FRAME.format(body), encoding="utf-8")
    (folder / "page.js").write_text("0", encoding="utf-8")
    mathjax = (
        Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent
        / "static"
        / "mathjax"
        / "tex-svg.js"
    )
    shutil.copyfile(mathjax, folder / "tex-svg.js")
    opened = page.open_browser(folder)
    yield opened
    opened.close()


@pytest.mark.parametrize("case", FAULTS)
def test_a_planted_fault_is_seen(case: str, planted: page.Browser) -> None:
    load = "file 1280" if case == "a path from the root" else "server 390"
    problems = planted.problems(f"{case.replace(' ', '_')}.html", loads=[load], patience=1000)
    assert any(FAULTS[case][1] in problem for problem in problems), problems


@pytest.mark.parametrize("case", GOOD)
def test_a_good_page_passes(case: str, planted: page.Browser) -> None:
    assert planted.problems(f"{case.replace(' ', '_')}.html", loads=["server 390", "file 1280"]) == []


SMUGGLED = {
    "a script that nobody wrote into the book": "<script>document.title = 'taken over'</script>",
    "a handler that nobody wrote into the book": '<img alt="A grey square" src="page.js" onerror="document.title = 0">',
    "a page inside the page": '<iframe title="another page" src="data:text/html,x"></iframe>',
}


@pytest.mark.parametrize("what", SMUGGLED)
def test_the_policy_of_a_page_refuses_what_came_later(what: str, planted: page.Browser) -> None:
    """The page as built is sound; what is put into it afterwards does not run."""
    built = content_security.protected(FRAME.format(SLIDER + GOOD_IMAGE))
    (planted.folder / "built.html").write_text(built, encoding="utf-8")
    changed = built.replace("<h1>", SMUGGLED[what] + "<h1>")
    (planted.folder / "changed.html").write_text(changed, encoding="utf-8")
    assert planted.problems("built.html", loads=["server 390", "file 1280"]) == []
    for load in ("server 390", "file 1280"):
        problems = planted.problems("changed.html", loads=[load], patience=1000)
        assert any("Content Security Policy" in problem for problem in problems), problems


def test_what_was_seen_can_be_looked_at(planted: page.Browser, tmp_path: Path) -> None:
    planted.problems("a_slider_that_answers.html", pictures=str(tmp_path))
    expected = {
        f"a_slider_that_answers.{width}.{theme}.png" for width in (1280, 390) for theme in ("light", "dark")
    }
    assert {path.name for path in tmp_path.iterdir()} == expected
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in tmp_path.iterdir())


def test_a_missing_browser_is_a_skip_here_and_a_failure_in_ci(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "no-chromium"))
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="is not a program"):
        page.open_browser(tmp_path)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="is not a program"):
        page.open_browser(tmp_path)
