"""Answers to the exercises of chapter 10, as readers write them: each wrong one with what its message must say.

WRONG: exercise -> {name of the mistake: (the answer, a phrase of the message)}; RIGHT: exercise -> other right answers.
"""

import math

import numpy as np
import torch


# --- annealed ----------------------------------------------------------------------------------------------------
def counted_from_one(iteration, num_iterations, initial):
    return initial * (1.0 - (iteration + 1.0) / num_iterations)


def zero_at_the_last(iteration, num_iterations, initial):
    return initial * (1.0 - iteration / max(1, num_iterations - 1))


def divides_by_zero(iteration, num_iterations, initial):
    return initial * (1.0 - iteration / (num_iterations - 1))


def going_up(iteration, num_iterations, initial):
    return initial * (iteration / num_iterations)


def constant(iteration, num_iterations, initial):
    return initial


def whole_number_division(iteration, num_iterations, initial):
    return initial * (1 - iteration // num_iterations)


def exponential(iteration, num_iterations, initial):
    return initial * math.exp(-iteration / num_iterations)


def annealed_by_subtraction(iteration, num_iterations, initial):
    """Right: what is left, step by step."""
    return initial - iteration * initial / num_iterations


def annealed_by_remaining(iteration, num_iterations, initial):
    """Right: the share of iterations still to come, this one included."""
    return initial * (num_iterations - iteration) / num_iterations


# --- epoch_indices -----------------------------------------------------------------------------------------------
def with_replacement(batch_size, num_minibatches, generator):
    return torch.randint(batch_size, (batch_size,), generator=generator).tensor_split(num_minibatches)


def each_minibatch_by_itself(batch_size, num_minibatches, generator):
    size = batch_size // num_minibatches
    return [torch.randperm(batch_size, generator=generator)[:size] for _ in range(num_minibatches)]


def not_shuffled(batch_size, num_minibatches, generator):
    return torch.arange(batch_size).tensor_split(num_minibatches)


def rest_dropped(batch_size, num_minibatches, generator):
    order, size = torch.randperm(batch_size, generator=generator), batch_size // num_minibatches
    return [order[i * size : (i + 1) * size] for i in range(num_minibatches)]


def small_last_one(batch_size, num_minibatches, generator):
    return torch.randperm(batch_size, generator=generator).chunk(num_minibatches)


def one_too_many(batch_size, num_minibatches, generator):
    order = torch.randperm(batch_size, generator=generator)
    return [
        order[start : start + batch_size // num_minibatches]
        for start in range(0, batch_size, batch_size // num_minibatches)
    ]


def split_by_size(batch_size, num_minibatches, generator):
    return torch.randperm(batch_size, generator=generator).split(num_minibatches)


def shuffled_inside(batch_size, num_minibatches, generator):
    blocks = torch.arange(batch_size).tensor_split(num_minibatches)
    return [block[torch.randperm(len(block), generator=generator)] for block in blocks]


def dealt_out(batch_size, num_minibatches, generator):
    return [torch.arange(batch_size)[i::num_minibatches] for i in range(num_minibatches)]


def global_randomness(batch_size, num_minibatches, generator):
    return torch.randperm(batch_size).tensor_split(num_minibatches)


def seeded_every_time(batch_size, num_minibatches, generator):
    return torch.randperm(batch_size, generator=torch.Generator().manual_seed(0)).tensor_split(
        num_minibatches
    )


def not_cut(batch_size, num_minibatches, generator):
    return torch.randperm(batch_size, generator=generator)


def random_numbers(batch_size, num_minibatches, generator):
    return torch.rand(batch_size, generator=generator).tensor_split(num_minibatches)


def rows_from_one(batch_size, num_minibatches, generator):
    return (1 + torch.randperm(batch_size, generator=generator)).tensor_split(num_minibatches)


def a_number_for_split(batch_size, num_minibatches, generator):
    return torch.randperm(batch_size, generator=generator).split(batch_size / num_minibatches)


def print_only(batch_size, num_minibatches, generator):
    parts = torch.randperm(batch_size, generator=generator).tensor_split(num_minibatches)
    len(parts)


def dealt_after_the_shuffle(batch_size, num_minibatches, generator):
    """Right: every k-th of the shuffled rows, as lists."""
    order = torch.randperm(batch_size, generator=generator).tolist()
    return [order[i::num_minibatches] for i in range(num_minibatches)]


def shuffled_by_sorting(batch_size, num_minibatches, generator):
    """Right: the order of random numbers, cut by NumPy."""
    order = torch.rand(batch_size, generator=generator).argsort().numpy()
    return np.array_split(order, num_minibatches)


# --- clip_globally -----------------------------------------------------------------------------------------------
def per_tensor(gradients, max_norm):
    """Bug B14: each tensor, or each network, by itself."""
    return [g * min(1.0, max_norm / float(g.norm())) for g in gradients]


def per_number(gradients, max_norm):
    return [g.clamp(-max_norm, max_norm) for g in gradients]


def always_scaled(gradients, max_norm):
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    return [g * max_norm / norm for g in gradients]


def no_root(gradients, max_norm):
    norm = sum((g**2).sum() for g in gradients)
    return [g * (max_norm / norm).clamp(max=1.0) for g in gradients]


def norms_added(gradients, max_norm):
    norm = sum(g.norm() for g in gradients)
    return [g * (max_norm / norm).clamp(max=1.0) for g in gradients]


def largest_norm(gradients, max_norm):
    norm = max(g.norm() for g in gradients)
    return [g * (max_norm / norm).clamp(max=1.0) for g in gradients]


def mean_square(gradients, max_norm):
    norm = torch.cat([g.flatten() for g in gradients]).square().mean().sqrt()
    return [g * (max_norm / norm).clamp(max=1.0) for g in gradients]


def unclipped(gradients, max_norm):
    return [g.clone() for g in gradients]


def in_place(gradients, max_norm):
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    for g in gradients:
        g.mul_((max_norm / norm).clamp(max=1.0))
    return gradients


def stacked(gradients, max_norm):
    scale = (max_norm / torch.stack(gradients).norm()).clamp(max=1.0)
    return [g * scale for g in gradients]


def root_of_a_number(gradients, max_norm):
    norm = torch.sqrt(sum(g.square().sum().item() for g in gradients))
    return [g * min(1.0, max_norm / norm) for g in gradients]


def weighted_by_size(gradients, max_norm):
    """Right for tensors of one shape only."""
    norm = torch.stack([g.square().mean() for g in gradients]).sum().mul(gradients[0].numel()).sqrt()
    return [g * (max_norm / norm).clamp(max=1.0) for g in gradients]


def only_the_first(gradients, max_norm):
    return clipped_as_one_vector(gradients[:1], max_norm)


def clipped_as_one_vector(gradients, max_norm):
    """Right: one vector, as the package does."""
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    return [g * (max_norm / (norm + 1e-6)).clamp(max=1.0) for g in gradients]


def clipped_by_torch(gradients, max_norm):
    """Right: torch's own, on parameters made for the purpose."""
    parameters = [torch.nn.Parameter(torch.zeros_like(g)) for g in gradients]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient.clone()
    torch.nn.utils.clip_grad_norm_(parameters, max_norm)
    return [parameter.grad for parameter in parameters]


def clipped_by_norm_of_norms(gradients, max_norm):
    """Right: the norm of the norms is the norm."""
    norm = math.sqrt(sum(float(g.norm()) ** 2 for g in gradients))
    return [g / max(1.0, norm / max_norm) for g in gradients]


# --- assemble_loss -----------------------------------------------------------------------------------------------
def parts(logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef):
    """(gain, squared error, entropy) of each sample, for the answers below."""
    ratio = (logprobs - old_logprobs).exp()
    gain = torch.min(ratio * advantages, ratio.clamp(1 - clip_coef, 1 + clip_coef) * advantages)
    return gain, (values - returns) ** 2, entropy


def entropy_added(logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef, vf_coef, ent_coef):
    """Bug B7."""
    gain, error, spread = parts(logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef)
    return -gain.mean() + vf_coef * error.mean() / 2 + ent_coef * spread.mean()


def objective(logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef, vf_coef, ent_coef):
    gain, error, spread = parts(logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef)
    return gain.mean() + vf_coef * error.mean() / 2 - ent_coef * spread.mean()


def the_papers_sum(
    logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef, vf_coef, ent_coef
):
    gain, error, spread = parts(logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef)
    return gain.mean() - vf_coef * error.mean() / 2 + ent_coef * spread.mean()


def value_subtracted(
    logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef, vf_coef, ent_coef
):
    gain, error, spread = parts(logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef)
    return -gain.mean() - vf_coef * error.mean() / 2 - ent_coef * spread.mean()


def no_half(logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef, vf_coef, ent_coef):
    gain, error, spread = parts(logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef)
    return -gain.mean() + vf_coef * error.mean() - ent_coef * spread.mean()


def no_clip(logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef, vf_coef, ent_coef):
    policy_loss = -((logprobs - old_logprobs).exp() * advantages).mean()
    return policy_loss + vf_coef * 0.5 * (values - returns).square().mean() - ent_coef * entropy.mean()


def clip_without_min(
    logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef, vf_coef, ent_coef
):
    ratio = (logprobs - old_logprobs).exp().clamp(1 - clip_coef, 1 + clip_coef)
    return (
        -(ratio * advantages).mean()
        + vf_coef * 0.5 * (values - returns).square().mean()
        - ent_coef * entropy.mean()
    )


def max_instead_of_min(
    logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef, vf_coef, ent_coef
):
    ratio = (logprobs - old_logprobs).exp()
    gain = torch.max(ratio * advantages, ratio.clamp(1 - clip_coef, 1 + clip_coef) * advantages)
    return -gain.mean() + vf_coef * 0.5 * (values - returns).square().mean() - ent_coef * entropy.mean()


def min_before_the_advantage(
    logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef, vf_coef, ent_coef
):
    """Bug B13."""
    ratio = (logprobs - old_logprobs).exp()
    smaller = torch.min(ratio, ratio.clamp(1 - clip_coef, 1 + clip_coef))
    return (
        -(smaller * advantages).mean()
        + vf_coef * 0.5 * (values - returns).square().mean()
        - ent_coef * entropy.mean()
    )


def ratio_upside_down(
    logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef, vf_coef, ent_coef
):
    gain, error, spread = parts(old_logprobs, logprobs, advantages, values, returns, entropy, clip_coef)
    return -gain.mean() + vf_coef * error.mean() / 2 - ent_coef * spread.mean()


def no_exponential(
    logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef, vf_coef, ent_coef
):
    ratio = logprobs - old_logprobs
    gain = torch.min(ratio * advantages, ratio.clamp(1 - clip_coef, 1 + clip_coef) * advantages)
    return -gain.mean() + vf_coef * 0.5 * (values - returns).square().mean() - ent_coef * entropy.mean()


def swapped(logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef, vf_coef, ent_coef):
    gain, error, spread = parts(logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef)
    return -gain.mean() + ent_coef * error.mean() / 2 - vf_coef * spread.mean()


def sums(logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef, vf_coef, ent_coef):
    gain, error, spread = parts(logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef)
    return -gain.sum() + vf_coef * error.sum() / 2 - ent_coef * spread.sum()


def no_entropy(logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef, vf_coef, ent_coef):
    gain, error, _ = parts(logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef)
    return -gain.mean() + vf_coef * error.mean() / 2


def no_critic(logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef, vf_coef, ent_coef):
    gain, _, spread = parts(logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef)
    return -gain.mean() - ent_coef * spread.mean()


def absolute_error(
    logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef, vf_coef, ent_coef
):
    gain, _, spread = parts(logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef)
    return -gain.mean() + vf_coef * (values - returns).abs().mean() - ent_coef * spread.mean()


def normalized(logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef, vf_coef, ent_coef):
    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    return right_with_where(
        logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef, vf_coef, ent_coef
    )


def one_for_each_sample(
    logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef, vf_coef, ent_coef
):
    gain, error, spread = parts(logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef)
    return -gain + vf_coef * error / 2 - ent_coef * spread


def pythons_min(logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef, vf_coef, ent_coef):
    ratio = (logprobs - old_logprobs).exp()
    return -min(ratio * advantages, ratio.clamp(1 - clip_coef, 1 + clip_coef) * advantages).mean()


def right_with_where(
    logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef, vf_coef, ent_coef
):
    """Right: the clip cases by `where`, all parts in one mean."""
    ratio = (logprobs - old_logprobs).exp()
    bound = torch.where(advantages > 0, 1 + clip_coef, 1 - clip_coef)
    beyond = torch.where(advantages > 0, ratio > bound, ratio < bound)
    gain = torch.where(beyond, bound, ratio) * advantages
    return (vf_coef * (values - returns) ** 2 / 2 - gain - ent_coef * entropy).mean()


def right_in_numpy(
    logprobs, old_logprobs, advantages, values, returns, entropy, clip_coef, vf_coef, ent_coef
):
    """Right: as an objective, turned round at the end."""
    new, old, adv, v, target, spread = (
        np.asarray(x, dtype=float) for x in (logprobs, old_logprobs, advantages, values, returns, entropy)
    )
    ratio = np.exp(new - old)
    gain = np.minimum(ratio * adv, np.clip(ratio, 1 - clip_coef, 1 + clip_coef) * adv)
    return -(gain - vf_coef * 0.5 * (v - target) ** 2 + ent_coef * spread).mean()


WRONG = {
    "annealed": {
        "counted from one": (counted_from_one, "The count is one ahead"),
        "zero at the last iteration": (zero_at_the_last, "one iteration too early"),
        "division by zero": (divides_by_zero, "Is the - 1 meant?"),
        "going up": (going_up, "This schedule rises"),
        "constant": (constant, "stays the same"),
        "whole-number division": (whole_number_division, "rounds iteration / num_iterations down to 0"),
        "exponential": (exponential, "half of the learning rate is left"),
        "a number": (2.5e-4, "should be a function"),
    },
    "epoch_indices": {
        "with replacement": (with_replacement, "with replacement"),
        "each minibatch by itself": (each_minibatch_by_itself, "Shuffle all of them once, then cut"),
        "not shuffled": (not_shuffled, "The rows are not shuffled"),
        "the rest is dropped": (rest_dropped, "thrown away"),
        "a small last one": (small_last_one, "differ by one row at most"),
        "one too many": (one_too_many, "there are 5 of them"),
        "number taken for size": (split_by_size, "not how large they are"),
        "shuffled inside": (shuffled_inside, "Shuffle first, then cut"),
        "dealt out in order": (dealt_out, "every fourth row"),
        "global randomness": (global_randomness, "does not use `generator`"),
        "seeded every time": (seeded_every_time, "Two epochs have the same order"),
        "not cut": (not_cut, "not one list for all"),
        "random numbers": (random_numbers, "whole numbers"),
        "rows from one": (rows_from_one, "Row 12 does not exist"),
        "a fraction of a size": (a_number_for_split, "`tensor_split` takes the number of parts"),
        "return forgotten": (print_only, "`return` missing"),
    },
    "clip_globally": {
        "each tensor by itself": (per_tensor, "One norm over all tensors"),
        "each number by itself": (per_number, "Each number is cut off"),
        "always scaled": (always_scaled, "Clipping only shortens"),
        "no root": (no_root, "The root is missing"),
        "norms added up": (norms_added, "Squares add, norms do not"),
        "the largest norm": (largest_norm, "the longest tensor alone"),
        "the mean of squares": (mean_square, "The mean of the squares"),
        "not clipped": (unclipped, "nothing is clipped"),
        "in place": (in_place, "changed one of its arguments in place"),
        "stacked": (stacked, "cannot be stacked"),
        "root of a number": (root_of_a_number, "torch.sqrt wants a tensor"),
        "right for one shape only": (weighted_by_size, "though they are right for tensors of one shape"),
        "only the first": (only_the_first, "has shape"),
    },
    "assemble_loss": {
        "entropy added": (entropy_added, "The entropy has the wrong sign"),
        "objective": (objective, "this is the objective"),
        "the paper's sum": (the_papers_sum, "All signs are turned round"),
        "value loss subtracted": (value_subtracted, "rewarded for being wrong"),
        "no half": (no_half, "The ½ in front"),
        "no clip": (no_clip, "The ratio is never clipped"),
        "clip without min": (clip_without_min, "The clipped ratio is used alone"),
        "max instead of min": (max_instead_of_min, "The larger of the two products"),
        "min before the advantage": (min_before_the_advantage, "Multiply first"),
        "ratio upside down": (ratio_upside_down, "The ratio is upside down"),
        "no exponential": (no_exponential, "Take its exponential"),
        "coefficients swapped": (swapped, "vf_coef and ent_coef are swapped"),
        "sums": (sums, "The samples are added up"),
        "no entropy": (no_entropy, "The entropy is missing"),
        "no critic": (no_critic, "The critic's error is missing"),
        "absolute error": (absolute_error, "half the mean squared error"),
        "normalized again": (normalized, "minus the mean advantage"),
        "one for each sample": (one_for_each_sample, "has shape"),
        "Python's min": (pythons_min, "use torch.min(a, b)"),
    },
}

RIGHT = {
    "annealed": [annealed_by_subtraction, annealed_by_remaining],
    "epoch_indices": [dealt_after_the_shuffle, shuffled_by_sorting],
    "clip_globally": [clipped_as_one_vector, clipped_by_torch, clipped_by_norm_of_norms],
    "assemble_loss": [right_with_where, right_in_numpy],
}
