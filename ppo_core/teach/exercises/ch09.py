"""Exercises of chapter 09, the clipped objective."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ppo_core.teach.exercise import Case, Exercise, Misconception, Wrong, differentiable


def gain(ratio: float, advantage: float, clip_coef: float) -> float:
    """What one sample adds to the clipped objective, in plain Python and by its two cases: no min, no clip."""
    if advantage >= 0:
        return advantage * (1 + clip_coef) if ratio > 1 + clip_coef else advantage * ratio
    return advantage * (1 - clip_coef) if ratio < 1 - clip_coef else advantage * ratio


def version(
    *, objective: str = "ppo", ratio: str = "new over old", sign: float = 1.0
) -> Callable[..., np.ndarray]:
    """The gain of each sample with one thing changed: what a misconception computes."""

    def wrong(logprobs, old_logprobs, advantages, clip_coef):
        new, old, adv = (np.asarray(x, dtype=np.float64) for x in (logprobs, old_logprobs, advantages))
        r = {"new over old": np.exp(new - old), "inverse": np.exp(old - new), "difference": new - old}[ratio]
        clipped = np.clip(r, 1 - clip_coef, 1 + clip_coef)
        return (
            sign
            * {
                "ppo": np.minimum(r * adv, clipped * adv),
                "unclipped": r * adv,
                "clipped": clipped * adv,
                "max": np.maximum(r * adv, clipped * adv),
                "min first": np.minimum(r, clipped) * adv,
                "product clipped": np.clip(r * adv, 1 - clip_coef, 1 + clip_coef),
                "log clipped": np.minimum(r * adv, np.exp(np.clip(new - old, -clip_coef, clip_coef)) * adv),
                "dropped outside": np.where(np.abs(r - 1) > clip_coef, 0.0, r * adv),
            }[objective]
        )

    return wrong


def samples(
    ratios: Sequence[float], advantages: Sequence[float], clip_coef: float = 0.2
) -> Callable[[], tuple]:
    """Arguments of `clipped_gain`: log-probabilities that have the given ratios."""

    def arguments() -> tuple:
        import torch

        old = torch.log(torch.linspace(0.3, 0.7, len(ratios)))
        return old + torch.log(torch.tensor(ratios)), old, torch.tensor(advantages), clip_coef

    return arguments


# ---------------------------------------------------------------------------------------------------------------
# clipped_gain(logprobs, old_logprobs, advantages, clip_coef) -> what each sample adds to the objective, [B]


def clipped_gain(logprobs, old_logprobs, advantages, clip_coef):
    """The reference: the line of the package, without its mean and its minus sign."""
    import torch

    ratio = torch.exp(logprobs - old_logprobs)
    return torch.min(ratio * advantages, ratio.clamp(1 - clip_coef, 1 + clip_coef) * advantages)


def gains_one_by_one(logprobs, old_logprobs, advantages, clip_coef):
    """The oracle: one sample after the other, in plain Python, by cases."""
    rows = zip(*(np.asarray(x, float).tolist() for x in (logprobs, old_logprobs, advantages)), strict=True)
    return [gain(math.exp(new) / math.exp(old), advantage, clip_coef) for new, old, advantage in rows]


_EVERY_KIND = samples(
    [0.4, 0.75, 1.25, 1.9, 0.4, 0.75, 1.25, 1.9], [1.5, 0.5, 2.0, 1.0, -1.5, -0.5, -2.0, -1.0], 0.3
)


def _carries_gradient(answer: Callable[..., Any]) -> None:
    """Raise Wrong unless autograd gives the gradient that finite differences of the oracle give."""
    import torch

    logprobs, old_logprobs, advantages, clip_coef = _EVERY_KIND()
    leaf = logprobs.double().requires_grad_()
    old, advantages = old_logprobs.double(), advantages.double()
    result = differentiable(answer, leaf, old, advantages, clip_coef)
    (got,) = torch.autograd.grad(result.sum(), leaf)
    step = 1e-6
    up, down = (
        np.array(gains_one_by_one(leaf.detach() + shift, old, advantages, clip_coef))
        for shift in (step, -step)
    )
    expected = (up - down) / (2 * step)
    if not np.allclose(got.numpy(), expected, atol=1e-4):
        row = int(np.argmax(~np.isclose(got.numpy(), expected, atol=1e-4)))
        raise Wrong(
            "The gains are right, but their gradient is not: some part of the ratio is cut off from autograd. "
            f"At sample {row}: got {got[row]:.4g}, expected {expected[row]:.4g}. Read: chapter 9, 'Six cases'."
        )


CLIPPED_GAIN = Exercise(
    name="clipped_gain",
    chapter=9,
    axes=("sample",),
    prompt="Write the clipped objective of each sample.",
    hints=(
        "Two products for each sample: one with the ratio, one with the clipped ratio. What do you do with the two?",
        "ratio = torch.exp(logprobs - old_logprobs); ratio.clamp(low, high) clips. First multiply both with the advantage, then take the "
        "smaller one, sample by sample.",
        "return torch.min(ratio * advantages, ratio.clamp(1 - clip_coef, 1 + clip_coef) * advantages)",
    ),
    cases=(
        Case(
            "all ratios 1",
            "With a ratio of 1 a sample adds its advantage.",
            read="The surrogate objective",
            arguments=samples([1.0, 1.0, 1.0], [1.0, -0.5, 2.0]),
        ),
        Case(
            "inside the interval",
            "Inside the interval nothing is clipped: ratio times advantage.",
            read="Six cases",
            arguments=samples([0.9, 1.1, 0.85, 1.15], [1.0, 2.0, -1.0, -0.5]),
        ),
        Case(
            "moved too far in the right direction",
            "A good action is worth no more than at a ratio of 1 + ε, a bad one no more than at 1 - ε.",
            read="Six cases",
            arguments=samples([1.5, 0.5], [2.0, -1.0]),
        ),
        Case(
            "moved in the wrong direction",
            "A sample that moved the wrong way counts in full: the smaller product is the one without the clip.",
            read="Six cases",
            arguments=samples([0.5, 1.5], [2.0, -1.0]),
        ),
        Case(
            "every kind, another ε",
            "ε is `clip_coef`, not always 0.2.",
            read="Six cases",
            arguments=_EVERY_KIND,
        ),
        Case("the gradient", "", test=_carries_gradient),
    ),
    reference=clipped_gain,
    oracle=gains_one_by_one,
    misconceptions=(
        Misconception(
            "no clip",
            version(objective="unclipped"),
            "The ratio is never clipped: this is the surrogate objective, which gets better without end.",
            read="Why it needs a leash",
        ),
        Misconception(
            "clip without min",
            version(objective="clipped"),
            "The clipped ratio is used alone. Then a sample that moved the wrong way has no gradient that could bring it back. Take the "
            "smaller of the two products.",
            read="Six cases",
        ),
        Misconception(
            "max instead of min",
            version(objective="max"),
            "The larger of the two products is taken: that is the optimist's choice, and the leash is gone. Take the smaller.",
            read="A pessimistic bound",
        ),
        Misconception(
            "min before the advantage",
            version(objective="min first"),
            "The smaller ratio is taken before the advantage comes in. A negative advantage turns the order round, so for a bad action that is "
            "the larger product. Multiply first, then take the smaller.",
            read="The min before the advantage",
        ),
        Misconception(
            "zero outside",
            version(objective="dropped outside"),
            "Every sample outside the interval counts 0. The clip does not drop samples: it stops the gain from growing, and on one "
            "side only.",
            read="Six cases",
        ),
        Misconception(
            "product clipped",
            version(objective="product clipped"),
            "The product with the advantage is clipped. The interval 1 - ε to 1 + ε is one of ratios: clip the ratio, then multiply.",
            read="The clipped objective",
        ),
        Misconception(
            "logarithm clipped",
            version(objective="log clipped"),
            "The logarithm of the ratio is clipped to ±ε, which bounds the ratio by exp(±ε). PPO clips the ratio itself, to 1 ± ε.",
            read="The clipped objective",
        ),
        Misconception(
            "ratio upside down",
            version(ratio="inverse"),
            "The ratio is upside down: it is new over old, exp(logprobs - old_logprobs).",
            read="The surrogate objective",
        ),
        Misconception(
            "difference of log-probabilities",
            version(ratio="difference"),
            "The difference of the log-probabilities is the logarithm of the ratio. Take its exponential.",
            read="The surrogate objective",
        ),
        Misconception(
            "loss instead of objective",
            version(sign=-1.0),
            "The sign is turned round: this is the loss. Asked is the objective, which is wanted large.",
            read="The whole function",
        ),
    ),
    crash_help={
        "clamp(): argument 'input'": "clamp is a method of a tensor: ratio.clamp(1 - clip_coef, 1 + clip_coef).",
        "Boolean value of Tensor": "Python's own min, max and if cannot compare two tensors: use torch.min(a, b).",
    },
    note="The values and the gradients.",
)

# ---------------------------------------------------------------------------------------------------------------
# pull(ratio, advantages, clip_coef) -> d gain / d log π of each sample, [B]


def pull(ratio, advantages, clip_coef):
    """The reference: the whole gradient, except where a sample has moved far enough in its own direction."""
    stopped = ((advantages > 0) & (ratio > 1 + clip_coef)) | ((advantages < 0) & (ratio < 1 - clip_coef))
    return ratio * advantages * ~stopped


def pull_by_differences(ratio, advantages, clip_coef):
    """The oracle: a small step of log π to either side, and how much the gain changes."""
    step = 1e-6
    return [
        (gain(r * math.exp(step), a, clip_coef) - gain(r * math.exp(-step), a, clip_coef)) / (2 * step)
        for r, a in zip(
            np.asarray(ratio, float).tolist(), np.asarray(advantages, float).tolist(), strict=True
        )
    ]


def pulls(rule: Callable[..., Any]) -> Callable[..., Any]:
    """A wrong pull, from a rule on arrays."""
    return lambda ratio, advantages, clip_coef: np.asarray(
        rule(np.asarray(ratio, np.float64), np.asarray(advantages, np.float64), clip_coef)
    )


def _ratios(ratios: Sequence[float], advantages: Sequence[float], clip_coef: float) -> Callable[[], tuple]:
    def arguments() -> tuple:
        import torch

        return torch.tensor(ratios), torch.tensor(advantages), clip_coef

    return arguments


PULL = Exercise(
    name="pull",
    chapter=9,
    axes=("sample",),
    prompt="Write the gradient of the clipped objective with respect to the log-probability, without autograd.",
    hints=(
        "Where the gain does not depend on the ratio, the gradient is 0. Where it is ratio · A, differentiate that with respect to log π.",
        "d ratio / d log π = ratio. So the pull is ratio · A, or 0. It is 0 in two of the six cases only: which two?",
        "stopped = ((advantages > 0) & (ratio > 1 + clip_coef)) | ((advantages < 0) & (ratio < 1 - clip_coef)); "
        "return ratio * advantages * ~stopped",
    ),
    cases=(
        Case(
            "all ratios 1",
            "At a ratio of 1 the pull is the advantage.",
            read="The surrogate objective",
            arguments=_ratios([1.0, 1.0], [1.0, -0.5], 0.2),
        ),
        Case(
            "inside the interval",
            "Inside the interval the gain is ratio · A, and d ratio / d log π = ratio.",
            read="The surrogate objective",
            arguments=_ratios([0.9, 1.1, 1.15, 0.85], [1.0, 2.0, -1.0, -0.5], 0.2),
        ),
        Case(
            "moved too far in the right direction",
            "Where a good action grew beyond 1 + ε, or a bad one shrank below 1 - ε, the gain does not depend on the ratio.",
            read="Six cases",
            arguments=_ratios([1.5, 0.5], [2.0, -1.0], 0.2),
        ),
        Case(
            "moved in the wrong direction",
            "On the wrong side the whole gradient is there.",
            read="Six cases",
            arguments=_ratios([0.5, 1.5], [2.0, -1.0], 0.2),
        ),
        Case(
            "every kind, another ε",
            "ε is `clip_coef`, not always 0.2.",
            read="Six cases",
            arguments=_ratios(
                [0.4, 0.75, 1.25, 1.9, 0.4, 0.75, 1.25, 1.9, 1.5],
                [1.5, 0.5, 2.0, 1.0, -1.5, -0.5, -2.0, -1.0, 0.0],
                0.3,
            ),
        ),
    ),
    reference=pull,
    oracle=pull_by_differences,
    misconceptions=(
        Misconception(
            "zero outside",
            pulls(lambda r, a, e: r * a * (np.abs(r - 1) <= e)),
            "Every sample outside the interval is without gradient here. Of the four cases outside only two are: where the sample moved the "
            "wrong way, the whole gradient is there and brings it back.",
            read="Six cases",
        ),
        Misconception(
            "never zero",
            pulls(lambda r, a, e: r * a),
            "Nothing is clipped: a good action is pulled up however far it has gone already.",
            read="Six cases",
        ),
        Misconception(
            "threshold at 1",
            pulls(lambda r, a, e: r * a * ~(((a > 0) & (r > 1)) | ((a < 0) & (r < 1)))),
            "The pull stops as soon as the ratio passes 1. It stops at 1 + ε for a good action, and at 1 - ε for a bad one.",
            read="Six cases",
        ),
        Misconception(
            "the other two",
            pulls(lambda r, a, e: r * a * ~(((a > 0) & (r < 1 - e)) | ((a < 0) & (r > 1 + e)))),
            "The two cases are exchanged: samples that moved the wrong way are left there, and those that moved far enough are pushed on.",
            read="Six cases",
        ),
        Misconception(
            "sign of A not looked at",
            pulls(lambda r, a, e: r * a * (r <= 1 + e)),
            "The pull is zero above 1 + ε whatever the sign of the advantage. That is right for a good action; a bad one stops below 1 - ε.",
            read="The min before the advantage",
        ),
        Misconception(
            "with respect to the ratio",
            pulls(lambda r, a, e: a * ~(((a > 0) & (r > 1 + e)) | ((a < 0) & (r < 1 - e)))),
            "The cases are right, but this is the gradient with respect to the ratio. With respect to log π there is one more factor: "
            "d ratio / d log π = ratio.",
            read="The surrogate objective",
        ),
        Misconception(
            "clipped instead of zero",
            pulls(lambda r, a, e: np.minimum(r * a, np.clip(r, 1 - e, 1 + e) * a)),
            "This is the gain itself. Where it is flat, its gradient is 0, not the clipped product.",
            read="Six cases",
        ),
        Misconception(
            "gradient of the loss",
            pulls(lambda r, a, e: -r * a * ~(((a > 0) & (r > 1 + e)) | ((a < 0) & (r < 1 - e)))),
            "The sign is turned round: this is the gradient of the loss.",
            read="The whole function",
        ),
    ),
    crash_help={
        "Boolean value of Tensor": "`and`, `or` and `if` cannot decide for a whole tensor: write (a > 0) & (ratio > 1 + clip_coef), with brackets.",
    },
    note="Two of six cases, and no more.",
)

# ---------------------------------------------------------------------------------------------------------------
# best_probability(old_prob, actions, advantages, clip_coef) -> the probability of action 1 that the clipped objective likes best


def best_probability(old_prob, actions, advantages, clip_coef):
    """The reference: the objective is a chain of straight lines, so its largest value lies at a kink or at an end."""

    def total(prob):
        ratios = (prob / old_prob if a == 1 else (1 - prob) / (1 - old_prob) for a in actions)
        return sum(gain(r, adv, clip_coef) for r, adv in zip(ratios, advantages, strict=True))

    kinks = [old_prob * edge for edge in (1 - clip_coef, 1 + clip_coef)]
    kinks += [1 - (1 - old_prob) * edge for edge in (1 - clip_coef, 1 + clip_coef)]
    return max((min(max(prob, 0.0), 1.0) for prob in [0.0, 1.0, *kinks]), key=total)


def by_ternary_search(old_prob, actions, advantages, clip_coef):
    """The oracle: a sum of concave functions is concave, so that two points say on which side the top lies."""

    def total(prob):
        result = 0.0
        for action, advantage in zip(actions, advantages, strict=True):
            ratio = prob / old_prob if action == 1 else (1 - prob) / (1 - old_prob)
            result += gain(ratio, advantage, clip_coef)
        return result

    low, high = 0.0, 1.0
    for _ in range(200):
        one, two = low + (high - low) / 3, high - (high - low) / 3
        low, high = (one, high) if total(one) < total(two) else (low, two)
    return (low + high) / 2


def _top_of(objective: Callable[[float, float, float], float]) -> Callable[..., float]:
    """The best probability on a fine grid, for another objective of (ratio, advantage, ε)."""

    def wrong(old_prob, actions, advantages, clip_coef):
        grid = np.linspace(0.0, 1.0, 2001)
        totals = np.zeros_like(grid)
        for action, advantage in zip(actions, advantages, strict=True):
            ratios = grid / old_prob if action == 1 else (1 - grid) / (1 - old_prob)
            totals += [objective(r, advantage, clip_coef) for r in ratios]
        return float(grid[np.argmax(np.round(totals, 9))])

    return wrong


def _own_edge(old_prob, actions, advantages, clip_coef):
    """The edge of action 1 on the side to which the samples pull at first."""
    slope = sum(
        a / old_prob if action == 1 else -a / (1 - old_prob)
        for action, a in zip(actions, advantages, strict=True)
    )
    return old_prob * (1 + clip_coef if slope > 0 else 1 - clip_coef)


PAGE = (0.5, [1, 1, 0, 0, 0], [1.0, -0.5, 0.5, -1.0, 0.25], 0.2)

BEST_PROBABILITY = Exercise(
    name="best_probability",
    chapter=9,
    prompt="Find the probability at which the clipped objective of a batch is largest.",
    hints=(
        "The objective is a chain of straight lines in the probability. Where can the largest value of such a chain lie?",
        "A line can only bend where a ratio passes 1 - ε or 1 + ε: at two probabilities for the samples of action 1, and at two for those of "
        "action 0, whose ratio is (1 - prob) / (1 - old_prob). And there are the two ends, 0 and 1.",
        "candidates = [0, 1, old_prob * (1 ± ε), 1 - (1 - old_prob) * (1 ± ε)], each held within 0 and 1; compute the objective at each "
        "and return the best.",
    ),
    cases=(
        Case(
            "the five samples of the page",
            "These are the five samples from the start of the chapter.",
            read="Five samples on paper",
            arguments=lambda: PAGE,
        ),
        Case(
            "the same, turned down",
            "With all advantages turned round, the other side of the interval is the better one.",
            read="Five samples on paper",
            arguments=lambda: (0.5, [1, 1, 0, 0, 0], [-1.0, 0.5, -0.5, 1.0, -0.25], 0.2),
        ),
        Case(
            "the edge of the other action",
            "The rarer action reaches its edge first: when its probability is small, its ratio changes faster.",
            read="Five samples on paper",
            arguments=lambda: (0.8, [1, 1, 0], [1.0, -1.2, -1.0], 0.2),
        ),
        Case(
            "an edge that cannot be reached",
            "A probability ends at 1. If the ratio cannot come as far as 1 + ε, the clip holds nothing.",
            read="What clipping does not do",
            arguments=lambda: (0.9, [1, 1, 1], [1.0, 0.5, 0.2], 0.2),
        ),
        Case(
            "another ε",
            "ε is `clip_coef`, not always 0.2.",
            read="Five samples on paper",
            arguments=lambda: (0.3, [1, 1, 0, 0], [2.0, -0.4, 0.3, -0.2], 0.4),
        ),
    ),
    reference=best_probability,
    oracle=by_ternary_search,
    tolerance=1e-3,
    misconceptions=(
        Misconception(
            "no clip",
            _top_of(lambda r, a, e: r * a),
            "This is the top of the objective without a clip. A straight line has its top at one of its ends.",
            read="Why it needs a leash",
        ),
        Misconception(
            "min before the advantage",
            _top_of(lambda r, a, e: min(r, 1 + e) * a),
            "The smaller ratio is taken before the advantage comes in, so that nothing stops a bad action from becoming rarer and rarer.",
            read="The min before the advantage",
        ),
        Misconception(
            "always its own edge",
            _own_edge,
            "The top does not always lie at old_prob · (1 ± ε): the samples of the other action bend the line too, and a probability ends at 1.",
            read="Five samples on paper",
        ),
        Misconception(
            "edge held within 0 and 1",
            lambda *arguments: min(_own_edge(*arguments), 1.0),
            "The samples of the other action bend the line as well, at 1 - (1 - old_prob) · (1 ± ε).",
            read="Five samples on paper",
        ),
        Misconception(
            "a ratio instead of a probability",
            lambda *arguments: by_ternary_search(*arguments) / arguments[0],
            "This is the ratio at the top. Asked is the probability: multiply by old_prob.",
            read="Five samples on paper",
        ),
        Misconception(
            "probability of the other action",
            lambda *arguments: 1 - by_ternary_search(*arguments),
            "This is the probability of action 0. Asked is that of action 1.",
            read="Five samples on paper",
        ),
    ),
    note="The top is a kink or an end.",
)

EXERCISES = (CLIPPED_GAIN, PULL, BEST_PROBABILITY)
