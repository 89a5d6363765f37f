"""A Gaussian policy, the bounds of the action space, and which action the log-probability belongs to."""

from __future__ import annotations

import traitlets

from ppo_core.viz.explorables.base import Explorable


class GaussianLab(Explorable):
    """One action of a Gaussian policy: sampled, then clipped or squashed to the bounds, with both log-probabilities.

    `noise` is this draw in standard deviations: the sampled action is mean + exp(log_std) · noise. `outside` says what
    the environment gets: "clip" (the nearest bound) or "tanh" (bound · tanh of the action). Bounds: -bound and bound.
    """

    module = "gaussian"
    description = (
        "Sliders for the mean and the log standard deviation of a Gaussian policy, for the bounds of the action space and for the noise of one draw, and a "
        "choice between clipping and squashing, over the density of the sampled actions, the distribution of the executed ones, and bars for "
        "the pull on both parameters. Sampled actions pull by zero in the mean over all draws. Clipped ones in the same formula do not: with the mean "
        "inside the bounds they narrow the policy, whatever the reward, and with the mean outside they pull it to the bounds."
    )

    mean = traitlets.Float(0.5, min=-2.0, max=2.0).tag(sync=True, page=True)
    log_std = traitlets.Float(-0.5, min=-2.5, max=1.0).tag(sync=True, page=True)
    bound = traitlets.Float(1.0, min=0.2, max=3.0).tag(sync=True, page=True)
    noise = traitlets.Float(1.2, min=-3.0, max=3.0).tag(sync=True, page=True)
    outside = traitlets.Enum(["clip", "tanh"], "clip").tag(sync=True, page=True)

    @traitlets.default("title")
    def _title(self) -> str:
        return "Gaussian lab: sampled and executed"

    @traitlets.default("question")
    def _question(self) -> str:
        return (
            "Predict first: the policy sampled an action outside the bounds, the environment got the bound, and it went well. "
            "In which direction should the mean move? And which action's log-probability says so?\n"
            "Choose “the mean outside” and compare the two bars of μ. Then choose “just outside” and look at the mean of all draws: what do "
            "clipped actions do to σ, when no reward asks for anything? Last, squash instead."
        )

    @traitlets.default("explanation")
    def _explanation(self) -> str:
        return (
            "The policy drew the sampled action, so its log-probability is the one to keep. The clip belongs to the environment, like everything else that "
            "happens to an action after the draw.\n"
            "The clipped action was never drawn from this density. With the mean inside the bounds, it is never further from the mean than the sampled one. So in the mean "
            "over all draws the pull on log σ is below zero, and the policy becomes narrower with no reward behind it. With the mean outside, the clipped action can lie "
            "on the other side of the mean: to make it more probable, the mean moves to the bounds, away from the action that was drawn. Far enough outside, σ grows as well.\n"
            "Squashing loses nothing: each sampled action has one executed action, whose density is divided by the slope of tanh. That factor contains neither "
            "μ nor σ, so ratios and pulls are the same. The mistake there is to put the squashed action itself into the Gaussian formula. "
            "With a large σ almost all squashed actions lie near a bound."
        )
