"""Answers to the exercises of chapter 18: wrong ones with the words that the reader must see, and right ones of another kind."""

from __future__ import annotations

import math

import numpy as np
import torch

INFINITE = float("inf")


# --- iteration_speedup -------------------------------------------------------------------------------------------
def mean_factor(times, factors):
    return sum(min(f, 1e6) for f in factors) / len(factors)


def weighted_factors(times, factors):
    return sum(t * min(f, 1e6) for t, f in zip(times, factors, strict=True)) / sum(times)


def multiplied(times, factors):
    return math.prod(min(f, 1e6) for f in factors)


def share_left(times, factors):
    return sum(t / f for t, f in zip(times, factors, strict=True)) / sum(times)


def times_multiplied(times, factors):
    return sum(times) / sum(t * min(f, 1e6) for t, f in zip(times, factors, strict=True))


def seconds_left(times, factors):
    return sum(t / f for t, f in zip(times, factors, strict=True))


def speedup_in_numpy(times, factors):
    """Right: arrays."""
    return np.sum(times) / np.sum(np.divide(times, factors))


def speedup_of_shares(times, factors):
    """Right: Amdahl's form."""
    total = sum(times)
    return 1 / sum(t / total / f for t, f in zip(times, factors, strict=True))


# --- rollout_values ----------------------------------------------------------------------------------------------
def one_by_one(critic, obs):
    T, N = obs.shape[:2]
    return torch.tensor([[critic(obs[t, i]).item() for i in range(N)] for t in range(T)])


def step_by_step(critic, obs):
    return torch.stack([critic(row).squeeze(-1) for row in obs])


def environment_by_environment(critic, obs):
    return torch.stack([critic(obs[:, i]).squeeze(-1) for i in range(obs.shape[1])], dim=1)


def left_flat(critic, obs):
    return critic(obs.flatten(0, 1)).squeeze(-1)


def axis_left(critic, obs):
    return critic(obs)


def transposed(critic, obs):
    T, N = obs.shape[:2]
    return critic(obs.flatten(0, 1)).view(N, T).T


def half_precision(critic, obs):
    T, N = obs.shape[:2]
    return critic(obs.half().flatten(0, 1)).view(T, N)


def one_row_only(critic, obs):
    return critic(obs[:1]).squeeze(-1).expand(obs.shape[:2])


def as_array(critic, obs):
    T, N = obs.shape[:2]
    return critic(obs.flatten(0, 1)).view(T, N).numpy()


def all_axes_flat(critic, obs):
    return critic(obs.flatten()).view(obs.shape[:2])


def with_leading_axes(critic, obs):
    """Right: a linear layer takes any number of leading axes."""
    return critic(obs).squeeze(-1)


def by_reshape(critic, obs):
    """Right: the same with reshape."""
    return critic(obs.reshape(-1, obs.shape[-1])).reshape(obs.shape[:-1])


def environments_first(critic, obs):
    """Right: another order of rows, put back in the same order."""
    T, N = obs.shape[:2]
    return critic(obs.transpose(0, 1).reshape(T * N, -1)).view(N, T).T


# --- workers_pay_from --------------------------------------------------------------------------------------------
def first_win(step_costs, serial, workers):
    for cost, one, many in zip(step_costs, serial, workers, strict=True):
        if many <= one:
            return cost
    return INFINITE


def last_loss(step_costs, serial, workers):
    found = step_costs[0]
    for cost, one, many in zip(step_costs, serial, workers, strict=True):
        if many <= one:
            return found
        found = cost
    return INFINITE


def halfway(step_costs, serial, workers):
    high = first_win(step_costs, serial, workers)
    if high == INFINITE or high == step_costs[0]:
        return high
    return (high + step_costs[step_costs.index(high) - 1]) / 2


def exchanged(step_costs, serial, workers):
    return by_formula(step_costs, workers, serial)


def largest_for_never(step_costs, serial, workers):
    found = by_formula(step_costs, serial, workers)
    return step_costs[-1] if found == INFINITE else found


def no_answer_for_never(step_costs, serial, workers):
    k = [one >= many for one, many in zip(serial, workers, strict=True)].index(True)
    return step_costs[k]


def lists_subtracted(step_costs, serial, workers):
    return step_costs[int(np.argmax(serial - workers >= 0))]


def by_formula(step_costs, serial, workers):
    """Right: the crossing of two straight lines, from their slopes."""
    if serial[0] >= workers[0]:
        return step_costs[0]
    for k in range(1, len(step_costs)):
        width = step_costs[k] - step_costs[k - 1]
        rise = (serial[k] - serial[k - 1] - workers[k] + workers[k - 1]) / width
        if serial[k] >= workers[k]:
            return step_costs[k - 1] + (workers[k - 1] - serial[k - 1]) / rise
    return INFINITE


def by_interpolation(step_costs, serial, workers):
    """Right: ask for the cost at which the saving is zero."""
    saved = np.subtract(serial, workers)
    if saved[0] >= 0:
        return step_costs[0]
    if not (saved >= 0).any():
        return np.inf
    k = int(np.argmax(saved >= 0))
    return np.interp(0.0, saved[k - 1 : k + 1], step_costs[k - 1 : k + 1])


# --- weight_gradient ---------------------------------------------------------------------------------------------
def no_tanh(x, y, grad_y):
    return grad_y.T @ x


def tanh_twice(x, y, grad_y):
    return (grad_y * (1 - torch.tanh(y).square())).T @ x


def sigmoid(x, y, grad_y):
    return (grad_y * y * (1 - y)).T @ x


def no_square(x, y, grad_y):
    return (grad_y * (1 - y)).T @ x


def averaged(x, y, grad_y):
    return (grad_y * (1 - y.square())).T @ x / len(x)


def downhill(x, y, grad_y):
    return (-grad_y * (1 - y.square())).T @ x


def transposed_gradient(x, y, grad_y):
    return x.T @ (grad_y * (1 - y.square()))


def wrong_product(x, y, grad_y):
    return (grad_y * (1 - y.square())) @ x


def of_the_input(x, y, grad_y):
    return grad_y * (1 - x.square()) if x.shape == y.shape else (grad_y * (1 - y.square())).T @ x


def in_place(x, y, grad_y):
    grad_y *= 1 - y.square()
    return grad_y.T @ x


def by_einsum(x, y, grad_y):
    """Right: the sum spelled out."""
    return torch.einsum("bo,bi->oi", grad_y * (1 - y * y), x)


def by_autograd(x, y, grad_y):
    """Right: torch's own gradient, at weights 0 with the sum before tanh as a constant."""
    weight = torch.zeros(y.shape[1], x.shape[1], dtype=y.dtype, requires_grad=True)
    out = torch.tanh(torch.atanh(y) + x @ weight.T)
    return torch.autograd.grad(out, weight, grad_y)[0]


def in_numpy(x, y, grad_y):
    """Right: arrays will do."""
    x, y, grad_y = (a.numpy() for a in (x, y, grad_y))
    return sum(np.outer(g * (1 - out**2), row) for row, out, g in zip(x, y, grad_y, strict=True))


# --- iterations_to_pay_back --------------------------------------------------------------------------------------
def by_old_time(start_up, before, after):
    return math.ceil(start_up / before) if after < before else INFINITE


def by_new_time(start_up, before, after):
    return math.ceil(start_up / after) if after < before else INFINITE


def rounded_down(start_up, before, after):
    return int(start_up / (before - after) + 1e-9) if after < before else INFINITE


def not_rounded(start_up, before, after):
    return start_up / (before - after) if after < before else INFINITE


def negative(start_up, before, after):
    return INFINITE if before == after else math.ceil(start_up / (before - after))


def no_question(start_up, before, after):
    return math.ceil(start_up / (before - after))


def by_counting(start_up, before, after):
    """Right: count."""
    if before <= after:
        return INFINITE
    count = 0
    while start_up + count * after > count * before + 1e-9:
        count += 1
    return count


def by_floor(start_up, before, after):
    """Right: minus the floor of the negative."""
    return -(-start_up // (before - after)) if before > after else np.inf


# --- global_moments ----------------------------------------------------------------------------------------------
def local(counts, sums, squares):
    means = [s / n for n, s in zip(counts, sums, strict=True)]
    variances = [(q - n * m * m) / max(n - 1, 1) for n, q, m in zip(counts, squares, means, strict=True)]
    return means, variances


def both_averaged(counts, sums, squares):
    means, variances = local(counts, sums, squares)
    return [np.mean(means), np.mean(np.sqrt(variances))]


def mean_of_means(counts, sums, squares):
    return [np.mean(local(counts, sums, squares)[0]), by_definition(counts, sums, squares)[1]]


def within_only(counts, sums, squares):
    _, variances = local(counts, sums, squares)
    inside = sum((n - 1) * v for n, v in zip(counts, variances, strict=True))
    return [sum(sums) / sum(counts), math.sqrt(inside / (sum(counts) - 1))]


def divided_by_count(counts, sums, squares):
    mean = sum(sums) / sum(counts)
    return [mean, math.sqrt(sum(squares) / sum(counts) - mean**2)]


def the_variance(counts, sums, squares):
    mean, std = by_definition(counts, sums, squares)
    return [mean, std**2]


def mean_alone(counts, sums, squares):
    return sum(sums) / sum(counts)


def each_rank_alone(counts, sums, squares):
    return [math.sqrt((q - s * s / n) / (n - 1)) for n, s, q in zip(counts, sums, squares, strict=True)]


def by_definition(counts, sums, squares):
    """Right: E[x²] - E[x]², then n / (n - 1)."""
    n = sum(counts)
    mean = sum(sums) / n
    return [mean, math.sqrt((sum(squares) / n - mean**2) * n / (n - 1))]


def within_and_between(counts, sums, squares):
    """Right: the spread inside the ranks, and between them."""
    n, means = sum(counts), local(counts, sums, squares)[0]
    mean = sum(sums) / n
    inside = sum(q - k * m * m for k, q, m in zip(counts, squares, means, strict=True))
    between = sum(k * (m - mean) ** 2 for k, m in zip(counts, means, strict=True))
    return np.array([mean, np.sqrt((inside + between) / (n - 1))])


WRONG = {
    "iteration_speedup": {
        "mean of the factors": (mean_factor, "This is the mean of the factors"),
        "factors weighted": (weighted_factors, "weighted by the shares of time"),
        "product": (multiplied, "The factors are multiplied"),
        "upside down": (share_left, "turn it upside down"),
        "times multiplied": (times_multiplied, "a quarter of the time: divide"),
        "seconds": (seconds_left, "With every factor 1 the iteration stays as it is"),
        "a number": (2.5, "should be a function"),
    },
    "rollout_values": {
        "one by one": (one_by_one, "one call for each observation"),
        "step by step": (step_by_step, "one call for each step"),
        "environment by environment": (environment_by_environment, "one call for each environment"),
        "left flat": (left_flat, "expected [T, N]"),
        "axis left": (axis_left, "take that axis away"),
        "order mixed up": (transposed, "not in its place"),
        "half precision": (half_precision, "Faster must mean: the same numbers"),
        "one row for all": (one_row_only, "Faster must mean: the same numbers"),
        "an array": (as_array, "of type ndarray"),
        "all axes flat": (all_axes_flat, "the size of one observation"),
    },
    "workers_pay_from": {
        "first win": (first_win, "The crossing lies before it"),
        "last loss": (last_loss, "The crossing lies after it"),
        "half-way": (halfway, "the middle of the interval"),
        "exchanged": (exchanged, "Serial and workers are exchanged"),
        "largest for never": (largest_for_never, "The honest answer is infinity"),
        "no answer for never": (no_answer_for_never, "Between two measured costs"),
        "lists subtracted": (lists_subtracted, "Lists cannot be subtracted"),
    },
    "weight_gradient": {
        "tanh forgotten": (no_tanh, "The step through tanh is missing"),
        "tanh twice": (tanh_twice, "no second tanh"),
        "sigmoid": (sigmoid, "derivative of the sigmoid"),
        "no square": (no_square, "with a square"),
        "mean": (averaged, "here the samples add up"),
        "sign": (downhill, "the optimiser takes the minus"),
        "transposed": (transposed_gradient, "has shape"),
        "wrong product": (wrong_product, "The sum goes over the samples"),
        "derivative at the input": (of_the_input, "One number: grad_y"),
        "in place": (in_place, "changed one of its arguments in place"),
    },
    "iterations_to_pay_back": {
        "by the old time": (by_old_time, "as if iterations had become free"),
        "by the new time": (by_new_time, "What pays is what each iteration saves"),
        "rounded down": (rounded_down, "Round up."),
        "not rounded": (not_rounded, "There is no third of an iteration"),
        "negative": (negative, "infinity"),
        "divided by nothing": (no_question, "there is nothing to divide by"),
    },
    "global_moments": {
        "both averaged": (both_averaged, "add the sums first"),
        "mean of means": (mean_of_means, "Divide the sum of all by the count of all"),
        "within the ranks": (within_only, "how far the ranks' means lie apart"),
        "biased": (divided_by_count, "divide by one less"),
        "variance": (the_variance, "its square root"),
        "mean alone": (mean_alone, "has shape"),
        "each rank alone": (each_rank_alone, "has shape"),
    },
}

RIGHT = {
    "iteration_speedup": [speedup_in_numpy, speedup_of_shares],
    "rollout_values": [with_leading_axes, by_reshape, environments_first],
    "workers_pay_from": [by_formula, by_interpolation],
    "weight_gradient": [by_einsum, by_autograd, in_numpy],
    "iterations_to_pay_back": [by_counting, by_floor],
    "global_moments": [by_definition, within_and_between],
}
