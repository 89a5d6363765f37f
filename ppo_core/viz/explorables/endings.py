"""Three endings of a row, and four treatments of it."""

from __future__ import annotations

import traitlets

from ppo_core.viz.explorables.base import Explorable


class EndingLab(Explorable):
    """What the last row of an episode or of a rollout counts, and what reaches back, for three endings and four treatments.

    `treatment` is "rule" (what `compute_gae` does), or one of three fixed habits: "always end", "always value", "ignore".
    """

    module = "endings"
    description = (
        "A choice of what happened behind row 4 of eight (terminated, truncated, or cut by the rollout) and of how the code treats it, with "
        "sliders for two values and λ, over the rows and a bar chart of the advantages. A termination counts no value, a truncation and a "
        "cut count the value of what the action led to; the sum stops at each of them. Every other treatment moves the advantages of the rows before."
    )

    ending = traitlets.Enum(["terminated", "truncated", "cut"], "truncated").tag(sync=True, page=True)
    treatment = traitlets.Enum(["rule", "always end", "always value", "ignore"], "rule").tag(
        sync=True, page=True
    )
    gamma = traitlets.Float(0.8, min=0.0, max=1.0).tag(sync=True, page=True)
    gae_lambda = traitlets.Float(0.9, min=0.0, max=1.0).tag(sync=True, page=True)
    final_value = traitlets.Float(5.0, min=0.0, max=10.0).tag(sync=True, page=True)
    start_value = traitlets.Float(2.0, min=0.0, max=10.0).tag(sync=True, page=True)

    @traitlets.default("title")
    def _title(self) -> str:
        return "How did it end?"

    @traitlets.default("question")
    def _question(self) -> str:
        return (
            "A machine pays 1 in each row, γ is 0.8, and the critic says 5, which is exact if the machine runs for ever: every advantage is zero.\n"
            "Predict first: the hall closes behind row 4 (truncated). Which rows change if the code counts no value there? "
            "And which if it counts the row below, which belongs to another machine? Then try the three endings with each treatment."
        )

    @traitlets.default("explanation")
    def _explanation(self) -> str:
        return (
            "Two questions, asked behind row 4. Does the value of what the action led to count? Only a termination says no. "
            "Does the row below belong to it? Only where nothing ended, and after a cut it stands in the next rollout.\n"
            "A false answer does not stay in its row: the sum carries it back, with weight (γλ)^l at a distance of l rows. With λ = 0 it stays.\n"
            "No fixed habit is right for every ending, which is why the two flags are kept apart. And a wrong habit may be invisible: "
            "where the next episode begins as well as this one ended, ignoring a truncation changes nothing."
        )
