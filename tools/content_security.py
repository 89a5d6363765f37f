"""A content security policy in every page of the book: what the page may load and run, held by the browser.

Only files of the book are loaded, nobody is asked for anything, and of scripts inside a page only those run that were
there when the book was built: the policy names the SHA-256 of each. Styles may stand in the page, because MathJax and
the theme write them.
"""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

RULES = {
    "default-src": "'none'",
    "base-uri": "'none'",
    "connect-src": "'self'",  # the search page reads the pages that it found
    "font-src": "'self'",
    "form-action": "'self'",
    "img-src": "'self' data:",
    "media-src": "'self' data:",
    "style-src": "'self' 'unsafe-inline'",
}
_NOT_PAGES = {"_static", "_sources", "_images", "_downloads"}
_DATA = {"application/json", "application/ld+json", "application/vnd.jupyter.widget-state+json"}
_META = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>\n?')
_FIRST = re.compile(r"<head\b[^>]*>\n?")


class _Scripts(HTMLParser):
    """The scripts and the event handlers that stand in a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.scripts: list[str] = []
        self.handlers: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        self.handlers += [value for name, value in attrs if name.startswith("on") and value]
        self._inside = tag == "script" and "src" not in names and names.get("type") not in _DATA
        if self._inside:
            self.scripts.append("")

    handle_startendtag = handle_starttag

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts[-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "script"


def digest(text: str) -> str:
    """`'sha256-…'` of a script, as a browser computes it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def policy(page: str) -> str:
    """The policy of a page (its whole HTML as text)."""
    found = _Scripts()
    found.feed(page.replace("\r\n", "\n"))
    scripts = ["'self'", *sorted({digest(text) for text in found.scripts if text})]
    if found.handlers:
        scripts += ["'unsafe-hashes'", *sorted({digest(text) for text in found.handlers})]
    rules = {**RULES, "script-src": " ".join(scripts)}
    return "; ".join(f"{name} {value}" for name, value in sorted(rules.items()))


def protected(page: str) -> str:
    """The page with its policy as the first thing in its head; a policy from an earlier build is replaced."""
    page = _META.sub("", page)
    head = _FIRST.search(page)
    if head is None:
        raise ValueError("the page has no <head>")
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy(page)}">\n'
    return page[: head.end()] + meta + page[head.end() :]


def protect(folder: Path) -> int:
    """Put the policy into every page below `folder`. Returns how many pages there are."""
    pages = [path for path in sorted(folder.rglob("*.html")) if not _NOT_PAGES & set(path.parts)]
    for path in pages:
        before = path.read_text(encoding="utf-8")
        after = protected(before)
        if after != before:
            path.write_text(after, encoding="utf-8", newline="\n")
    return len(pages)
