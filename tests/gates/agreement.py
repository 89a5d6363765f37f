"""Whether the chapters' `core` cells are the package's code, and whether the equations of docstrings are tested."""

from __future__ import annotations

import ast
import copy
import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import notebooks

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
WITH_DOCSTRING = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def without_docstrings(node: ast.AST) -> ast.AST:
    node = copy.deepcopy(node)
    for inner in ast.walk(node):
        if isinstance(inner, WITH_DOCSTRING) and ast.get_docstring(inner) is not None:
            inner.body = inner.body[1:] or [ast.Pass()]
    return node


class Found(NamedTuple):
    place: str
    node: Definition
    in_class: bool


def package_definitions(package: Path) -> dict[str, list[Found]]:
    """Every function, class and method of the package, by name."""
    found: dict[str, list[Found]] = {}
    for path in sorted(package.rglob("*.py")):
        module = ".".join(path.relative_to(package.parent).with_suffix("").parts)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, Definition):
                found.setdefault(node.name, []).append(Found(f"{module}.{node.name}", node, False))
            if isinstance(node, ast.ClassDef):
                for method in node.body:
                    if isinstance(method, Definition):
                        place = f"{module}.{node.name}.{method.name}"
                        found.setdefault(method.name, []).append(Found(place, method, True))
    return found


def core_problems(path: Path, package: Path) -> Iterator[str]:
    """Every definition of a `core` cell that is not, apart from docstrings and comments, the package's."""
    definitions = package_definitions(package)
    for cell in notebooks.read(path).cells:
        if "core" not in notebooks.tags_of(cell):
            continue
        where = f"{path.name}: cell {cell.get('id')!r}"
        tree = notebooks.parse(notebooks.joined(cell.source))
        mine = [node for node in tree.body if isinstance(node, Definition)] if tree else []
        if not mine:
            yield f"{where} is tagged core and defines nothing"
        for node in mine:
            takes_self = not isinstance(node, ast.ClassDef) and any(
                a.arg in {"self", "cls"} for a in node.args.args[:1]
            )
            theirs = [found for found in definitions.get(node.name, []) if found.in_class == takes_self]
            if not theirs:
                yield f"{where}: the package defines no `{node.name}`"
                continue
            dump = ast.dump(without_docstrings(node))
            if any(ast.dump(without_docstrings(found.node)) == dump for found in theirs):
                continue
            ours = ast.unparse(without_docstrings(node)).splitlines()
            sides = [
                (found.place, ast.unparse(without_docstrings(found.node)).splitlines()) for found in theirs
            ]
            place, lines = max(sides, key=lambda side: difflib.SequenceMatcher(None, side[1], ours).ratio())
            difference = difflib.unified_diff(lines, ours, place, where, lineterm="", n=1)
            yield "\n".join([f"{where}: `{node.name}` is not {place}:", *difference])


# --- equations

SYMBOL = re.compile(r"[α-ωΑ-ΩΣ∑√½·∏∞≤≥‖²ₜ]|_t\b|_\{|\b(?:exp|log|min|max|clip|sum|mean|E)\s*[(\[]|\[t\]")


def has_equation(docstring: str) -> bool:
    """A line `left = right` with mathematics in it."""
    return any(
        re.match(r"\s*[^\s=:`][^=:`]*\s[=≈≔]\s+\S", line) and SYMBOL.search(line)
        for line in docstring.splitlines()
    )


def functions_with_equations(package: Path) -> Iterator[tuple[str, set[str]]]:
    """(where, the names by which a test can use it) of each public definition whose docstring states an equation.

    A class is used by its own name, or by a method that no other class has.
    """
    definitions = package_definitions(package)
    for name, places in definitions.items():
        for place, node, _ in places:
            public = not any(part.startswith("_") for part in place.split("."))
            if public and has_equation(ast.get_docstring(node) or ""):
                methods = (
                    [m.name for m in node.body if isinstance(m, ast.FunctionDef)]
                    if isinstance(node, ast.ClassDef)
                    else []
                )
                yield place, {name, *(m for m in methods if m in definitions and len(definitions[m]) == 1)}


def names_used(tests: Path) -> set[str]:
    """Every name and attribute that the tests use in code, not in comments or strings; the gates' fixtures apart."""
    used = set()
    for path in tests.rglob("*.py"):
        if path.parent == Path(__file__).parent:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Name):
                used.add(node.id)
            elif isinstance(node, ast.Attribute):
                used.add(node.attr)
    return used


def untested_equations(package: Path, tests: Path) -> list[str]:
    used = names_used(tests)
    return [
        f"{place} states an equation that no test uses"
        for place, names in functions_with_equations(package)
        if not names & used
    ]
