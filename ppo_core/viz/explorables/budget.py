"""Where the time of one iteration goes, and what one idea can save of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import traitlets

from ppo_core.viz.explorables.base import Explorable

PARTS = ("policy", "environments", "advantages", "update")

# Microseconds, of the size that one core of a laptop shows; a chapter may pass what its own machine measured.
# Each pair is [for one call, for each row of it].
COSTS: dict[str, list[float]] = {
    "actor torch": [480.0, 1.5],  # a vector step, an environment
    "actor numpy": [14.0, 0.6],
    "arrays": [3.0, 0.04],  # in steps of one environment: a vector step, an environment
    "workers": [100.0],  # a vector step
    "advantages": [4.0, 1.5],  # a step of the rollout, an environment's step
    "separate": [2000.0, 3.1],  # a minibatch, a sample
    "flat": [1000.0, 2.5],
    "analytic": [140.0, 2.1],
}


def iteration_budget(
    num_envs: int,
    num_steps: int,
    step_us: float,
    actor: str = "torch",
    environments: str = "loop",
    gradient: str = "separate",
    num_workers: int = 2,
    minibatches: int = 4,
    epochs: int = 4,
    costs: Mapping[str, list[float]] = COSTS,
) -> dict[str, float]:
    """The milliseconds of one iteration, part by part, in a simple model: so much for a call, so much for a row.

    With T = num_steps, N = num_envs and c = step_us:
    policy T (a + a' N),   update epochs (minibatches g + T N g'),   advantages T (r + r' N), and the environments
    T N c in a loop, T (o + c ceil(N / num_workers)) with workers, T c (b + b' N) with arrays.
    """
    T, N = num_steps, num_envs
    call, row = costs[f"actor {actor}"]
    rest, rest_row = costs["advantages"]
    gradient_call, gradient_row = costs[gradient]
    arrays, arrays_row = costs["arrays"]
    stepping = {
        "loop": T * N * step_us,
        "workers": T * (costs["workers"][0] + step_us * -(-N // num_workers)),
        "arrays": T * step_us * (arrays + arrays_row * N),
    }
    microseconds = (
        T * (call + row * N),
        stepping[environments],
        T * (rest + rest_row * N),
        epochs * (minibatches * gradient_call + T * N * gradient_row),
    )
    return {part: us / 1000 for part, us in zip(PARTS, microseconds, strict=True)}


def what_if(budget: Mapping[str, float], part: str, factor: float) -> tuple[float, float]:
    """Amdahl's law: (how many times as fast with `part` `factor` times as fast, the most that this part can give)."""
    total = sum(budget.values())
    others = total - budget[part]
    return total / (others + budget[part] / factor), total / others


class IterationBudget(Explorable):
    """Where the time of an iteration goes: a textbook's, yours, and yours with one part some times as fast.

    The costs are those of `iteration_budget`; `costs` replaces some of them by what another machine measured.
    """

    module = "budget"
    description = (
        "Sliders for the number of environments, the steps of a rollout and the time of one environment step, and choices for how actions are "
        "computed, how environments step and how gradients are made, over three stacked bars on one time axis: the parts of an "
        "iteration as in a textbook, as chosen, and with one part made some times as fast. What the other parts take is the floor that no "
        "speed-up of this part can pass."
    )

    num_envs = traitlets.Int(4, min=1, max=256).tag(sync=True, page=True)
    num_steps = traitlets.Int(128, min=16, max=1024).tag(sync=True, page=True)
    step_us = traitlets.Float(10.0, min=1.0, max=10_000.0).tag(sync=True, page=True)
    actor = traitlets.Enum(["torch", "numpy"], "torch").tag(sync=True, page=True)
    environments = traitlets.Enum(["loop", "workers", "arrays"], "loop").tag(sync=True, page=True)
    gradient = traitlets.Enum(["separate", "flat", "analytic"], "separate").tag(sync=True, page=True)
    part = traitlets.Enum(list(PARTS), "environments").tag(sync=True, page=True)
    factor = traitlets.Float(10.0, min=1.0, max=1e9).tag(sync=True, page=True)
    costs = traitlets.Dict().tag(sync=True, page=True)

    @traitlets.default("costs")
    def _costs(self) -> dict[str, Any]:
        return dict(COSTS)

    @traitlets.validate("costs")
    def _all_costs(self, proposal: Mapping[str, Any]) -> dict[str, Any]:
        unknown = sorted(set(proposal["value"]) - set(COSTS))
        if unknown:
            raise traitlets.TraitError(f"no cost is called {unknown[0]!r}; there are: {', '.join(COSTS)}")
        return {**COSTS, **proposal["value"]}

    @traitlets.default("title")
    def _title(self) -> str:
        return "The budget of an iteration"

    @traitlets.default("question")
    def _question(self) -> str:
        return (
            "Predict first: four environments as cheap as CartPole. How much faster does an iteration get if the environments become ten times "
            "as fast? Which part would you rather speed up?\n"
            "Then choose the ideas one after the other, and ask each time: which part is the largest now? And what changes with 64 environments?"
        )

    @traitlets.default("explanation")
    def _explanation(self) -> str:
        return (
            "An idea can save the time of its own part and no more. The hatched rest of the third bar, up to the dashed line, stays.\n"
            "After each idea another part is the largest. With few environments it is calls that cost: one call of the policy for each step, "
            "a hundred small operations for each minibatch. With many environments each call does more work, and the loop over environments "
            "and the arithmetic of the update are what is left.\n"
            "The numbers are those of a simple model, so much for a call and so much for a row; the chapter measures the real ones."
        )
