"""Every check rejects a list of named wrong answers with the intended message, accepts the right ones, and knows a stub.

The answers are in tests/teach_wrong_answers/chNN.py; an exercise without them fails here.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import re
import subprocess
import sys
import types
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ppo_core.teach import check, doctor, engine, exercises, hint, status
from ppo_core.teach.exercise import Case, Exercise, Misconception, Wrong

HERE = Path(__file__).parent
EXERCISES = exercises.all_exercises()


def answers(chapter: int):
    path = HERE / "teach_wrong_answers" / f"ch{chapter:02d}.py"
    if not path.is_file():  # said by test_each_exercise_has_enough_answers_and_hints
        return SimpleNamespace(WRONG={}, RIGHT={})
    spec = importlib.util.spec_from_file_location(f"wrong_answers_ch{chapter:02d}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ANSWERS = {exercise.chapter: answers(exercise.chapter) for exercise in EXERCISES.values()}


def collect(kind: str) -> list:
    """(exercise, answer name, answer...) for every WRONG or RIGHT answer of every exercise."""
    found = []
    for name, exercise in EXERCISES.items():
        listed = getattr(ANSWERS[exercise.chapter], kind).get(name, {})
        if kind == "WRONG":
            found += [
                pytest.param(name, *answer, id=f"{name}: {mistake}") for mistake, answer in listed.items()
            ]
        else:
            named = listed.items() if isinstance(listed, dict) else enumerate(listed)
            found += [pytest.param(name, answer, id=f"{name}: {which}") for which, answer in named]
    return found


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("PPO_TEACH_STATE", str(tmp_path / "progress.json"))
    return tmp_path / "progress.json"


def by_heart(name: str) -> Any:
    """The book's solution as a reader would type it: the same, but another object."""
    reference = EXERCISES[name].reference
    if not callable(reference):
        return f"{reference} "
    return types.FunctionType(
        reference.__code__,
        reference.__globals__,
        reference.__name__,
        reference.__defaults__,
        reference.__closure__,
    )


def flat(text: str) -> str:
    return " ".join(text.split())


# --- every exercise ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, answer, phrase", collect("WRONG"))
def test_a_wrong_answer_is_rejected_with_its_own_message(name, answer, phrase, capsys) -> None:
    assert check(name, answer) is EXERCISES[name].reference
    said = flat(capsys.readouterr().out)
    assert said.startswith(f"{name}: not yet.")
    assert phrase in said, said


@pytest.mark.parametrize("name, answer", collect("RIGHT"))
def test_a_right_answer_of_another_kind_is_accepted(name, answer, capsys) -> None:
    assert check(name, answer) is answer
    assert capsys.readouterr().out.startswith(f"{name}: right, ")


@pytest.mark.parametrize("name", EXERCISES)
def test_the_reference_is_right(name, capsys) -> None:
    answer = by_heart(name)
    assert check(name, answer) is answer
    assert capsys.readouterr().out.startswith(f"{name}: right, ")


@pytest.mark.parametrize("name", EXERCISES)
def test_the_books_solution_is_not_the_readers(name, capsys, own_progress) -> None:
    """A check puts it under the reader's name. Whoever runs the check again, or mends the cell and leaves a typing
    error in it, has not solved anything."""
    given = check(name, None)
    capsys.readouterr()
    assert check(name, given) is given
    said = flat(capsys.readouterr().out)
    assert said.startswith(f"{name}: this is the book's solution") and "right" not in said
    assert not own_progress.exists() or "solved" not in own_progress.read_text()


@pytest.mark.parametrize("name", EXERCISES)
def test_each_exercise_has_enough_answers_and_hints(name) -> None:
    exercise, known = EXERCISES[name], ANSWERS[EXERCISES[name].chapter]
    assert len(known.WRONG.get(name, {})) >= 3
    assert len(known.RIGHT.get(name, [])) >= 1
    assert len(exercise.hints) >= 2
    assert len({case.name for case in exercise.cases}) == len(exercise.cases)


@pytest.mark.parametrize("name", EXERCISES)
@pytest.mark.parametrize("stub", ["raises", "pass", "docstring", None, ...], ids=str)
def test_a_stub_is_called_not_started(name, stub, capsys) -> None:
    def raises(*arguments):
        """Fill this in."""
        raise NotImplementedError("your code here")

    def docstring(*arguments):
        """Fill this in."""

    def nothing(*arguments):
        pass

    answer = {"raises": raises, "docstring": docstring, "pass": nothing}.get(stub, stub)
    assert check(name, answer) is EXERCISES[name].reference
    said = capsys.readouterr().out
    assert said.startswith(f"{name}: not started yet.")
    assert "not yet" not in said.replace("not started yet", "")


@pytest.mark.parametrize("name", EXERCISES)
def test_the_cases_tell_the_misconceptions_apart(name) -> None:
    """Two misconceptions that give the same numbers in every case would get each other's message."""
    exercise = EXERCISES[name]
    asked = [case.arguments() for case in exercise.cases if case.test is None and case.arguments]
    results = {m.name: [np.asarray(m.wrong(*a), float) for a in asked] for m in exercise.misconceptions}
    results["the right answer"] = [np.asarray(exercise.oracle(*a), float) for a in asked] if asked else []
    for (one, mine), (other, theirs) in itertools.combinations(results.items(), 2):
        same = all(
            a.shape == b.shape and np.allclose(a, b, atol=1e-3) for a, b in zip(mine, theirs, strict=True)
        )
        assert not same or not asked, f"{one} and {other} cannot be told apart"


@pytest.mark.parametrize("name", EXERCISES)
def test_a_message_sends_to_a_section_that_exists(name) -> None:
    exercise = EXERCISES[name]
    pages = list((HERE.parent / "notebooks").glob(f"{exercise.chapter:02d}_*.ipynb"))
    assert pages, f"no notebook of chapter {exercise.chapter}"
    cells = json.loads(pages[0].read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    headings = [heading.lower() for heading in re.findall(r"^#+ +(.*)$", text, re.MULTILINE)]
    for part in (*exercise.cases, *exercise.misconceptions):
        assert not part.read or any(part.read.lower() in heading for heading in headings), part.read


def test_hints_do_not_run_out(capsys) -> None:
    total = len(EXERCISES["gae_loop"].hints)
    for _ in range(total + 1):
        hint("gae_loop")
    said = capsys.readouterr().out
    assert f"hint 1 of {total}" in said and said.count(f"hint {total} of {total}") == 2
    hint("gae_loop", 1)
    assert f"hint 1 of {total}" in capsys.readouterr().out
    with pytest.raises(ValueError, match=f"hints 1 to {total}, got 9"):
        hint("gae_loop", 9)


def test_status_tells_solved_tried_and_not_started(capsys, own_progress) -> None:
    status()
    assert f"0 of {len(EXERCISES)} solved" in capsys.readouterr().out
    check("gae_loop", by_heart("gae_loop"))
    check("gae_join", lambda first, *_: first)
    check("gae_weights", None)
    capsys.readouterr()
    status()
    rows = {line.split()[2]: line.split(maxsplit=3)[3] for line in capsys.readouterr().out.splitlines()[:-1]}
    assert (rows["gae_loop"], rows["gae_join"], rows["gae_weights"]) == ("solved", "tried", "not started")
    check("gae_loop", lambda first, *_: first)  # a later wrong try takes nothing away
    assert json.loads(own_progress.read_text())["gae_loop"]["solved"] is True


def test_progress_can_be_switched_off_and_a_broken_file_stops_nothing(monkeypatch, tmp_path, capsys) -> None:
    monkeypatch.setenv("PPO_TEACH_STATE", "")
    check("gae_loop", by_heart("gae_loop"))
    assert not list(tmp_path.iterdir())
    (tmp_path / "broken.json").write_text("{")
    monkeypatch.setenv("PPO_TEACH_STATE", str(tmp_path / "broken.json"))
    status()
    assert "not started" in capsys.readouterr().out
    monkeypatch.setenv("PPO_TEACH_STATE", str(tmp_path / "broken.json" / "below a file"))
    check("gae_loop", by_heart("gae_loop"))


def test_a_wrong_name_gets_the_nearest() -> None:
    with pytest.raises(KeyError, match="did you mean 'gae_loop'"):
        check("gae_lop", None)


def test_the_package_and_the_checks_load_torch_and_plots_only_when_asked() -> None:
    script = "import sys, ppo_core.teach as t; print(sorted({'torch', 'matplotlib', 'IPython', 'ipywidgets'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


# --- the machinery, on an exercise of its own ---------------------------------------------------------------------

DOUBLE = Exercise(
    name="double",
    chapter=1,
    prompt="Double a vector.",
    hints=("Multiply.", "By two."),
    cases=(
        Case("zeros", "Zero stays zero.", arguments=lambda: (np.zeros(3),)),
        Case("numbers", "Each number counts twice.", arguments=lambda: (np.array([1.0, -2.0, 3.0]),)),
    ),
    reference=lambda x: 2 * x,
    oracle=lambda x: np.array([a + a for a in x]),
    misconceptions=(Misconception("square", lambda x: x**2, "That is the square."),),
    crash_help={"no attribute 'doubled'": "There is no such method."},
    axes=("i",),
)

FIVE = Exercise(
    name="five",
    chapter=1,
    prompt="2 + 3",
    hints=("Count.", "5"),
    cases=(Case("sum", "Add them."),),
    reference=5,
    oracle=5,
)


def _refuse_even(answer):
    if answer(3) % 2 == 0:
        raise Wrong("3 is odd.")


ODD = Exercise(
    name="odd", chapter=1, prompt="An odd number.", hints=("1", "3"), cases=(Case("odd", "", test=_refuse_even),), reference=lambda n: n
)  # fmt: skip


@pytest.fixture
def own_exercises(monkeypatch):
    known = {exercise.name: exercise for exercise in (DOUBLE, FIVE, ODD)}
    monkeypatch.setattr(engine, "find", known.__getitem__)
    monkeypatch.setattr(engine, "all_exercises", lambda: known)


@pytest.mark.parametrize(
    "name, answer, phrase",
    [
        ("double", lambda x: x**2, "double: not yet. That is the square. Read: chapter 1."),
        ("double", lambda x: 3 * x, "Each number counts twice. Case 'numbers': at i = 0: got 3, expected 2."),
        (
            "double",
            lambda x: 2 * x[:2],
            "Case 'zeros': the result has shape (2,), where (3,) was expected, [i]. Read: chapter 1.",
        ),
        ("double", lambda x: "six", "should hold numbers, but it is of type str"),
        ("double", lambda x: np.where(x == 3, np.nan, 2 * x), "at i = 2: got nan, expected 6"),
        ("double", lambda x: x.doubled(), "There is no such method."),
        ("double", lambda x: 2 * x if x > 0 else x, "here is one for each entry: use &, | and ~."),
        ("double", lambda x: 2 * doubled, "'doubled' is not defined. The arguments are called x."),  # noqa: F821
        ("double", lambda x, y: 2 * x, "missing 1 required positional argument"),
        ("double", lambda x: x.__imul__(2), "changed one of its arguments in place"),
        ("five", 6, "Add them. Case 'sum': got 6, expected 5."),
        ("odd", lambda n: 2 * n, "odd: not yet. 3 is odd."),
        ("odd", lambda n: n / 0, "ZeroDivisionError"),
    ],
)
def test_what_the_message_says(own_exercises, capsys, name, answer, phrase) -> None:
    check(name, answer)
    assert phrase in flat(capsys.readouterr().out)


@pytest.mark.parametrize(
    "name, answer", [("double", lambda x: x + x), ("five", 5.0), ("odd", lambda n: n + 2)]
)
def test_what_is_right(own_exercises, capsys, name, answer) -> None:
    assert check(name, answer) is answer
    assert f"{name}: right" in capsys.readouterr().out


def test_a_crash_names_the_readers_own_line(own_exercises, capsys) -> None:
    def broken(x):
        total = np.sum(x)
        return helper(total)

    def helper(total):
        return total / undefined  # noqa: F821

    check("double", broken)
    said = capsys.readouterr().out
    line = helper.__code__.co_firstlineno + 1
    assert f"in line {line} of your cell:" in flat(said)
    assert "\n    return total / undefined" in said
    assert "NameError: name 'undefined' is not defined" in said
    assert str(HERE) not in said


def test_a_readers_own_prints_come_once(own_exercises, capsys) -> None:
    def chatty(x):
        print("look:", len(x))
        return x**2

    check("double", chatty)
    assert capsys.readouterr().out.count("look:") == 2  # two cases, and none more for the diagnosis


def test_what_is_printed_depends_on_the_answer_alone(capsys) -> None:
    wrong = ANSWERS[5].WRONG["gae_loop"]["leak across truncation"][0]
    check("gae_loop", wrong)
    first = capsys.readouterr().out
    hint("gae_loop"), capsys.readouterr()
    check("gae_loop", wrong)
    assert capsys.readouterr().out == first
    assert max(map(len, first.splitlines())) <= 76


# --- the doctor ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def report():
    return doctor.doctor(smoke_seconds=0.1)


def test_the_doctor_finds_this_computer_ready(report) -> None:
    assert report.ready, report
    found = {check.name: check.detail for check in report.checks}
    assert "2 started" in found["worker processes"]
    assert re.search(r"[1-9][\d,]* steps per second", found["training"])
    assert "600 by 400" in found["pictures of it"]


def test_the_report_is_the_same_in_text_json_and_html(report) -> None:
    text, page, plain = str(report), report._repr_html_(), json.loads(json.dumps(report.to_dict()))
    for found in report.checks:
        assert found.name in text and found.detail in text and found.name in page
        assert {"name": found.name, "ok": found.ok} == {
            key: plain["checks"][report.checks.index(found)][key] for key in ("name", "ok")
        }
    assert text.splitlines()[-1].startswith("Ready.") and plain["ready"] is True


def test_the_doctor_names_what_is_missing_and_what_to_do(monkeypatch, capsys) -> None:
    def no_torch():
        raise doctor.Problem(f"broken at {Path.home()}/venv", "install torch")

    def surprise():
        raise ZeroDivisionError("what?")

    for name in ("torch_works", "workers", "environment", "pictures", "notebooks"):
        monkeypatch.setattr(doctor, name, lambda: "fine")
    monkeypatch.setattr(doctor, "training", lambda seconds: "fine")
    assert doctor.main([]) == 0
    capsys.readouterr()
    monkeypatch.setattr(doctor, "torch_works", no_torch)
    monkeypatch.setattr(doctor, "films", surprise)
    assert doctor.main([]) == 1
    said = capsys.readouterr().out
    assert "MISSING   torch             broken at ~" in said and "-> install torch" in said
    assert str(Path.home()) not in said
    assert "optional  films             ZeroDivisionError: what?" in said
    assert said.splitlines()[-1].startswith("Not ready: torch.")
    assert doctor.main(["--json"]) == 1
    assert json.loads(capsys.readouterr().out)["ready"] is False
    page = doctor.Report((doctor.Check("a<b", False, "<script>", "x & y"),))._repr_html_()
    assert "<script>" not in page and "a&lt;b" in page and "x &amp; y" in page
