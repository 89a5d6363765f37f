"""What a built page must be, as far as its files show it; and the process that opens it in a browser."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from bs4 import BeautifulSoup, Tag
from gatekit import ROOT

BROWSER = ROOT / "tests" / "browser"
NOT_PAGES = {"_static", "_sources", "_images", "_downloads"}


# --- pages


def toc_pages(toc: Path) -> list[str]:
    """Every page of the table of contents, without suffix, in reading order."""

    def walk(entry: dict) -> Iterator[str]:
        if "file" in entry or "root" in entry:
            yield entry.get("file") or entry["root"]
        for key in ("parts", "chapters", "sections", "subtrees", "entries"):
            for inner in entry.get(key, []):
                yield from walk(inner)

    return [
        str(Path(name).with_suffix("").as_posix())
        for name in walk(yaml.safe_load(toc.read_text(encoding="utf-8")))
    ]


def html_pages(book: Path) -> list[str]:
    """Every page of a built book, as a path inside it; empty if there is none."""
    if not book.exists():
        return []
    pages = (path.relative_to(book) for path in book.rglob("*.html"))
    return sorted(page.as_posix() for page in pages if not NOT_PAGES & set(page.parts))


# --- what a page loads

LOADS = {
    "script": ["src"],
    "img": ["src", "srcset"],
    "iframe": ["src"],
    "embed": ["src"],
    "object": ["data"],
    "audio": ["src"],
}
LOADS |= {
    "video": ["src", "poster"],
    "source": ["src", "srcset"],
    "track": ["src"],
    "input": ["src"],
    "use": ["href"],
}
FETCHING = {
    "stylesheet",
    "preload",
    "modulepreload",
    "prefetch",
    "preconnect",
    "dns-prefetch",
    "icon",
    "manifest",
}
ELSEWHERE = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*:)?//|\s*(?:https?|wss?|ftp):", re.I)
CSS_LOAD = re.compile(r"@import\s+[\"']([^\"']+)|url\(\s*[\"']?([^\"')]+)", re.I)


def outside_loads(html: str) -> list[str]:
    """Everything that a page would load from another host, or from the root of this one."""
    found = []
    soup = BeautifulSoup(html, "html.parser")
    for element in soup.find_all([*LOADS, "link"]):
        names = LOADS.get(element.name, [])
        if element.name == "link" and FETCHING & {word.lower() for word in element.get("rel") or []}:
            names = ["href"]
        for name in names:
            address = str(element.get(name) or "")
            if ELSEWHERE.match(address):
                found.append(f"<{element.name} {name}={address!r}> is on another host")
            elif address.startswith("/"):
                found.append(f"<{element.name} {name}={address!r}> starts at the root: it fails from file://")
    styles = [style.get_text() for style in soup.find_all("style")] + [
        str(e["style"]) for e in soup.find_all(style=True)
    ]
    for style in styles:
        for pair in CSS_LOAD.findall(style):
            if ELSEWHERE.match("".join(pair)):
                found.append(f"a style loads {''.join(pair)!r} from another host")
    return found


def dead_links(book: Path, page: str, html: str) -> list[str]:
    """Links of a page to files or anchors of the book that are not there."""
    found = []
    soup = BeautifulSoup(html, "html.parser")
    for link in soup.find_all("a", href=True):
        parts = urlsplit(link["href"])
        if parts.scheme or parts.netloc:
            continue
        target = (book / page).parent / unquote(parts.path) if parts.path else book / page
        if target.is_dir():
            target = target / "index.html"
        if not target.exists():
            found.append(f"a link to {link['href']!r}, which is not there")
        elif parts.fragment and target.suffix == ".html":
            where = (
                html if target.resolve() == (book / page).resolve() else target.read_text(encoding="utf-8")
            )
            if (
                f'id="{unquote(parts.fragment)}"' not in where
                and f'name="{unquote(parts.fragment)}"' not in where
            ):
                found.append(f"a link to {link['href']!r}, where nothing has that name")
    return list(dict.fromkeys(found))


# --- pictures in words

EMPTY_WORDS = {
    "image",
    "figure",
    "picture",
    "plot",
    "graph",
    "chart",
    "img",
    "alt",
    "photo",
    "screenshot",
    "output",
    "diagram",
}
FILE_NAME = re.compile(r"\S+\.(?:png|jpe?g|gif|svg|webp|mp4|webm|bmp)\b", re.I)


def alt_problem(alt: str | None, kind: str = "img") -> str:
    """What is wrong with the text that stands for a picture; empty if nothing is."""
    text = " ".join((alt or "").split())
    if not text:
        return "has no alt text"
    if re.fullmatch(r"<?Figure size .*>?|<[\w.]+ (?:at|object|size) .*>", text):
        return f"has the picture's repr as alt text: {text!r}"
    if FILE_NAME.search(text) or ("/" in text and " " not in text):
        return f"has a file name as alt text: {text!r}"
    words = [
        word
        for word in re.findall(r"\w+", text.lower())
        if word not in EMPTY_WORDS | {"a", "an", "the", "of", "this"}
    ]
    if not words or all(word.isdigit() for word in words):
        return f"has alt text that says nothing: {text!r}"
    return ""


def image_problems(html: str) -> list[str]:
    """Images of a page without a text that says what is to be seen.

    Apart from hidden ones, from an explicitly empty alt inside a link whose own words say it (a logo), and from the
    minus and plus signs of Sphinx's module index.
    """
    found = []
    for image in BeautifulSoup(html, "html.parser").find_all("img"):
        hidden = any(isinstance(p, Tag) and p.get("aria-hidden") == "true" for p in (image, *image.parents))
        link = image.find_parent(["a", "button"])
        beside = image.get("alt") == "" and link is not None and link.get_text(strip=True)
        if hidden or beside or image.get("role") == "presentation" or "toggler" in (image.get("class") or []):
            continue
        if problem := alt_problem(image.get("alt")):
            found.append(f"{image.get('src', '')[:80]!r} {problem}")
    return found


# --- the browser


class NoBrowser(Exception):
    """Chromium or Node is not here; the message says how to get it."""


def find_chromium() -> str:
    if chosen := os.environ.get("CHROMIUM"):
        if not shutil.which(chosen):
            raise NoBrowser(f"CHROMIUM={chosen} is not a program")
        return chosen
    names = [
        "/usr/bin/chromium",
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
        "chrome",
    ]
    names.append("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
    names += [
        rf"{os.environ[v]}\Google\Chrome\Application\chrome.exe"
        for v in ("PROGRAMFILES", "LOCALAPPDATA")
        if v in os.environ
    ]
    for name in names:
        if found := shutil.which(name):
            return found
    raise NoBrowser(
        "no Chromium: install it (Debian: apt install chromium), or name one in the variable CHROMIUM"
    )


def install_packages() -> None:
    """`npm ci` in tests/browser, if nobody has done it; one process at a time."""
    wanted = (BROWSER / "package-lock.json").read_text(encoding="utf-8")
    present = all(
        (BROWSER / "node_modules" / name / "package.json").exists()
        for name in ("playwright-core", "axe-core")
    )
    if present:
        return
    npm = shutil.which("npm")
    if npm is None:
        raise NoBrowser("no npm: install Node 20 or newer, with npm")
    lock = BROWSER / ".installing"
    try:
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        for _ in range(240):
            time.sleep(0.5)
            if not lock.exists():
                return
        raise NoBrowser(
            f"another process has been installing for two minutes; remove {lock} if it is gone"
        ) from None
    try:
        assert wanted, "package-lock.json is empty"
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=BROWSER, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NoBrowser(f"npm ci in tests/browser failed: {done.stderr.strip()[-400:]}")
    finally:
        lock.unlink(missing_ok=True)


class Browser:
    """One Chromium for many pages of one folder. `check(page)` gives what tests/browser/pages.mjs found."""

    def __init__(self, folder: Path):
        self.folder = folder
        node = shutil.which("node")
        if node is None:
            raise NoBrowser("no Node.js: the browser tests need Node 20 or newer")
        chromium = find_chromium()
        install_packages()
        self.process = subprocess.Popen(
            [node, str(BROWSER / "pages.mjs"), str(folder), "--stdin"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, "CHROMIUM": chromium},
        )

    def check(self, page: str, **options: object) -> dict:
        self.process.stdin.write(json.dumps({"page": page, **options}) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the browser process ended with exit code {self.process.wait()}")
        return json.loads(answer)

    def problems(self, page: str, **options: object) -> list[str]:
        """What is wrong with the page, the words for its pictures included."""
        result = self.check(page, **options)
        words = [
            f"{image['kind']} {image['src'][:60]!r} {problem}"
            for image in result["images"]
            if (problem := alt_problem(image["alt"], image["kind"]))
        ]
        return [*result["findings"], *words]

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def open_browser(folder: Path) -> Browser:
    """A browser, or a skip that says what is missing; in CI a failure."""
    try:
        return Browser(folder)
    except NoBrowser as reason:
        if os.environ.get("CI"):
            pytest.fail(str(reason), pytrace=False)
        pytest.skip(str(reason))
