"""Exercises of chapter 00, the import that wasn't there."""

from __future__ import annotations

import ast
import builtins
import math
from collections.abc import Callable

from ppo_core.teach.exercise import Case, Exercise, Wrong

Cell = dict[str, object]


def _cell(source: str, kind: str = "code", hidden: bool = False) -> Cell:
    return {"kind": kind, "hidden": hidden, "source": source}


# ---------------------------------------------------------------------------------------------------------------
# visible_program(cells) -> str


def visible_program(cells: list[Cell]) -> str:
    """The reference: the code that a reader sees, in order."""
    return "\n".join(str(cell["source"]) for cell in cells if cell["kind"] == "code" and not cell["hidden"])


def _expects(cells: list[Cell], expected: list[str], why: str) -> Callable[[Callable], None]:
    """A test of one call: the lines that come back, worked out by hand."""

    def test(answer: Callable) -> None:
        if not callable(answer):
            raise Wrong("The answer should be a function. Pass visible_program itself, without calling it.")
        result = answer([dict(cell) for cell in cells])
        if result is None or result is Ellipsis:
            raise Wrong("The function returned nothing. Is the line with `return` missing?")
        if not isinstance(result, str):
            raise Wrong(
                f"The result should be one string, but it is of type {type(result).__name__}. Join the sources."
            )
        lines = [line for line in result.splitlines() if line.strip()]
        if lines != expected:
            raise Wrong(f"{why} Expected the lines {expected}, got {lines}.")

    return test


_VISIBLE = (
    Case(
        "one visible cell",
        "A visible code cell belongs to the program.",
        test=_expects([_cell("a = 1")], ["a = 1"], "A visible code cell belongs to the program."),
    ),
    Case(
        "a hidden import",
        "",
        test=_expects(
            [_cell("import os", hidden=True), _cell("os.getcwd()")],
            ["os.getcwd()"],
            "The hidden cell is what the reader does not have: with it, you test the machine's program.",
        ),
    ),
    Case(
        "text between code",
        "",
        test=_expects(
            [_cell("a = 1"), _cell("and then", kind="text"), _cell("b = 2")],
            ["a = 1", "b = 2"],
            "Text is no code: it would be a syntax error in the program.",
        ),
    ),
    Case(
        "order of the page",
        "",
        test=_expects(
            [_cell("z = 1"), _cell("x", hidden=True), _cell("y = z"), _cell("a = y")],
            ["z = 1", "y = z", "a = y"],
            "The cells must stay in the order of the page, and the ones after a hidden cell count too.",
        ),
    ),
    Case(
        "cells of several lines",
        "",
        test=_expects(
            [_cell("if True:\n    a = 1"), _cell("b = a")],
            ["if True:", "    a = 1", "b = a"],
            "Each source must begin on a line of its own and keep its line breaks.",
        ),
    ),
)

# ---------------------------------------------------------------------------------------------------------------
# self_contained: the text of a program

REPAIRED = """import multiprocessing
import numpy as np
import torch
from torch.distributions import Categorical

method = multiprocessing.get_all_start_methods()[-1]
probabilities = np.array([0.2, 0.3, 0.5])
choice = Categorical(probs=torch.from_numpy(probabilities))
result = round(choice.entropy().item(), 4), method in ("fork", "spawn", "forkserver")
"""


def _parsed(text: object) -> ast.Module:
    if callable(text):  # a function that returns the program is as good
        text = text()
    if not isinstance(text, str):
        raise Wrong(f"The answer should be the program as text, but it is of type {type(text).__name__}.")
    try:
        return ast.parse(text)
    except SyntaxError as error:
        raise Wrong(f"Python cannot read the program: line {error.lineno}: {error.msg}.") from None


def _no_star(text: object) -> None:
    for node in ast.walk(_parsed(text)):
        if isinstance(node, ast.ImportFrom) and any(item.name == "*" for item in node.names):
            raise Wrong(
                f"`from {node.module} import *` hides which names it brings. Name them, so that a reader can see where each comes from."
            )


def _all_defined(text: object) -> None:
    nodes = list(ast.walk(_parsed(text)))
    imported = {
        (item.asname or item.name).split(".")[0]
        for node in nodes
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for item in node.names
    }
    names = [node for node in nodes if isinstance(node, ast.Name)]
    stored = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
    missing = sorted({node.id for node in names} - imported - stored - set(dir(builtins)))
    if missing:
        raise Wrong(
            f"Still used, but neither imported nor defined: {', '.join(missing)}. A name counts as it is written: `import numpy` does not define `np`."
        )


def _runs(text: object) -> None:
    namespace: dict[str, object] = {}
    try:
        exec(
            compile(_parsed(text), "repaired", "exec"), namespace
        )  # the reader's own program, in the reader's own kernel
    except NameError as error:
        raise Wrong(
            f"It stops with NameError: {error}. Is the import above the first line that needs it, and outside any function?"
        ) from None
    except Exception as error:
        raise Wrong(
            f"It stops with {type(error).__name__}: {error}. Is each name imported from the right module?"
        ) from None
    entropy = round(-sum(p * math.log(p) for p in (0.2, 0.3, 0.5)), 4)
    if namespace.get("result") != (entropy, True):
        raise Wrong(
            f"`result` should be {(entropy, True)}, as before, but it is {namespace.get('result')!r}. Add imports and leave the program's own lines as they are."
        )


EXERCISES = (
    Exercise(
        name="visible_program",
        chapter=0,
        prompt="Return the program that a reader of the page has.",
        hints=(
            "Two conditions must hold for a cell: it is code, and it is not hidden.",
            '"\\n".join(...) puts a line break between the sources.',
            'Join cell["source"] for each cell with cell["kind"] == "code" and not cell["hidden"].',
        ),
        cases=_VISIBLE,
        reference=visible_program,
        note="This is the heart of the book's first test.",
    ),
    Exercise(
        name="self_contained",
        chapter=0,
        prompt="Add what is missing, so that the program runs alone.",
        hints=(
            "missing_names(broken) tells which names nobody defines.",
            "One name is a module, two are modules under the names used here, one is a class inside a module.",
            "import multiprocessing, import numpy as np, import torch, from torch.distributions import Categorical: above the rest.",
        ),
        cases=(
            Case("no star import", "", test=_no_star),
            Case("every name is defined", "", test=_all_defined),
            Case("it runs alone, with the same result", "", test=_runs),
        ),
        reference=REPAIRED,
        note="A stranger can copy it now.",
    ),
)
