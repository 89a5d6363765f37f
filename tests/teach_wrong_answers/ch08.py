"""Answers to the exercises of chapter 08: wrong ones with the words that the reader must see, and right ones of another kind."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch


# --- is_estimate -------------------------------------------------------------------------------------------------
def plain_mean(logprobs, old_logprobs, values):
    return values.mean()


def upside_down(logprobs, old_logprobs, values):
    return ((old_logprobs - logprobs).exp() * values).mean()


def no_exponential(logprobs, old_logprobs, values):
    return ((logprobs - old_logprobs) * values).mean()


def self_normalised(logprobs, old_logprobs, values):
    return torch.softmax(logprobs - old_logprobs, 0) @ values


def new_alone(logprobs, old_logprobs, values):
    return (logprobs.exp() * values).mean()


def summed(logprobs, old_logprobs, values):
    return torch.dot((logprobs - old_logprobs).exp(), values)


def one_product(logprobs, old_logprobs, values):
    return (logprobs - old_logprobs).sum().exp() * values.mean()


def by_division(logprobs, old_logprobs, values):
    return (logprobs.exp() / old_logprobs.exp() * values).mean()


def each_sample(logprobs, old_logprobs, values):
    return (logprobs - old_logprobs).exp() * values


def detached(logprobs, old_logprobs, values):
    return ((logprobs - old_logprobs).exp() * values).mean().detach()


def in_numpy(logprobs, old_logprobs, values):
    return float(np.mean(np.exp(logprobs.numpy() - old_logprobs.numpy()) * values.numpy()))


def half_detached(logprobs, old_logprobs, values):
    ratio = (logprobs - old_logprobs).exp()
    return (ratio.detach() * values).mean() + 0 * ratio.sum()


def by_dot(logprobs, old_logprobs, values):
    """Right: a product of vectors."""
    return torch.exp(logprobs - old_logprobs) @ values / len(values)


def one_by_one(logprobs, old_logprobs, values):
    """Right: a loop."""
    total = 0.0
    for new, old, value in zip(logprobs, old_logprobs, values, strict=True):
        total = total + torch.exp(new - old) * value
    return total / len(values)


# --- effective_sample_size ---------------------------------------------------------------------------------------
def weights_of(logprobs, old_logprobs):
    return torch.exp(logprobs - old_logprobs)


def quotient_upside_down(logprobs, old_logprobs):
    w = weights_of(logprobs, old_logprobs)
    return w.square().sum() / w.sum() ** 2


def not_squared(logprobs, old_logprobs):
    w = weights_of(logprobs, old_logprobs)
    return w.sum() / w.square().sum()


def a_share(logprobs, old_logprobs):
    w = weights_of(logprobs, old_logprobs)
    return w.mean() ** 2 / w.square().mean()


def by_variance(logprobs, old_logprobs):
    return len(logprobs) / (1 + weights_of(logprobs, old_logprobs).var(unbiased=False))


def sum_of_ratios(logprobs, old_logprobs):
    return weights_of(logprobs, old_logprobs).sum()


def logs_as_weights(logprobs, old_logprobs):
    w = logprobs - old_logprobs
    return w.sum() ** 2 / w.square().sum().clamp(min=1e-30)


def old_over_new(logprobs, old_logprobs):
    return direct(old_logprobs, logprobs)


def perplexity(logprobs, old_logprobs):
    share = torch.softmax(logprobs - old_logprobs, 0)
    return torch.exp(-(share * share.log()).sum())


def always_all(logprobs, old_logprobs):
    return len(logprobs)


def direct(logprobs, old_logprobs):
    """Right on paper, and beyond float32 for large ratios."""
    w = weights_of(logprobs, old_logprobs)
    return w.sum() ** 2 / w.square().sum()


def by_softmax(logprobs, old_logprobs):
    """Right: shares instead of weights."""
    return 1 / torch.softmax(logprobs - old_logprobs, 0).square().sum()


def by_logsumexp(logprobs, old_logprobs):
    """Right: everything in logarithms."""
    log_ratio = logprobs - old_logprobs
    return math.exp(2 * torch.logsumexp(log_ratio, 0) - torch.logsumexp(2 * log_ratio, 0))


# --- minibatch_indices -------------------------------------------------------------------------------------------
def with_replacement(size, num_minibatches, generator):
    length = size // num_minibatches
    return [torch.randint(size, (length,), generator=generator) for _ in range(num_minibatches)]


def tail_dropped(size, num_minibatches, generator):
    length = size // num_minibatches
    order = torch.randperm(size, generator=generator)
    return [order[i * length : (i + 1) * length] for i in range(num_minibatches)]


def rest_of_its_own(size, num_minibatches, generator):
    return list(torch.randperm(size, generator=generator).split(max(1, size // num_minibatches)))


def chunked(size, num_minibatches, generator):
    return list(torch.randperm(size, generator=generator).chunk(num_minibatches))


def rest_to_the_last(size, num_minibatches, generator):
    length = size // num_minibatches
    order = torch.randperm(size, generator=generator)
    cuts = [i * length for i in range(num_minibatches)] + [size]
    return [order[a:b] for a, b in itertools.pairwise(cuts)]


def in_order(size, num_minibatches, generator):
    return list(torch.arange(size).tensor_split(num_minibatches))


def only_the_parts(size, num_minibatches, generator):
    parts = torch.arange(size).tensor_split(num_minibatches)
    return [parts[i] for i in torch.randperm(num_minibatches, generator=generator)]


def only_within(size, num_minibatches, generator):
    parts = torch.arange(size).tensor_split(num_minibatches)
    return [part[torch.randperm(len(part), generator=generator)] for part in parts]


def strided(size, num_minibatches, generator):
    return [torch.arange(start, size, num_minibatches) for start in range(num_minibatches)]


def length_for_number(size, num_minibatches, generator):
    return list(torch.randperm(size, generator=generator).split(num_minibatches))


def own_seed(size, num_minibatches, generator):
    return list(
        torch.randperm(size, generator=torch.Generator().manual_seed(1)).tensor_split(num_minibatches)
    )


def other_generator(size, num_minibatches, generator):
    return list(torch.randperm(size).tensor_split(num_minibatches))


def one_piece(size, num_minibatches, generator):
    return torch.randperm(size, generator=generator)


def reshaped(size, num_minibatches, generator):
    return list(torch.randperm(size, generator=generator).view(num_minibatches, -1))


def from_one(size, num_minibatches, generator):
    return list((1 + torch.randperm(size, generator=generator)).tensor_split(num_minibatches))


def floats(size, num_minibatches, generator):
    return list(torch.randperm(size, generator=generator).float().tensor_split(num_minibatches))


def every_kth_of_sorted_noise(size, num_minibatches, generator):
    """Right: sort random numbers, then deal like cards."""
    order = torch.rand(size, generator=generator, dtype=torch.float64).argsort()
    return [order[start::num_minibatches] for start in range(num_minibatches)]


def by_numpy(size, num_minibatches, generator):
    """Right: NumPy's arrays, seeded by the generator."""
    rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator)))
    return np.array_split(rng.permutation(size), num_minibatches)


WRONG = {
    "is_estimate": {
        "plain mean": (plain_mean, "how good the old policy was"),
        "upside down": (upside_down, "The ratio is upside down"),
        "no exponential": (no_exponential, "Take its exponential"),
        "self-normalised": (self_normalised, "divide by the number of samples"),
        "new probability alone": (new_alone, "that has to be divided out"),
        "sum": (summed, "This is the sum"),
        "one product": (one_product, "each has its own ratio"),
        "by division": (by_division, "Such a probability is 0 in float32"),
        "one for each sample": (each_sample, "has shape"),
        "detached": (detached, "no gradient flows through it"),
        "numpy": (in_numpy, "no gradient flows through it"),
        "ratio detached": (half_detached, "its gradient is not"),
        "a number": (2.8, "should be a function"),
    },
    "effective_sample_size": {
        "upside down": (quotient_upside_down, "The quotient is upside down"),
        "not squared": (not_squared, "must be squared"),
        "share": (a_share, "effective share"),
        "by the variance": (by_variance, "right for many samples"),
        "sum of the ratios": (sum_of_ratios, "Their squares are missing"),
        "logarithms": (logs_as_weights, "Take its exponential"),
        "old over new": (old_over_new, "it is new over old"),
        "perplexity": (perplexity, "exponential of the entropy"),
        "always all": (always_all, "the five walks from the start"),
        "overflow": (direct, "Subtract the largest log-ratio"),
    },
    "minibatch_indices": {
        "with replacement": (with_replacement, "drawn with replacement"),
        "tail dropped": (tail_dropped, "are dropped"),
        "rest of its own": (rest_of_its_own, "a very short part"),
        "chunk": (chunked, "differ by one at most"),
        "rest to the last": (rest_to_the_last, "differ by one at most"),
        "in order": (in_order, "nothing is shuffled"),
        "only the parts": (only_the_parts, "Shuffle all steps before you cut"),
        "only within the parts": (only_within, "Shuffle all steps before you cut"),
        "strided": (strided, "every fourth step"),
        "length for number": (length_for_number, "how many parts there are"),
        "a seed of its own": (own_seed, "Two epochs in a row have the same order"),
        "another generator": (other_generator, "the generator that was passed in is not used"),
        "one piece": (one_piece, "come as one piece"),
        "reshape": (reshaped, "tensor_split(num_minibatches) does not"),
        "from 1": (from_one, "the indices go from 0 to"),
        "floats": (floats, "no integers"),
    },
}

RIGHT = {
    "is_estimate": [by_dot, one_by_one],
    "effective_sample_size": [by_softmax, by_logsumexp],
    "minibatch_indices": [every_kth_of_sorted_noise, by_numpy],
}
