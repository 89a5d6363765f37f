"""Gymnasium's autoreset modes, one call of step at a time."""

from __future__ import annotations

import traitlets

from ppo_core.viz.explorables.base import Explorable


class AutoresetTimeline(Explorable):
    """What `step` returns in each autoreset mode around the end of an episode, and which row is no transition."""

    module = "autoreset"
    description = (
        "A choice of autoreset mode, and sliders for the time limit and the number of calls, over a row of boxes, one for each call of step. "
        "In NEXT_STEP mode the call after a truncation returns a row that is no transition; in SAME_STEP mode every row is one, but where an "
        "episode ended the true successor is in the infos; in DISABLED mode every row is one and you reset with a mask."
    )

    mode = traitlets.Enum(["NEXT_STEP", "SAME_STEP", "DISABLED"], "NEXT_STEP").tag(sync=True, page=True)
    limit = traitlets.Int(3, min=1, max=5).tag(sync=True, page=True)
    call = traitlets.Int(3, min=0, max=12).tag(sync=True, page=True)

    @traitlets.default("title")
    def _title(self) -> str:
        return "One call of step at a time"

    @traitlets.default("question")
    def _question(self) -> str:
        return (
            "A climber goes up one stair in each step and is paid 1; after three steps the episode is truncated, as it just was.\n"
            "Predict first: what will the next call return, and is it a transition? Then make the call, and ask the same in the other two modes. "
            "How many of twelve rows are real in each?"
        )

    @traitlets.default("explanation")
    def _explanation(self) -> str:
        return (
            "NEXT_STEP: the call after an ending resets and does nothing else. Its row (dashed) is to be masked, in the loss and in every mean and count. "
            "The shorter the episodes, the more rows are lost; with a limit of one step it is every second row.\n"
            "SAME_STEP: no row is lost, but where an episode ended obs is already the next episode's. The value of the successor needs "
            "infos['final_obs'], the policy needs obs.\n"
            "DISABLED: nothing is hidden. The reset is a call of its own, with a mask of the environments that ended.\n"
            "The transitions are the same in all three: stair before, reward, next_obs, flag. So are the advantages."
        )
