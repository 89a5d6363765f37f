"""Answers to the exercises of chapter 09: wrong ones with the words that the reader must see, and right ones of another kind."""

from __future__ import annotations

import numpy as np
import torch


# --- clipped_gain ------------------------------------------------------------------------------------------------
def both(logprobs, old_logprobs, clip_coef):
    """(ratio, clipped ratio), for the answers below."""
    ratio = torch.exp(logprobs - old_logprobs)
    return ratio, torch.clamp(ratio, 1 - clip_coef, 1 + clip_coef)


def never_clipped(logprobs, old_logprobs, advantages, clip_coef):
    return torch.exp(logprobs - old_logprobs) * advantages


def clip_alone(logprobs, old_logprobs, advantages, clip_coef):
    return both(logprobs, old_logprobs, clip_coef)[1] * advantages


def maximum(logprobs, old_logprobs, advantages, clip_coef):
    ratio, clipped = both(logprobs, old_logprobs, clip_coef)
    return torch.maximum(ratio * advantages, clipped * advantages)


def min_before(logprobs, old_logprobs, advantages, clip_coef):
    """Bug B13."""
    return torch.min(*both(logprobs, old_logprobs, clip_coef)) * advantages


def masked_outside(logprobs, old_logprobs, advantages, clip_coef):
    """Bug B12."""
    ratio, clipped = both(logprobs, old_logprobs, clip_coef)
    return torch.where(ratio == clipped, ratio * advantages, 0.0)


def product_clipped(logprobs, old_logprobs, advantages, clip_coef):
    ratio, _ = both(logprobs, old_logprobs, clip_coef)
    return (ratio * advantages).clamp(1 - clip_coef, 1 + clip_coef)


def logarithm_clipped(logprobs, old_logprobs, advantages, clip_coef):
    log_ratio = logprobs - old_logprobs
    clipped = log_ratio.clamp(-clip_coef, clip_coef).exp()
    return torch.min(log_ratio.exp() * advantages, clipped * advantages)


def upside_down(logprobs, old_logprobs, advantages, clip_coef):
    return right_by_cap(old_logprobs, logprobs, advantages, clip_coef)


def no_exponential(logprobs, old_logprobs, advantages, clip_coef):
    ratio = logprobs - old_logprobs
    return torch.min(ratio * advantages, ratio.clamp(1 - clip_coef, 1 + clip_coef) * advantages)


def the_loss(logprobs, old_logprobs, advantages, clip_coef):
    return -right_by_cap(logprobs, old_logprobs, advantages, clip_coef)


def the_mean(logprobs, old_logprobs, advantages, clip_coef):
    return right_by_cap(logprobs, old_logprobs, advantages, clip_coef).mean()


def always_a_fifth(logprobs, old_logprobs, advantages, clip_coef):
    return right_by_cap(logprobs, old_logprobs, advantages, 0.2)


def in_numpy(logprobs, old_logprobs, advantages, clip_coef):
    """Right numbers, and nothing to learn from."""
    return right_by_cap(logprobs.detach(), old_logprobs, advantages, clip_coef).numpy()


def numpy_of_a_leaf(logprobs, old_logprobs, advantages, clip_coef):
    ratio = np.exp(logprobs.numpy() - old_logprobs.numpy())
    return np.minimum(
        ratio * advantages.numpy(), ratio.clip(1 - clip_coef, 1 + clip_coef) * advantages.numpy()
    )


def half_detached(logprobs, old_logprobs, advantages, clip_coef):
    ratio, clipped = both(logprobs, old_logprobs, clip_coef)
    return torch.min(ratio.detach() * advantages, clipped * advantages)


def pythons_min(logprobs, old_logprobs, advantages, clip_coef):
    ratio, clipped = both(logprobs, old_logprobs, clip_coef)
    return min(ratio * advantages, clipped * advantages)


def right_by_cap(logprobs, old_logprobs, advantages, clip_coef):
    """Right: the cap instead of the clip."""
    product = (logprobs - old_logprobs).exp() * advantages
    return torch.minimum(product, advantages + clip_coef * advantages.abs())


def right_by_where(logprobs, old_logprobs, advantages, clip_coef):
    """Right: one bound for each sign."""
    ratio = (logprobs - old_logprobs).exp()
    good, bad = ratio.clamp(max=1 + clip_coef), ratio.clamp(min=1 - clip_coef)
    return torch.where(advantages > 0, good, bad) * advantages


# --- pull --------------------------------------------------------------------------------------------------------
def two_sided(ratio, advantages, clip_coef):
    """Bug B12."""
    inside = (ratio >= 1 - clip_coef) & (ratio <= 1 + clip_coef)
    return ratio * advantages * inside


def never_stopped(ratio, advantages, clip_coef):
    return ratio * advantages


def stopped_at_one(ratio, advantages, clip_coef):
    return torch.where((ratio - 1) * advantages > 0, 0.0, ratio * advantages)


def exchanged(ratio, advantages, clip_coef):
    stopped = ((advantages < 0) & (ratio > 1 + clip_coef)) | ((advantages > 0) & (ratio < 1 - clip_coef))
    return ratio * advantages * ~stopped


def sign_ignored(ratio, advantages, clip_coef):
    return torch.where(ratio > 1 + clip_coef, 0.0, ratio * advantages)


def to_the_ratio(ratio, advantages, clip_coef):
    return pull_by_autograd(ratio, advantages, clip_coef) / ratio


def the_gain(ratio, advantages, clip_coef):
    return torch.min(ratio * advantages, ratio.clamp(1 - clip_coef, 1 + clip_coef) * advantages)


def of_the_loss(ratio, advantages, clip_coef):
    return -pull_by_autograd(ratio, advantages, clip_coef)


def one_if_for_all(ratio, advantages, clip_coef):
    if advantages > 0 and ratio > 1 + clip_coef:
        return 0.0
    return ratio * advantages


def pull_by_autograd(ratio, advantages, clip_coef):
    """Right: torch's own gradient."""
    logprobs = ratio.log().requires_grad_()
    gain = right_by_cap(logprobs, torch.zeros_like(ratio), advantages, clip_coef)
    return torch.autograd.grad(gain.sum(), logprobs)[0]


def pull_one_by_one(ratio, advantages, clip_coef):
    """Right: a list of plain numbers."""
    return [
        0.0 if r * a > a + clip_coef * abs(a) else r * a
        for r, a in zip(ratio.tolist(), advantages.tolist(), strict=True)
    ]


# --- best_probability --------------------------------------------------------------------------------------------
def objective(prob, old_prob, actions, advantages, clip_coef, clip=True):
    total = 0.0
    for action, advantage in zip(actions, advantages, strict=True):
        ratio = prob / old_prob if action == 1 else (1 - prob) / (1 - old_prob)
        total += min(ratio * advantage, advantage + clip_coef * abs(advantage) if clip else np.inf)
    return total


def an_end(old_prob, actions, advantages, clip_coef):
    return max([0.0, 1.0], key=lambda p: objective(p, old_prob, actions, advantages, clip_coef, clip=False))


def the_upper_edge(old_prob, actions, advantages, clip_coef):
    return old_prob * (1 + clip_coef)


def own_edge(old_prob, actions, advantages, clip_coef):
    higher, lower = old_prob + 1e-4, old_prob - 1e-4
    rises = objective(higher, old_prob, actions, advantages, clip_coef) > objective(
        lower, old_prob, actions, advantages, clip_coef
    )
    return old_prob * (1 + clip_coef) if rises else old_prob * (1 - clip_coef)


def own_edge_held(*arguments):
    return min(1.0, own_edge(*arguments))


def as_a_ratio(old_prob, *others):
    return by_grid(old_prob, *others) / old_prob


def of_the_other(*arguments):
    return 1 - by_grid(*arguments)


def min_first(old_prob, actions, advantages, clip_coef):
    """Bug B13."""
    grid = np.linspace(0, 1, 4001)
    total = 0
    for action, advantage in zip(actions, advantages, strict=True):
        ratio = grid / old_prob if action == 1 else (1 - grid) / (1 - old_prob)
        total = total + np.minimum(ratio, 1 + clip_coef) * advantage
    return grid[np.argmax(np.round(total, 9))]


def the_old_one(old_prob, actions, advantages, clip_coef):
    return old_prob


def by_grid(old_prob, actions, advantages, clip_coef):
    """Right: look everywhere."""
    grid = np.linspace(0, 1, 10_001)
    return float(grid[np.argmax([objective(p, old_prob, actions, advantages, clip_coef) for p in grid])])


def by_small_steps(old_prob, actions, advantages, clip_coef):
    """Right: climb, and halve the step where it no longer rises."""
    prob, step = old_prob, 0.25
    while step > 1e-6:
        near = [max(prob - step, 0.0), prob, min(prob + step, 1.0)]
        best = max(near, key=lambda p: objective(p, old_prob, actions, advantages, clip_coef))
        if best == prob:
            step /= 2
        prob = best
    return prob


WRONG = {
    "clipped_gain": {
        "never clipped": (never_clipped, "The ratio is never clipped"),
        "clip without min": (clip_alone, "The clipped ratio is used alone"),
        "max instead of min": (maximum, "The larger of the two products"),
        "min before the advantage": (min_before, "Multiply first, then take the smaller"),
        "zero outside": (masked_outside, "The clip does not drop samples"),
        "product clipped": (product_clipped, "clip the ratio, then multiply"),
        "logarithm clipped": (logarithm_clipped, "The logarithm of the ratio is clipped"),
        "upside down": (upside_down, "The ratio is upside down"),
        "no exponential": (no_exponential, "Take its exponential"),
        "loss": (the_loss, "this is the loss"),
        "mean": (the_mean, "has shape"),
        "ε fixed": (always_a_fifth, "ε is `clip_coef`, not always 0.2"),
        "numpy": (in_numpy, "no gradient flows through them"),
        "numpy of a leaf": (numpy_of_a_leaf, "no gradient flows through them"),
        "ratio detached": (half_detached, "their gradient is not"),
        "Python's min": (pythons_min, "use torch.min(a, b)"),
        "a number": (0.2, "should be a function"),
    },
    "pull": {
        "two-sided": (two_sided, "the whole gradient is there and brings it back"),
        "never zero": (never_stopped, "Nothing is clipped"),
        "threshold at 1": (stopped_at_one, "as soon as the ratio passes 1"),
        "exchanged": (exchanged, "The two cases are exchanged"),
        "sign of A ignored": (sign_ignored, "whatever the sign of the advantage"),
        "with respect to the ratio": (to_the_ratio, "with respect to the ratio"),
        "the gain": (the_gain, "This is the gain itself"),
        "of the loss": (of_the_loss, "gradient of the loss"),
        "one `if` for all": (one_if_for_all, "cannot decide for a whole tensor"),
    },
    "best_probability": {
        "an end": (an_end, "without a clip"),
        "always the upper edge": (the_upper_edge, "the other side of the interval"),
        "own edge": (own_edge, "a probability ends at 1"),
        "own edge, held": (own_edge_held, "bend the line as well"),
        "a ratio": (as_a_ratio, "This is the ratio at the top"),
        "of the other action": (of_the_other, "This is the probability of action 0"),
        "min before the advantage": (min_first, "The smaller ratio is taken before"),
        "nothing learned": (the_old_one, "the five samples from the start"),
    },
}

RIGHT = {
    "clipped_gain": [right_by_cap, right_by_where],
    "pull": [pull_by_autograd, pull_one_by_one],
    "best_probability": [by_grid, by_small_steps],
}
