"""Wrong answers to chapter 04's exercises, as readers write them, and right ones of another kind."""

from __future__ import annotations

import numpy as np
import torch


# --- td_error ----------------------------------------------------------------------------------------------------
def done_for_terminated(rewards, values, next_values, terminated, truncated, gamma):
    done = torch.logical_or(terminated, truncated)
    return rewards + gamma * next_values * (1 - done.float()) - values


def exchanged_flags(rewards, values, next_values, terminated, truncated, gamma):
    return rewards + gamma * next_values * ~truncated - values


def past_the_end(rewards, values, next_values, terminated, truncated, gamma):
    return rewards + gamma * next_values - values


def mask_turned_round(rewards, values, next_values, terminated, truncated, gamma):
    return rewards + gamma * next_values * terminated - values


def reward_masked(rewards, values, next_values, terminated, truncated, gamma):
    return (rewards + gamma * next_values) * ~terminated - values


def same_state_twice(rewards, values, next_values, terminated, truncated, gamma):
    return rewards + gamma * values * ~terminated - values


def following_row(rewards, values, next_values, terminated, truncated, gamma):
    following = torch.cat([values[1:], next_values[-1:]])
    return rewards + gamma * following * ~terminated - values


def without_gamma(rewards, values, next_values, terminated, truncated, gamma):
    return rewards + next_values * ~terminated - values


def gamma_on_both(rewards, values, next_values, terminated, truncated, gamma):
    return rewards + gamma * (next_values * ~terminated - values)


def target_only(rewards, values, next_values, terminated, truncated, gamma):
    return rewards + gamma * next_values * ~terminated


def turned_round(rewards, values, next_values, terminated, truncated, gamma):
    return values - (rewards + gamma * next_values * ~terminated)


def late_rewards(rewards, values, next_values, terminated, truncated, gamma):
    return torch.roll(rewards, 1, 0) + gamma * next_values * ~terminated - values


def minus_a_bool(rewards, values, next_values, terminated, truncated, gamma):
    return rewards + gamma * next_values * (1 - terminated) - values


def one_if_for_all(rewards, values, next_values, terminated, truncated, gamma):
    return rewards - values if terminated else rewards + gamma * next_values - values


def summed(rewards, values, next_values, terminated, truncated, gamma):
    return (rewards + gamma * next_values * ~terminated - values).sum(1)


def reward_forgotten(rewards, values, next_values, terminated, truncated, gamma):
    return gamma * next_values * ~terminated - values


def nothing_returned(rewards, values, next_values, terminated, truncated, gamma):
    deltas = rewards + gamma * next_values * ~terminated - values  # noqa: F841


def error_by_where(rewards, values, next_values, terminated, truncated, gamma):
    """Right, with torch.where."""
    return torch.where(terminated, rewards, rewards + gamma * next_values) - values


def error_by_lambda_zero(rewards, values, next_values, terminated, truncated, gamma):
    """Right: GAE at λ = 0."""
    from ppo_core import compute_gae

    return compute_gae(rewards, values, next_values, terminated, truncated, gamma, 0.0).advantages


def error_in_numpy(rewards, values, next_values, terminated, truncated, gamma):
    """Right, in NumPy."""
    targets = rewards.numpy() + gamma * np.where(terminated.numpy(), 0.0, next_values.numpy())
    return targets - values.numpy()


# --- critic_loss -------------------------------------------------------------------------------------------------
def targets_of(rewards, next_values, terminated, gamma):
    return rewards + gamma * next_values * ~terminated


def undetached(rewards, values, next_values, terminated, gamma):
    """Bug B16."""
    return 0.5 * (values - targets_of(rewards, next_values, terminated, gamma)).square().mean()


def error_detached(rewards, values, next_values, terminated, gamma):
    error = values - targets_of(rewards, next_values, terminated, gamma)
    return 0.5 * error.detach().square().mean()


def values_detached(rewards, values, next_values, terminated, gamma):
    return 0.5 * (values.detach() - targets_of(rewards, next_values, terminated, gamma)).square().mean()


def a_plain_number(rewards, values, next_values, terminated, gamma):
    return undetached(rewards, values, next_values, terminated, gamma).item()


def without_half(rewards, values, next_values, terminated, gamma):
    targets = targets_of(rewards, next_values, terminated, gamma).detach()
    return torch.nn.functional.mse_loss(values, targets)


def summed_loss(rewards, values, next_values, terminated, gamma):
    targets = targets_of(rewards, next_values, terminated, gamma).detach()
    return 0.5 * (values - targets).square().sum()


def mean_squared_too_late(rewards, values, next_values, terminated, gamma):
    targets = targets_of(rewards, next_values, terminated, gamma).detach()
    return 0.5 * (values - targets).mean().square()


def not_squared(rewards, values, next_values, terminated, gamma):
    return (values - targets_of(rewards, next_values, terminated, gamma).detach()).mean()


def absolute(rewards, values, next_values, terminated, gamma):
    return (values - targets_of(rewards, next_values, terminated, gamma).detach()).abs().mean()


def loss_past_the_end(rewards, values, next_values, terminated, gamma):
    return 0.5 * (values - (rewards + gamma * next_values).detach()).square().mean()


def loss_without_gamma(rewards, values, next_values, terminated, gamma):
    return 0.5 * (values - targets_of(rewards, next_values, terminated, 1.0).detach()).square().mean()


def all_pairs(rewards, values, next_values, terminated, gamma):
    """Bug B18."""
    targets = targets_of(rewards, next_values, terminated, gamma).detach()
    return 0.5 * (values[:, None] - targets).square().mean()


def not_averaged(rewards, values, next_values, terminated, gamma):
    return 0.5 * (values - targets_of(rewards, next_values, terminated, gamma).detach()).square()


def gradient_halved(rewards, values, next_values, terminated, gamma):
    """Half of the gradient is cut off."""
    targets = targets_of(rewards, next_values, terminated, gamma).detach()
    error = values - targets
    return 0.5 * (error * error.detach()).mean()


def loss_under_no_grad(rewards, values, next_values, terminated, gamma):
    """Right: the target is computed without a graph."""
    with torch.no_grad():
        targets = torch.where(terminated, rewards, rewards + gamma * next_values)
    return torch.nn.functional.mse_loss(values, targets) / 2


def loss_by_library(rewards, values, next_values, terminated, gamma):
    """Right: the successor's value alone is detached."""
    error = rewards + gamma * next_values.detach() * (~terminated).float() - values
    return (error @ error) / (2 * len(error))


# --- policy_values -----------------------------------------------------------------------------------------------
def next_reward_only(transitions, rewards, policy, gamma):
    return (policy * rewards).sum(1)


def values_of_the_best(transitions, rewards, policy, gamma):
    values = np.zeros(len(rewards))
    for _ in range(3000):
        values = (rewards + gamma * transitions @ values).max(1)
    return values


def policy_ignored(transitions, rewards, policy, gamma):
    P, r = transitions.mean(1), rewards.mean(1)
    return np.linalg.solve(np.eye(len(r)) - gamma * P, r)


def policy_on_rewards_only(transitions, rewards, policy, gamma):
    return np.linalg.inv(np.eye(len(rewards)) - gamma * transitions.mean(1)) @ (policy * rewards).sum(1)


def transposed(transitions, rewards, policy, gamma):
    P = np.einsum("sa,san->ns", policy, transitions)
    return np.linalg.solve(np.eye(len(P)) - gamma * P, (policy * rewards).sum(1))


def no_discount(transitions, rewards, policy, gamma):
    P = np.einsum("sa,san->sn", policy, transitions)
    return np.linalg.solve(np.eye(len(P)) - P, (policy * rewards).sum(1))


def few_sweeps(transitions, rewards, policy, gamma, count=10):
    values = np.zeros(len(rewards))
    for _ in range(count):
        values = (policy * (rewards + gamma * transitions @ values)).sum(1)
    return values


def hundred_sweeps(transitions, rewards, policy, gamma):
    return few_sweeps(transitions, rewards, policy, gamma, 100)


def actions_added_up(transitions, rewards, policy, gamma):
    return (rewards + gamma * transitions @ by_inverse(transitions, rewards, policy, gamma)).sum(1)


def action_values(transitions, rewards, policy, gamma):
    return rewards + gamma * transitions @ by_inverse(transitions, rewards, policy, gamma)


def by_inverse(transitions, rewards, policy, gamma):
    """Right: with the inverse, and loops for the means."""
    P, r = np.zeros((len(rewards), len(rewards))), np.zeros(len(rewards))
    for s, weights in enumerate(policy):
        for a, weight in enumerate(weights):
            P[s] += weight * transitions[s, a]
            r[s] += weight * rewards[s, a]
    return np.linalg.inv(np.eye(len(r)) - gamma * P) @ r


def by_many_sweeps(transitions, rewards, policy, gamma):
    """Right: the Bellman equation as an assignment, in torch."""
    P, r, pi = (torch.tensor(x) for x in (transitions, rewards, policy))
    values = torch.zeros(len(r), dtype=torch.float64)
    for _ in range(2000):
        values = (pi * (r + gamma * P @ values)).sum(1)
    return values


WRONG = {
    "td_error": {
        "done for terminated": (done_for_terminated, "Every ending removes the future here"),
        "exchanged flags": (exchanged_flags, "The two flags are exchanged"),
        "past the end": (past_the_end, "goes on past the end"),
        "mask turned round": (mask_turned_round, "The mask is turned round"),
        "reward masked": (reward_masked, "removes the reward of the last step"),
        "same state twice": (same_state_twice, "use next_values, not values"),
        "following row": (following_row, "row t+1 belongs to another episode"),
        "no gamma": (without_gamma, "γ is missing"),
        "gamma on both": (gamma_on_both, "before the step is discounted too"),
        "target": (target_only, "This is the TD target"),
        "sign": (turned_round, "target minus V"),
        "late rewards": (late_rewards, "one row late"),
        "1 - bool": (minus_a_bool, "write ~terminated"),
        "one `if` for all": (one_if_for_all, "cannot decide for a whole tensor"),
        "summed": (summed, "has shape"),
        "reward forgotten": (reward_forgotten, "δ is r + γ V(next) - V"),
        "return forgotten": (nothing_returned, "`return` missing"),
    },
    "critic_loss": {
        "undetached": (undetached, "also flows through `next_values`"),
        "error detached": (error_detached, "no gradient reaches the critic"),
        "values detached": (values_detached, "flows through the wrong one"),
        "item()": (a_plain_number, "no gradient reaches the critic"),
        "no half": (without_half, "The ½ is missing"),
        "sum": (summed_loss, "added up instead of averaged"),
        "square of the mean": (mean_squared_too_late, "The mean is squared"),
        "not squared": (not_squared, "The error is not squared"),
        "absolute": (absolute, "mean absolute error"),
        "past the end": (loss_past_the_end, "goes on past the end"),
        "no gamma": (loss_without_gamma, "γ is missing in the target"),
        "all pairs": (all_pairs, "compared with every target"),
        "not averaged": (not_averaged, "has shape"),
        "half of the gradient": (gradient_halved, "not that of a regression"),
    },
    "policy_values": {
        "next reward": (next_reward_only, "the mean of the next reward"),
        "best policy": (values_of_the_best, "values of the best policy"),
        "policy ignored": (policy_ignored, "The given policy is not used"),
        "policy on rewards only": (policy_on_rewards_only, "but the transitions are not"),
        "transposed": (transposed, "The matrix is transposed"),
        "no gamma": (no_discount, "γ is not used"),
        "ten sweeps": (few_sweeps, "ten sweeps"),
        "a hundred sweeps": (hundred_sweeps, "a hundred sweeps"),
        "actions added up": (actions_added_up, "The actions are added up"),
        "action values": (action_values, "has shape"),
    },
}

RIGHT = {
    "td_error": [error_by_where, error_by_lambda_zero, error_in_numpy],
    "critic_loss": [loss_under_no_grad, loss_by_library],
    "policy_values": [by_inverse, by_many_sweeps],
}
