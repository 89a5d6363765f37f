"""Tiny environments whose values are known exactly, to test critics, advantages and whole trainers against.

Each is a finite Markov decision process; its true values solve a linear system. The first five are probes in the
sense of Andy Jones ("Debugging reinforcement learning systems"): each fails when one part of a trainer is broken.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np


class TabularEnv(gym.Env):
    """A finite Markov decision process with S states and A actions; the observation of state s is one-hot, [S].

    V(s) = Σ_a π(a|s) (R[s, a] + γ Σ_s' P[s, a, s'] V(s')), and an episode ends with probability 1 - Σ_s' P[s, a, s'].

    Args: `transitions` P [S, A, S] (rows may sum to less than 1), `rewards` R [S, A], `start` [S] the probabilities
        of the first state (default: always state 0), `time_limit` steps after which an episode is truncated.
    Raises: ValueError if the shapes differ or P is not a (sub-)stochastic matrix.
    """

    def __init__(self, transitions: Any, rewards: Any, start: Any = None, time_limit: int | None = None):
        self.transitions, self.rewards = np.asarray(transitions, float), np.asarray(rewards, float)
        states, actions = self.rewards.shape
        if self.transitions.shape != (states, actions, states):
            raise ValueError(
                f"transitions have shape {self.transitions.shape}, expected {(states, actions, states)} "
                f"for rewards of shape {self.rewards.shape}"
            )
        if (self.transitions < 0).any() or (self.transitions.sum(-1) > 1 + 1e-12).any():
            raise ValueError("transitions[s, a] must be probabilities that sum to at most 1")
        self.start = np.eye(states)[0] if start is None else np.asarray(start, float)
        self.time_limit = time_limit
        self.observation_space = gym.spaces.Box(0.0, 1.0, (states,), np.float32)
        self.action_space = gym.spaces.Discrete(actions)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        """Draw a first state from `start`. Returns (obs, {})."""
        super().reset(seed=seed)
        self.state, self.elapsed = int(self.np_random.choice(len(self.start), p=self.start)), 0
        return self._observe(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        """Move by `transitions` and pay by `rewards`. Returns (obs, reward, terminated, truncated, {})."""
        reward = float(self.rewards[self.state, action])
        reached = self.transitions[self.state, action].cumsum()
        self.state = int(np.searchsorted(reached, self.np_random.random(), side="right"))
        self.elapsed += 1
        terminated = self.state == len(self.start)  # beyond the last state: the episode is over
        truncated = not terminated and self.elapsed == self.time_limit
        return self._observe(), reward, terminated, truncated, {}

    def _observe(self) -> np.ndarray:
        return (
            np.eye(len(self.start), dtype=np.float32)[self.state]
            if self.state < len(self.start)
            else np.zeros(len(self.start), np.float32)
        )

    def exact_values(self, gamma: float, policy: Any = None) -> np.ndarray:
        """V [S] under `policy` [S, A] (default: uniform), for γ < 1 or where every episode ends."""
        policy = (
            np.full_like(self.rewards, 1 / self.rewards.shape[1])
            if policy is None
            else np.asarray(policy, float)
        )
        expected_reward = (policy * self.rewards).sum(1)
        between_states = np.einsum("sa,sat->st", policy, self.transitions)
        return np.linalg.solve(np.eye(len(expected_reward)) - gamma * between_states, expected_reward)

    def exact_advantages(self, gamma: float, policy: Any = None) -> np.ndarray:
        """A [S, A] = Q - V under `policy` [S, A] (default: uniform)."""
        values = self.exact_values(gamma, policy)
        return self.rewards + gamma * self.transitions @ values - values[:, None]


def constant_reward() -> TabularEnv:
    """One step, reward 1: V = 1. Fails if the critic, its loss or the optimiser is broken."""
    return TabularEnv(np.zeros((1, 1, 1)), [[1.0]])


def reward_is_seen() -> TabularEnv:
    """One step; the observation tells the reward, -1 or +1: V = ±1. Fails if the critic does not see its input."""
    return TabularEnv(np.zeros((2, 1, 2)), [[-1.0], [1.0]], start=[0.5, 0.5])


def two_steps() -> TabularEnv:
    """Rewards 0, then 1: V = [γ, 1]. Fails if discounting, or the order of rewards and values, is broken."""
    return TabularEnv([[[0.0, 1.0]], [[0.0, 0.0]]], [[0.0], [1.0]])


def right_action() -> TabularEnv:
    """One step; action 0 gives -1, action 1 gives +1. Fails if the policy gradient, or its sign, is broken."""
    return TabularEnv(np.zeros((1, 2, 1)), [[-1.0, 1.0]])


def action_answers_state() -> TabularEnv:
    """One step; the right action differs by state. Fails if observations, actions and advantages are not of one row."""
    return TabularEnv(np.zeros((2, 2, 2)), [[1.0, -1.0], [-1.0, 1.0]], start=[0.5, 0.5])


def forever(time_limit: int | None = 8) -> TabularEnv:
    """Reward 1 for ever: V = 1 / (1 - γ), whatever the time limit. Fails if truncation is treated as termination."""
    return TabularEnv([[[1.0]]], [[1.0]], time_limit=time_limit)


def corridor(length: int = 5, time_limit: int | None = None) -> TabularEnv:
    """A walk over `length` states from the middle: action 0 goes left, 1 right; only leaving on the right pays, 1.

    Under the uniform policy and γ = 1, V(s) = (s + 1) / (length + 1) (Sutton and Barto 2018, example 6.2).
    """
    transitions, rewards = np.zeros((length, 2, length)), np.zeros((length, 2))
    for s in range(length):
        if s > 0:
            transitions[s, 0, s - 1] = 1.0
        if s < length - 1:
            transitions[s, 1, s + 1] = 1.0
    rewards[-1, 1] = 1.0
    return TabularEnv(transitions, rewards, start=np.eye(length)[length // 2], time_limit=time_limit)
