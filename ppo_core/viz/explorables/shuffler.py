"""Which step of a rollout is used by which gradient step."""

from __future__ import annotations

import traitlets

from ppo_core.viz.explorables.base import Explorable


class RolloutShuffler(Explorable):
    """A rollout cut into minibatches, epoch after epoch: which step is used when, and how often.

    `how` is "shuffled", as `ppo_core.Rollout` does it, or a way to get it wrong: "with replacement",
    "rest dropped" (parts of a fixed size) or "in order" (not shuffled).
    """

    module = "shuffler"
    description = (
        "Sliders for environments, steps, minibatches and epochs, and a choice of how the steps are drawn, over a grid of the rollout: time "
        "to the right, one row for each environment. The steps of the chosen gradient step are filled, and each step carries the number "
        "of its uses so far. Shuffled, each step is used once in each epoch; drawn with replacement, about a third is never used in one."
    )

    num_envs = traitlets.Int(4, min=1, max=8).tag(sync=True, page=True)
    num_steps = traitlets.Int(8, min=2, max=16).tag(sync=True, page=True)
    num_minibatches = traitlets.Int(4, min=1, max=8).tag(sync=True, page=True)
    epochs = traitlets.Int(2, min=1, max=6).tag(sync=True, page=True)
    how = traitlets.Enum(["shuffled", "with replacement", "rest dropped", "in order"], "shuffled").tag(
        sync=True, page=True
    )
    gradient_step = traitlets.Int(1, min=1, max=48).tag(sync=True, page=True)
    seed = traitlets.Int(0, min=0, max=999).tag(sync=True, page=True)

    @traitlets.default("title")
    def _title(self) -> str:
        return "Rollout shuffler: who is used when"

    @traitlets.default("question")
    def _question(self) -> str:
        return (
            "Predict first: 4 environments, 8 steps, 4 minibatches, 2 epochs. How many gradient steps are made, how many samples has each, and "
            "how often is one step of the rollout used in the end? Then go through the gradient steps.\n"
            "Now draw with replacement, and ask again."
        )

    @traitlets.default("explanation")
    def _explanation(self) -> str:
        return (
            "The rollout has T times N steps, and an epoch uses each of them once. More minibatches make more gradient steps of fewer "
            "samples; more epochs make more uses of each step.\n"
            "With replacement an epoch of as many draws misses about a third of the steps and uses others several times. With parts of a "
            "fixed size the rest is lost, if the size cannot be divided; parts that differ by one lose nothing.\n"
            "Without shuffling each minibatch holds neighbours in time, which are much alike. The advantages are computed before all this, "
            "while the rows are still in the order of time, and then travel with their steps."
        )
