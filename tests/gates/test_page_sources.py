"""Gate 8 for the listings of the source. They all have one form: half the loads see both widths and both places."""

from __future__ import annotations

import page
import pytest
from gatekit import HTML

pytestmark = pytest.mark.browser
SOURCES = [name for name in page.html_pages(HTML) if name.startswith("_modules/")]


@pytest.mark.book
@pytest.mark.parametrize("name", SOURCES or ["no page"])
def test_listing_in_a_browser(name: str, browser: page.Browser, request: pytest.FixtureRequest) -> None:
    loads = ["server 390", "file 1280"]
    problems = browser.problems(name, pictures=request.config.getoption("--shots"), loads=loads)
    if problems:
        pytest.fail(f"{name}:\n  " + "\n  ".join(problems), pytrace=False)
