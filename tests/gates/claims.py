"""Gate 6: every number in the prose of a page stands in its code, is printed by one of its cells, or is registered.

A page is read as the reader gets it, from the built HTML. `book/claims.yml` registers the rest: what was measured
elsewhere and how, what is a fact of somebody else and where it stands, what is an estimate.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from pathlib import Path

import yaml
from bs4 import BeautifulSoup, Tag

ROOT = Path(__file__).resolve().parents[2]
REGISTER = ROOT / "book" / "claims.yml"

# not after a letter, a point or a digit: B12, chapter_07, 0.5.1 are names
NUMBER = re.compile(
    r"(?<![\w.])(?<!\d[,:/])[−-]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?(?:[ \u00a0\u202f]?%)?(?![\w])(?!\.\d)"
)
NAMED = re.compile(  # numbers that are names: of a chapter, a step of a list, a version, an identifier of a thread
    r"\b(?:[Cc]hapters?|[Hh]int|[Pp]art|[Ss]ection|[Ee]xercises?|[Ee]quations?|[Ff]ig(?:ure|\.)|[Tt]able|level|Python|Gymnasium|release|version|issue|PR)"
    r"[ \u00a0]v?\d[\d.]*(?:(?:,| and| to| or|, and|–|-)[ \u00a0]?\d+)*(?: of \d+)?|#\d+|\b(?:19|20)\d\d\b(?:-\d\d(?:-\d\d)?)?"
)
NOT_PROSE = (
    "pre, code, script, style, svg, .math, mjx-container, .explorable, .film, .cell_input, .cell_output, .eqno, a.reference, a.footnote-reference,"
    " .citation, .headerlink, .effort, .admonition.cost, .admonition.sources, .prev-next-footer, figcaption .caption-number, .caption-number, a.headerlink"
)


def value(text: str) -> tuple[float, int, bool]:
    """(the number, its decimals, whether it is a percentage)"""
    percent = "%" in text
    plain = text.replace("−", "-").replace(",", "").rstrip("% \u00a0\u202f")
    decimals = len(plain.split("e")[0].partition(".")[2])
    return float(plain), decimals, percent


def numbers(text: str) -> list[str]:
    return NUMBER.findall(NAMED.sub(" ", text))


def supports(source: str, claim: str) -> bool:
    """Whether a printed number, rounded as the prose rounds it, is the claimed one; a percentage may be a fraction."""
    (printed, _, _), (claimed, decimals, percent) = value(source), value(claim)
    scales = (1.0, 100.0) if percent and "%" not in source else (1.0,)
    return any(abs(scale * printed - claimed) <= 0.5 * 10.0**-decimals + 1e-9 for scale in scales)


@dataclass(frozen=True)
class Claim:
    """A number in prose, with the sentence around it."""

    page: str
    number: str
    sentence: str


def prose(main: Tag) -> list[str]:
    """The texts of the page that a person wrote: paragraphs, list items, table cells, titles of boxes."""
    body = BeautifulSoup(str(main), "html.parser")
    for element in body.select(NOT_PROSE):
        element.replace_with(" … ")
    texts = []
    for element in body.select("p, li, td, th, dd, h1, h2, h3, h4, summary, figcaption"):
        if not element.find(["p", "li", "td", "dd"]):
            texts.append(" ".join(element.get_text().split()))
    return texts


def evidence(main: Tag) -> list[str]:
    """The numbers in the code and in the text outputs of the page."""
    found: list[str] = []
    for element in main.select(
        ".cell_input pre, .cell_output pre, .highlight pre, .cell_output td, .cell_output p"
    ):
        found += re.findall(r"(?<![A-Za-z_.\d])[−-]?\d[\d_,]*(?:\.\d+)?(?:e[+-]?\d+)?%?", element.get_text())
    return [n.replace("_", "").rstrip(",") for n in found]


def article(html: str) -> Tag:
    soup = BeautifulSoup(html, "html.parser")
    return soup.select_one("article.bd-article") or soup


def covers(row: dict, page: str, number: str, text: str) -> bool:
    return row["page"] == page and number in map(str, row["numbers"]) and row["where"] in text


def unsupported(page: str, html: str, register: list[dict]) -> list[Claim]:
    """The numbers of a page that nothing on it produces and that nobody has registered."""
    main = article(html)
    printed = evidence(main)
    return [
        Claim(page, number, text)
        for text in prose(main)
        for number in numbers(text)
        if not any(covers(row, page, number, text) for row in register)
        and not any(supports(source, number) for source in printed)
    ]


def unused(page: str, html: str, register: list[dict]) -> list[str]:
    """Rows of the register whose number or sentence is no longer on the page."""
    texts = prose(article(html))
    return [
        f"{number} … {row['where']}"
        for row in register
        if row["page"] == page
        for number in map(str, row["numbers"])
        if not any(row["where"] in text and number in numbers(text) for text in texts)
    ]


# --- the register

KINDS = {
    "measured": ("file", "command"),  # the number stands in a committed file, which the command makes
    "cited": ("source",),  # an address or a key of the bibliography
    "definition": ("why",),  # it follows from what is written there, or from the rules of an environment
    "counted": ("file", "lines"),  # lines of a definition in a file
}


def read_register() -> list[dict]:
    return yaml.safe_load(REGISTER.read_text(encoding="utf-8"))["claims"]


def faults_of(row: dict, root: Path = ROOT) -> list[str]:
    """What is wrong with one row: fields that are missing, a file that does not hold the number, no such command."""
    kind = row.get("kind")
    if kind not in KINDS:
        return [f"kind {kind!r}; there are {', '.join(KINDS)}"]
    missing = [name for name in ("page", "where", "numbers", *KINDS[kind]) if not row.get(name)]
    if missing:
        return [f"{', '.join(missing)} missing"]
    if kind == "measured":
        return measured_faults(row, root)
    if kind == "counted":
        return counted_faults(row, root)
    if kind == "cited" and not str(row["source"]).startswith("https://"):
        known = (root / "book" / "references.bib").read_text(encoding="utf-8")
        return [] if f"{{{row['source']}," in known else [f"no such source: {row['source']}"]
    return []


def measured_faults(row: dict, root: Path) -> list[str]:
    file, script = root / row["file"], root / row["command"].split()[1]
    absent = [str(path) for path in (file, script) if not path.is_file()]
    if absent:
        return [f"no such file: {path}" for path in absent]
    stored = re.findall(r"(?<![A-Za-z_.\d])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?", file.read_text(encoding="utf-8"))
    return [
        f"{row['file']} does not hold {number}"
        for number in map(str, row["numbers"])
        if not any(supports(source, number) for source in stored)
    ]


def counted_faults(row: dict, root: Path) -> list[str]:
    """`lines` names the definitions that are counted, or is "all"; prose may say "about": a fifth more or less."""
    text = (root / row["file"]).read_text(encoding="utf-8")
    if row["file"].endswith(".ipynb"):
        cells = (cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code")
        text = "\n".join(
            "".join(cell["source"]) for cell in cells if not re.match(r"\s*[%!]", "".join(cell["source"]))
        )
    if row["lines"] == "all":
        count = sum(bool(line.strip()) for line in text.split("\n"))
    else:
        found = {
            node.name: node.end_lineno - node.lineno + 1
            for node in ast.parse(text).body
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
        }
        unknown = [name for name in row["lines"] if name not in found]
        if unknown:
            return [f"{row['file']} defines no {', '.join(unknown)}"]
        count = sum(found[name] for name in row["lines"])
    return [
        f"{number} claimed, {count} counted" for number in row["numbers"] if abs(count - number) > number / 5
    ]
