"""Samples of a policy gradient under a baseline."""

from __future__ import annotations

import traitlets

from ppo_core.viz.explorables.base import Explorable


class BaselineLab(Explorable):
    """One step, two actions: the gradients of 200 samples, and what a baseline does to their mean and their spread.

    Action 1 has probability `prob`; the returns of actions 0 and 1 are normal around 3 and 4 with standard deviation
    `noise`. A sample of the gradient, with respect to the logit, is score · (return − `baseline`).
    """

    module = "baseline"
    description = (
        "Sliders for the baseline, the probability of action 1 and the noise of the returns, over two charts: the gradients of 200 samples "
        "with their exact mean, and the spread of one sample against the baseline. Moving the baseline leaves the mean where it is; "
        "the spread is smallest near the mean return and grows on both sides."
    )

    baseline = traitlets.Float(0.0, min=-2.0, max=9.0).tag(sync=True, page=True)
    prob = traitlets.Float(0.5, min=0.05, max=0.95).tag(sync=True, page=True)
    noise = traitlets.Float(0.5, min=0.0, max=2.0).tag(sync=True, page=True)
    seed = traitlets.Int(1, min=1, max=999).tag(sync=True, page=True)

    @traitlets.default("title")
    def _title(self) -> str:
        return "Baseline lab: the mean stays, the spread moves"

    @traitlets.default("question")
    def _question(self) -> str:
        return (
            "Action 0 returns about 3, action 1 about 4. Predict first: the baseline rises from 0 to 9. Where does the exact mean of the gradient "
            "go? And where is the spread smallest? Then move the baseline.\n"
            "Now make action 1 probable, 0.9. Is the best baseline still the mean return?"
        )

    @traitlets.default("explanation")
    def _explanation(self) -> str:
        return (
            "The exact mean does not contain the baseline, and does not move. The dots do: with b = 0 each action is pushed towards "
            "itself, teal to the right and amber to the left, and the small difference between the two clouds is all that is to be learned.\n"
            "Near the mean return the clouds lie on top of each other. Beyond it they have changed sides, and the spread grows again: a baseline "
            "that is too high is as bad as one that is too low.\n"
            "The best baseline weights the returns by the square of the score, so that the rare action counts more: with 0.9 for action 1 "
            "it lies nearer to the return of action 0. The difference from the mean return is small compared with that from no baseline."
        )
