"""The rollout: what N environments did in T steps, kept as [T, N, ...] until it is shuffled into minibatches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import gymnasium as gym
import numpy as np
import torch
from torch import Generator, Tensor

if TYPE_CHECKING:
    from ppo_core.envs import StepResult


class Minibatch(NamedTuple):
    """B shuffled steps of a rollout; every tensor is [B, ...]."""

    obs: Tensor  # [B, *obs]
    actions: Tensor  # [B] int64, or [B, A] float32
    old_logprobs: Tensor  # [B], nats, of the policy that collected the data
    advantages: Tensor  # [B], reward units
    returns: Tensor  # [B], reward units
    old_values: Tensor  # [B], reward units


class Rollout:
    """Storage for T steps of N environments, allocated once and written over by every rollout; floats are `dtype`.

    `add` writes row t from NumPy; the tensors share that memory, so this is where NumPy becomes torch.
    """

    def __init__(
        self,
        num_steps: int,
        num_envs: int,
        observation_space: gym.Space,
        action_space: gym.Space,
        dtype: torch.dtype = torch.float32,
    ):
        self.num_steps, self.num_envs = T, N = num_steps, num_envs
        obs_dtype = torch.uint8 if observation_space.dtype == np.uint8 else dtype
        action_dtype = torch.int64 if isinstance(action_space, gym.spaces.Discrete) else dtype
        self.obs = torch.zeros((T, N, *observation_space.shape), dtype=obs_dtype)
        self.next_obs = torch.zeros_like(self.obs)  # the true successor, also where an episode ended
        self.actions = torch.zeros((T, N, *action_space.shape), dtype=action_dtype)  # as sampled, unclipped
        self.terminated, self.truncated = torch.zeros((2, T, N), dtype=torch.bool)
        self.rewards, self.logprobs, self.values = torch.zeros((3, T, N), dtype=dtype)
        self.next_values, self.advantages, self.returns = torch.zeros((3, T, N), dtype=dtype)
        names = ("obs", "actions", "next_obs", "rewards", "terminated", "truncated")
        self._rows = [(name, rows := getattr(self, name).numpy(), rows.shape[1:]) for name in names]

    def add(self, t: int, obs: np.ndarray, actions: np.ndarray, result: StepResult) -> None:
        """Write step t: what the policy saw, [N, *obs], what it did, [N] or [N, A], and what came of it.

        Raises: ValueError if a shape differs from the storage (NumPy would broadcast it silently).
        """
        step = (obs, actions, result.next_obs, result.rewards, result.terminated, result.truncated)
        for (name, rows, shape), value in zip(self._rows, step, strict=True):
            if value.shape != shape:
                raise ValueError(
                    f"{name} has shape {value.shape}, expected {shape} in row {t} of the rollout"
                )
            rows[t] = value

    def minibatches(self, num_minibatches: int, generator: Generator | None = None) -> Iterator[Minibatch]:
        """One epoch: every step exactly once, in random order, in parts that differ in size by one step at most."""
        order = torch.randperm(self.num_steps * self.num_envs, generator=generator)
        stored = (self.obs, self.actions, self.logprobs, self.advantages, self.returns, self.values)
        # One gather for the epoch; the minibatches are views of it.
        parts = [x.flatten(0, 1)[order].tensor_split(num_minibatches) for x in stored]
        yield from map(Minibatch, *parts)
