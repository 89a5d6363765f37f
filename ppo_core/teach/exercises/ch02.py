"""Exercises of chapter 02, a policy that can be sampled."""

from __future__ import annotations

import decimal
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ppo_core.teach.exercise import Case, Exercise, Misconception, Wrong, differentiable


def exact_probabilities(row: Sequence[float]) -> list[decimal.Decimal]:
    """softmax of one row by its definition: no trick is needed with fifty digits and a range without an end."""
    weights = [decimal.Decimal(float(logit)).exp() for logit in row]
    return [weight / sum(weights) for weight in weights]


def rows_of(tensor: Any) -> list:
    return np.asarray(tensor.detach() if hasattr(tensor, "detach") else tensor, dtype=np.float64).tolist()


def softmax(logits: np.ndarray, axis: int = -1) -> np.ndarray:
    weights = np.exp(logits - logits.max(axis, keepdims=True))
    return weights / weights.sum(axis, keepdims=True)


def log_softmax(logits: np.ndarray, axis: int = -1) -> np.ndarray:
    logits = logits.astype(np.float64)
    shifted = logits - logits.max(axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))


def in_float32(rule: Callable[..., Any]) -> Callable[..., np.ndarray]:
    """A wrong answer from a rule on arrays: in float32, as the answer of a reader, so that both overflow alike."""

    def wrong(logits, *others):
        with np.errstate(all="ignore"):
            return np.asarray(rule(np.asarray(logits, np.float32), *(np.asarray(x) for x in others)))

    return wrong


def taken(table: np.ndarray, actions: np.ndarray) -> np.ndarray:
    return table[np.arange(len(actions)), actions]


_LOG2 = math.log(2)
_ATOL = 1e-3  # float32 near 10⁴ has steps of 1e-3, and torch's Categorical goes through such numbers
_THREE = [[2 * _LOG2, _LOG2, _LOG2]]
_BATCH = [[0.5, -1.0, 2.0], [1.5, 0.0, -0.5], [-2.0, 1.0, 0.25], [0.0, 3.0, 1.0], [-1.0, -1.5, 0.75]]
_EXTREME = [[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4], [0.0, -1e4, 1e4], [-1e4, -1e4, -1e4]]


def tensors(logits: Sequence, *others: Sequence) -> Callable[[], tuple]:
    def arguments() -> tuple:
        import torch

        return torch.tensor(logits), *(torch.tensor(other) for other in others)

    return arguments


def _gradient_of(answer: Callable[..., Any], logits: Any, *others: Any) -> np.ndarray:
    """The gradient of the answer's sum. Raises: Wrong if nothing flows."""
    import torch

    leaf = logits.clone().requires_grad_()
    result = differentiable(answer, leaf, *others)
    return torch.autograd.grad(result.sum(), leaf)[0].numpy()


def _one_number_per_row(answer: Callable[..., Any], arguments: Callable[[], tuple]) -> None:
    """Raise Wrong if the result is not [B]: the mistake that a mean would hide."""
    given = arguments()
    result = answer(*given)
    shape, size = np.shape(result.detach() if hasattr(result, "detach") else result), len(given[0])
    if result is None or result is Ellipsis or shape == (size,):
        return
    if shape == (size, size):
        raise Wrong(
            f"The result has shape {shape}, where {(size,)} was expected: every action has met every row. A mean over this table runs "
            "without an error, and has forgotten which action was taken where. "
            "Read: chapter 2, 'Every action in every observation'."
        )
    if shape == (size, 1):
        raise Wrong(
            f"The result has shape {shape}, where {(size,)} was expected. The axis of length 1 is left over; take it away with squeeze(-1), "
            "before it meets a tensor of shape [B]. Read: chapter 2, 'Every action in every observation'."
        )
    if shape == ():
        raise Wrong(
            "The result is one number. Asked is one number for each row of the batch: sum over the actions, dim=-1, and keep the rows. "
            "Read: chapter 2, 'One action in each row'."
        )


# ---------------------------------------------------------------------------------------------------------------
# log_prob(logits, actions) -> log π(a|o) of the action taken in each row, [B]


def log_prob(logits, actions):
    """The reference: two lines of the package."""
    import torch

    log_probs = torch.log_softmax(logits, dim=-1)
    return log_probs.gather(-1, actions.unsqueeze(-1)).squeeze(-1)


def log_prob_by_definition(logits, actions):
    """The oracle: exp, sum, quotient, logarithm, row by row, with fifty digits."""
    with decimal.localcontext() as context:
        context.prec = 50
        return [
            float(exact_probabilities(row)[int(action)].ln())
            for row, action in zip(rows_of(logits), rows_of(actions), strict=True)
        ]


def _log_prob_gradient(answer: Callable[..., Any]) -> None:
    """Raise Wrong unless the gradient of log π(a) is 1 for the action taken, minus π, also for very large logits."""
    import torch

    for logits, actions in ((_BATCH, [0, 2, 1, 1, 2]), (_EXTREME, [0, 0, 1, 2])):
        got = _gradient_of(answer, torch.tensor(logits), torch.tensor(actions))
        expected = np.eye(3)[actions] - softmax(np.array(logits))
        if not np.allclose(got, expected, atol=_ATOL):
            row, action = np.argwhere(~np.isclose(got, expected, atol=_ATOL))[0]
            raise Wrong(
                f"The numbers are right, but their gradient is not: in row {row}, with respect to the logit of action {action}, got "
                f"{got[row, action]:.4g}, expected {expected[row, action]:.4g}. It should be 1 for the action taken, minus the "
                "probability. Read: chapter 2, 'Logits'."
            )


LOG_PROB = Exercise(
    name="log_prob",
    chapter=2,
    axes=("row",),
    prompt="Write the log-probability of the action taken in each row, for logits of any size.",
    hints=(
        "The logarithm of softmax is a difference: the logit of the action, minus the logarithm of a sum. How do you keep the "
        "exponentials in that sum from overflowing?",
        "Subtract the largest logit of each row first: shifted = logits - logits.max(-1, keepdim=True).values. Nothing else changes. Then "
        "pick one entry of each row with gather.",
        "log_probs = shifted - shifted.exp().sum(-1, keepdim=True).log(); return log_probs.gather(-1, "
        "actions.unsqueeze(-1)).squeeze(-1)",
    ),
    cases=(
        Case(
            "one number per row",
            "",
            test=lambda answer: _one_number_per_row(answer, tensors(_BATCH, [0, 2, 1, 1, 2])),
        ),
        Case(
            "equal logits",
            "With equal logits every one of A actions has the log-probability -log A.",
            read="Logits",
            arguments=tensors([[0.0] * 4, [2.5] * 4], [3, 0]),
        ),
        Case(
            "three logits",
            "The numbers from the start of the page: the logit of the action, minus the logarithm of the sum of the exponentials.",
            read="Three logits",
            arguments=tensors(_THREE * 3, [0, 1, 2]),
        ),
        Case(
            "a constant added to a row",
            "A constant added to all logits of a row changes no probability.",
            read="Only differences count",
            arguments=tensors([[100.0, 101.0, 99.0], [-50.0, -52.0, -50.5]], [1, 2]),
        ),
        Case(
            "each row its own logits",
            "Each row is a distribution of its own, and `actions[i]` belongs to `logits[i]`.",
            read="One action in each row",
            arguments=tensors(_BATCH, [0, 2, 1, 1, 2]),
        ),
        Case(
            "very large logits",
            "A large logit must not overflow, and a hopeless action has a very negative log-probability, not minus infinity.",
            read="Large logits",
            arguments=tensors(_EXTREME, [0, 0, 1, 2]),
        ),
        Case("the gradient", "", test=_log_prob_gradient),
    ),
    reference=log_prob,
    oracle=log_prob_by_definition,
    misconceptions=(
        Misconception(
            "probability instead of its logarithm",
            in_float32(lambda z, a: taken(np.exp(log_softmax(z)), a)),
            "These are the probabilities. Asked are their logarithms.",
            read="Logits",
        ),
        Misconception(
            "logits taken for log-probabilities",
            in_float32(taken),
            "These are the logits of the actions. They become log-probabilities when the logarithm of the sum is subtracted.",
            read="Logits",
        ),
        Misconception(
            "logits taken for probabilities",
            in_float32(lambda z, a: np.log(taken(z / z.sum(-1, keepdims=True), a))),
            "The logits are treated as if they were weights. They can be negative: take the exponential first.",
            read="Logits",
        ),
        Misconception(
            "softmax twice",
            in_float32(lambda z, a: taken(log_softmax(softmax(z)), a)),
            "The softmax is taken twice: probabilities went in where logits were expected. The policy then looks far less decided "
            "than it is.",
            read="Logits",
        ),
        Misconception(
            "softmax over the wrong axis",
            in_float32(lambda z, a: taken(log_softmax(z, 0), a)),
            "The softmax runs over the rows of the batch, dim=0. It must run over the actions, dim=-1: each row is a distribution "
            "of its own.",
            read="The wrong axis",
        ),
        Misconception(
            "logarithm to base two",
            in_float32(lambda z, a: taken(log_softmax(z), a) / _LOG2),
            "These are bits, from a logarithm to base 2. The book measures in nats: the natural logarithm.",
            read="Three logits",
        ),
        Misconception(
            "sign turned round",
            in_float32(lambda z, a: -taken(log_softmax(z), a)),
            "The sign is turned round: this is what a cross-entropy loss gives. The logarithm of a probability is never positive.",
            read="Logits",
        ),
        Misconception(
            "quotient of exponentials",
            in_float32(lambda z, a: np.log(taken(np.exp(z) / np.exp(z).sum(-1, keepdims=True), a))),
            "Right for small logits; a large one overflows: the exponential is infinite, and infinity divided by infinity is not a "
            "number. Subtract the largest logit of each row first.",
            read="Large logits",
        ),
        Misconception(
            "sum of exponentials",
            in_float32(lambda z, a: taken(z, a) - np.log(np.exp(z).sum(-1))),
            "Right for small logits; a large one overflows inside the sum. Subtract the largest logit of each row first, and add it to the "
            "logarithm of the sum again.",
            read="Large logits",
        ),
        Misconception(
            "logarithm of softmax",
            in_float32(lambda z, a: np.log(taken(softmax(z), a))),
            "The probability is computed first and its logarithm then. A tiny probability is stored as 0, and its logarithm is minus "
            "infinity. Stay with logarithms all the way.",
            read="Large logits",
        ),
        Misconception(
            "a small number added",
            in_float32(lambda z, a: np.log(taken(softmax(z), a) + np.float32(1e-8))),
            "A small number is added before the logarithm. That hides the overflow, and gives every hopeless action the same wrong "
            "log-probability. Stay with logarithms all the way, and nothing needs to be added.",
            read="Large logits",
        ),
        Misconception(
            "one largest logit for all rows, and log of the quotient",
            in_float32(
                lambda z, a: np.log(
                    taken(np.exp(z - z.max()) / np.exp(z - z.max()).sum(-1, keepdims=True), a)
                )
            ),
            "The largest logit of the whole batch is subtracted. Then a row of small logits vanishes: 0 divided by 0. Each row "
            "needs its own largest logit, max(-1, keepdim=True).",
            read="Large logits",
        ),
        Misconception(
            "always the first action",
            in_float32(lambda z, a: log_softmax(z)[:, 0]),
            "This is the log-probability of action 0 in each row. Asked is that of the action taken, `actions[i]` in row i.",
            read="One action in each row",
        ),
        Misconception(
            "the most probable action",
            in_float32(lambda z, a: log_softmax(z).max(-1)),
            "This is the log-probability of the most probable action in each row. Asked is that of the action taken.",
            read="One action in each row",
        ),
    ),
    crash_help={
        "same number of dimensions": "gather needs an index with as many axes as the table: actions.unsqueeze(-1) is [B, 1], and "
        "squeeze(-1) afterwards gives [B] again.",
        "unsupported operand type(s) for -: 'Tensor' and 'torch.return_types.max'": "max(-1, keepdim=True) returns the values and their "
        "places: take `.values`.",
    },
    tolerance=_ATOL,
    note="For logits of any size.",
)

# ---------------------------------------------------------------------------------------------------------------
# entropy(logits) -> H[π(·|o)] of each row, [B]


def entropy(logits):
    """The reference: the line of the package."""
    import torch

    log_probs = torch.log_softmax(logits, dim=-1)
    return -(log_probs.exp() * log_probs).sum(-1)


def entropy_by_definition(logits):
    """The oracle: - Σ p log p, row by row, with fifty digits; no probability is zero there."""
    with decimal.localcontext() as context:
        context.prec = 50
        return [float(-sum(p * p.ln() for p in exact_probabilities(row))) for row in rows_of(logits)]


def _entropy_gradient(answer: Callable[..., Any]) -> None:
    """Raise Wrong unless the gradient is that of the oracle by finite differences, and 0 where one action has everything."""
    import torch

    got = _gradient_of(answer, torch.tensor(_BATCH, dtype=torch.float64))
    step, expected = 1e-5, np.zeros((len(_BATCH), 3))
    for action in range(3):
        shift = step * np.eye(3)[action]
        up, down = (np.array(entropy_by_definition(np.array(_BATCH) + sign * shift)) for sign in (1, -1))
        expected[:, action] = (up - down) / (2 * step)
    if not np.allclose(got, expected, atol=_ATOL):
        row, action = np.argwhere(~np.isclose(got, expected, atol=_ATOL))[0]
        raise Wrong(
            f"The numbers are right, but their gradient is not: in row {row}, with respect to the logit of action {action}, got "
            f"{got[row, action]:.4g}, expected {expected[row, action]:.4g}. Some part of the sum is cut off from autograd. "
            "Read: chapter 2, 'The gradient of the entropy'."
        )
    got = _gradient_of(answer, torch.tensor([[1e4, -1e4, 0.0], [0.0, -1e4, 1e4]]))
    if not np.allclose(got, 0.0, atol=_ATOL):
        raise Wrong(
            "The numbers are right, but with very large logits the gradient is not a number: 0 · log 0 was mended after it had "
            "happened, and autograd goes through both branches. With log_softmax there is no log 0, and nothing to mend. "
            "Read: chapter 2, 'Entropy'."
        )


ENTROPY = Exercise(
    name="entropy",
    chapter=2,
    axes=("row",),
    prompt="Write the entropy of each row, for logits of any size.",
    hints=(
        "The entropy is the mean of -log π(a), where each action counts with its own probability. Which of the two, probability or "
        "log-probability, is safe to compute first?",
        "log_probs = torch.log_softmax(logits, dim=-1) is never minus infinity for finite logits. Its exponential may be 0, and 0 times a "
        "finite number is 0.",
        "return -(log_probs.exp() * log_probs).sum(-1)",
    ),
    cases=(
        Case(
            "one number per row",
            "",
            test=lambda answer: _one_number_per_row(answer, tensors(_BATCH)),
        ),
        Case(
            "equal logits",
            "With equal logits the entropy is log A, the largest there is.",
            read="The largest entropy",
            arguments=tensors([[0.0] * 4, [2.5] * 4]),
        ),
        Case(
            "three logits",
            "The number from the start of the page: the mean of -log π, weighted with π.",
            read="Three logits",
            arguments=tensors(_THREE),
        ),
        Case(
            "each row its own logits",
            "Each row is a distribution of its own.",
            read="One action in each row",
            arguments=tensors(_BATCH),
        ),
        Case(
            "very large logits",
            "An action without any chance adds 0: π log π goes to 0 with π.",
            read="Entropy",
            arguments=tensors(_EXTREME),
        ),
        Case("the gradient", "", test=_entropy_gradient),
    ),
    reference=entropy,
    oracle=entropy_by_definition,
    misconceptions=(
        Misconception(
            "missing minus",
            in_float32(lambda z: (np.exp(log_softmax(z)) * log_softmax(z)).sum(-1)),
            "The minus is missing: logarithms of probabilities are negative, and the entropy is positive.",
            read="Entropy",
        ),
        Misconception(
            "base two",
            in_float32(lambda z: -(np.exp(log_softmax(z)) * log_softmax(z)).sum(-1) / _LOG2),
            "These are bits, from a logarithm to base 2. The book measures in nats: the natural logarithm.",
            read="Three logits",
        ),
        Misconception(
            "mean over the actions",
            in_float32(lambda z: -(np.exp(log_softmax(z)) * log_softmax(z)).mean(-1)),
            "The mean over the actions divides by A once too often: the probabilities are the weights of the mean already. Take the "
            "sum.",
            read="Entropy",
        ),
        Misconception(
            "not weighted",
            in_float32(lambda z: -log_softmax(z).sum(-1)),
            "The log-probabilities are added up without their weights. Each counts with the probability of its action.",
            read="Entropy",
        ),
        Misconception(
            "mean without weights",
            in_float32(lambda z: -log_softmax(z).mean(-1)),
            "The log-probabilities are averaged without their weights. Each counts with the probability of its action.",
            read="Entropy",
        ),
        Misconception(
            "logits taken for log-probabilities",
            in_float32(lambda z: -(np.exp(log_softmax(z)) * z).sum(-1)),
            "The logits themselves stand where the log-probabilities belong. Take log_softmax of them first.",
            read="Logits",
        ),
        Misconception(
            "softmax twice",
            in_float32(lambda z: -(np.exp(log_softmax(softmax(z))) * log_softmax(softmax(z))).sum(-1)),
            "The softmax is taken twice: probabilities went in where logits were expected. The policy then looks far less decided "
            "than it is.",
            read="Logits",
        ),
        Misconception(
            "wrong axis",
            in_float32(lambda z: -(np.exp(log_softmax(z, 0)) * log_softmax(z, 0)).sum(-1)),
            "The softmax runs over the rows of the batch, dim=0. It must run over the actions, dim=-1.",
            read="The wrong axis",
        ),
        Misconception(
            "one action only",
            in_float32(lambda z: -(np.exp(log_softmax(z)) * log_softmax(z))[np.arange(len(z)), z.argmax(-1)]),
            "Only one action of each row is counted. The entropy belongs to the whole distribution: sum over all actions.",
            read="The entropy of one action",
        ),
        Misconception(
            "surprise of one action",
            in_float32(lambda z: -log_softmax(z).max(-1)),
            "This is -log π of one action only. The entropy is its mean over all actions, weighted with their probabilities.",
            read="The entropy of one action",
        ),
        Misconception(
            "0 · log 0",
            in_float32(lambda z: -(softmax(z) * np.log(softmax(z))).sum(-1)),
            "Right for small logits; with large ones a probability is stored as 0, and 0 · log 0 is not a number. Take the logarithm first, "
            "by log_softmax, and the exponential then.",
            read="Entropy",
        ),
        Misconception(
            "exponential of the entropy",
            in_float32(lambda z: np.exp(-(np.exp(log_softmax(z)) * log_softmax(z)).sum(-1))),
            "This is the exponential of the entropy, the number of equally probable actions that would be as undecided. Asked is the "
            "entropy itself.",
            read="The largest entropy",
        ),
        Misconception(
            "distance from uniform",
            in_float32(lambda z: math.log(z.shape[-1]) + (np.exp(log_softmax(z)) * log_softmax(z)).sum(-1)),
            "This is log A minus the entropy: how far the policy is from the uniform one. It is 0 where the entropy is largest.",
            read="The largest entropy",
        ),
    ),
    tolerance=_ATOL,
    note="Zero where one action has everything, log A where all are equal.",
)

# ---------------------------------------------------------------------------------------------------------------
# sample_actions(logits, uniforms) -> the action that each uniform number picks, [B]


def sample_actions(logits, uniforms):
    """The reference: how many steps of the staircase lie at or below the number, at most A - 1."""
    import torch

    stairs = torch.softmax(logits, dim=-1).cumsum(-1)  # [B, A]
    return (stairs[:, :-1] <= uniforms.unsqueeze(-1)).sum(-1)


def sample_by_definition(logits, uniforms):
    """The oracle: walk through the actions of a row and stop at the first whose cumulative probability is above the number."""
    picked = []
    with decimal.localcontext() as context:
        context.prec = 50
        for row, uniform in zip(rows_of(logits), rows_of(uniforms), strict=True):
            rest = decimal.Decimal(uniform)
            for action, exact in enumerate(exact_probabilities(row)):
                probability = decimal.Decimal(float(exact))  # 1e-4343 is no chance at all: 0
                if probability > rest or action == len(row) - 1:
                    break
                rest -= probability
            picked.append(action)
    return picked


def _stairs(logits: np.ndarray) -> np.ndarray:
    return np.cumsum(softmax(logits.astype(np.float64)), -1)


def _integers(answer: Callable[..., Any]) -> None:
    """Raise Wrong unless the actions are integers: an index of gather."""
    result = answer(*tensors(_BATCH, [0.1, 0.3, 0.5, 0.7, 0.9])())
    kind = np.asarray(result.detach() if hasattr(result, "detach") else result).dtype.kind
    if kind not in "iu":
        raise Wrong(
            "The numbers are right, but they are not integers: an action is an index, for example of gather. Return int64. "
            "Read: chapter 2, 'One action in each row'."
        )


def _ends_at_one(answer: Callable[..., Any]) -> None:
    """Raise Wrong if rounding makes an action that does not exist: a float32 staircase often ends a little below 1."""
    import torch

    logits = torch.randn(512, 7, generator=torch.Generator().manual_seed(0))
    below_one = torch.full((512,), 1 - 2.0**-24)  # the largest number that torch.rand can give
    got = np.asarray(answer(logits, below_one))
    outside = (got < 0) | (got > 6)
    if outside.any():
        raise Wrong(
            f"With the largest number below 1, row {int(outside.argmax())} of a batch gets action {got[outside][0]:.0f} of 7. Rounding lets "
            "the cumulative sum end a little below 1, and a number can lie above it. Whatever is above all others belongs to the last "
            "action. Read: chapter 2, 'Another way to sample'."
        )


SAMPLE_ACTIONS = Exercise(
    name="sample_actions",
    chapter=2,
    axes=("row",),
    prompt="Pick an action in each row by one uniform number: the method of the cumulative sum.",
    hints=(
        "Put the probabilities of a row end to end: they fill the interval from 0 to 1. In whose part does the number lie?",
        "stairs = torch.softmax(logits, dim=-1).cumsum(-1) holds the right ends of the parts. The action is the number of ends that lie at "
        "or below the uniform number. Mind the last end: rounding.",
        "return (stairs[:, :-1] <= uniforms.unsqueeze(-1)).sum(-1)",
    ),
    cases=(
        Case(
            "one row",
            "The first half of the interval belongs to action 0.",
            read="Another way to sample",
            arguments=tensors(_THREE, [0.1]),
        ),
        Case(
            "three logits",
            "The probabilities one half, a quarter and a quarter, end to end: the first action whose cumulative probability is above "
            "the number.",
            read="Another way to sample",
            arguments=tensors(_THREE * 6, [0.02, 0.48, 0.52, 0.73, 0.77, 0.98]),
        ),
        Case(
            "each row its own logits",
            "Each row has its own distribution and its own number.",
            read="Another way to sample",
            arguments=tensors(_BATCH + _BATCH, [0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.7, 0.1, 0.2, 0.3]),
        ),
        Case(
            "an action without a chance",
            "An action whose probability is 0 must never be picked, not even by the number 0.",
            read="Another way to sample",
            arguments=tensors([[-1e4, 0.0, 0.0], [0.0, -1e4, 0.0], [0.0, 0.0, -1e4]], [0.0, 0.75, 0.75]),
        ),
        Case("the end of the interval", "", test=_ends_at_one),
        Case("integers", "", test=_integers),
    ),
    reference=sample_actions,
    oracle=sample_by_definition,
    misconceptions=(
        Misconception(
            "the most probable action",
            in_float32(lambda z, u: z.argmax(-1)),
            "This is the most probable action, whatever the number: a policy that never tries anything else.",
            read="Another way to sample",
        ),
        Misconception(
            "logits not looked at",
            in_float32(lambda z, u: np.floor(u * z.shape[-1])),
            "Every action gets an equal share of the interval. The share of an action is its probability.",
            read="Another way to sample",
        ),
        Misconception(
            "not cumulative",
            in_float32(lambda z, u: (softmax(z) > u[:, None]).argmax(-1)),
            "The number is compared with each probability alone. Put the probabilities end to end: compare it with their cumulative "
            "sum.",
            read="Another way to sample",
        ),
        Misconception(
            "cumulative sum of the logits",
            in_float32(lambda z, u: (np.cumsum(z, -1)[:, :-1] <= u[:, None]).sum(-1)),
            "The logits are summed up. They are no probabilities: take the softmax first.",
            read="Logits",
        ),
        Misconception(
            "one too far",
            in_float32(lambda z, u: (_stairs(z)[:, :-1] <= u[:, None]).sum(-1) + 1),
            "Every action is one too high: actions are counted from 0.",
            read="Another way to sample",
        ),
        Misconception(
            "one too early",
            in_float32(lambda z, u: (_stairs(z)[:, :-1] <= u[:, None]).sum(-1) - 1),
            "Every action is one too low: the first part of the interval belongs to action 0.",
            read="Another way to sample",
        ),
        Misconception(
            "from the other end",
            in_float32(lambda z, u: (_stairs(z)[:, :-1] <= 1 - u[:, None]).sum(-1)),
            "The interval is read from its other end. That is a fair sample as well, but not the one that was asked for: begin with "
            "action 0 at the number 0.",
            read="Another way to sample",
        ),
        Misconception(
            "one number for all rows",
            in_float32(lambda z, u: (_stairs(z)[:, :-1] <= u[0]).sum(-1)),
            "The first number decides for all rows. Each row has its own: uniforms.unsqueeze(-1) is [B, 1] and meets [B, A].",
            read="Another way to sample",
        ),
        Misconception(
            "softmax over the wrong axis",
            in_float32(
                lambda z, u: (np.cumsum(softmax(z.astype(np.float64), 0), -1)[:, :-1] <= u[:, None]).sum(-1)
            ),
            "The softmax runs over the rows of the batch, dim=0. It must run over the actions, dim=-1.",
            read="The wrong axis",
        ),
        Misconception(
            "strictly below",
            in_float32(lambda z, u: (_stairs(z)[:, :-1] < u[:, None]).sum(-1)),
            "Right, but for the edges: with the number 0 an action without any chance is picked. Count the ends at or below the number, "
            "with <=.",
            read="Another way to sample",
        ),
    ),
    crash_help={
        "must match the size of tensor": "[B, A] and [B] do not fit together: uniforms.unsqueeze(-1) is [B, 1], and meets each row.",
    },
    note="No number is left without an action, and no action is invented.",
)

EXERCISES = (LOG_PROB, ENTROPY, SAMPLE_ACTIONS)
