"""Advantages: how much better an action turned out than the critic expected."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Advantages(NamedTuple):
    """What GAE gives for one rollout; both are [T, N], in reward units."""

    advantages: Tensor
    returns: Tensor  # advantages + values: the critic's target


def compute_gae(
    rewards: Tensor,
    values: Tensor,
    next_values: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    gamma: float,
    gae_lambda: float,
) -> Advantages:
    """Generalized advantage estimation over one rollout.

    δ_t = r_t + γ (1 - terminated_t) V(o_{t+1}) - V(o_t)
    A_t = δ_t + γ λ (1 - done_t) A_{t+1},   done = terminated or truncated

    Args: every tensor is [T, N]; `values` is V(o_t), and `next_values` is V of the true successor,
        also where an episode ended. `gamma`, `gae_lambda` lie in [0, 1].
    Returns: Advantages(advantages, returns), each [T, N], in reward units.
    Raises: ValueError if the shapes differ, or γ or λ lies outside [0, 1].
    Source: Schulman et al. 2016, arXiv:1506.02438. Tested against the double sum.
    """
    named = {
        "rewards": rewards,
        "values": values,
        "next_values": next_values,
        "terminated": terminated,
        "truncated": truncated,
    }
    for name, tensor in named.items():
        if tensor.ndim != 2 or tensor.shape != rewards.shape:
            expected = f"expected [T, N] like rewards {tuple(rewards.shape)}"
            raise ValueError(f"{name} has shape {tuple(tensor.shape)}, {expected}")
    if not (0.0 <= gamma <= 1.0 and 0.0 <= gae_lambda <= 1.0):
        raise ValueError(f"gamma={gamma} and gae_lambda={gae_lambda} must lie between 0 and 1")

    done = terminated | truncated
    deltas = rewards + gamma * next_values * ~terminated - values  # [T, N]
    decay = gamma * gae_lambda * (~done).to(deltas.dtype)  # [T, N]: the share of A_{t+1} that reaches A_t
    advantages = torch.empty_like(deltas)
    running = torch.zeros_like(deltas[0])  # [N]: A_{t+1}; nothing is known after the last row
    for t in reversed(range(len(deltas))):
        running = deltas[t] + decay[t] * running
        advantages[t] = running
    return Advantages(advantages, advantages + values)
