"""Answers to the exercises of chapter 02: wrong ones with the words that the reader must see, and right ones of another kind."""

from __future__ import annotations

import math

import torch
from torch.distributions import Categorical


# --- log_prob ----------------------------------------------------------------------------------------------------
def pick(table, actions):
    return table.gather(-1, actions.unsqueeze(-1)).squeeze(-1)


def the_probability(logits, actions):
    return pick(torch.softmax(logits, -1), actions)


def the_logit(logits, actions):
    return pick(logits, actions)


def as_weights(logits, actions):
    return torch.log(pick(logits / logits.sum(-1, keepdim=True), actions))


def softmax_twice(logits, actions):
    return Categorical(logits=torch.softmax(logits, -1)).log_prob(actions)


def over_the_batch(logits, actions):
    return pick(torch.log_softmax(logits, 0), actions)


def in_bits(logits, actions):
    return pick(torch.log_softmax(logits, -1), actions) / math.log(2)


def cross_entropy(logits, actions):
    return torch.nn.functional.cross_entropy(logits, actions, reduction="none")


def quotient(logits, actions):
    weights = logits.exp()
    return torch.log(pick(weights / weights.sum(-1, keepdim=True), actions))


def plain_sum(logits, actions):
    return pick(logits, actions) - logits.exp().sum(-1).log()


def log_of_softmax(logits, actions):
    return torch.log(pick(torch.softmax(logits, -1), actions))


def small_number_added(logits, actions):
    return torch.log(pick(torch.softmax(logits, -1), actions) + 1e-8)


def clamped(logits, actions):
    """As above, by another patch: no misconception of the list, but the case says what is wrong."""
    return torch.log(pick(torch.softmax(logits, -1), actions).clamp(min=1e-12))


def largest_of_the_batch(logits, actions):
    weights = (logits - logits.max()).exp()
    return torch.log(pick(weights / weights.sum(-1, keepdim=True), actions))


def every_action_in_every_row(logits, actions):
    """Bug B18."""
    return Categorical(logits=logits).log_prob(actions.unsqueeze(-1))


def columns_of_the_batch(logits, actions):
    return torch.log_softmax(logits, -1)[:, actions]


def axis_left_over(logits, actions):
    return torch.log_softmax(logits, -1).gather(-1, actions.unsqueeze(-1))


def mean_of_the_batch(logits, actions):
    return pick(torch.log_softmax(logits, -1), actions).mean()


def action_zero(logits, actions):
    return torch.log_softmax(logits, -1)[:, 0]


def most_probable(logits, actions):
    return torch.log_softmax(logits, -1).max(-1).values


def without_gradient(logits, actions):
    return pick(torch.log_softmax(logits.detach(), -1), actions)


def normaliser_detached(logits, actions):
    return pick(logits, actions) - torch.logsumexp(logits, -1).detach()


def index_without_an_axis(logits, actions):
    return torch.log_softmax(logits, -1).gather(-1, actions)


def max_without_values(logits, actions):
    shifted = logits - logits.max(-1, keepdim=True)
    return pick(shifted - shifted.exp().sum(-1, keepdim=True).log(), actions)


def by_distribution(logits, actions):
    """Right: torch's own."""
    return Categorical(logits=logits).log_prob(actions)


def by_cross_entropy(logits, actions):
    """Right: the loss of classification, with its sign turned back."""
    return -cross_entropy(logits, actions)


def by_shift(logits, actions):
    """Right: the largest logit of each row subtracted."""
    shifted = logits - logits.max(-1, keepdim=True).values
    return (shifted - shifted.exp().sum(-1, keepdim=True).log())[torch.arange(len(actions)), actions]


# --- entropy -----------------------------------------------------------------------------------------------------
def terms(logits):
    log_probs = torch.log_softmax(logits, -1)
    return -log_probs.exp() * log_probs


def no_minus(logits):
    return -terms(logits).sum(-1)


def bits(logits):
    probs = torch.softmax(logits, -1)
    return terms(logits).sum(-1) / math.log(2) + 0 * probs.sum(-1)


def averaged(logits):
    return terms(logits).mean(-1)


def summed_without_weights(logits):
    return -torch.log_softmax(logits, -1).sum(-1)


def averaged_without_weights(logits):
    return -torch.log_softmax(logits, -1).mean(-1)


def with_logits(logits):
    return -(torch.softmax(logits, -1) * logits).sum(-1)


def twice(logits):
    return Categorical(logits=torch.softmax(logits, -1)).entropy()


def down_the_batch(logits):
    log_probs = torch.log_softmax(logits, 0)
    return -(log_probs.exp() * log_probs).sum(-1)


def chosen_action_only(logits):
    """The bug of noahfarr/rlx#3, for the most probable action."""
    return terms(logits).gather(-1, logits.argmax(-1, keepdim=True)).squeeze(-1)


def surprise(logits):
    return -torch.log_softmax(logits, -1).amax(-1)


def zero_log_zero(logits):
    probs = torch.softmax(logits, -1)
    return -(probs * probs.log()).sum(-1)


def mended_afterwards(logits):
    """Right numbers, and a gradient that is not a number."""
    probs = torch.softmax(logits, -1)
    return -torch.where(probs > 0, probs * probs.log(), 0.0).sum(-1)


def nan_to_num(logits):
    probs = torch.softmax(logits, -1)
    return -torch.nan_to_num(probs * probs.log()).sum(-1)


def perplexity(logits):
    return terms(logits).sum(-1).exp()


def from_uniform(logits):
    return math.log(logits.shape[-1]) - terms(logits).sum(-1)


def of_the_whole_batch(logits):
    return terms(logits).sum()


def entropy_without_gradient(logits):
    return terms(logits.detach()).sum(-1)


def probabilities_detached(logits):
    log_probs = torch.log_softmax(logits, -1)
    return -(log_probs.exp().detach() * log_probs).sum(-1)


def entropy_by_distribution(logits):
    """Right: torch's own."""
    return Categorical(logits=logits).entropy()


def entropy_by_difference(logits):
    """Right: log Z minus the mean logit, shifted so that nothing large is subtracted from something large."""
    shifted = logits - logits.amax(-1, keepdim=True)
    return torch.logsumexp(shifted, -1) - (torch.softmax(shifted, -1) * shifted).sum(-1)


# --- sample_actions ----------------------------------------------------------------------------------------------
def stairs(logits):
    return torch.softmax(logits, -1).cumsum(-1)


def greedy(logits, uniforms):
    return logits.argmax(-1)


def uniformly(logits, uniforms):
    return (uniforms * logits.shape[-1]).long()


def each_alone(logits, uniforms):
    return (torch.softmax(logits, -1) > uniforms[:, None]).long().argmax(-1)


def logits_summed(logits, uniforms):
    return (logits.cumsum(-1)[:, :-1] <= uniforms[:, None]).sum(-1)


def counted_from_one(logits, uniforms):
    return sample_by_search(logits, uniforms) + 1


def one_too_low(logits, uniforms):
    return sample_by_search(logits, uniforms) - 1


def backwards(logits, uniforms):
    return (stairs(logits)[:, :-1] <= 1 - uniforms[:, None]).sum(-1)


def first_number_for_all(logits, uniforms):
    return (stairs(logits)[:, :-1] <= uniforms[0]).sum(-1)


def over_the_rows(logits, uniforms):
    return (torch.softmax(logits, 0).cumsum(-1)[:, :-1] <= uniforms[:, None]).sum(-1)


def strictly(logits, uniforms):
    return (stairs(logits)[:, :-1] < uniforms[:, None]).sum(-1)


def without_an_end(logits, uniforms):
    return (stairs(logits) <= uniforms[:, None]).sum(-1)


def as_floats(logits, uniforms):
    return sample_by_search(logits, uniforms).float()


def shapes_do_not_fit(logits, uniforms):
    return (stairs(logits) <= uniforms).sum(-1)


def sample_by_search(logits, uniforms):
    """Right: torch's own search in a sorted row."""
    found = torch.searchsorted(stairs(logits), uniforms.unsqueeze(-1), right=True).squeeze(-1)
    return found.clamp(max=logits.shape[-1] - 1)


def sample_by_loop(logits, uniforms):
    """Right: a walk through each row, in plain Python."""
    picked = []
    for row, uniform in zip(torch.softmax(logits.double(), -1).tolist(), uniforms.tolist(), strict=True):
        action = 0
        while action < len(row) - 1 and uniform >= row[action]:
            uniform -= row[action]
            action += 1
        picked.append(action)
    return torch.tensor(picked)


WRONG = {
    "log_prob": {
        "probability": (the_probability, "These are the probabilities"),
        "logit": (the_logit, "These are the logits of the actions"),
        "logits as weights": (as_weights, "take the exponential first"),
        "softmax twice": (softmax_twice, "The softmax is taken twice"),
        "over the batch": (over_the_batch, "runs over the rows of the batch"),
        "bits": (in_bits, "the natural logarithm"),
        "cross-entropy": (cross_entropy, "never positive"),
        "quotient": (quotient, "infinity divided by infinity"),
        "plain sum": (plain_sum, "overflows inside the sum"),
        "log of softmax": (log_of_softmax, "Stay with logarithms all the way"),
        "small number added": (small_number_added, "nothing needs to be added"),
        "clamped": (clamped, "not minus infinity"),
        "largest of the batch": (largest_of_the_batch, "Each row needs its own largest logit"),
        "every action in every row": (every_action_in_every_row, "every action has met every row"),
        "columns of the batch": (columns_of_the_batch, "every action has met every row"),
        "axis left over": (axis_left_over, "take it away with squeeze(-1)"),
        "mean": (mean_of_the_batch, "one number for each row"),
        "action 0": (action_zero, "log-probability of action 0"),
        "most probable": (most_probable, "of the most probable action"),
        "no gradient": (without_gradient, "no gradient flows through them"),
        "normaliser detached": (normaliser_detached, "1 for the action taken, minus the probability"),
        "gather": (index_without_an_axis, "gather needs an index with as many axes"),
        "max": (max_without_values, "take `.values`"),
    },
    "entropy": {
        "no minus": (no_minus, "The minus is missing"),
        "bits": (bits, "the natural logarithm"),
        "mean": (averaged, "divides by A once too often"),
        "sum without weights": (summed_without_weights, "added up without their weights"),
        "mean without weights": (averaged_without_weights, "averaged without their weights"),
        "logits": (with_logits, "The logits themselves stand"),
        "softmax twice": (twice, "The softmax is taken twice"),
        "wrong axis": (down_the_batch, "runs over the rows of the batch"),
        "one action": (chosen_action_only, "Only one action of each row is counted"),
        "surprise": (surprise, "of one action only"),
        "0 · log 0": (zero_log_zero, "0 · log 0 is not a number"),
        "mended afterwards": (mended_afterwards, "autograd goes through both branches"),
        "nan_to_num": (nan_to_num, "autograd goes through both branches"),
        "perplexity": (perplexity, "exponential of the entropy"),
        "from uniform": (from_uniform, "log A minus the entropy"),
        "whole batch": (of_the_whole_batch, "one number for each row"),
        "no gradient": (entropy_without_gradient, "no gradient flows through them"),
        "weights detached": (probabilities_detached, "cut off from autograd"),
    },
    "sample_actions": {
        "greedy": (greedy, "never tries anything else"),
        "uniform": (uniformly, "equal share of the interval"),
        "not cumulative": (each_alone, "with each probability alone"),
        "logits summed": (logits_summed, "take the softmax first"),
        "one too high": (counted_from_one, "actions are counted from 0"),
        "one too low": (one_too_low, "Every action is one too low"),
        "backwards": (backwards, "read from its other end"),
        "first number": (first_number_for_all, "The first number decides for all rows"),
        "wrong axis": (over_the_rows, "runs over the rows of the batch"),
        "strictly below": (strictly, "Count the ends at or below the number"),
        "no end": (without_an_end, "Rounding lets the cumulative sum end a little below 1"),
        "floats": (as_floats, "they are not integers"),
        "shapes": (shapes_do_not_fit, "do not fit together"),
    },
}

RIGHT = {
    "log_prob": [by_distribution, by_cross_entropy, by_shift],
    "entropy": [entropy_by_distribution, entropy_by_difference],
    "sample_actions": [sample_by_search, sample_by_loop],
}
