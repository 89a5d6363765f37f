"""The budget of an iteration: the page's model is Python's, and Amdahl's law holds in it."""

from __future__ import annotations

import itertools

import pytest
import traitlets
from kit import TOLERANCE, explorables, module, node

from ppo_core.viz.explorables.budget import COSTS, PARTS, iteration_budget, what_if

CHOICES = list(
    itertools.product(["torch", "numpy"], ["loop", "workers", "arrays"], ["separate", "flat", "analytic"])
)
SIZES = [(1, 16, 1.0), (3, 128, 10.0), (4, 128, 300.0), (33, 512, 30.0), (256, 1024, 10_000.0)]


def settings() -> list[dict]:
    names = ("num_envs", "num_steps", "step_us", "actor", "environments", "gradient")
    rows = [(*size, *choice) for size, choice in itertools.product(SIZES, CHOICES)]
    return [dict(zip(names, row, strict=True)) for row in rows]


def test_the_page_computes_what_python_computes() -> None:
    asked = [{**row, "costs": COSTS} for row in settings()]
    got = node(
        f"""import {{ iterationBudget, whatIf, PARTS }} from {module("budget")};
        answer(input.map((s) => {{
          const budget = iterationBudget(s);
          return [budget, PARTS.map((part) => [1, 3, 1e9].map((factor) => whatIf(budget, part, factor)))];
        }}));""",
        asked,
    )
    for row, (budget, laws) in zip(settings(), got, strict=True):
        mine = iteration_budget(**row)
        assert budget == pytest.approx(list(mine.values()), rel=TOLERANCE), row
        for part, per_factor in zip(PARTS, laws, strict=True):
            for factor, theirs in zip((1, 3, 1e9), per_factor, strict=True):
                speedup, limit = what_if(mine, part, factor)
                assert theirs["speedup"] == pytest.approx(speedup, rel=TOLERANCE)
                assert theirs["limit"] == pytest.approx(limit, rel=TOLERANCE)


def test_a_budget_by_hand() -> None:
    """Two environments, sixteen steps: every product written down."""
    costs = {**COSTS, "actor numpy": [10.0, 1.0], "advantages": [2.0, 0.5], "flat": [100.0, 2.0]}
    mine = iteration_budget(2, 16, 5.0, "numpy", "loop", "flat", costs=costs)
    expected = {"policy": 16 * 12, "environments": 16 * 2 * 5, "advantages": 16 * 3, "update": 4 * (400 + 64)}
    assert mine == pytest.approx({part: us / 1000 for part, us in expected.items()})
    workers = iteration_budget(5, 16, 5.0, "numpy", "workers", "flat", costs=costs)
    assert workers["environments"] == pytest.approx(16 * (100 + 3 * 5) / 1000)  # the worker with three
    arrays = iteration_budget(50, 16, 5.0, "numpy", "arrays", "flat", costs=costs)
    assert arrays["environments"] == pytest.approx(16 * 5 * (3 + 0.04 * 50) / 1000)


@pytest.mark.parametrize("row", settings()[::7], ids=str)
def test_no_idea_passes_the_floor_of_its_part(row: dict) -> None:
    budget = iteration_budget(**row)
    total = sum(budget.values())
    for part in PARTS:
        before = 1.0
        for factor in (1, 2, 10, 1e9):
            speedup, limit = what_if(budget, part, factor)
            assert before <= speedup + 1e-12 <= limit + 1e-6
            assert total / speedup == pytest.approx(total - budget[part] * (1 - 1 / factor))
            before = speedup
        assert what_if(budget, part, 1)[0] == pytest.approx(1.0)


def test_the_cheap_ideas_win_where_calls_cost_and_the_last_ones_where_rows_do() -> None:
    """What the text under the picture says."""
    few, many = (iteration_budget(n, 128, 10.0) for n in (4, 64))
    assert max(few, key=few.get) == "policy" and what_if(few, "environments", 10)[1] < 1.1
    assert few["policy"] / sum(few.values()) > many["policy"] / sum(many.values())
    ours = iteration_budget(64, 128, 10.0, "numpy", "loop", "flat")
    assert max(ours, key=ours.get) in ("environments", "update")
    assert ours["environments"] > 4 * ours["policy"]


def test_costs_of_another_machine_replace_some_and_a_wrong_name_is_refused() -> None:
    lab = explorables.IterationBudget(costs={"workers": [50.0]})
    assert lab.costs == {**COSTS, "workers": [50.0]}
    with pytest.raises(traitlets.TraitError, match="no cost is called 'numpy'"):
        explorables.IterationBudget(costs={"numpy": [1.0, 1.0]})
