"""Logits, temperature and entropy of a policy with three actions."""

from __future__ import annotations

import traitlets

from ppo_core.viz.explorables.base import Explorable


class SoftmaxLab(Explorable):
    """Three logits and a temperature: the probabilities, their entropy, and what pulls on each logit.

    The pulls are the gradient of log π of the chosen `action` ("0", "1" or "2") and of `ent_coef` times the entropy.
    """

    module = "softmax"
    description = (
        "Sliders for three logits, the temperature and the coefficient of the entropy bonus, and a choice of action, over three charts: the "
        "probability of each action, the entropy between 0 and log 3, and the pull on each logit, from the log-probability of the chosen "
        "action and from the bonus. The pulls add up to 0, and the coefficient changes the pulls but never the probabilities."
    )

    logit_0 = traitlets.Float(1.4, min=-6.0, max=6.0).tag(sync=True, page=True)
    logit_1 = traitlets.Float(0.7, min=-6.0, max=6.0).tag(sync=True, page=True)
    logit_2 = traitlets.Float(0.7, min=-6.0, max=6.0).tag(sync=True, page=True)
    temperature = traitlets.Float(1.0, min=0.1, max=10.0).tag(sync=True, page=True)
    action = traitlets.Enum(["0", "1", "2"], "1").tag(sync=True, page=True)
    ent_coef = traitlets.Float(0.0, min=0.0, max=2.0).tag(sync=True, page=True)

    @traitlets.default("title")
    def _title(self) -> str:
        return "Softmax lab: three logits"

    @traitlets.default("question")
    def _question(self) -> str:
        return (
            "Predict first: which of these changes the probabilities: the same number added to every logit, a lower temperature, "
            "a larger coefficient of the entropy bonus? Then try the three.\n"
            "Choose “almost decided” and action 0, then action 2: which of them pulls harder, and how much does the bonus help?"
        )

    @traitlets.default("explanation")
    def _explanation(self) -> str:
        return (
            "Only the temperature does. The same number added to every logit cancels, and the bonus is a term of the loss: it changes the "
            "gradient, not the draw.\n"
            "The pull of log π is 1 for the chosen action, minus the probabilities, all divided by T. A sure action pulls hardly at all, "
            "a rare one with all its strength. The three pulls add up to 0.\n"
            "The bonus raises the actions that are rarer than expected and lowers the others. It carries the probability as a factor: "
            "where one action has almost everything, the bonus has almost no strength left to bring the others back. "
            "With equal logits it has nothing to do."
        )
