"""Gymnasium's own vector environments, in each autoreset mode, with the interface of this book."""

from __future__ import annotations

import gymnasium as gym
import numpy as np

from ppo_core.checks import check_actions, check_finite, check_seed
from ppo_core.envs import StepResult, episode_seed
from ppo_core.errors import ConfigError, OutOfStep


class GymnasiumVectorEnv:
    """Any `gymnasium.vector.VectorEnv`, in each autoreset mode, with the interface of this book.

    SAME_STEP: the last observation is in `infos["final_obs"]`. DISABLED: we reset with a mask. NEXT_STEP (Gymnasium's
    default): left alone, its next step would ignore the action and return a row that is no transition, so we reset
    with a mask before that can happen. In the last two modes episodes get the seeds that SerialVectorEnv gives them.
    Raises: ConfigError for a NEXT_STEP environment that cannot reset a part of its environments.
    """

    def __init__(self, envs: gym.vector.VectorEnv):
        self.envs, self.num_envs = envs, envs.num_envs
        self.single_observation_space, self.single_action_space = (
            envs.single_observation_space,
            envs.single_action_space,
        )
        self.mode = envs.metadata.get("autoreset_mode", gym.vector.AutoresetMode.NEXT_STEP)
        resets_a_part = isinstance(
            envs.unwrapped, (gym.vector.SyncVectorEnv, gym.vector.AsyncVectorEnv)
        ) and getattr(envs.unwrapped, "shared_memory", True)
        if self.mode == gym.vector.AutoresetMode.NEXT_STEP and not resets_a_part:
            raise ConfigError(
                f"{type(envs.unwrapped).__name__} resets in NEXT_STEP mode and cannot reset single environments, "
                "so one row per episode would be no transition: "
                "make it with autoreset_mode SAME_STEP or DISABLED, or use SerialVectorEnv"
            )
        self._seed, self._episodes = None, np.zeros(self.num_envs, np.int64)
        self._ready = False

    def reset(self, seed: int | None = None) -> np.ndarray:
        """Start a new episode everywhere. Returns obs [N, *obs]."""
        self._seed = (
            check_seed(seed, first=self._seed is None)
            if seed is not None or self._seed is None
            else self._seed
        )
        self._episodes = np.zeros_like(self._episodes) if seed is not None else self._episodes + 1
        self._ready = False
        obs = check_finite(self.envs.reset(seed=self._seeds())[0].copy())
        self._ready = True
        return obs

    def _seeds(self) -> list[int]:
        return [episode_seed(self._seed, i, int(episode)) for i, episode in enumerate(self._episodes)]

    def step(self, actions: np.ndarray) -> StepResult:
        """Step every environment; actions are [N] or [N, A]."""
        if not self._ready:
            raise OutOfStep("step() before reset(), or after a call that failed: call reset() first")
        actions = check_actions(actions, self.single_action_space, self.num_envs)
        self._ready = False
        obs, rewards, terminated, truncated, infos = self.envs.step(actions)
        obs, done = obs.copy(), terminated | truncated
        next_obs = obs
        if done.any():
            self._episodes += done
            next_obs = obs.copy()
            if self.mode == gym.vector.AutoresetMode.SAME_STEP:
                next_obs[done] = np.stack(list(infos["final_obs"][done]))
            else:
                obs = self.envs.reset(seed=self._seeds(), options={"reset_mask": done})[0].copy()
        check_finite(next_obs)
        result = StepResult(
            check_finite(obs), next_obs, rewards.astype(np.float32), terminated.copy(), truncated.copy()
        )
        self._ready = True
        return result

    def close(self) -> None:
        """Close the environments."""
        self._ready = False
        self.envs.close()
