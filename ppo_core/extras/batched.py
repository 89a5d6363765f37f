"""CartPole and Pendulum as functions of whole arrays: N environments take a step in a handful of operations.

Each function is written once and runs on NumPy arrays and on torch tensors. Nothing in it looks at a number, so that
on a GPU the host never waits. The numbers are those of Gymnasium's environments, step for step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from ppo_core.checks import check_actions, check_mode, check_seed
from ppo_core.envs import StepResult, make_env
from ppo_core.errors import ConfigError, EnvironmentFault, OutOfStep

Array = np.ndarray | Tensor  # whatever a function is given, it returns the same kind


def library(array: Array) -> Any:
    """The module whose functions work on `array`, of any shape: numpy or torch."""
    return torch if isinstance(array, Tensor) else np


def rows(*arrays: Array) -> Array:
    """R arrays [N] as one [R, N]."""
    return torch.stack(arrays) if isinstance(arrays[0], Tensor) else np.array(arrays)


# ---- two games


class Game(Protocol):
    """The rules of an environment, as functions of arrays; a class with nothing of its own, never instantiated.

    `state` is [S, N]: one row for each quantity, one column for each environment.
    """

    ENV_ID: str  # Gymnasium's name
    MAX_STEPS: int  # an episode that is this long is truncated
    STATE_SIZE: int  # S

    @staticmethod
    def spaces() -> tuple[gym.Space, gym.Space]: ...  # of observations and actions, equal to Gymnasium's
    @staticmethod
    def start(uniform: Array) -> Array: ...  # numbers [S, N] from [0, 1) to the first state [S, N]
    @classmethod
    def step(
        cls, state: Array, actions: Array
    ) -> tuple[Array, Array, Array]: ...  # next state, rewards, terminated
    @staticmethod
    def observe(state: Array) -> Array: ...  # [O, N], one row for each number of an observation


class CartPole:
    """CartPole-v1: a cart is pushed left or right so that the pole on it stays up. The state is x, ẋ, θ, θ̇.

    f = (F + m_p l θ̇² sin θ) / m
    θ̈ = (g sin θ - f cos θ) / (l (4/3 - m_p cos² θ / m))
    ẍ = f - m_p l θ̈ cos θ / m

    Each quantity moves by τ times its old rate (Euler). Reward 1 for every step; the end is |x| > 2.4 or |θ| > 12°.
    Source: Barto, Sutton and Anderson 1983, in the form of Gymnasium's `classic_control/cartpole.py`.
    """

    ENV_ID, MAX_STEPS, STATE_SIZE = "CartPole-v1", 500, 4
    GRAVITY, CART, POLE, HALF_LENGTH = 9.8, 1.0, 0.1, 0.5  # m/s², kg, kg, m
    FORCE, TAU = 10.0, 0.02  # N, s
    X_LIMIT, THETA_LIMIT = 2.4, 12 * 2 * math.pi / 360  # m, rad

    @staticmethod
    def spaces() -> tuple[gym.Space, gym.Space]:
        """Observations within twice the limits, two actions."""
        high = np.array([4.8, np.inf, 2 * 12 * 2 * math.pi / 360, np.inf], np.float32)
        return gym.spaces.Box(-high, high, dtype=np.float32), gym.spaces.Discrete(2)

    @staticmethod
    def start(uniform: Array) -> Array:
        """Every quantity between -0.05 and 0.05; [4, N] from numbers [4, N] in [0, 1)."""
        return 0.1 * uniform - 0.05

    @classmethod
    def step(cls, state: Array, actions: Array) -> tuple[Array, Array, Array]:
        """State [4, N] after actions [N] (1: push right), rewards [N], terminated [N]."""
        xp = library(state)
        x, x_dot, theta, theta_dot = state
        sin, cos = xp.sin(theta), xp.cos(theta)
        mass, pole_moment = cls.POLE + cls.CART, cls.POLE * cls.HALF_LENGTH
        force = xp.where(actions == 1, cls.FORCE, -cls.FORCE)
        # The order of the operations is Gymnasium's: another one would round differently.
        push = (force + pole_moment * (theta_dot * theta_dot) * sin) / mass
        inertia = cls.HALF_LENGTH * (4.0 / 3.0 - cls.POLE * (cos * cos) / mass)
        theta_acc = (cls.GRAVITY * sin - cos * push) / inertia
        x_acc = push - pole_moment * theta_acc * cos / mass
        x, theta = x + cls.TAU * x_dot, theta + cls.TAU * theta_dot
        terminated = (abs(x) > cls.X_LIMIT) | (abs(theta) > cls.THETA_LIMIT)
        state = rows(x, x_dot + cls.TAU * x_acc, theta, theta_dot + cls.TAU * theta_acc)
        return state, xp.ones_like(x), terminated

    @staticmethod
    def observe(state: Array) -> Array:
        """All four quantities, [4, N]."""
        return state


class Pendulum:
    """Pendulum-v1: a pendulum is to be swung up and held there by a torque too weak to lift it. The state is θ, θ̇.

    θ̇' = clip(θ̇ + (3g / 2l · sin θ + 3 / (m l²) · u) dt, -8, 8),   θ' = θ + θ̇' dt
    r = -(norm(θ)² + 0.1 θ̇² + 0.001 u²),   norm(θ) = (θ + π) mod 2π - π

    u is the action, clipped to [-2, 2]; θ = 0 is upright. No state ends an episode. An observation is cos θ, sin θ, θ̇.
    Source: Gymnasium's `classic_control/pendulum.py`.
    """

    ENV_ID, MAX_STEPS, STATE_SIZE = "Pendulum-v1", 200, 2
    GRAVITY, MASS, LENGTH, DT = 10.0, 1.0, 1.0, 0.05  # m/s², kg, m, s
    MAX_TORQUE, MAX_SPEED = 2.0, 8  # N m, rad/s

    @staticmethod
    def spaces() -> tuple[gym.Space, gym.Space]:
        """Observations [3], one torque [1]."""
        high = np.array([1, 1, 8], np.float32)
        return gym.spaces.Box(-high, high, dtype=np.float32), gym.spaces.Box(-2.0, 2.0, (1,), np.float32)

    @staticmethod
    def start(uniform: Array) -> Array:
        """Any angle, and a speed between -1 and 1; [2, N] from numbers [2, N] in [0, 1)."""
        return rows((2 * uniform[0] - 1) * math.pi, 2 * uniform[1] - 1)

    @classmethod
    def normalized(cls, theta: Array) -> Array:
        """The same angles [N], in [-π, π)."""
        return (theta + math.pi) % (2 * math.pi) - math.pi

    @classmethod
    def step(cls, state: Array, actions: Array) -> tuple[Array, Array, Array]:
        """State [2, N] after torques [N, 1], rewards [N], terminated [N] (never)."""
        xp = library(state)
        theta, theta_dot = state
        torque = xp.clip(actions[:, 0], -cls.MAX_TORQUE, cls.MAX_TORQUE)
        angle = cls.normalized(theta)
        costs = angle * angle + 0.1 * (theta_dot * theta_dot) + 0.001 * (torque * torque)
        gravity, lever = 3 * cls.GRAVITY / (2 * cls.LENGTH), 3.0 / (cls.MASS * cls.LENGTH**2)
        theta_dot = theta_dot + (gravity * xp.sin(theta) + lever * torque) * cls.DT
        theta_dot = xp.clip(theta_dot, -cls.MAX_SPEED, cls.MAX_SPEED)
        return rows(theta + theta_dot * cls.DT, theta_dot), -costs, xp.zeros_like(theta, dtype=bool)

    @staticmethod
    def observe(state: Array) -> Array:
        """cos θ, sin θ and θ̇, [3, N]."""
        xp = library(state)
        return rows(xp.cos(state[0]), xp.sin(state[0]), state[1])


# ---- where episodes begin

# splitmix64: every state of the generator is a fixed odd step from the one before, and the output is a hash of the
# state. So number n of a stream needs none of the numbers before it. Steele, Lea and Flood 2014, "Fast splittable
# pseudorandom number generators"; the constants are those of Vigna's version. 64-bit integers with sign, because torch
# has no arithmetic for those without: sums and products modulo 2⁶⁴ have the same bits.
STEP = 0x9E3779B97F4A7C15 - 2**64
FIRST, SECOND = 0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64


def splitmix64(state: Array) -> Array:
    """A hash of 64-bit integers, of any shape: every bit of the input changes half of the bits of the output."""
    state = (state ^ _shift_right(state, 30)) * FIRST
    state = (state ^ _shift_right(state, 27)) * SECOND
    return state ^ _shift_right(state, 31)


def _shift_right(state: Array, bits: int) -> Array:
    return (state >> bits) & (
        (1 << (64 - bits)) - 1
    )  # zeros come in from the left, also for a negative number


def stream_keys(seed: int, num_envs: int, size: int, first_index: int = 0) -> np.ndarray:
    """Where the random streams of environments `first_index` onward begin, [size, num_envs] int64.

    The seed, the index and the row are hashed one after the other: neighbours have nothing in common.
    """
    key = splitmix64(np.array([seed], np.int64) + STEP)
    key = splitmix64(key + STEP * np.arange(first_index + 1, first_index + num_envs + 1))
    return splitmix64(key + STEP * np.arange(1, size + 1)[:, None])


def uniform(keys: Array, episodes: Array) -> Array:
    """Number `episodes[n]` of each stream, in [0, 1): float64 [S, N] from keys [S, N] and episodes [N], int64."""
    bits = _shift_right(
        splitmix64(keys + STEP * (episodes + 1)), 11
    )  # the upper 53, as many as a float64 holds
    return library(bits).asarray(bits, dtype=library(bits).float64) * 2.0**-53


# ---- environments for the trainer, NumPy in and NumPy out


class BatchedEnv:
    """N environments of one game as one NumPy array, with the interface of SerialVectorEnv.

    Episode k of environment i begins where (seed, i, k) say, so any episode can be restored without those before it.
    The starts have Gymnasium's distribution, not its numbers: those come from a generator in each environment.

    Args: `game`, a class of rules; `first_index`, the global index of environment 0. A context manager.
    Raises: ConfigError for wrong actions, before any environment has moved; OutOfStep before `reset()` and after
    `close()`.
    """

    def __init__(self, game: type[Game], num_envs: int, first_index: int = 0):
        check_mode("first", first_index)
        self.game, self.num_envs, self.first_index = game, check_count(num_envs), first_index
        self.single_observation_space, self.single_action_space = game.spaces()
        self.env_fns = [partial(make_env, game.ENV_ID)] * num_envs  # what a policy is evaluated in
        self.state = np.zeros((game.STATE_SIZE, num_envs))  # [S, N]
        self.steps = np.zeros(num_envs, np.int64)  # [N]: steps since the episode began
        self.episodes = np.zeros(num_envs, np.int64)  # [N]: number of the episode under way
        self._now, self._seed = "before the first reset()", None

    def reset(self, seed: int | None = None) -> np.ndarray:
        """Start episode 0 of `seed` everywhere; with None, each environment's next episode. Returns obs [N, O]."""
        self._refuse_if_closed("reset()")
        seed = check_seed(seed, first=self._seed is None)
        return (
            self._start(self._seed, self.episodes + 1)
            if seed is None
            else self._start(seed, 0 * self.episodes)
        )

    def restore(self, seed: int, episodes: Sequence[int], actions: Sequence[np.ndarray]) -> np.ndarray:
        """Put environment i `len(actions[i])` steps into its episode number `episodes[i]`. Returns obs [N, O]."""
        self._refuse_if_closed("restore()")
        self._start(seed, np.array(episodes, np.int64))
        self._now = "after an error inside restore()"
        lengths = np.array([len(played) for played in actions])
        table = np.zeros((max(lengths), self.num_envs, *self.single_action_space.shape), actions[0].dtype)
        for i, played in enumerate(actions):
            table[: len(played), i] = played
        for t, row in enumerate(table):
            state, _, terminated, truncated = self._moved(
                check_actions(row, self.single_action_space, self.num_envs)
            )
            replayed = t < lengths
            ended = np.flatnonzero(replayed & (terminated | truncated))
            if len(ended):
                raise EnvironmentFault(
                    f"environment {self.first_index + ended[0]}: a replayed episode ended early, "
                    "so these are not the actions that were played in it"
                )
            self.state = np.where(replayed, state, self.state)
            self.steps += replayed
        self._now = "ready"
        return self._observations()

    def step(self, actions: np.ndarray) -> StepResult:
        """Step every environment; actions are [N] int for Discrete and [N, A] float for Box."""
        self._refuse_if_closed("step()")
        if self._now != "ready":
            raise OutOfStep(f"step() {self._now}: call reset() first")
        actions = check_actions(actions, self.single_action_space, self.num_envs)
        self._now = "after an error inside step()"
        self.state, rewards, terminated, truncated = self._moved(actions)
        self.steps += 1
        obs = next_obs = self._observations()
        done = np.flatnonzero(terminated | truncated)
        if len(done):
            self.episodes[done] += 1
            self.steps[done] = 0
            self.state[:, done] = self.game.start(uniform(self._keys[:, done], self.episodes[done]))
            obs = self._observations()
        self._now = "ready"  # last: after an interrupt these rows are lost, and the next step is refused
        return StepResult(obs, next_obs, rewards.astype(np.float32), terminated, truncated)

    def close(self) -> None:
        """Nothing is left to close; later calls are refused, the second `close()` does nothing."""
        self._now = "after close()"

    def __enter__(self) -> BatchedEnv:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _start(self, seed: int, episodes: np.ndarray) -> np.ndarray:
        self._now = "after an error inside reset()"
        self._keys = stream_keys(seed, self.num_envs, self.game.STATE_SIZE, self.first_index)
        self._seed, self.episodes, self.steps = seed, episodes, np.zeros(self.num_envs, np.int64)
        self.state = self.game.start(uniform(self._keys, episodes))
        self._now = "ready"
        return self._observations()

    def _moved(self, actions: np.ndarray) -> tuple[np.ndarray, ...]:
        return *self.game.step(self.state, actions), self.steps + 1 >= self.game.MAX_STEPS

    def _observations(self) -> np.ndarray:
        return self.game.observe(self.state).T.astype(np.float32, order="C")

    def _refuse_if_closed(self, call: str) -> None:
        if self._now == "after close()":
            raise OutOfStep(f"{call} after close(): make a new environment")


class BatchedCartPole(BatchedEnv):
    """N times CartPole-v1 in one array: `Trainer(config, env=BatchedCartPole(config.num_envs))`."""

    def __init__(self, num_envs: int, first_index: int = 0):
        super().__init__(CartPole, num_envs, first_index)


class BatchedPendulum(BatchedEnv):
    """N times Pendulum-v1 in one array."""

    def __init__(self, num_envs: int, first_index: int = 0):
        super().__init__(Pendulum, num_envs, first_index)


def check_count(num_envs: int) -> int:
    """A number of environments, or a ConfigError."""
    if isinstance(num_envs, bool) or not isinstance(num_envs, int) or num_envs < 1:
        raise ConfigError(f"num_envs={num_envs!r} must be an integer, at least 1")
    return num_envs


# ---- environments that never leave their device


class TensorStep(NamedTuple):
    """One step of N environments on a device: StepResult with tensors, each [N, ...]."""

    obs: Tensor  # [N, O] float32: what the policy sees next
    next_obs: Tensor  # [N, O] float32: the true successor of the step
    rewards: Tensor  # [N] float32
    terminated: Tensor  # [N] bool
    truncated: Tensor  # [N] bool


class TensorEnv:
    """N environments of one game as tensors on one device, with the same numbers as BatchedEnv.

    `step` asks no tensor for its value and writes its state in place, so it can be part of a CUDA graph. Therefore it
    cannot refuse wrong actions either: a Discrete action that is not 1 counts as 0, a Box action is clipped.

    Args: `dtype` of the state: float64 for Gymnasium's numbers, float32 for a GPU that is slow with float64.
    """

    def __init__(
        self,
        game: type[Game],
        num_envs: int,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float64,
    ):
        self.game, self.num_envs, self.device, self.dtype = (
            game,
            check_count(num_envs),
            torch.device(device),
            dtype,
        )
        self.single_observation_space, self.single_action_space = game.spaces()
        integers = {"dtype": torch.int64, "device": self.device}
        self.state = torch.zeros((game.STATE_SIZE, num_envs), dtype=dtype, device=self.device)  # [S, N]
        self.keys = torch.zeros((game.STATE_SIZE, num_envs), **integers)  # [S, N]
        self.steps, self.episodes = (
            torch.zeros(num_envs, **integers),
            torch.zeros(num_envs, **integers),
        )  # [N]

    def reset(self, seed: int) -> Tensor:
        """Start episode 0 of `seed` everywhere. Returns obs [N, O]. Not for a graph: the keys come from the host."""
        self.keys.copy_(torch.from_numpy(stream_keys(check_seed(seed, first=True), *self.keys.shape[::-1])))
        self.steps.zero_()
        self.episodes.zero_()
        self.state.copy_(self.game.start(uniform(self.keys, self.episodes)))
        return self.observations()

    def step(self, actions: Tensor) -> TensorStep:
        """Step every environment; actions are [N] int64 or [N, A] float."""
        if self.single_action_space.shape:
            actions = actions.to(torch.float32)  # the type of the action space
        state, rewards, terminated = self.game.step(self.state, actions)
        self.steps += 1
        truncated = self.steps >= self.game.MAX_STEPS
        done = terminated | truncated
        self.episodes += done
        self.steps *= ~done
        self.state.copy_(state)
        next_obs = self.observations()
        # Where nothing ended the new start is computed too, and thrown away: to ask would be to wait for the device.
        starts = self.game.start(uniform(self.keys, self.episodes)).to(self.dtype)
        self.state.copy_(torch.where(done, starts, state))
        return TensorStep(self.observations(), next_obs, rewards.to(torch.float32), terminated, truncated)

    def observations(self) -> Tensor:
        """What the states of the moment look like, [N, O] float32."""
        return self.game.observe(self.state).T.to(torch.float32, copy=True)  # the state is written in place
