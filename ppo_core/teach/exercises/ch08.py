"""Exercises of chapter 08, importance sampling and minibatches."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from ppo_core.teach.exercise import Case, Exercise, Misconception, Wrong, differentiable


def exact_ratios(logprobs: Any, old_logprobs: Any) -> list[Decimal]:
    """Probability over probability in long decimal numbers: no difference of logarithms, and nothing underflows."""
    new, old = (np.asarray(x, dtype=np.float64).tolist() for x in (logprobs, old_logprobs))
    return [Decimal(a).exp() / Decimal(b).exp() for a, b in zip(new, old, strict=True)]


def float64(*tensors: Any) -> list[np.ndarray]:
    return [np.asarray(x, dtype=np.float64) for x in tensors]


FIVE_WALKS = ([0.4, 0.4, 0.4, 0.4, 0.6], [0.8, 0.8, 0.8, 0.8, 0.2], [1.0, 0.0, 1.0, 2.0, 4.0])
OTHERS = ([0.5, 0.3, 0.9, 0.2], [0.25, 0.6, 0.5, 0.1], [2.0, -1.0, 0.5, 3.0])
SAME = ([0.3, 0.5, 0.2], [0.3, 0.5, 0.2], [1.0, -2.0, 4.0])


def samples(
    probs: Sequence[float], old_probs: Sequence[float], *others: Sequence[float]
) -> Callable[[], tuple]:
    """Arguments from probabilities: their logarithms, and other columns as they are."""

    def arguments() -> tuple:
        import torch

        new, old = torch.tensor(probs).log(), torch.tensor(old_probs).log()
        return new, old, *(torch.tensor(column) for column in others)

    return arguments


def shifted(by: float, shift_both: bool) -> tuple:
    """The five walks as parts of long sums: `by` is added to the new log-probabilities, or to both."""
    new, old, values = samples(*FIVE_WALKS)()
    return new + by, old + by if shift_both else old, values


# ---------------------------------------------------------------------------------------------------------------
# is_estimate(logprobs, old_logprobs, values) -> a number


def is_estimate(logprobs, old_logprobs, values):
    """The reference: ratio through logarithms, and the plain mean."""
    import torch

    return (torch.exp(logprobs - old_logprobs) * values).mean()


def estimate_in_decimals(logprobs, old_logprobs, values):
    """The oracle: in long decimal numbers, with probabilities instead of logarithms."""
    terms = zip(exact_ratios(logprobs, old_logprobs), float64(values)[0].tolist(), strict=True)
    return float(sum(ratio * Decimal(value) for ratio, value in terms) / len(values))


def estimates(rule: Callable[[np.ndarray, np.ndarray, np.ndarray], Any]) -> Callable[..., Any]:
    """A wrong estimate, from a rule on arrays of float64."""
    return lambda *arguments: rule(*float64(*arguments))


def _improbable(answer: Callable[..., Any]) -> None:
    result = float(answer(*shifted(-500.0, True)))
    if not abs(result - 2.8) < 1e-2:
        raise Wrong(
            f"With log-probabilities around -500 the result is {result:.4g}, expected 2.8. Such a probability is 0 in float32, and a "
            "quotient of two of them is no number. Subtract the log-probabilities first, and take the exponential of the difference. "
            "Read: chapter 8, 'The ratio through logarithms'."
        )


def _carries_gradient(answer: Callable[..., Any]) -> None:
    import torch

    new, old, values = (x.double() for x in samples(*OTHERS)())
    leaf = new.clone().requires_grad_()
    no_gradient = (
        "The number is right, but no gradient flows through it, so that no policy could learn from it. Stay in torch: no numpy, no "
        "item(), no detach()."
    )
    result = differentiable(answer, leaf, old, values, otherwise=no_gradient)
    (got,) = torch.autograd.grad(result, leaf)
    step = 1e-6
    shifts = torch.eye(len(leaf), dtype=torch.float64) * step
    ends = [[estimate_in_decimals(new + sign * s, old, values) for s in shifts] for sign in (1, -1)]
    expected = (np.array(ends[0]) - np.array(ends[1])) / (2 * step)
    if not np.allclose(got.numpy(), expected, atol=1e-4):
        raise Wrong(
            "The number is right, but its gradient is not: some part of the ratio is cut off from autograd. "
            "Read: chapter 8, 'Is the ratio always 1?'."
        )


IS_ESTIMATE = Exercise(
    name="is_estimate",
    chapter=8,
    axes=(),
    prompt="Estimate a mean under the new policy from samples of the old one.",
    hints=(
        "An action that the new policy takes more often than the old one counts more. By how much? New over old.",
        "The ratio is torch.exp(logprobs - old_logprobs). Multiply each value with its ratio.",
        "return (torch.exp(logprobs - old_logprobs) * values).mean()",
    ),
    cases=(
        Case(
            "the same policy",
            "If nothing has changed, every ratio is 1, and the estimate is the plain mean.",
            read="Importance sampling",
            arguments=samples(*SAME),
        ),
        Case(
            "the five walks of the page",
            "These are the five walks from the start of the chapter.",
            read="Five samples on paper",
            arguments=samples(*FIVE_WALKS),
        ),
        Case(
            "ratios whose mean is not 1",
            "In a few samples the ratios need not have the mean 1; the estimate is the mean of ratio times value all the same.",
            read="Importance sampling",
            arguments=samples(*OTHERS),
        ),
        Case("very improbable actions", "", test=_improbable),
        Case("the gradient", "", test=_carries_gradient),
    ),
    reference=is_estimate,
    oracle=estimate_in_decimals,
    misconceptions=(
        Misconception(
            "no ratio",
            estimates(lambda new, old, values: values.mean()),
            "This is the plain mean: it says how good the old policy was. Weight each value with its ratio.",
            read="Five samples on paper",
        ),
        Misconception(
            "ratio upside down",
            estimates(lambda new, old, values: (np.exp(old - new) * values).mean()),
            "The ratio is upside down: what the new policy does more often must count more. It is new over old.",
            read="Importance sampling",
        ),
        Misconception(
            "difference of log-probabilities",
            estimates(lambda new, old, values: ((new - old) * values).mean()),
            "The difference of the log-probabilities is the logarithm of the ratio. Take its exponential.",
            read="The ratio through logarithms",
        ),
        Misconception(
            "divided by the sum of the ratios",
            estimates(lambda new, old, values: (np.exp(new - old) * values).sum() / np.exp(new - old).sum()),
            "This divides by the sum of the ratios. It is a weighted mean of its own right, with less variance, but not unbiased. Asked is "
            "the plain mean of ratio times value: divide by the number of samples.",
            read="Importance sampling",
        ),
        Misconception(
            "new probability alone",
            estimates(lambda new, old, values: (np.exp(new) * values).mean()),
            "The values are weighted with the new probability alone. The samples already come with the frequency of the old policy, so "
            "that has to be divided out.",
            read="Importance sampling",
        ),
        Misconception(
            "sum instead of mean",
            estimates(lambda new, old, values: (np.exp(new - old) * values).sum()),
            "This is the sum. The estimate is the mean over the samples.",
            read="Importance sampling",
        ),
        Misconception(
            "product of all ratios",
            estimates(lambda new, old, values: np.exp((new - old).sum()) * values.mean()),
            "The ratios of all samples are multiplied, as for one long episode. These are separate samples: each has its own ratio.",
            read="Over many steps",
        ),
    ),
    note="Through logarithms, and with its gradient.",
)

# ---------------------------------------------------------------------------------------------------------------
# effective_sample_size(logprobs, old_logprobs) -> a number between 1 and B


def effective_sample_size(logprobs, old_logprobs):
    """The reference: weights relative to the largest one, so that nothing overflows."""
    import torch

    log_ratio = logprobs - old_logprobs
    weights = torch.exp(log_ratio - log_ratio.max())
    return weights.sum() ** 2 / weights.square().sum()


def effective_in_decimals(logprobs, old_logprobs):
    """The oracle: 1 / Σ (share of each sample)², in long decimal numbers."""
    ratios = exact_ratios(logprobs, old_logprobs)
    total = sum(ratios)
    return float(1 / sum((ratio / total) ** 2 for ratio in ratios))


def _from_ratio(rule: Callable[[np.ndarray], Any]) -> Callable[..., Any]:
    """A wrong size, from a rule on the ratios in float64."""
    return estimates(lambda new, old: rule(np.exp(new - old)))


def _perplexity(ratio: np.ndarray) -> float:
    share = ratio / ratio.sum()
    return math.exp(-(share * np.log(share)).sum())


def _large_ratios(answer: Callable[..., Any]) -> None:
    for by in (400.0, -400.0):
        new, old, _ = shifted(by, False)
        result = float(answer(new, old))
        if not abs(result - 2.5) < 1e-2:
            raise Wrong(
                f"With {by:+.0f} added to every log-ratio the result is {result:.4g}, expected 2.5 as without it: a constant factor cancels. But "
                "such a ratio is beyond float32. Subtract the largest log-ratio from all of them before you take the exponential. "
                "Read: chapter 8, 'How many samples are left'."
            )


EFFECTIVE_SAMPLE_SIZE = Exercise(
    name="effective_sample_size",
    chapter=8,
    axes=(),
    prompt="Say how many samples the ratios leave effective, from log-probabilities.",
    hints=(
        "The square of the sum over the sum of the squares. What happens to it if all ratios are multiplied with one constant?",
        "A constant factor cancels. So subtract the largest log-ratio from all of them before taking exponentials: the largest weight is then 1, "
        "and nothing overflows.",
        "log_ratio = logprobs - old_logprobs; weights = torch.exp(log_ratio - log_ratio.max()); "
        "return weights.sum() ** 2 / weights.square().sum()",
    ),
    cases=(
        Case(
            "the same policy",
            "If nothing has changed, all the samples are left.",
            read="How many samples are left",
            arguments=samples(*SAME[:2]),
        ),
        Case(
            "the five walks of the page",
            "These are the five walks from the start of the chapter: 5 squared over 10.",
            read="How many samples are left",
            arguments=samples(*FIVE_WALKS[:2]),
        ),
        Case(
            "one sample outweighs the others",
            "If one ratio outweighs all the others, about one sample is left.",
            read="How many samples are left",
            arguments=samples([0.001, 0.001, 0.9], [0.5, 0.5, 0.001]),
        ),
        Case(
            "ratios whose mean is not 1",
            "In a few samples the ratios need not have the mean 1.",
            read="How many samples are left",
            arguments=samples(*OTHERS[:2]),
        ),
        Case("ratios beyond float32", "", test=_large_ratios),
    ),
    reference=effective_sample_size,
    oracle=effective_in_decimals,
    misconceptions=(
        Misconception(
            "upside down",
            _from_ratio(lambda r: (r**2).sum() / r.sum() ** 2),
            "The quotient is upside down: the square of the sum stands above, the sum of the squares below.",
            read="How many samples are left",
        ),
        Misconception(
            "the square is missing",
            _from_ratio(lambda r: r.sum() / (r**2).sum()),
            "The sum above must be squared. Without it the size would change if all ratios were multiplied with one constant.",
            read="How many samples are left",
        ),
        Misconception(
            "share instead of number",
            _from_ratio(lambda r: r.sum() ** 2 / (r**2).sum() / len(r)),
            "This is the effective share of the samples. Asked is their number, between 1 and B.",
            read="How many samples are left",
        ),
        Misconception(
            "by the variance",
            _from_ratio(lambda r: len(r) / (1 + r.var())),
            "B / (1 + Var) is right for many samples, where the ratios have the mean 1. For the few at hand use the two sums.",
            read="How many samples are left",
        ),
        Misconception(
            "sum of the ratios",
            _from_ratio(np.sum),
            "The sum of the ratios is B on average, however unequal they are. Their squares are missing.",
            read="How many samples are left",
        ),
        Misconception(
            "logarithms as weights",
            estimates(lambda new, old: (new - old).sum() ** 2 / max(((new - old) ** 2).sum(), 1e-300)),
            "The difference of the log-probabilities is the logarithm of the ratio. Take its exponential.",
            read="The ratio through logarithms",
        ),
        Misconception(
            "old over new",
            estimates(lambda new, old: np.exp(old - new).sum() ** 2 / np.exp(2 * (old - new)).sum()),
            "The ratio is upside down: it is new over old.",
            read="Importance sampling",
        ),
        Misconception(
            "exponential of the entropy",
            _from_ratio(_perplexity),
            "This is the exponential of the entropy of the weights: another measure of how equal they are. Asked is the one that belongs to "
            "the variance of a mean.",
            read="How many samples are left",
        ),
    ),
    note="From 1 to B, whatever the size of the ratios.",
)

# ---------------------------------------------------------------------------------------------------------------
# minibatch_indices(size, num_minibatches, generator) -> a list of num_minibatches index tensors

_READ = " Read: chapter 8, 'Minibatches and epochs'."


def minibatch_indices(size, num_minibatches, generator):
    """The reference: shuffle, then cut."""
    import torch

    return list(torch.randperm(size, generator=generator).tensor_split(num_minibatches))


def _epoch(
    answer: Callable[..., Any], size: int, num_minibatches: int, generator: Any = None
) -> list[list[int]]:
    """The parts as lists of numbers. Raises: Wrong if the form is not right."""
    import torch

    if not callable(answer):
        raise Wrong(
            f"The answer should be a function, but it is of type {type(answer).__name__}. Pass the function itself, without calling it."
        )
    result = answer(size, num_minibatches, generator or torch.Generator().manual_seed(0))
    if result is None or result is Ellipsis:
        raise Wrong(
            "The function returned nothing. Is the line with `return` missing, or indented into the loop?"
        )
    if isinstance(result, (torch.Tensor, np.ndarray)) and np.ndim(result) < 2:
        raise Wrong(
            "The indices come as one piece. Cut them into a list of `num_minibatches` tensors, one for each gradient step."
            + _READ
        )
    try:
        parts = [np.asarray(part) for part in result]
    except TypeError:
        raise Wrong(f"Expected a list of tensors, got {type(result).__name__}." + _READ) from None
    if any(part.ndim != 1 for part in parts):
        raise Wrong("Each part should be a tensor [B] of indices." + _READ)
    if any(part.size and part.dtype.kind not in "iu" for part in parts):
        raise Wrong(
            "The parts hold numbers that are no integers, so nothing can be indexed with them." + _READ
        )
    return [part.tolist() for part in parts]


def _each_once(answer: Callable[..., Any], size: int, num_minibatches: int) -> list[list[int]]:
    parts = _epoch(answer, size, num_minibatches)
    used = [index for part in parts for index in part]
    if any(not 0 <= index < size for index in used):
        raise Wrong(
            f"With size={size} the indices go from 0 to {size - 1}, but {max(used, key=abs)} is among them."
            + _READ
        )
    missing = sorted(set(range(size)) - set(used))
    if len(set(used)) < len(used):
        raise Wrong(
            f"Some steps are used more than once in one epoch, and {len(missing)} of {size} are never used: the indices are drawn with "
            "replacement. Shuffle all of them once, then cut." + _READ
        )
    if missing:
        raise Wrong(
            f"With size={size} and num_minibatches={num_minibatches}, {len(missing)} of the steps are dropped: the rest that does not fill a "
            "part of a fixed size. Let the parts differ in length by one instead." + _READ
        )
    return parts


def _divisible(answer: Callable[..., Any]) -> None:
    parts = _each_once(answer, 64, 4)
    if len(parts) == 16 and all(len(part) == 4 for part in parts):
        raise Wrong("`num_minibatches` is how many parts there are, not how long a part is." + _READ)
    if [len(part) for part in parts] != [16] * 4:
        raise Wrong(
            f"64 steps in 4 minibatches are 16 each, got lengths {[len(part) for part in parts]}." + _READ
        )


def _in_random_order(answer: Callable[..., Any]) -> None:
    parts = _each_once(answer, 64, 4)
    if [index for part in parts for index in part] == list(range(64)):
        raise Wrong(
            "The steps are in the order of time: nothing is shuffled, so each minibatch holds neighbours."
            + _READ
        )
    if all(max(part) - min(part) == len(part) - 1 for part in parts):
        raise Wrong(
            "Each part holds steps that are neighbours in time: only the parts are shuffled, or the rows within them. Shuffle all steps "
            "before you cut." + _READ
        )
    if all(len({index % 4 for index in part}) == 1 for part in parts):
        raise Wrong(
            "Each part takes every fourth step, always the same ones together. Shuffle all steps." + _READ
        )


def _ragged(answer: Callable[..., Any]) -> None:
    for size, num_minibatches in ((10, 4), (257, 4), (5, 5), (7, 1)):
        lengths = sorted(len(part) for part in _each_once(answer, size, num_minibatches))
        if len(lengths) != num_minibatches or lengths[-1] - lengths[0] > 1:
            raise Wrong(
                f"With size={size} and num_minibatches={num_minibatches} the lengths are {lengths}. They should be {num_minibatches} parts "
                "that differ by one at most: a very short part is a very noisy step." + _READ
            )


def _anew_in_each_epoch(answer: Callable[..., Any]) -> None:
    import torch

    generator = torch.Generator().manual_seed(5)
    if _epoch(answer, 64, 4, generator) == _epoch(answer, 64, 4, generator):
        raise Wrong(
            "Two epochs in a row have the same order. Shuffle anew in each: no fixed seed inside." + _READ
        )


def _from_the_generator(answer: Callable[..., Any]) -> None:
    import torch

    one, two = (_epoch(answer, 64, 4, torch.Generator().manual_seed(7)) for _ in range(2))
    if one != two:
        raise Wrong(
            "Two generators with the same seed give different orders: the generator that was passed in is not used, so that no run can be "
            "repeated. Write torch.randperm(size, generator=generator)." + _READ
        )


MINIBATCH_INDICES = Exercise(
    name="minibatch_indices",
    chapter=8,
    axes=(),
    prompt="Cut one epoch into minibatches that use each step exactly once.",
    hints=(
        "First shuffle all indices, then cut.",
        "torch.randperm(size, generator=generator) is each index once, in random order.",
        "return list(torch.randperm(size, generator=generator).tensor_split(num_minibatches))",
    ),
    cases=(
        Case("each step once", "", test=_divisible),
        Case("in random order", "", test=_in_random_order),
        Case("a size that cannot be divided", "", test=_ragged),
        Case("anew in each epoch", "", test=_anew_in_each_epoch),
        Case("from the generator", "", test=_from_the_generator),
    ),
    reference=minibatch_indices,
    crash_help={
        "split_with_sizes": "tensor_split(num_minibatches) cuts into that many parts, also where the size cannot be divided.",
        "cannot reshape": "A reshape needs a size that can be divided. tensor_split(num_minibatches) does not.",
        "is invalid for input of size": "A reshape needs a size that can be divided. tensor_split(num_minibatches) does not.",
    },
    note="Each step once, none dropped.",
)

EXERCISES = (IS_ESTIMATE, EFFECTIVE_SAMPLE_SIZE, MINIBATCH_INDICES)
