"""A critic that learns the values of the corridor, one update at a time."""

from __future__ import annotations

import traitlets

from ppo_core.viz.explorables.base import Explorable


class CriticLab(Explorable):
    """A critic with one number for each cell of the corridor learns from walks: the target, the step, the amount of data.

    `target` is "Monte Carlo", "TD(0)" or "n-step" with `n` steps; an update takes `episodes` walks and moves each visited
    cell the share `learning_rate` of the way to the mean of its targets. The same `seed` gives the same walks.
    """

    module = "critic"
    description = (
        "A choice of target (Monte Carlo, TD(0), n-step), sliders for the learning rate and the number of walks in an update, and buttons that do "
        "one or ten updates, over two charts: the values of the critic beside the exact ones in five cells, and the error against the number of updates. "
        "Monte Carlo targets bring the critic near the exact values soonest and keep it restless; TD(0) targets start slowly, because the payment at "
        "the right end must pass from cell to cell, and end nearer."
    )

    target = traitlets.Enum(["Monte Carlo", "TD(0)", "n-step"], "TD(0)").tag(sync=True, page=True)
    n = traitlets.Int(4, min=2, max=12).tag(sync=True, page=True)
    learning_rate = traitlets.Float(0.1, min=0.0, max=1.0).tag(sync=True, page=True)
    episodes = traitlets.Int(8, min=1, max=16).tag(sync=True, page=True)
    updates = traitlets.Int(0, min=0, max=200).tag(sync=True, page=True)
    seed = traitlets.Int(3, min=1, max=20).tag(sync=True, page=True)

    @traitlets.default("title")
    def _title(self) -> str:
        return "Critic lab: five cells, one update at a time"

    @traitlets.default("question")
    def _question(self) -> str:
        return (
            "Predict first: the critic says 0 everywhere, the target is TD(0). Which cells can change in the first update, and which ones with "
            "Monte Carlo? Do one update with each.\n"
            "Then go on to the end with each target. Which one is nearer after ten updates, and which after two hundred? Other walks are one slider away."
        )

    @traitlets.default("explanation")
    def _explanation(self) -> str:
        return (
            "With TD(0) only the last cell hears of a payment in the first update: every other target is what an untrained critic says, 0. The news "
            "travels one cell in each update. With Monte Carlo every cell of a paid walk hears of it at once.\n"
            "Near the end it is the other way round. A Monte Carlo target is 0 or 1 in every cell, however good the critic has become, so the "
            "values never come to rest. A TD target is the value of one of the two neighbours, and varies little. With some walks Monte Carlo is ahead "
            "at the very end, by luck; that is why the experiment below takes twenty critics.\n"
            "A smaller learning rate, or more walks in an update, makes both quieter; the smaller rate also makes both slower. With a learning "
            "rate of 1 the critic keeps nothing but the last update."
        )
