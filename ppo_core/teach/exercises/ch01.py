"""Exercises of chapter 01, guess and reinforce."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ppo_core.teach.exercise import Case, Exercise, Misconception, Wrong


def softmax(logits: Any) -> np.ndarray:
    """Probabilities [K] in float64."""
    shifted = np.exp(np.asarray(logits, np.float64) - np.max(np.asarray(logits, np.float64)))
    return shifted / shifted.sum()


def tensors(*columns: Sequence[float] | Sequence[int]) -> Callable[[], tuple]:
    """Arguments of an answer, as tensors: float32, or int64 for lists of whole numbers."""

    def arguments() -> tuple:
        import torch

        return tuple(torch.tensor(column) for column in columns)

    return arguments


# ---------------------------------------------------------------------------------------------------------------
# score_function(logits, actions) -> d log π(action) / d logits, [B, K]


def score_function(logits, actions):
    """The reference: one-hot minus probabilities."""
    import torch

    return torch.eye(len(logits), dtype=logits.dtype)[actions] - torch.softmax(logits, -1)


def scores_by_differences(logits, actions):
    """The oracle: each logit a little up and a little down, and how much the log-probability changes."""
    given, step, rows = np.asarray(logits, float).tolist(), 1e-5, []

    def logprob(values: list[float], action: int) -> float:
        top = max(values)
        return values[action] - top - math.log(sum(math.exp(value - top) for value in values))

    for action in np.asarray(actions).tolist():
        row = []
        for knob in range(len(given)):
            up = [value + step * (i == knob) for i, value in enumerate(given)]
            down = [value - step * (i == knob) for i, value in enumerate(given)]
            row.append((logprob(up, action) - logprob(down, action)) / (2 * step))
        rows.append(row)
    return np.array(rows)


def scores(rule: Callable[[np.ndarray, np.ndarray, np.ndarray], Any]) -> Callable[..., np.ndarray]:
    """A wrong score, from a rule on the one-hot rows [B, K], the probabilities [K] and the chosen ones [B, 1]."""

    def wrong(logits, actions):
        probs, chosen = softmax(logits), np.asarray(actions)
        return np.asarray(rule(np.eye(len(probs))[chosen], probs, probs[chosen][:, None]))

    return wrong


SCORE_FUNCTION = Exercise(
    name="score_function",
    chapter=1,
    axes=("sample", "logit"),
    prompt="Write the gradient of the log-probability with respect to the logits.",
    hints=(
        "The gradient of log π(a) is one-hot minus probabilities. Each row has its own one-hot, all rows the same probabilities.",
        "torch.softmax(logits, -1) gives the probabilities [K], torch.eye(len(logits))[actions] one row for each action, [B, K].",
        "That is:\n    return torch.eye(len(logits))[actions] - torch.softmax(logits, -1)",
    ),
    cases=(
        Case(
            "two arms, equal logits",
            "With two equal arms the score is one half up for the pulled arm and one half down for the other.",
            read="The score of a softmax",
            arguments=tensors([0.0, 0.0], [0, 1]),
        ),
        Case(
            "the arms on paper",
            "The score is one-hot minus probabilities.",
            read="The score of a softmax",
            arguments=tensors([math.log(0.5), math.log(0.25), math.log(0.25)], [0, 1, 2]),
        ),
        Case(
            "any logits, any actions",
            "The score is one-hot minus probabilities, row by row.",
            read="The score of a softmax",
            arguments=tensors([0.3, -1.2, 2.0, 0.1, -0.4], [4, 2, 2, 0]),
        ),
        Case(
            "large logits",
            "The exponential of a thousand is infinite, and infinity divided by infinity is nan. Only differences of logits matter: "
            "torch.softmax subtracts the largest one first.",
            read="The score of a softmax",
            arguments=tensors([1000.0, 1001.0, 999.0], [2, 0]),
        ),
    ),
    reference=score_function,
    oracle=scores_by_differences,
    misconceptions=(
        Misconception(
            "sign",
            scores(lambda onehot, probs, chosen: probs - onehot),
            "The sign is turned round: this is the gradient of the negative log-probability, a loss. The score makes the pulled arm more "
            "probable, so its own number is positive.",
            read="The score of a softmax",
        ),
        Misconception(
            "one-hot alone",
            scores(lambda onehot, probs, chosen: onehot + 0 * probs),
            "Only the first term of log π is there. Every logit also stands in the sum below the fraction, so every knob gets minus its "
            "probability.",
            read="The score of a softmax",
        ),
        Misconception(
            "other arms forgotten",
            scores(lambda onehot, probs, chosen: onehot * (1 - probs)),
            "The pulled arm is right, but the other knobs are left alone. Lowering another arm also makes the pulled one more probable: "
            "their numbers are minus their probabilities.",
            read="The score of a softmax",
        ),
        Misconception(
            "probability of the pulled arm everywhere",
            scores(lambda onehot, probs, chosen: onehot - chosen),
            "The probability of the pulled arm is subtracted from every knob. Knob k gets minus its own probability, π(k).",
            read="The score of a softmax",
        ),
        Misconception(
            "gradient of the probability",
            scores(lambda onehot, probs, chosen: chosen * (onehot - probs)),
            "This is the gradient of the probability π(a). That of its logarithm is this divided by π(a): the logarithm takes the factor "
            "away, and that is the whole trick.",
            read="The log-probability trick",
        ),
        Misconception(
            "with respect to the probability",
            scores(lambda onehot, probs, chosen: onehot / probs),
            "1/π is the derivative of the logarithm with respect to the probability. Asked is the gradient with respect to the logits, "
            "through the softmax.",
            read="The score of a softmax",
        ),
        Misconception(
            "all arms equally probable",
            scores(lambda onehot, probs, chosen: onehot - 1 / len(probs)),
            "All arms are taken as equally probable. The logits say how probable they are: torch.softmax(logits, -1).",
            read="A policy with three knobs",
        ),
        Misconception(
            "logits for probabilities",
            lambda logits, actions: np.eye(len(logits))[np.asarray(actions)] - np.asarray(logits, np.float64),
            "The logits are subtracted. Logits are no probabilities: softmax makes them so.",
            read="A policy with three knobs",
        ),
    ),
    crash_help={
        "does not require grad": "The task is to do without autograd: one-hot minus probabilities.",
        "used as indices": "Indices must be whole numbers: `actions` is int64 already; index with it, torch.eye(len(logits))[actions].",
        "must match the size": "One-hot rows are [B, K] and probabilities are [K]: their difference needs no reshaping.",
    },
    note="Each row adds up to zero.",
)

# ---------------------------------------------------------------------------------------------------------------
# reinforce_gradient(logits, actions, rewards) -> the estimate of the policy gradient, [K]


def reinforce_gradient(logits, actions, rewards):
    """The reference: the mean of reward times score."""
    return (rewards[:, None] * score_function(logits, actions)).mean(0)


def reinforce_by_counting(logits, actions, rewards):
    """The oracle: what each arm was paid, minus its probability times all that was paid; arm by arm, without a score."""
    probs, chosen = softmax(logits), np.asarray(actions).tolist()
    paid, result = np.asarray(rewards, float).tolist(), []
    for arm, prob in enumerate(probs):
        own = sum(reward for action, reward in zip(chosen, paid, strict=True) if action == arm)
        result.append((own - prob * sum(paid)) / len(paid))
    return np.array(result)


def estimates(
    weigh: Callable[[np.ndarray, np.ndarray, np.ndarray], Any] | None = None,
    *,
    combine: Callable[[np.ndarray, np.ndarray], Any] = lambda weights, rows: (weights[:, None] * rows).mean(
        0
    ),
    onehot_only: bool = False,
) -> Callable[..., np.ndarray]:
    """A wrong estimate: other weights than the rewards, other rows than the scores, or another way to put them together.

    `weigh` gets the rewards [B], the probabilities of the chosen arms [B] and all probabilities [K].
    """

    def wrong(logits, actions, rewards):
        probs, chosen = softmax(logits), np.asarray(actions)
        weights = np.asarray(rewards, np.float64)
        if weigh is not None:
            weights = np.asarray(weigh(weights, probs[chosen], probs))
        rows = np.eye(len(probs))[chosen] - (0 if onehot_only else probs)
        return np.asarray(combine(weights, rows))

    return wrong


def _standardised(correction: int) -> Callable[..., np.ndarray]:
    def weigh(rewards: np.ndarray, chosen: np.ndarray, probs: np.ndarray) -> np.ndarray:
        if len(rewards) <= correction:
            return np.full(len(rewards), np.nan)
        return (rewards - rewards.mean()) / (rewards.std(ddof=correction) + 1e-8)

    return estimates(weigh)


_OWN_BATCH = (
    "The mean reward of the same batch is subtracted. That baseline has seen the guess that it judges, and the estimate is too short: with "
    "two guesses the mean is only half of the gradient. Asked are the rewards as they are."
)
_STANDARDISED = (
    "The rewards are standardised within the batch. That makes steps of one length, but the mean is no longer the gradient of J. Asked are "
    "the rewards as they are."
)

REINFORCE_MISCONCEPTIONS = (
    Misconception(
        "of the loss",
        estimates(lambda rewards, chosen, probs: -rewards),
        "The sign is turned round: this is the gradient of the loss. Asked is the estimate of the gradient of J, which points to more reward.",
        read="A loss whose value means nothing",
    ),
    Misconception(
        "sum over the guesses",
        estimates(combine=lambda weights, rows: (weights[:, None] * rows).sum(0)),
        "The pushes are added up. Their mean is the estimate; with a sum, twice as many guesses make a step twice as long.",
        read="The log-probability trick",
    ),
    Misconception(
        "product of the means",
        estimates(combine=lambda weights, rows: weights.mean() * rows.mean(0)),
        "The mean reward is multiplied with the mean score. Each score needs the reward of its own guess: what counts is how the two go "
        "together, and the mean score alone is zero on average.",
        read="The score has mean zero",
    ),
    Misconception(
        "log forgotten",
        estimates(lambda rewards, chosen, probs: rewards * chosen),
        "Each push carries the probability of its arm once more: this is the gradient of π, where that of log π is asked. The guesses "
        "already come as often as they are probable.",
        read="Break it on purpose",
    ),
    Misconception(
        "divided by the probability",
        estimates(lambda rewards, chosen, probs: rewards / chosen),
        "Each push is divided by the probability of its arm. The logarithm has done that already: ∇ log π = ∇π / π.",
        read="The log-probability trick",
    ),
    Misconception(
        "one-hot alone",
        estimates(onehot_only=True),
        "Only the pulled arm's knob is turned. Every other knob goes down by its probability, and without that part every positive reward "
        "pushes up, in the mean as well.",
        read="The score of a softmax",
    ),
    Misconception(
        "mean of the same batch subtracted",
        estimates(lambda rewards, chosen, probs: rewards - rewards.mean()),
        _OWN_BATCH,
        read="The score has mean zero",
    ),
    Misconception("standardised", _standardised(0), _STANDARDISED, read="The score has mean zero"),
    Misconception("standardised, n - 1", _standardised(1), _STANDARDISED, read="The score has mean zero"),
    Misconception(
        "divided by the arms",
        estimates(combine=lambda weights, rows: (weights[:, None] * rows).sum(0) / rows.shape[1]),
        "The sum is divided by the number of arms. The mean is over the guesses: divide by how many there are.",
        read="The log-probability trick",
    ),
)


def _unbiased(answer: Callable[..., Any]) -> None:
    """Raise Wrong unless the mean over every batch of two guesses, weighted by how often it occurs, is the exact gradient."""
    import torch

    logits, pays = torch.tensor([0.2, -0.5, 0.9]), np.array([2.0, 4.0, -1.0])
    probs = softmax(logits)
    exact = probs * (pays - probs @ pays)
    batches = list(itertools.product(range(3), repeat=2))

    def on_every_batch(estimate: Callable[..., Any]) -> np.ndarray:  # [9, K]
        rows = []
        for batch in batches:
            row = estimate(
                logits.clone(), torch.tensor(batch), torch.tensor(pays[list(batch)], dtype=torch.float32)
            )
            rows.append(np.asarray(row.detach() if hasattr(row, "detach") else row, np.float64))
        return np.stack(rows)

    got = on_every_batch(answer)
    mean = np.prod(probs[np.array(batches)], axis=1) @ got
    if np.allclose(mean, exact, atol=1e-4):
        return
    for known in REINFORCE_MISCONCEPTIONS:
        if np.allclose(got, on_every_batch(known.wrong), atol=1e-4, equal_nan=True):
            raise Wrong(f"{known.message} Read: chapter 1, '{known.read}'.")
    raise Wrong(
        "The estimate is biased. Over all batches of two guesses, each as often as it occurs, its mean is "
        f"({', '.join(f'{x:.3f}' for x in mean)}), and the exact gradient is ({', '.join(f'{x:.3f}' for x in exact)}). "
        "Read: chapter 1, 'The log-probability trick'."
    )


REINFORCE_GRADIENT = Exercise(
    name="reinforce_gradient",
    chapter=1,
    axes=("logit",),
    prompt="Write the REINFORCE estimate of the policy gradient from a batch of guesses.",
    hints=(
        "One push for each guess: its reward times its score. The estimate is the mean of the pushes.",
        "The scores are [B, K] and the rewards are [B]: rewards[:, None] * scores gives each row its own reward.",
        "That is:\n    return (rewards[:, None] * score_function(logits, actions)).mean(0)",
    ),
    cases=(
        Case(
            "one guess",
            "With one guess the estimate is its reward times its score.",
            read="Back to the paper",
            arguments=tensors([0.4, -0.3, 0.1], [1], [3.0]),
        ),
        Case("the mean over every batch of two", "", test=_unbiased),
        Case(
            "a batch",
            "The estimate is the mean of reward times score, over the guesses.",
            read="The log-probability trick",
            arguments=tensors([0.4, -0.3, 0.1, 1.0], [1, 3, 3, 0, 3, 1], [3.0, -1.0, 0.5, 2.0, -1.5, 4.0]),
        ),
        Case(
            "all rewards equal",
            "Equal rewards teach nothing in the mean over many batches; a single batch still pushes its own arms up.",
            read="The score has mean zero",
            arguments=tensors([0.0, 0.5], [0, 0, 1], [2.0, 2.0, 2.0]),
        ),
        Case(
            "as many guesses as arms",
            "Each row of the scores needs the reward of its own guess. Here rewards * scores would run as well, and give each column a "
            "reward instead: write rewards[:, None] * scores.",
            read="The log-probability trick",
            arguments=tensors([0.3, -1.0, 0.6], [2, 2, 0], [1.0, -2.0, 5.0]),
        ),
    ),
    reference=reinforce_gradient,
    oracle=reinforce_by_counting,
    misconceptions=REINFORCE_MISCONCEPTIONS,
    crash_help={
        "The size of tensor a": "The rewards are [B] and the scores are [B, K]: write rewards[:, None] * scores, so that each row gets its "
        "own reward.",
        "could not be broadcast": "The rewards are [B] and the scores are [B, K]: write rewards[:, None] * scores, so that each row gets its "
        "own reward.",
    },
    note="In the mean over all batches it is the exact gradient.",
)

# ---------------------------------------------------------------------------------------------------------------
# best_baseline(logits, mean_rewards) -> the constant with the smallest variance of one push


def best_baseline(logits, mean_rewards):
    """The reference: a mean reward in which each arm counts by the squared length of its score."""
    import torch

    probs = torch.softmax(logits, -1)
    weights = probs * (torch.eye(len(logits), dtype=logits.dtype) - probs).square().sum(1)
    return (weights * mean_rewards).sum() / weights.sum()


def bottom_of_the_parabola(logits, mean_rewards):
    """The oracle: the variance at three baselines, by listing every arm and knob, and the vertex of the parabola through them."""
    probs, pays = softmax(logits).tolist(), np.asarray(mean_rewards, float).tolist()
    arms = range(len(probs))

    def variance(baseline: float) -> float:
        total = 0.0
        for knob in arms:
            pushes = [(pays[a] - baseline) * ((a == knob) - probs[knob]) for a in arms]
            mean = sum(p * x for p, x in zip(probs, pushes, strict=True))
            total += sum(p * (x - mean) ** 2 for p, x in zip(probs, pushes, strict=True))
        return total

    low, middle, high = variance(-1.0), variance(0.0), variance(1.0)
    return (low - high) / (2 * (low - 2 * middle + high))


def baselines(rule: Callable[[np.ndarray, np.ndarray, np.ndarray], Any]) -> Callable[..., float]:
    """A wrong baseline, from a rule on probabilities [K], mean rewards [K] and squared lengths of the scores [K]."""

    def wrong(logits, mean_rewards):
        probs = softmax(logits)
        lengths = ((np.eye(len(probs)) - probs) ** 2).sum(1)
        return float(rule(probs, np.asarray(mean_rewards, np.float64), lengths))

    return wrong


def _weighted(weights: np.ndarray, rewards: np.ndarray) -> float:
    return (weights * rewards).sum() / weights.sum()


BEST_BASELINE = Exercise(
    name="best_baseline",
    chapter=1,
    prompt="Write the constant baseline for which the push of one guess has the smallest variance.",
    hints=(
        "Two means over the arms, weighted with their probabilities: of reward times squared length of the score, and of the squared length.",
        "scores = torch.eye(len(probs)) - probs has one row for each arm; scores.square().sum(1) is the squared length of each.",
        "With the scores of hint 2:\n    weights = probs * scores.square().sum(1)\n    return (weights * mean_rewards).sum() / weights.sum()",
    ),
    cases=(
        Case(
            "all arms pay the same",
            "If every arm pays the same, that number is the best baseline: nothing is left to scatter.",
            read="How far off is one guess?",
            arguments=tensors([0.5, -1.0, 0.2], [3.0, 3.0, 3.0]),
        ),
        Case(
            "equal probabilities",
            "With equal probabilities all scores are equally long, and the best baseline is the plain mean.",
            read="How far off is one guess?",
            arguments=tensors([0.0, 0.0, 0.0], [2.0, 4.0, -3.0]),
        ),
        Case(
            "two arms",
            "With two arms the reward of each counts with the probability of the other: the rarer arm has the longer score.",
            read="How far off is one guess?",
            arguments=tensors([math.log(0.8), math.log(0.2)], [1.0, 3.0]),
        ),
        Case(
            "one arm nearly certain",
            "The score of an arm that is nearly certain is short, so that its reward hardly counts.",
            read="How far off is one guess?",
            arguments=tensors([math.log(0.9), math.log(0.07), math.log(0.03)], [1.0, 2.0, 6.0]),
        ),
        Case(
            "any logits and rewards",
            "The best baseline is the mean reward with weights π(a) times the squared length of the score of a.",
            read="How far off is one guess?",
            arguments=tensors([0.3, -1.2, 1.5, 0.1], [-2.0, 5.0, 0.5, 1.0]),
        ),
    ),
    reference=best_baseline,
    oracle=bottom_of_the_parabola,
    misconceptions=(
        Misconception(
            "mean reward",
            baselines(lambda probs, rewards, lengths: probs @ rewards),
            "This is the mean reward J, the usual choice and often a good one. The variance is smallest for another number: an arm with a "
            "long score scatters more, so its reward counts more.",
            read="How far off is one guess?",
        ),
        Misconception(
            "plain mean",
            baselines(lambda probs, rewards, lengths: rewards.mean()),
            "This is the plain mean over the arms. The policy does not pull them equally often, and their scores are not equally long.",
            read="How far off is one guess?",
        ),
        Misconception(
            "length not squared",
            baselines(lambda probs, rewards, lengths: _weighted(probs * np.sqrt(lengths), rewards)),
            "The rewards are weighted with the length of the score. The variance is a mean of squares, so the length enters squared.",
            read="How far off is one guess?",
        ),
        Misconception(
            "probabilities forgotten",
            baselines(lambda probs, rewards, lengths: _weighted(lengths, rewards)),
            "Every arm counts once, whether it is pulled often or hardly ever. Both means are expectations: each arm also counts with its "
            "probability.",
            read="How far off is one guess?",
        ),
        Misconception(
            "the other axis",
            baselines(
                lambda probs, rewards, lengths: _weighted(
                    probs * ((1 - probs) ** 2 + (len(probs) - 1) * probs**2), rewards
                )
            ),
            "The squares are summed down the columns, over the arms. The score of an arm is a row, with a number for every knob: its "
            "squared length is the sum along the row, sum(1).",
            read="The score of a softmax",
        ),
        Misconception(
            "own knob only",
            baselines(lambda probs, rewards, lengths: _weighted(probs * (1 - probs) ** 2, rewards)),
            "Only the knob of the pulled arm enters the length. The score has a number for every knob, and all of them scatter.",
            read="The score of a softmax",
        ),
        Misconception(
            "best arm",
            baselines(lambda probs, rewards, lengths: rewards.max()),
            "This is the reward of the best arm. Then every other arm is pushed down hard whenever it is pulled, and the pushes scatter.",
            read="How far off is one guess?",
        ),
        Misconception(
            "most probable arm",
            baselines(lambda probs, rewards, lengths: rewards[probs.argmax()]),
            "This is the reward of the most probable arm. But its score is the shortest, so that its reward counts least for each pull.",
            read="How far off is one guess?",
        ),
        Misconception(
            "none",
            baselines(lambda probs, rewards, lengths: 0.0),
            "Zero is no baseline at all.",
            read="How far off is one guess?",
        ),
        Misconception(
            "not divided",
            baselines(lambda probs, rewards, lengths: (probs * lengths * rewards).sum()),
            "The upper half of the fraction is right. Divide by the mean squared length of the score, so that the weights add up to one.",
            read="How far off is one guess?",
        ),
    ),
    crash_help={
        "probability": "The first argument holds logits: torch.softmax(logits, -1) makes probabilities of them.",
    },
    note="It listens to the rare arms.",
)

EXERCISES = (SCORE_FUNCTION, REINFORCE_GRADIENT, BEST_BASELINE)
