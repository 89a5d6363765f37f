"""Find what a reader's copy of the code would miss: a name that is not imported or defined in sight, above.

    python tools/check_snippets.py [PATH ...]     notebooks and Markdown pages (default: all of the book's)

ruff's F821 judges each piece of code behind what stands above it, which sees more than one look at the whole file:

  a visible cell        every name must come from a visible cell above it, also inside a function; cells that the page
                        hides do not count, except exercises, whose answer the reader writes
  a hidden cell         every name must come from any cell above it
  a cell `standalone`   imports every module it uses; so does a `%%writefile x.py` cell, which also defines every name
  a ```python fence     may use a variable of the text, never something importable that nothing above imports:
                        a module, or a name that the book or the package imports or defines
  everywhere            `import x` is not enough for `x.y`, if y is a module of its own that x does not load

A cell tagged `raises-exception` may miss a name: that is its lesson. A fence may miss a name if it shows the error to
the reader in a comment: `# NameError: name 'multiprocessing' is not defined`.
"""

from __future__ import annotations

import ast
import doctest
import functools
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import notebooks

ROOT = Path(__file__).resolve().parents[1]

ALIASES = {"np", "plt", "mpl", "torch", "nn", "optim", "F", "gym", "mp", "pd", "sns", "widgets", "tqdm"}
ALIASES |= {"numpy", "matplotlib", "gymnasium", "cloudpickle", "ppo_core", "ipywidgets", "anywidget", "scipy"}
WORDS = {
    "code",
    "copy",
    "token",
    "test",
    "this",
    "site",
    "types",
}  # modules whose names a text uses as plain variables
PYTHON = {"python", "python3", "py", "pycon", "ipython", "ipython3"}
CODE_DIRECTIVES = {"code", "code-block", "code-cell", "sourcecode"}
PURE_DIRECTIVES = CODE_DIRECTIVES | {
    "literalinclude",
    "math",
    "eval-rst",
    "raw",
    "doctest",
}  # no Markdown inside
EXPECTED = re.compile(r"#.*\bNameError: name '(\w+)' is not defined")
SKIPPED_MAGIC = re.compile(r"\s*%%(?!time|capture|timeit)")


@dataclass(frozen=True)
class Snippet:
    """One piece of code to judge: `code` behind `above`."""

    where: str
    code: str
    above: tuple[str, ...] = ()
    line: int = 1  # where the code begins, counted as `where` counts
    loose: bool = False  # only importable names matter
    exempt: frozenset[str] = frozenset()
    hidden: tuple[
        tuple[str, str], ...
    ] = ()  # (id, code) of hidden cells above, to say where a name does exist


# --- Markdown


@dataclass(frozen=True)
class Fence:
    code: str
    line: int  # of the first line of code, from 1


def fences(text: str) -> Iterator[Fence]:
    """Every fence of Python in a Markdown text, also inside admonitions and lists, without its options and prompts."""
    lines, open_blocks, i = text.splitlines(), [], 0
    while i < len(lines):
        found = re.match(r"[\s>]*(`{3,}|~{3,}|:{3,})\s*(\S*)\s*(.*?)\s*$", lines[i])
        i += 1
        if not found:
            continue
        ticks, language, rest = found.groups()
        if not language:  # the end of a container
            while open_blocks and not ticks.startswith(open_blocks.pop()):
                pass
            continue
        directive = language[1:-1] if language.startswith("{") and language.endswith("}") else None
        if directive is not None and directive not in PURE_DIRECTIVES:
            open_blocks.append(ticks)
            continue
        if directive in CODE_DIRECTIVES:
            language = rest.split()[0] if rest else ("ipython3" if directive == "code-cell" else "")
        start = i
        while i < len(lines) and not re.fullmatch(
            rf"[\s>]*{re.escape(ticks[0])}{{{len(ticks)},}}\s*", lines[i]
        ):
            i += 1
        body, i = lines[start:i], i + 1
        if language.lower() not in PYTHON:
            continue
        if directive and body and body[0].strip() == "---":
            end = next((n for n, line in enumerate(body[1:], 1) if line.strip() == "---"), 0)
            body, start = body[end + 1 :], start + end + 1
        while directive and body and re.match(r"\s*:[\w-]+:", body[0]):
            body, start = body[1:], start + 1
        quoted = lines[start - 1].lstrip().startswith(">")
        code = dedent("\n".join(re.sub(r"^\s*>\s?", "", line) if quoted else line for line in body))
        if ">>>" in code:
            examples = doctest.DocTestParser().get_examples(code)
            if examples:
                yield Fence("".join(e.source for e in examples), start + 1 + examples[0].lineno)
                continue
        yield Fence(code, start + 1)


# --- from pages to snippets


def page_snippets(path: Path, text: str) -> Iterator[Snippet]:
    above: list[str] = []
    for fence in fences(text):
        exempt = frozenset(EXPECTED.findall(fence.code))
        yield Snippet(str(path), fence.code, tuple(above), fence.line, loose=True, exempt=exempt)
        if notebooks.parse(fence.code) is not None:
            above.append(fence.code)


def notebook_snippets(path: Path) -> Iterator[Snippet]:
    seen: list[str] = []  # code of visible cells
    every: list[str] = []  # code of all cells
    hidden: list[tuple[str, str]] = []
    for cell in notebooks.read(path).cells:
        source, tags = notebooks.joined(cell.source), notebooks.tags_of(cell)
        where = f"{path}: cell {cell.get('id', '?')!r}"
        if cell.cell_type == "markdown":
            for fence in fences(source):
                exempt = frozenset(EXPECTED.findall(fence.code))
                yield Snippet(where, fence.code, tuple(seen), fence.line, True, exempt, tuple(hidden))
        if cell.cell_type != "code":
            continue
        if written := re.match(r"\s*%%writefile[^\n]*\n", source):
            yield Snippet(where, source[written.end() :], line=2)
            continue
        if SKIPPED_MAGIC.match(source):
            continue
        visible = notebooks.shown(cell) and not {"solution", "instructor"} & set(tags)
        if "raises-exception" not in tags:
            if visible:
                yield Snippet(where, source, tuple(seen), hidden=tuple(hidden))
            else:
                yield Snippet(where, source, tuple(every))
            if "standalone" in tags:
                yield Snippet(f"{where}, copied alone", source, loose=True)
        every.append(source)
        if visible:
            seen.append(source)
        else:
            hidden.append((cell.get("id", "?"), source))


def snippets(path: Path) -> Iterator[Snippet]:
    if path.suffix == ".ipynb":
        yield from notebook_snippets(path)
    else:
        yield from page_snippets(path, path.read_text(encoding="utf-8"))


# --- judging


def undefined(todo: list[Snippet]) -> Iterator[tuple[Snippet, int, str, str]]:
    """(snippet, line in its code, name or "", ruff's words) for everything that ruff finds; ruff runs once."""
    with tempfile.TemporaryDirectory() as folder:
        for i, snippet in enumerate(todo):
            cells = [
                {
                    "cell_type": "code",
                    "id": f"c{n}",
                    "metadata": {},
                    "execution_count": None,
                    "outputs": [],
                    "source": code,
                }
                for n, code in enumerate([*snippet.above, snippet.code])
            ]
            nb = {"cells": cells, "metadata": notebooks.NOTEBOOK_METADATA, "nbformat": 4, "nbformat_minor": 5}
            Path(folder, f"{i:05}.ipynb").write_text(json.dumps(nb), encoding="utf-8")
        rules = [
            "--select",
            "F821,F403,F405,F822",
            "--ignore-noqa",
            "--no-cache",
            "--output-format",
            "json",
            "--exit-zero",
        ]
        command = [sys.executable, "-m", "ruff", "check", "--isolated", *rules, folder]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
        if done.returncode:
            raise RuntimeError(f"ruff could not run: {done.stderr.strip()}")
        found = json.loads(done.stdout)
    for one in sorted(
        found, key=lambda d: (d["filename"], d["cell"] or 0, d["location"]["row"], d["location"]["column"])
    ):
        snippet = todo[int(Path(one["filename"]).stem)]
        if one["cell"] == len(snippet.above) + 1:
            name = re.search(r"`([^`]+)`", one["message"]) if one["code"] in {"F821", "F405"} else None
            yield snippet, one["location"]["row"], name[1] if name else "", one["message"]


def imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """(the name that is bound, the module's full name) for each import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0], alias.name
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module != "__future__":
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


@functools.cache
def importable() -> frozenset[str]:
    """Names that are there only if somebody imports them: modules, and what the package and the chapters import."""
    names = (set(sys.stdlib_module_names) - WORDS) | ALIASES
    sources = [(p.read_text(encoding="utf-8"), True) for p in sorted((ROOT / "ppo_core").rglob("*.py"))]
    for path in notebooks.all_notebooks():
        sources += [
            (notebooks.joined(c.source), False) for c in notebooks.read(path).cells if c.cell_type == "code"
        ]
    for source, ours in sources:
        tree = notebooks.parse(source)
        if tree is None:
            continue
        names |= {name for name, _ in imported(tree)}
        if ours:
            definitions = (ast.FunctionDef, ast.ClassDef)
            names |= {node.name for node in tree.body if isinstance(node, definitions)}
    return frozenset(name for name in names if not name.startswith("_") and name != "*")


@functools.cache
def comes_along(package: str, module: str) -> bool:
    """Whether `import package` alone makes `package.module` usable, in a fresh interpreter."""
    code = f"import {package}; {package}.{module}"
    return (
        subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=False).returncode == 0
    )


@functools.cache
def is_module(package: str, module: str) -> bool:
    """Whether the standard library's `package` has a module of that name."""
    if package not in sys.stdlib_module_names:
        return False
    parent = importlib.util.find_spec(package)
    return bool(
        parent and parent.submodule_search_locations and importlib.util.find_spec(f"{package}.{module}")
    )


def missing_submodules(snippet: Snippet) -> Iterator[tuple[int, str]]:
    """Uses of x.y where only x is imported and y does not come with it: works or not by what else was imported."""
    trees = [tree for code in (*snippet.above, snippet.code) if (tree := notebooks.parse(code)) is not None]
    own = notebooks.parse(snippet.code)
    if own is None:
        return
    bound = {name: module for tree in trees for name, module in imported(tree)}
    loaded = {module for tree in trees for _, module in imported(tree)}
    loaded |= {".".join(module.split(".")[:n]) for module in loaded for n in range(1, module.count(".") + 1)}
    for node in ast.walk(own):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in bound:
            module = bound[node.value.id]
            package = (
                node.value.id if module.startswith(f"{node.value.id}.") else module
            )  # import x.y binds x
            needed = f"{package}.{node.attr}"
            if needed not in loaded and is_module(package, node.attr) and not comes_along(package, node.attr):
                yield node.lineno, needed


def problems(paths: list[Path]) -> tuple[list[str], int]:
    """What is missing, as `page: where, line n: what`, and how many snippets were judged."""
    todo, found = [], []
    for snippet in (s for path in paths for s in snippets(path)):
        if notebooks.parse(snippet.code) is None:
            remedy = "mark the fence as text" if snippet.loose else "nobody can run it"
            found.append(f"{snippet.where}, line {snippet.line}: this is not Python: {remedy}")
        else:
            todo.append(snippet)
    for snippet, row, name, words in undefined(todo):
        if name in snippet.exempt or (snippet.loose and name and name not in importable()):
            continue
        place = f"{snippet.where}, line {snippet.line + row - 1}: "
        if not name:
            found.append(place + words)
            continue
        holders = [
            holder
            for holder, code in snippet.hidden
            if (tree := notebooks.parse(code)) is not None and name in names_bound(tree)
        ]
        hint = f" in sight: only the hidden cell {holders[-1]!r} has it" if holders else " above"
        found.append(f"{place}`{name}` is used but not imported or defined{hint}")
    for snippet in todo:
        for row, module in missing_submodules(snippet):
            place = f"{snippet.where}, line {snippet.line + row - 1}: "
            found.append(f"{place}`{module}` is a module of its own: write `import {module}`")
    return list(dict.fromkeys(found)), len(todo)


def names_bound(tree: ast.Module) -> set[str]:
    names = {name for name, _ in imported(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def all_pages() -> list[Path]:
    pages = [p for p in sorted((ROOT / "book").rglob("*.md")) if "_build" not in p.parts]
    return [*notebooks.all_notebooks(), *sorted(ROOT.glob("*.md")), *pages]


def main(argv: list[str]) -> int:
    if {"-h", "--help"} & set(argv):
        print(__doc__)
        return 0
    paths = [Path(arg) for arg in argv] or all_pages()
    found, count = problems(paths)
    print("".join(f"{problem}\n" for problem in found), end="")
    print(f"{len(paths)} pages, {count} snippets, {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
