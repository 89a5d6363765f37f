"""PPO's clipped objective for one sample."""

from __future__ import annotations

import traitlets

from ppo_core.viz.explorables.base import Explorable


class ClipLab(Explorable):
    """PPO's clipped objective for one sample: the ratio, the advantage, ε, and the parts of the formula one by one.

    `objective` is "ppo", or a version with a part missing: "no min" (the clipped product alone), "min first" (the
    smaller ratio is taken before the advantage comes in) or "no clip".
    """

    module = "clip"
    description = (
        "Sliders for the ratio, the advantage and ε, and a choice of objective, over two charts that share the ratio as their axis: what "
        "one sample adds to the objective, and its pull on the log-probability of the action. With the objective of PPO the pull is zero only "
        "where a good action has grown beyond 1 + ε or a bad one has shrunk below 1 − ε; on the other side it is whole."
    )

    ratio = traitlets.Float(1.0, min=0.01, max=2.0).tag(sync=True, page=True)
    advantage = traitlets.Float(1.0, min=-2.0, max=2.0).tag(sync=True, page=True)
    clip_coef = traitlets.Float(0.2, min=0.0, max=0.5).tag(sync=True, page=True)
    objective = traitlets.Enum(["ppo", "no min", "min first", "no clip"], "ppo").tag(sync=True, page=True)

    @traitlets.default("title")
    def _title(self) -> str:
        return "Clip lab: one sample"

    @traitlets.default("question")
    def _question(self) -> str:
        return (
            "Predict first: the action was good (A = 1). For which ratios is the pull zero? And for which, if it was bad (A = −1)? "
            "Then move the ratio from 0 to 2, once for each.\n"
            "Now leave out the min, and ask again: on which side does a sample lose the pull that it needs?"
        )

    @traitlets.default("explanation")
    def _explanation(self) -> str:
        return (
            "The min takes the smaller of two products. For a good action that is the clipped one above 1 + ε, for a bad action below 1 − ε: "
            "there the line is flat and the pull is zero. These are the samples that have moved far enough the way they should.\n"
            "On the other side ratio · A is the smaller one, and the line keeps its slope all the way. A good action that became rarer and "
            "a bad one that became more frequent are pulled back, however far outside they are.\n"
            "Without the min the line is flat on both sides, so that a sample on the wrong side is lost. With the min before the advantage, "
            "good actions look right, and bad ones are wrong on both sides: no way back above, and no limit below."
        )
