"""`check`, `hint` and `status`: say what is right, what is missing, and which idea a wrong answer misses.

An answer that is missing, wrong or broken never stops a chapter: `check` then returns the book's reference, so that
the cells below it run. Everything is printed as plain text that depends on the answer alone.
"""

from __future__ import annotations

import contextlib
import copy
import dis
import io
import linecache
import textwrap
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

from ppo_core.teach import progress
from ppo_core.teach.exercise import Case, Exercise, Wrong
from ppo_core.teach.exercises import all_exercises, find

_WIDTH = 76  # what a code block of the page shows at 1280 px
_STUB_OPERATIONS = {"RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST", "LOAD_SMALL_INT"}

_AMBIGUOUS = ("Boolean value of Tensor with more", "truth value of an array with more")


class _NotStarted(Exception):
    """The answer is still the empty stub."""


def check(name: str, answer: Any) -> Any:
    """Check an answer to exercise `name`, print what was found, and return what the chapter goes on with.

    Returns: `answer` if it is right; otherwise the book's own solution, so that nothing below depends on it.
    """
    exercise = find(name)
    if answer is exercise.reference and not isinstance(answer, (int, float)):  # 5 is 5, whose ever it is
        _say(
            f"{name}: this is the book's solution, which an earlier check put in the place of yours.",
            "Run the cell with your answer, and then the check. If that cell stops with an error, mend this first.",
        )
        return answer
    try:
        for number, case in enumerate(exercise.cases):
            _run(exercise, case, answer, first=number == 0)
    except _NotStarted:
        _say(
            f'{name}: not started yet. hint("{name}") gives a first hint; the chapter goes on with the book\'s solution.'
        )
        return exercise.reference
    except Wrong as wrong:
        progress.record(name, tried=True)
        _say(
            f"{name}: not yet. {wrong}",
            f'hint("{name}") helps further; the chapter goes on with the book\'s solution.',
        )
        return exercise.reference
    progress.record(name, tried=True, solved=True)
    count = len(exercise.cases)
    _say(f"{name}: right, {count} of {count} cases. {exercise.note}")
    return answer


def hint(name: str, level: int | None = None) -> None:
    """Print the next hint for exercise `name`, or hint number `level` (from 1). The hints go from gentle to explicit."""
    exercise = find(name)
    total = len(exercise.hints)
    if level is None:
        level = min(progress.read().get(name, {}).get("hints", 0) + 1, total)
        progress.record(name, hints=level)
    if not 1 <= level <= total:
        raise ValueError(f"{name} has hints 1 to {total}, got {level}")
    _say(f"{name}, hint {level} of {total}: {exercise.hints[level - 1]}")


def status() -> None:
    """Print which exercises are solved, tried and not started, by chapter. The record stays on this machine."""
    known, done = all_exercises(), progress.read()
    width = max(map(len, known), default=0)
    for exercise in known.values():
        entry = done.get(exercise.name, {})
        state = "solved" if entry.get("solved") else "tried" if entry.get("tried") else "not started"
        print(f"chapter {exercise.chapter:02d}  {exercise.name:<{width}}  {state}")
    print(f"{sum(bool(done.get(name, {}).get('solved')) for name in known)} of {len(known)} solved")


def _run(exercise: Exercise, case: Case, answer: Any, first: bool) -> None:
    """Put one case to the answer. Raises: _NotStarted, or Wrong with a message for the reader."""
    if answer is None or answer is Ellipsis or (callable(answer) and first and _is_stub(answer)):
        raise _NotStarted
    try:
        if case.test is not None:
            case.test(answer)
            return
        if callable(exercise.reference) and not callable(answer):
            raise Wrong(
                f"The answer should be a function, but it is of type {type(answer).__name__}. Pass the function itself, without calling it."
            )
        arguments = case.arguments() if case.arguments else ()
        given = copy.deepcopy(arguments)
        result = answer(*given) if callable(answer) else answer
    except (Wrong, _NotStarted):
        raise
    except Exception as error:
        if first and isinstance(error, NotImplementedError):
            raise _NotStarted from None
        raise Wrong(_crash(exercise, case, answer, error)) from None
    if callable(answer) and (result is None or result is Ellipsis):
        raise Wrong(
            "The function returned nothing. Is the line with `return` missing, or indented into the loop?"
        )
    if any(_is_array(a) and not _same(a, b, 0.0) for a, b in zip(arguments, given, strict=True)):
        raise Wrong(
            "The function changed one of its arguments in place. Make a new one for the result: others still need what came in."
        )
    expected = exercise.oracle(*arguments) if callable(exercise.oracle) else exercise.oracle
    _form(exercise, case, result, expected)
    if not _same(result, expected, exercise.tolerance):
        raise Wrong(_diagnose(exercise, case, answer, result, expected))


def _form(exercise: Exercise, case: Case, result: Any, expected: Any) -> None:
    """Raise Wrong if the result is not an array of numbers of the expected shape."""
    try:
        shape = np.shape(_array(result))
    except (TypeError, ValueError):
        raise Wrong(f"The result should hold numbers, but it is of type {type(result).__name__}.") from None
    wanted = np.shape(_array(expected))
    if shape != wanted:
        named = len(wanted) and len(exercise.axes) == len(wanted)
        axes = f", [{', '.join(exercise.axes)}]" if named else ""
        raise Wrong(
            f"Case {case.name!r}: the result has shape {shape}, where {wanted} was expected{axes}.{_where(exercise, case.read)}"
        )


def _diagnose(exercise: Exercise, case: Case, answer: Any, result: Any, expected: Any) -> str:
    """Which mistake gives these numbers: a known misconception that agrees in every case, or else the case's own words."""
    asked = [case.arguments() if case.arguments else () for case in exercise.cases if case.test is None]
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # a reader's own print has been seen once already
            theirs = [
                answer(*copy.deepcopy(arguments)) if callable(answer) else answer for arguments in asked
            ]
    except Exception:
        theirs = []
    for misconception in exercise.misconceptions if theirs else ():
        wrong = (misconception.wrong(*copy.deepcopy(arguments)) for arguments in asked)
        if all(_same(a, b, exercise.tolerance) for a, b in zip(theirs, wrong, strict=True)):
            return misconception.message + _where(exercise, misconception.read)
    difference = _first_difference(exercise, result, expected)
    return f"{case.why} Case {case.name!r}: {difference}.{_where(exercise, case.read)}"


def _where(exercise: Exercise, section: str) -> str:
    """Where to read on."""
    return f" Read: chapter {exercise.chapter}" + (f", '{section}'." if section else ".")


def _first_difference(exercise: Exercise, result: Any, expected: Any) -> str:
    got, want = (np.asarray(_array(x), dtype=np.float64) for x in (result, expected))
    if got.ndim == 0:
        return f"got {got:.4g}, expected {want:.4g}"
    differs = ~np.isclose(got, want, rtol=exercise.tolerance, atol=exercise.tolerance)
    index = tuple(int(i) for i in np.argwhere(differs)[0])
    axes = exercise.axes if len(exercise.axes) == got.ndim else [f"axis {i}" for i in range(got.ndim)]
    where = ", ".join(f"{axis} = {i}" for axis, i in zip(axes, index, strict=True))
    return f"at {where}: got {got[index]:.4g}, expected {want[index]:.4g}"


def _array(value: Any) -> Any:
    """A tensor as a NumPy array; anything else as NumPy sees it."""
    if hasattr(value, "detach"):
        return value.detach().cpu().numpy()
    array = np.asarray(value)
    if array.dtype == object or array.dtype.kind in "US":
        raise TypeError("not numbers")
    return array


def _is_array(value: Any) -> bool:
    try:
        return np.ndim(_array(value)) > 0
    except (TypeError, ValueError):
        return False


def _same(a: Any, b: Any, tolerance: float) -> bool:
    """Whether two results agree: same shape and numbers for arrays, equality for everything else."""
    try:
        a, b = _array(a), _array(b)
    except (TypeError, ValueError):
        return bool(a is b or np.all(a == b))
    return a.shape == b.shape and bool(
        np.allclose(
            a.astype(np.float64), b.astype(np.float64), rtol=tolerance, atol=tolerance, equal_nan=True
        )
    )


def _is_stub(answer: Callable[..., Any]) -> bool:
    """Whether a function's body is nothing but `pass`, `...` or a docstring."""
    code = getattr(answer, "__code__", None)
    if code is None or any(constant not in (None, answer.__doc__) for constant in code.co_consts):
        return False
    return {step.opname for step in dis.get_instructions(code)} <= _STUB_OPERATIONS


def _crash(exercise: Exercise, case: Case, answer: Any, error: Exception) -> str:
    """The last traceback line and the reader's own line that led to it, and what such an error usually means."""
    own_file = getattr(getattr(answer, "__code__", None), "co_filename", None)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == own_file]
    said = traceback.format_exception_only(error)[-1].strip().rstrip(".")
    message = f"In case {case.name!r} the code stopped with an error"
    if frames:
        source = linecache.getline(own_file, frames[-1].lineno).strip()
        message += f", in line {frames[-1].lineno} of your cell:" + (f"\n    {source}" if source else "")
    if isinstance(error, NameError):  # a name in the message is none that the exercise knows
        code = getattr(answer, "__code__", None)
        arguments = ", ".join(code.co_varnames[: code.co_argcount]) if code else ""
        meanings = [f"The arguments are called {arguments}."] if arguments else []
    else:
        meanings = [meaning for fragment, meaning in exercise.crash_help.items() if fragment in str(error)]
    if not meanings and any(fragment in str(error) for fragment in _AMBIGUOUS):
        meanings = [
            "`and`, `or`, `not` and `if` want one answer, and here is one for each entry: use &, | and ~."
        ]
    return "\n".join([message if frames else message + ":", f"{said}.", *dict.fromkeys(meanings)])


def _say(*paragraphs: str) -> None:
    """Print paragraphs, wrapped; a line that is indented is code and printed as it is."""
    for line in "\n".join(paragraphs).splitlines():
        code = line.startswith("    ")
        print(
            line
            if code
            else textwrap.fill(line, _WIDTH, break_long_words=False, break_on_hyphens=False).rstrip()
        )
