"""Ten dashboards, nine of them sick: choose a diagnosis, then see the symptom, the cause and the diff."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import traitlets

from ppo_core.viz.explorables.base import Explorable

HEALTHY = "Nothing is wrong"
# Specimen ("" for a sound trainer): the other diagnoses on offer, and what in the curves gives it away.
CASES: dict[str, tuple[tuple[str, str, str], str]] = {
    "return-is-never-reset": (
        ("", "reward-one-step-late", "values-broadcast"),
        "No episode of CartPole is longer than 500 steps, so no return can be above 500. All other curves lie on a healthy one: what is "
        "learned is right, what is counted is wrong.",
    ),
    "ratio-always-one": (
        ("entropy-sign", "", "gradients-add-up"),
        "approx_kl and clip_frac are exactly 0 in every update, though the entropy falls steeply. A policy that moves has ratios other than 1 after "
        "its first step. The wrong sign would let the entropy fall too, but with a KL divergence above 0.",
    ),
    "entropy-of-the-chosen-action": (
        ("entropy-sign", "policy-head-starts-large", ""),
        "Two actions and an untrained policy: entropy must begin at log 2, about 0.69. It begins at half of that, in the first update, before anything "
        "could be learned. So it is measured wrongly, and not pushed down.",
    ),
    "returns-normalised-per-batch": (
        ("values-broadcast", "rollout-edge-is-zero", ""),
        "The value loss stays at one half while the returns of the agent grow tenfold: its target has lost its unit. The gradient norm is "
        "tiny for the same reason, and the critic explains nothing. With a broadcast the value loss would have the size of the returns.",
    ),
    "values-broadcast": (
        ("returns-normalised-per-batch", "", "entropy-sign"),
        "The explained variance stays at 0 from the first update to the last: the critic knows one number. The value loss stays as large as the "
        "variance of the returns. With normalised returns it would stay at one half.",
    ),
    "observation-is-a-reference": (
        ("entropy-sign", "truncation-is-termination", "learning-rate-one-ahead"),
        "The return falls below that of an untrained policy while the critic becomes better and better. It is sure of itself: entropy 0, "
        "large KL divergence. What is learned belongs to other observations than those that were acted upon.",
    ),
    "": (
        ("values-broadcast", "entropy-sign", "returns-normalised-per-batch"),
        "Explained variance falls below 0 at the end, because nearly all returns are equal then: look at the value loss, which is almost 0. "
        "Before that it was near 1 for a while. Entropy falls slowly and stays well above 0. This agent is well.",
    ),
    "critic-target-moves": (
        ("returns-normalised-per-batch", "gradients-add-up", ""),
        "The value loss never falls and is larger than that of any healthy agent, and the gradient norm is small from the beginning: the critic receives "
        "hardly any gradient. With normalised returns the gradient is small too, but the value loss is one half.",
    ),
    "truncation-is-termination": (
        ("", "values-broadcast", "rollout-edge-is-zero"),
        "All is well until the agent is good. From then on its episodes end by the time limit, and where the value loss of the healthy falls towards "
        "zero, this one jumps up and stays a hundred times higher: the critic cannot know when the limit will come.",
    ),
    "clip-without-advantage": (
        ("entropy-sign", "gradients-add-up", "values-broadcast"),
        "The policy loss is far from 0, on the wrong side, from the first update on. It must begin at 0 in each of them. The KL "
        "divergence is several times that of the healthy, since nothing stops a sample.",
    ),
}


def told(name: str) -> dict[str, str]:
    """What the zoo says about one specimen, or about the sound trainer, as plain texts."""
    if not name:
        cause = "None. A sick-looking number in a sound trainer is worth a second look, and no repair."
        return {"title": HEALTHY, "cause": cause, "remedy": "", "diff": ""}
    from ppo_core.teach import zoo

    one = zoo.specimen(name)
    texts = {"title": one.title, "cause": one.cause, "remedy": one.remedy}
    return {key: text.replace("`", "") for key, text in texts.items()} | {"diff": one.diff}


def dashboards() -> dict[str, Any]:
    """The measured curves (bughunt.json) with the texts of the zoo: what the explorable shows."""
    data = json.loads(Path(__file__).with_name("bughunt.json").read_text(encoding="utf-8"))
    cases = []
    for place, (name, (others, clue)) in enumerate(CASES.items()):
        titles = [told(other)["title"] for other in others]
        titles.insert(place * 3 % 4, told(name)["title"])  # not always in the same place
        cases.append({**told(name), "clue": clue, "options": titles, "curves": data["patients"][name]})
    return {"metrics": data["metrics"], "steps": data["steps"], "sound": data["sound"], "cases": cases}


class BugHunt(Explorable):
    """Ten dashboards of measured training runs; the reader chooses one of four diagnoses for each.

    `case` is the dashboard on show, from 0; `answers` holds the reader's choices, case (as text) to option; `data` the
    curves and the texts (`dashboards()`).
    """

    module = "bughunt"
    description = (
        "Ten dashboards, one after the other: eight small charts each, of what a trainer reported on CartPole, over three sound runs in "
        "grey. For each dashboard four diagnoses to choose from; then the clue, the cause, the change of the code, and the score. "
        "One of the ten trainers is sound."
    )

    case = traitlets.Int(0, min=0, max=len(CASES) - 1).tag(sync=True, page=True)
    answers = traitlets.Dict().tag(sync=True, page=True)
    data = traitlets.Dict().tag(sync=True, page=True)

    @traitlets.default("data")
    def _data(self) -> dict[str, Any]:
        return dashboards()

    @traitlets.default("title")
    def _title(self) -> str:
        return "Bug hunt: ten dashboards"

    @traitlets.default("question")
    def _question(self) -> str:
        return (
            "Each dashboard is a trainer that somebody trusted. Grey: three sound runs. Teal: the patient.\n"
            "Which of the four diagnoses fits? Look first for a number that cannot be, then for one that stays where it should move. One of the "
            "ten is healthy."
        )

    @traitlets.default("explanation")
    def _explanation(self) -> str:
        return (
            "Half of these agents learn the task, and some as fast as a sound one: the return is the last curve to look at. What gives a bug away is "
            "a number with a known value (entropy at the start, policy loss, KL divergence after a step), or a number that stays where learning "
            "would move it.\n"
            "Many bugs of the zoo are in none of these ten, because no curve shows them at all. Only a test of what must hold exactly "
            "finds those.\n"
            "Value loss and gradient norm are drawn on a logarithmic scale; explained variance is cut at −1."
        )
