"""Environments, many at a time, with the true successor of every step.

Gymnasium's vector environments reset an ended episode in one of three ways, and each hides the last
observation somewhere else. Here there is one answer: `next_obs` is what the action led to, and `obs` is what
the policy sees next. This module never imports torch, so that worker processes start quickly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple, Protocol

import gymnasium as gym
import numpy as np

from ppo_core.checks import (
    ObservationCheck,
    array_spec,
    check_actions,
    check_env_fns,
    check_equal_spaces,
    check_mode,
    check_seed,
    shorten,
)
from ppo_core.errors import ConfigError, EnvironmentFault, OutOfStep

EnvFn = Callable[[], gym.Env]


class StepResult(NamedTuple):
    """One step of N environments; every array is [N, ...].

    Where an episode ended, `next_obs` holds its last observation and `obs` the first one of the next episode;
    everywhere else the two are equal (and may be the same array). Rewards are float32, in reward units.
    """

    obs: np.ndarray  # [N, *obs]  what the policy sees next
    next_obs: np.ndarray  # [N, *obs]  the true successor of the step
    rewards: np.ndarray  # [N]
    terminated: np.ndarray  # [N] bool: the task ended
    truncated: np.ndarray  # [N] bool: we stopped watching


class VectorEnv(Protocol):
    """What the trainer asks of N environments: observations are [N, *obs], actions [N] or [N, A]."""

    num_envs: int
    single_observation_space: gym.Space
    single_action_space: gym.Space

    def reset(self, seed: int | None = None) -> np.ndarray: ...
    def step(self, actions: np.ndarray) -> StepResult: ...
    def close(self) -> None: ...


def make_env(env_id: str, **kwargs: Any) -> gym.Env:
    """Make one Gymnasium environment; `functools.partial(make_env, "CartPole-v1")` is an `env_fn`.

    Raises: ConfigError if Gymnasium does not know `env_id`, or if a package that it needs is missing.
    """
    try:
        return gym.make(env_id, **{"disable_env_checker": True, **kwargs})
    except (gym.error.DependencyNotInstalled, ImportError) as error:
        raise ConfigError(
            f"env_id={env_id!r} needs a package that is not installed: {error} "
            "(for MuJoCo: pip install 'ppo-core[mujoco]')"
        ) from error
    except gym.error.Error as error:
        raise ConfigError(f"env_id={env_id!r} cannot be made: {error}") from error


def episode_seed(seed: int, index: int, episode: int) -> int:
    """The seed of one episode of one environment: a hash of the three numbers, in [0, 2³²).

    Every episode has a seed of its own, so that any episode can be started again without replaying those before it.
    """
    return int(np.random.SeedSequence((seed, index, episode)).generate_state(1)[0])


class Slot:
    """One environment of a vector: it seeds each episode, checks every answer and resets when an episode ends.

    The serial and the parallel environment are both made of slots, which is why their numbers are equal.
    With check="first" only the first answers of `reset` and `step` are checked; `index` is part of every seed.
    """

    def __init__(self, env_fn: EnvFn, index: int, check: str = "always"):
        self.env, self.always, self.steps_checked = env_fn(), check == "always", 0
        if not (hasattr(self.env, "step") and hasattr(self.env, "reset")):
            raise EnvironmentFault(
                f"environment {index}: env_fn returned {self.env!r}, expected a gymnasium.Env"
            )
        self.index, self.seed, self.episode = index, 0, -1
        self.shape, self.dtype = array_spec(self.env.observation_space)
        array_spec(self.env.action_space, "action_space")

    def reset(self, seed: int | None) -> np.ndarray:
        """Start episode 0 of `seed`; with None the next episode of the seed in use. Returns obs [*obs]."""
        if seed is not None:
            self.seed, self.episode = seed, -1
        self.episode += 1
        answer = self.env.reset(seed=episode_seed(self.seed, self.index, self.episode))
        if not (isinstance(answer, tuple) and len(answer) == 2):
            raise EnvironmentFault(
                f"environment {self.index}: reset() returned {shorten(answer)}, expected (observation, info)"
            )
        return self._checked(answer[0]) if self.always or self.episode == 0 else answer[0]

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, np.ndarray | None]:
        """Step, and reset if the episode ended. Returns (obs, reward, terminated, truncated, last obs or None)."""
        answer = self.env.step(action)
        if self.steps_checked and not self.always:
            obs, reward, terminated, truncated, _ = answer
            return self._reset_if_ended(obs, reward, terminated, truncated)
        self.steps_checked += 1
        try:
            obs, reward, terminated, truncated, _ = answer
            reward = float(reward)
        except (TypeError, ValueError):
            raise EnvironmentFault(
                f"environment {self.index}: step() returned {shorten(answer)}, expected "
                "(observation, reward as one number, terminated, truncated, info)"
            ) from None
        if reward - reward != 0.0:  # true for NaN and for both infinities
            raise EnvironmentFault(
                f"environment {self.index}: step() returned reward {reward}, expected a finite number"
            )
        return self._reset_if_ended(self._checked(obs), reward, terminated, truncated)

    def _reset_if_ended(self, obs: np.ndarray, reward: float, terminated: bool, truncated: bool) -> tuple:
        if terminated or truncated:
            last = obs.copy()  # the environment may write its next observation into the same array
            return self.reset(None), reward, bool(terminated), bool(truncated), last
        return obs, reward, False, False, None

    def restore(self, seed: int, episode: int, actions: np.ndarray) -> np.ndarray:
        """Start episode number `episode` of `seed` again and replay `actions`, none of which may end it."""
        self.seed, self.episode = seed, episode - 1
        obs = self.reset(None)
        for action in actions.tolist() if actions.ndim == 1 else actions:
            obs, _, terminated, truncated, _ = self.step(action)
            if terminated or truncated:
                raise EnvironmentFault(
                    f"environment {self.index}: a replayed episode ended early, "
                    "so the environment is not deterministic under its seed"
                )
        return obs

    def _checked(self, obs: Any) -> np.ndarray:
        try:
            obs = np.asarray(obs)
        except ValueError:  # rows of different lengths
            obs = np.array(obs, dtype=object)
        castable = obs.dtype == self.dtype or np.can_cast(obs.dtype, self.dtype, "same_kind")
        if obs.shape != self.shape or not castable:
            raise EnvironmentFault(
                f"environment {self.index}: observation {shorten(obs)} has shape {obs.shape} and dtype {obs.dtype}, "
                f"expected shape {self.shape} and dtype {self.dtype} (its observation_space)"
            )
        return obs


class SerialVectorEnv:
    """N environments stepped one after the other in this process.

    Args: `env_fns`, N zero-argument callables that each make one environment (a lambda or a class from a
    notebook cell is fine). `check`: "always", or "first" (the first answers of each environment; later ones must
    still be finite). `first_index`: the number of environment 0 in seeds and messages, where others have its lower
    numbers. A context manager; `close()` may be called any number of times.
    Raises: EnvironmentFault if an environment breaks its contract, OutOfStep before the first `reset()` and
    after `close()`, ConfigError for wrong actions, before any environment has moved.
    """

    def __init__(self, env_fns: Sequence[EnvFn], check: str = "always", first_index: int = 0):
        check_mode(check, first_index)
        self.env_fns, self.first_index = check_env_fns(env_fns), first_index
        self.num_envs = len(self.env_fns)
        self._slots: list[Slot] = []
        self._state, self._seed = "before the first reset()", None
        try:
            for index, env_fn in enumerate(self.env_fns, first_index):
                self._slots.append(Slot(env_fn, index, check))
            spaces = [(slot.env.observation_space, slot.env.action_space) for slot in self._slots]
            check_equal_spaces(spaces, first_index)
        except BaseException:
            self.close()
            raise
        self.single_observation_space = self._slots[0].env.observation_space
        self.single_action_space = self._slots[0].env.action_space
        self._check = ObservationCheck(self.single_observation_space, check, first_index)

    def reset(self, seed: int | None = None) -> np.ndarray:
        """Start a new episode everywhere. Returns obs [N, *obs].

        `seed` starts the numbering of episodes anew, so that the same seed gives the same numbers;
        None goes on to each environment's next episode (of a random seed, if there never was one).
        """
        self._refuse_if_closed("reset()")
        seed = check_seed(seed, first=self._seed is None)
        self._state = "after an error inside reset()"
        obs = np.stack([slot.reset(seed) for slot in self._slots])
        self._seed = self._seed if seed is None else seed
        return self._ready(obs)

    def restore(self, seed: int, episodes: Sequence[int], actions: Sequence[np.ndarray]) -> np.ndarray:
        """Put environment i `len(actions[i])` steps into its episode number `episodes[i]`. Returns obs [N, *obs]."""
        self._refuse_if_closed("restore()")
        self._state = "after an error inside restore()"
        states = zip(self._slots, episodes, actions, strict=True)
        obs = np.stack([slot.restore(seed, *state) for slot, *state in states])
        self._seed = seed
        return self._ready(obs)

    def _refuse_if_closed(self, call: str) -> None:
        if self._state == "after close()":
            raise OutOfStep(f"{call} after close(): make a new environment")

    def _ready(self, obs: np.ndarray) -> np.ndarray:
        obs = self._check(obs.astype(self._slots[0].dtype, copy=False))
        self._state = "ready"
        return obs

    def step(self, actions: np.ndarray) -> StepResult:
        """Step every environment; actions are [N] int for Discrete and [N, A] float for Box."""
        self._refuse_if_closed("step()")
        if self._state != "ready":
            raise OutOfStep(f"step() {self._state}: call reset() first")
        actions = check_actions(actions, self.single_action_space, self.num_envs)
        self._state = "after an error inside step()"
        obs = np.empty((self.num_envs, *self._slots[0].shape), self._slots[0].dtype)
        rewards = np.empty(self.num_envs, np.float32)
        terminated, truncated = np.zeros((2, self.num_envs), bool)
        last_obs = []
        each = actions.tolist() if actions.ndim == 1 else actions
        for i, (slot, action) in enumerate(zip(self._slots, each, strict=True)):
            obs[i], rewards[i], terminated[i], truncated[i], last = slot.step(action)
            if last is not None:
                last_obs.append((i, last))
        next_obs = obs
        if last_obs:
            next_obs = obs.copy()
            for i, last in last_obs:
                next_obs[i] = last
            self._check(next_obs)
        self._check(obs)
        result = StepResult(obs, next_obs, rewards, terminated, truncated)
        self._state = "ready"  # last: after an interrupt these rows are lost, and the next step is refused
        return result

    def close(self) -> None:
        """Close every environment; the second call does nothing."""
        slots, self._slots, self._state = self._slots, [], "after close()"
        with ExitStack() as stack:  # each of them, also if one raises
            for slot in slots:
                stack.callback(slot.env.close)

    def __enter__(self) -> SerialVectorEnv:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
