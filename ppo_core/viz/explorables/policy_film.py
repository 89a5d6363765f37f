"""A film of one training run: an episode at each of eight moments, the map of actions, and the learning curve."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import traitlets

from ppo_core.viz.explorables.base import Explorable

DATA = Path(__file__).with_name("policy_film.json")
MOMENTS = 8
LONGEST = 500  # steps of an episode of CartPole-v1


class PolicyFilm(Explorable):
    """Eight moments of one training run on CartPole, to go through: at each, one episode and what the policy does elsewhere.

    `moment` counts from the untrained policy (0) to the end of the training (7), `step` is the step of the episode.
    `data` was computed with this package by tools/make_policy_film.py; the file says with which seed and versions.
    """

    module = "policy_film"
    description = (
        "Sliders for the moment of the training and the step of an episode, and a button that plays it, over a picture of cart and pole, a map of the "
        "probability of a push to the right over angle and turning speed of the pole, and the learning curve with a mark at the moment. "
        "The episode becomes much shorter at first, then reaches the time limit, becomes shorter again because the cart runs off the track, and ends at the "
        "time limit in the later moments."
    )

    moment = traitlets.Int(0, min=0, max=MOMENTS - 1).tag(sync=True, page=True)
    step = traitlets.Int(0, min=0, max=LONGEST).tag(sync=True, page=True)
    data = traitlets.Dict().tag(sync=True, page=True)

    @traitlets.default("data")
    def _data(self) -> dict[str, Any]:
        return json.loads(DATA.read_text(encoding="utf-8"))

    @traitlets.default("title")
    def _title(self) -> str:
        return "Policy film: eight moments of one training run"

    @traitlets.default("question")
    def _question(self) -> str:
        return (
            "The first moment is the untrained policy; from the second on the training doubles, and the last moment is the end. The same start of the episode each time, "
            "always the most probable action. Predict first: does each moment balance at least as long as the one before?\n"
            "Then go through the moments and play some. Where does the map change sign, and which moments let the cart run away?"
        )

    @traitlets.default("explanation")
    def _explanation(self) -> str:
        return (
            "No. Learning is not a staircase. The untrained policy has no opinion: its map is almost white, and the most probable action is the winner of "
            "a nearly equal race, one that happens to suit this task. The first updates tilt it the wrong way or the right way; with probabilities near one half "
            "it takes little to turn the most probable action round.\n"
            "Therefore sampled and most probable actions can tell different stories. After four iterations the most probable actions already "
            "reach the time limit, while the policy that learns, which samples, still falls soon.\n"
            "Then a slanted border appears: push to the side to which the pole falls or turns. It keeps the pole up and lets the cart run away, "
            "so that the episode ends at the edge of the track. The map cannot show why, since its cart is in the middle. The table can: it has the probability of a "
            "push to the right with the cart left, in the middle and right. A cart far to the right must first be pushed further to the right, so that "
            "the pole leans back and takes it home. From 2,048 to 8,192 steps the policy does the opposite, later it has the sign right.\n"
            "This is one run with one seed. Another seed has another story on the way, so a single curve says little about a method."
        )
