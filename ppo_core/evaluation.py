"""Looking at what a policy has learned: whole episodes, in fresh environments, without learning."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

import gymnasium as gym
import numpy as np
import torch

from ppo_core.envs import EnvFn, SerialVectorEnv

if TYPE_CHECKING:
    from ppo_core.policy import ActorCritic


class Evaluation(NamedTuple):
    """Undiscounted returns [E], in reward units, and lengths [E], in steps, of E whole episodes."""

    returns: np.ndarray
    lengths: np.ndarray

    @property
    def mean(self) -> float:
        """Mean return, in reward units."""
        return float(self.returns.mean())

    @property
    def std(self) -> float:
        """Standard deviation of the returns, in reward units."""
        return float(self.returns.std())


class Player:
    """A policy that plays: `player(obs)` gives actions within bounds, [N] or [N, A], for observations [N, *obs].

    `deterministic` takes the most probable action, otherwise a sample from a generator of its own.
    """

    def __init__(self, policy: ActorCritic, action_space: gym.Space, seed: int, deterministic: bool):
        self.policy, self.action_space, self.deterministic = policy, action_space, deterministic
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, obs: np.ndarray) -> np.ndarray:
        noise = None if self.deterministic else self.policy.noise(len(obs), generator=self.generator)
        return within_bounds(self.policy.act(torch.from_numpy(obs), noise).numpy(), self.action_space)


def evaluate(
    policy: ActorCritic, env_fn: EnvFn, num_episodes: int, seed: int, deterministic: bool
) -> Evaluation:
    """Play `num_episodes` episodes side by side; episode i always has the same seed. Returns Evaluation, each [E]."""
    returns, lengths = np.zeros(num_episodes), np.zeros(num_episodes, np.int64)
    playing = np.ones(num_episodes, bool)
    with SerialVectorEnv([env_fn] * num_episodes) as env:
        player = Player(policy, env.single_action_space, seed, deterministic)
        obs = env.reset(seed=seed)
        while playing.any():
            result = env.step(player(obs))
            returns += result.rewards * playing
            lengths += playing
            playing &= ~(result.terminated | result.truncated)
            obs = result.obs
    return Evaluation(returns, lengths)


def film(policy: ActorCritic, env: gym.Env, seed: int, deterministic: bool) -> tuple[list[np.ndarray], float]:
    """Play one episode of a rendering environment. Returns ([height, width, 3] uint8 frames, undiscounted return)."""
    player = Player(policy, env.action_space, seed, deterministic)
    obs, done, total = env.reset(seed=seed)[0], False, 0.0
    frames = [env.render()]
    while not done:
        obs, reward, terminated, truncated, _ = env.step(player(obs[None])[0])
        total, done = total + float(reward), terminated or truncated
        frames.append(env.render())
    return frames, total


def observation_space_of(env_fn: EnvFn) -> gym.Space:
    """The observation space of the environment that `env_fn` makes."""
    with contextlib.closing(env_fn()) as env:
        return env.observation_space


def within_bounds(actions: np.ndarray, space: gym.Space) -> np.ndarray:
    """Actions [N] or [N, A] as the environment may get them: those of a Box are clipped to its bounds, in its type.

    The rollout keeps the sampled actions, because the log-probability is that of what was sampled, not clipped.
    """
    if not isinstance(space, gym.spaces.Box):
        return actions
    return np.clip(actions, space.low, space.high).astype(space.dtype, copy=False)
