"""A softmax policy on a bandit: one guess beside the exact gradient."""

from __future__ import annotations

import traitlets

from ppo_core.viz.explorables.base import Explorable


class BanditLab(Explorable):
    """A bandit with four arms and a softmax policy: what one guess does to the logits, and what all guesses do in the mean.

    `reward_0` to `reward_3` are the mean rewards of the arms; each reward has noise of standard deviation 1. `run` is the
    state of learning (round, logits, average of the rewards so far, history of the mean reward), and `seed` fixes the
    luck of every round, so that a run can be repeated exactly.
    """

    module = "bandit"
    description = (
        "Sliders for the mean rewards of four arms and for the learning rate, a choice of baseline, and buttons that reinforce one guess or "
        "many, over three charts: the probability of each arm, the push on each logit (exact, and of this one guess), and the mean reward "
        "over the rounds. One guess lies far from the exact push, less far with a baseline; in the mean they agree."
    )

    reward_0 = traitlets.Float(4.5, min=-2.0, max=8.0).tag(sync=True, page=True)
    reward_1 = traitlets.Float(5.0, min=-2.0, max=8.0).tag(sync=True, page=True)
    reward_2 = traitlets.Float(6.0, min=-2.0, max=8.0).tag(sync=True, page=True)
    reward_3 = traitlets.Float(4.5, min=-2.0, max=8.0).tag(sync=True, page=True)
    learning_rate = traitlets.Float(0.1, min=0.02, max=1.6).tag(sync=True, page=True)
    baseline = traitlets.Enum(["none", "mean"], "none").tag(sync=True, page=True)
    seed = traitlets.Int(1, min=0, max=999).tag(sync=True, page=True)
    run = traitlets.Dict().tag(sync=True, page=True)

    @traitlets.default("run")
    def _run(self) -> dict:
        return {"round": 0, "logits": [0.0] * 4, "average": 0.0, "history": []}

    @traitlets.default("title")
    def _title(self) -> str:
        return "Bandit lab: one guess, and the mean of all guesses"

    @traitlets.default("question")
    def _question(self) -> str:
        return (
            "Predict first: every arm pays around 5. In how many of the first ten rounds will the amber arrows lower the arm that was "
            "pulled? Then reinforce ten guesses, one by one.\n"
            "Now start again with the baseline, and ask the same. What has happened to the teal arrows?\n"
            "Last, the highest learning rate and 200 rounds, several times, each with other luck: does it always find the best arm?"
        )

    @traitlets.default("explanation")
    def _explanation(self) -> str:
        return (
            "Without a baseline nearly every guess lifts its own arm, good or bad, because every reward is positive. The teal arrows, the mean of "
            "all guesses, lift only the arms that pay more than the mean. The baseline leaves them as they are: a constant times a score has mean "
            "zero. It only brings the amber arrows nearer to them, and the second line of the read-out says by how much.\n"
            "In round 0 no reward has been seen, so the baseline is still 0.\n"
            "With large steps a few lucky guesses decide. Once one arm has nearly all the probability, the teal arrows of the others are nearly "
            "zero, however well they pay: an arm that is not drawn is not corrected. Change the rewards then, and see how long it takes to notice."
        )
