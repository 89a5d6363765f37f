"""Answers to the exercises of chapter 03: wrong ones with the words that the reader must see, and right ones of another kind."""

from __future__ import annotations

import numpy as np
import torch


# --- discounted_returns ------------------------------------------------------------------------------------------
def never_reset(rewards, terminated, truncated, gamma):
    """Bug B6."""
    returns, running = torch.zeros_like(rewards), 0.0
    for t in range(len(rewards) - 1, -1, -1):
        running = rewards[t] + gamma * running
        returns[t] = running
    return returns


def terminations_only(rewards, terminated, truncated, gamma):
    return right_recursive(rewards, terminated, torch.zeros_like(truncated), gamma)


def forwards(rewards, terminated, truncated, gamma):
    returns, running = torch.zeros_like(rewards), torch.zeros(rewards.shape[1])
    for t in range(len(rewards)):
        running = running * gamma + rewards[t]
        returns[t] = running
        running = torch.where(terminated[t] | truncated[t], torch.zeros(()), running)
    return returns


def whole_episode(rewards, terminated, truncated, gamma):
    to_go = right_recursive(rewards, terminated, truncated, gamma)
    done = terminated | truncated
    for t in range(1, len(to_go)):
        for env in range(to_go.shape[1]):
            if not done[t - 1, env]:
                to_go[t, env] = to_go[t - 1, env]
    return to_go


def undiscounted(rewards, terminated, truncated, gamma):
    return right_recursive(rewards, terminated, truncated, 1.0)


def discounted_from_zero(rewards, terminated, truncated, gamma):
    powers = torch.tensor([gamma**t for t in range(len(rewards))])[:, None]
    return right_recursive(powers * rewards, terminated, truncated, 1.0)


def flag_too_late(rewards, terminated, truncated, gamma):
    """Bug B8."""
    done = torch.zeros_like(terminated)
    done[1:] = (terminated | truncated)[:-1]
    return right_recursive(rewards, done, torch.zeros_like(done), gamma)


def flag_too_early(rewards, terminated, truncated, gamma):
    done = torch.zeros_like(terminated)
    done[:-1] = (terminated | truncated)[1:]
    return right_recursive(rewards, done, torch.zeros_like(done), gamma)


def last_reward_lost(rewards, terminated, truncated, gamma):
    going_on = (~(terminated | truncated)).float()
    returns, running = torch.zeros_like(rewards), torch.zeros(rewards.shape[1])
    for t in reversed(range(len(rewards))):
        running = going_on[t] * (rewards[t] + gamma * running)
        returns[t] = running
    return returns


def rewards_changed(rewards, terminated, truncated, gamma):
    done = terminated | truncated
    for t in reversed(range(len(rewards) - 1)):
        rewards[t] += gamma * ~done[t] * rewards[t + 1]
    return rewards


def reset_loses_all(rewards, terminated, truncated, gamma):
    """Something unheard of: no misconception knows it, so the case's own words must do."""
    done = terminated | truncated
    return right_recursive(rewards, terminated, truncated, gamma) * ~done.any(0)


def right_recursive(rewards, terminated, truncated, gamma):
    def from_step(t):
        if t == len(rewards):
            return []
        later = from_step(t + 1)
        future = later[0] if later else torch.zeros(rewards.shape[1])
        ended = terminated[t] | truncated[t]
        return [rewards[t] + gamma * torch.where(ended, torch.zeros(()), future), *later]

    return torch.stack(from_step(0))


def right_in_numpy(rewards, terminated, truncated, gamma):
    rewards, going_on = rewards.numpy(), 1.0 - (terminated | truncated).numpy()
    returns = rewards.copy()
    for t in range(len(rewards) - 2, -1, -1):
        returns[t] += gamma * going_on[t] * returns[t + 1]
    return returns


def right_by_gae(rewards, terminated, truncated, gamma):
    from ppo_core import compute_gae

    zeros = torch.zeros_like(rewards)
    return compute_gae(rewards, zeros, zeros, terminated, truncated, gamma, 1.0).returns


# --- return_weights ----------------------------------------------------------------------------------------------
def distances(done):
    k = torch.arange(len(done))
    return k[None, :] - k[:, None]


def episode_numbers(done):
    return torch.cat([torch.zeros(1), done.float().cumsum(0)[:-1]])


def same_episode(done):
    number = episode_numbers(done)
    return number[:, None] == number[None, :]


def triangle(done, gamma):
    d = distances(done)
    return torch.triu(float(gamma) ** d.abs())


def looks_back(done, gamma):
    return right_by_products(done, gamma).T


def both_sides(done, gamma):
    return float(gamma) ** distances(done).abs() * same_episode(done)


def own_reward_missing(done, gamma):
    later = torch.triu(float(gamma) ** (distances(done).abs() - 1.0), diagonal=1)
    return later * same_episode(done)


def one_power_too_many(done, gamma):
    return gamma * right_by_products(done, gamma)


def only_ones(done, gamma):
    return torch.triu(torch.ones(len(done), len(done))) * same_episode(done)


def end_too_early(done, gamma):
    number = done.cumsum(0)
    return torch.triu(float(gamma) ** distances(done).abs()) * (number[:, None] == number[None, :])


def returns_themselves(done, gamma):
    return right_by_products(done, gamma).sum(1)


def right_by_products(done, gamma):
    """γ (1 - done) of every step on the way, multiplied."""
    factors = [gamma * (1.0 - float(flag)) for flag in done]
    rows = [
        [0.0 if k < t else float(np.prod(factors[t:k])) for k in range(len(factors))]
        for t in range(len(factors))
    ]
    return torch.tensor(rows)


def right_by_inverse(done, gamma):
    """returns = rewards + M @ returns, where M is the step to the next row."""
    going_on = gamma * (1.0 - done.numpy().astype(float))
    return np.linalg.inv(np.eye(len(going_on)) - np.diag(going_on[:-1], k=1))


# --- reinforce_loss ----------------------------------------------------------------------------------------------
def to_go(rewards):
    return rewards.flip(0).cumsum(0).flip(0)


def objective(logprobs, rewards, baseline, alive):
    return ((to_go(rewards) - baseline).detach() * logprobs * alive).sum(0).mean()


def total_return(logprobs, rewards, baseline, alive):
    return -((rewards.sum(0) - baseline).detach() * logprobs * alive).sum(0).mean()


def reward_so_far(logprobs, rewards, baseline, alive):
    return -((rewards.cumsum(0) - baseline).detach() * logprobs * alive).sum(0).mean()


def reward_alone(logprobs, rewards, baseline, alive):
    return -((rewards - baseline).detach() * logprobs * alive).sum(0).mean()


def wrong_axis(logprobs, rewards, baseline, alive):
    returns = rewards.flip(1).cumsum(1).flip(1)
    return -((returns - baseline).detach() * logprobs * alive).sum(0).mean()


def mean_over_steps(logprobs, rewards, baseline, alive):
    return -(logprobs * (to_go(rewards) - baseline).detach())[alive].mean()


def mean_over_cells(logprobs, rewards, baseline, alive):
    return -(logprobs * (to_go(rewards) - baseline).detach() * alive).mean()


def mean_over_time(logprobs, rewards, baseline, alive):
    return -(logprobs * (to_go(rewards) - baseline).detach() * alive).sum(1).mean()


def summed(logprobs, rewards, baseline, alive):
    return -(logprobs * (to_go(rewards) - baseline).detach() * alive).sum()


def dead_rows(logprobs, rewards, baseline, alive):
    return -(logprobs * (to_go(rewards) - baseline).detach()).sum(0).mean()


def no_baseline(logprobs, rewards, baseline, alive):
    return -(logprobs * to_go(rewards) * alive).sum(0).mean()


def baseline_added(logprobs, rewards, baseline, alive):
    return -(logprobs * (to_go(rewards) + baseline).detach() * alive).sum(0).mean()


def undetached(logprobs, rewards, baseline, alive):
    """Bug B16, its second half."""
    return -(logprobs * (to_go(rewards) - baseline) * alive).sum(0).mean()


def no_gradient(logprobs, rewards, baseline, alive):
    return -(logprobs * (to_go(rewards) - baseline) * alive).sum(0).mean().item()


def detached_altogether(logprobs, rewards, baseline, alive):
    return -(logprobs * (to_go(rewards) - baseline) * alive).detach().sum(0).mean()


def one_step_cut_off(logprobs, rewards, baseline, alive):
    kept = torch.cat([logprobs[:1].detach(), logprobs[1:]])
    return -(kept * (to_go(rewards) - baseline).detach() * alive).sum(0).mean()


def numpy_slices(logprobs, rewards, baseline, alive):
    return -(logprobs * (rewards[::-1].cumsum(0)[::-1] - baseline) * alive).sum(0).mean()


def loss_of_shape_n(logprobs, rewards, baseline, alive):
    return -(logprobs * (to_go(rewards) - baseline).detach() * alive).sum(0)


def right_by_loop(logprobs, rewards, baseline, alive):
    total, running = 0.0, torch.zeros(rewards.shape[1], dtype=rewards.dtype)
    for t in reversed(range(len(rewards))):
        running = rewards[t] + running
        weight = torch.where(alive[t], running - baseline[t].detach(), torch.zeros((), dtype=rewards.dtype))
        total = total - logprobs[t] @ weight
    return total / rewards.shape[1]


def right_by_rows(logprobs, rewards, baseline, alive):
    with torch.no_grad():
        weights = (to_go(rewards) - baseline)[alive]
    return -torch.dot(logprobs[alive], weights) / alive.shape[1]


WRONG = {
    "discounted_returns": {
        "never reset": (never_reset, "goes on over the end of an episode"),
        "terminations only": (terminations_only, "goes on where it was truncated"),
        "forwards": (forwards, "The sum runs forwards"),
        "whole episode": (whole_episode, "the return of its whole episode"),
        "undiscounted": (undiscounted, "summed without γ"),
        "from step 0": (discounted_from_zero, "discounted from step 0"),
        "flag too late": (flag_too_late, "one step too late"),
        "flag too early": (flag_too_early, "one step too early"),
        "last reward lost": (last_reward_lost, "its own reward was thrown away"),
        "in place": (rewards_changed, "changed one of its arguments in place"),
        "unheard of": (reset_loses_all, "each return is its reward plus γ times the next return"),
    },
    "return_weights": {
        "ends forgotten": (triangle, "Rewards of the next episode count"),
        "transposed": (looks_back, "row t looks back"),
        "both sides": (both_sides, "Earlier rewards count as well"),
        "own reward missing": (own_reward_missing, "The diagonal is 0"),
        "one power too many": (one_power_too_many, "one too high"),
        "only ones": (only_ones, "γ is missing"),
        "end too early": (end_too_early, "cut off from it"),
        "a vector": (returns_themselves, "where (5, 5) was expected"),
    },
    "reinforce_loss": {
        "objective": (objective, "The sign is turned round"),
        "total return": (total_return, "the return of the whole episode"),
        "reward so far": (reward_so_far, "summed forwards"),
        "reward alone": (reward_alone, "its own reward only"),
        "wrong axis": (wrong_axis, "Time is axis 0"),
        "mean over steps": (mean_over_steps, "shrinks as the episodes grow"),
        "mean over cells": (mean_over_cells, "T times N cells"),
        "mean over time": (mean_over_time, "along the time axis"),
        "summed": (summed, "Take the mean over episodes."),
        "dead rows": (dead_rows, "multiply with `alive`"),
        "no baseline": (no_baseline, "The baseline is not used"),
        "baseline added": (baseline_added, "The baseline is added"),
        "undetached": (undetached, "a gradient flows into the baseline"),
        "item": (no_gradient, "no gradient flows to the policy"),
        "detached altogether": (detached_altogether, "no gradient flows to the policy"),
        "one step cut off": (one_step_cut_off, "minus the exact gradient"),
        "numpy slices": (numpy_slices, "use flip(0)"),
        "not a scalar": (loss_of_shape_n, "where () was expected"),
    },
}

RIGHT = {
    "discounted_returns": [right_recursive, right_in_numpy, right_by_gae],
    "return_weights": [right_by_products, right_by_inverse],
    "reinforce_loss": [right_by_loop, right_by_rows],
}
