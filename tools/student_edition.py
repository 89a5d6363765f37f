"""The student edition: the same notebooks without the solutions, in Markdown that every notebook program shows.

    python tools/student_edition.py FOLDER [--keep] [--untouched] [notebooks/05_gae.ipynb ...]

The book's notebooks hold the solutions between `### BEGIN SOLUTION` and `### END SOLUTION`; nbgrader's
`ClearSolutions` takes them out. Cells tagged `solution` or `instructor` go, and so do outputs and every metadata but
the tags. The text of the notebooks is MyST, which JupyterLab, VS Code and Colab show raw: `PlainMarkdown` writes
its boxes, references, equation numbers and citations as plain Markdown. A MyST word that it does not know is an error.
With --keep a notebook that is there already stays as it is: somebody has written answers into it. With --untouched the
check cells carry what they say to an empty answer, so that `pytest --nbval-lax` compares it.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import re
import sys
import textwrap
from functools import cache
from pathlib import Path

import nbformat
from nbconvert.preprocessors import (
    ClearMetadataPreprocessor,
    ClearOutputPreprocessor,
    Preprocessor,
    TagRemovePreprocessor,
)
from nbgrader.preprocessors import ClearSolutions

import notebooks

ROOT = Path(__file__).resolve().parents[1]
OPEN = "# your answer here"
STUB = f'{OPEN}\nraise NotImplementedError("not started")'
REMOVED_TAGS = {"instructor", "solution"}
IMPORT_CHECK = re.compile(r"^from ppo_core\.teach import (?=.*\bcheck\b)(?!.*\bhint\b)(.*)$", re.M)
WORDS = {  # what is said of the page, where cells are folded, and what is true of a notebook without solutions
    "Write your answer into the collapsed cell, or into a new one above the check.": "Write your answer into the cell under the exercise, "
    "in the place of the last line, and run it; then run the cell with `check`.",
    "If you need much longer than the minutes given, take the solution and go on.": "If you need much longer than the minutes given, "
    "go on: the solution is in the book.",
}
TITLES = {"note": "Note", "warning": "Warning", "tip": "Tip", "important": "Important"}

FENCE = re.compile(r"^(?P<fence>:{3,}|`{3,})(?P<braces>\{(?P<name>[\w-]+)\})?[ \t]*(?P<argument>.*)$")
OPTION = re.compile(r"^:([\w-]+):[ \t]*(.*)$")
ROLE = re.compile(r"\{([\w:]+)\}`([^`]+)`")
ATTRIBUTES = re.compile(r"^\{[.#][^}]*\}$")
TARGET = re.compile(r"^\(([\w-]+)\)=$")
# JupyterLab opens nothing above its folder, and shows a page of the book without its styles and equations
BOOK_LINK = re.compile(r"\[([^\]]+)\]\((?:\.\./book/[\w-]+\.md(?:#[\w-]+)?|#?([\w-]+))\)")
MATH_LABEL = re.compile(r"^\$\$[ \t]*\((eq-[\w-]+)\)[ \t]*$")
EXERCISE_LABEL = re.compile(r"^```\{exercise\}.*\n:label: *([\w-]+)", re.M)


class UnknownMarkup(ValueError):
    """A piece of MyST that the student edition would show raw."""


# --- what the references point to


def equation_numbers(source: str, prefix: str) -> dict[str, str]:
    """Label → number, in the order of the page: "05.3"."""
    labels = [m[1] for line in source.split("\n") if (m := MATH_LABEL.match(line))]
    return {label: f"{prefix}.{number}" for number, label in enumerate(labels, 1)}


def labels_of(nb: nbformat.NotebookNode, chapter: str) -> dict[str, str]:
    """What the references of any chapter may point to: equations, exercises and figures, numbered through the chapter."""
    text = "\n".join(cell.source for cell in nb.cells if cell.cell_type == "markdown")
    figures = (cell.metadata.get("mystnb", {}).get("figure", {}).get("name") for cell in nb.cells)
    tables = re.findall(r"^:name: *(tab-[\w-]+)", text, re.M)
    named = [EXERCISE_LABEL.findall(text), [name for name in figures if name], tables]
    found = equation_numbers(text, chapter)
    for labels in named:
        found |= {label: f"{chapter}.{number}" for number, label in enumerate(labels, 1)}
    return found


@cache
def book_labels() -> dict[str, str]:
    """The labels of the notation page and of every chapter."""
    found = equation_numbers((ROOT / "book" / "notation.md").read_text(encoding="utf-8"), "N")
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        found |= labels_of(nbformat.read(path, as_version=4), path.stem.split("_")[0])
    return found


@cache
def citations() -> dict[str, tuple[str, str]]:
    """Key → (authors, year), as the book's page cites them."""
    from pybtex.database import parse_file

    found = {}
    for key, entry in parse_file(str(ROOT / "book" / "references.bib")).entries.items():
        names = [
            " ".join(map(str, [*person.rich_prelast_names, *person.rich_last_names]))
            for person in entry.persons["author"]
        ]
        authors = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
        found[key] = authors, entry.fields["year"]
    return found


@cache
def definition(path: Path, name: str) -> str:
    """The source of a function, class or method, dedented."""
    source = path.read_text(encoding="utf-8")
    body = ast.parse(source).body
    for part in name.split("."):
        node = next(n for n in body if getattr(n, "name", None) == part)
        body = getattr(node, "body", [])
    first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    return textwrap.dedent("\n".join(source.split("\n")[first - 1 : node.end_lineno]))


# --- from MyST to plain Markdown


class PlainMarkdown(Preprocessor):
    """Boxes become quotes, folded answers `<details>`, exercises headings; references become text."""

    def preprocess(self, nb, resources):
        self.chapter = resources["chapter"]
        self.labels = {**book_labels(), **labels_of(nb, self.chapter)}
        self.exercise_count = 0
        lines = [line for cell in nb.cells for line in cell.source.split("\n")]
        self.targets = {m[1] for line in lines if (m := TARGET.match(line))}
        for cell in nb.cells:
            if cell.cell_type == "markdown":
                cell.source = "\n".join(self.blocks(cell.source.split("\n"))).strip("\n")
        return nb, resources

    def blocks(self, lines: list[str]) -> list[str]:
        """The lines of a text with every directive written plainly."""
        made, i = [], 0
        while i < len(lines):
            fence = FENCE.match(lines[i])
            if fence is None:
                made.extend(self.line(lines[i]))
                i += 1
                continue
            end = next((j for j in range(i + 1, len(lines)) if lines[j].rstrip() == fence["fence"]), None)
            if end is None:
                raise UnknownMarkup(f"chapter {self.chapter}: {lines[i]!r} is not closed")
            inner = lines[i + 1 : end]
            if fence["braces"] is None and fence["fence"][0] == "`":
                made.extend(lines[i : end + 1])  # a code block
            else:
                made.extend(self.directive(fence["name"], fence["argument"], inner))
            i = end + 1
        return made

    def directive(self, name: str | None, title: str, inner: list[str]) -> list[str]:
        options = {}
        while inner and (option := OPTION.match(inner[0])):
            options[option[1]] = option[2]
            inner = inner[1:]
        if name == "literalinclude":
            path = ROOT / title.lstrip("/") if title.startswith("/") else ROOT / "notebooks" / title
            source = definition(path, options["pyobject"]) if "pyobject" in options else path.read_text()
            return ["```python", *source.rstrip("\n").split("\n"), "```"]
        body, title = self.blocks(inner), self.inline(title)
        while body and not body[0].strip():
            body = body[1:]
        while body and not body[-1].strip():
            body = body[:-1]
        if name == "exercise":
            self.exercise_count += 1
            return [f"### Exercise {self.chapter}.{self.exercise_count} · {title}", "", *body]
        if name == "div":
            return body
        if name == "table":
            return [*body, "", f"*{title}*"]
        if name == "admonition" or name in TITLES:
            title = title or TITLES.get(name, "")
            if "dropdown" in options.get("class", "").split():
                return [f"<details><summary><b>{title}</b></summary>", "", *body, "", "</details>"]
            return [f"> **{title}**", ">", *(f"> {line}".rstrip() for line in body)]
        raise UnknownMarkup(f"chapter {self.chapter}: no plain form of the directive {name!r}")

    def line(self, line: str) -> list[str]:
        line = WORDS.get(line, line)
        if ATTRIBUTES.match(line) or TARGET.match(line):
            return []
        if label := MATH_LABEL.match(line):
            return [rf"\tag{{{self.number(label[1])}}}", "$$"]
        return [self.inline(line)]

    def inline(self, text: str) -> str:
        text = ROLE.sub(lambda m: self.role(m[1], m[2]), text)
        text = BOOK_LINK.sub(lambda m: m[1] if m[2] in self.targets else f"{m[1]} (in the book)", text)
        return re.sub(r"(?<=[\])])\{[.#][^}]*\}", "", text)  # classes of links

    def number(self, label: str) -> str:
        if label not in self.labels:
            raise UnknownMarkup(f"chapter {self.chapter}: nothing is labelled {label!r}")
        return self.labels[label]

    def role(self, name: str, text: str) -> str:
        explicit = re.fullmatch(r"(.*?)\s*<([^>]+)>", text)
        shown, target = (explicit[1], explicit[2]) if explicit else (text, text)
        if name == "term":
            return shown
        if name.startswith("py:"):
            return f"`{shown.split('.')[-1] if shown.startswith('~') else shown}`"
        if name == "eq":
            return f"({self.number(target)})"
        if name == "numref":
            return (
                shown
                if explicit
                else ("table " if target.startswith("tab-") else "figure ") + self.number(target)
            )
        if name == "exercise:ref":
            return f"exercise {self.number(target)}"
        if name in ("cite:t", "cite:p"):
            pairs = [citations()[key.strip()] for key in target.split(",")]
            if name == "cite:t":
                return ", ".join(f"{authors} ({year})" for authors, year in pairs)
            return "(" + "; ".join(f"{authors} {year}" for authors, year in pairs) + ")"
        if name in ("file", "code", "kbd"):
            return f"`{text}`"
        if name in ("ref", "doc", "abbr"):
            return shown
        raise UnknownMarkup(f"chapter {self.chapter}: no plain form of the role {name!r}")


def with_hint(source: str) -> str:
    """`check` tells the reader to call `hint`: what imports the one imports the other."""
    return IMPORT_CHECK.sub(
        lambda m: f"from ppo_core.teach import {', '.join(sorted([*m[1].split(', '), 'hint']))}", source
    )


class ExerciseCells(Preprocessor):
    """The tags of an exercise say that the page folds it; in the student edition it is open, and empty."""

    def preprocess_cell(self, cell, resources, index):
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "code":
            cell.source = with_hint(cell.source)
        if "exercise" in tags:
            cell.metadata["tags"] = [tag for tag in tags if tag != "hide-input"]
            # outside a function the stub must not stop the notebook: the name above it stays `...`
            cell.source = re.sub(rf"^{re.escape(STUB)}$", OPEN, cell.source, flags=re.M)
        return cell, resources


def student_version(path: Path):
    """The notebook at `path`, without its solutions, as a notebook object."""
    nb = nbformat.read(path, as_version=4)
    resources = {"chapter": path.stem.split("_")[0]}
    delimiters = {
        "begin_solution_delimeter": "### BEGIN SOLUTION",
        "end_solution_delimeter": "### END SOLUTION",
    }
    for step in (
        ClearSolutions(enforce_metadata=False, code_stub={"python": STUB}, **delimiters),
        TagRemovePreprocessor(remove_cell_tags=REMOVED_TAGS),
        PlainMarkdown(enabled=True),
        ExerciseCells(enabled=True),
        ClearOutputPreprocessor(enabled=True),
        ClearMetadataPreprocessor(
            enabled=True,
            preserve_cell_metadata_mask={"tags"},
            preserve_nb_metadata_mask={"kernelspec", "language_info"},
        ),
    ):
        step.enabled = True
        nb, resources = step.preprocess(nb, resources)
    return nb


CHECK_CALL = re.compile(r'^(?:from ppo_core\.teach import [\w, ]+\n+)?(?:\w+ = )?check\("(\w+)", \w+\);?$')


def store_not_started(nb) -> None:
    """Give each check cell the output that belongs to an exercise that nobody has touched."""
    from ppo_core.teach import check

    for cell in nb.cells:
        if "check" in cell.metadata.get("tags", []):
            call = CHECK_CALL.match(cell.source)
            if call is None:
                raise UnknownMarkup(
                    f"a check cell holds one call of check and nothing else, got {cell.source!r}"
                )
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                check(call[1], ...)
            cell.metadata["tags"] = sorted({*cell.metadata["tags"], notebooks.STORED})
            cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=printed.getvalue())]
            cell.execution_count = 1


def build(
    folder: Path, paths: list[Path], keep: bool = False, untouched: bool = False
) -> tuple[list[Path], list[Path]]:
    """Write the student version of each notebook into `folder`. Returns: the files written, the files kept."""
    folder.mkdir(parents=True, exist_ok=True)
    made, kept = [], []
    for path in paths:
        target = folder / path.name
        if keep and target.exists():
            kept.append(target)
            continue
        nb = student_version(path)
        if untouched:
            store_not_started(nb)
        notebooks.write(nb, target)
        made.append(target)
    return made, kept


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the student edition of the notebooks.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("notebooks", nargs="*", type=Path)
    parser.add_argument("--keep", action="store_true", help="leave notebooks that are there as they are")
    parser.add_argument(
        "--untouched", action="store_true", help="with the outputs of unanswered exercises, to test"
    )
    chosen = parser.parse_args()
    paths = chosen.notebooks or sorted((ROOT / "notebooks").glob("*.ipynb"))
    made, kept = build(chosen.folder, paths, chosen.keep, chosen.untouched)
    print(
        f"{chosen.folder}: {len(made)} notebooks written"
        + (f", {len(kept)} kept as they were" if kept else "")
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
