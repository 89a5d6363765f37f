"""What goes into an environment and what comes out of it, refused with a sentence that says what was expected."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from ppo_core.errors import ConfigError, EnvironmentFault, UnsupportedSpaceError


def check_env_fns(env_fns: Sequence[Callable[[], gym.Env]]) -> list[Callable[[], gym.Env]]:
    """A non-empty list of callables, or a ConfigError."""
    if callable(env_fns) or not len(env_fns := list(env_fns)):
        raise ConfigError(
            f"env_fns={env_fns!r} must be a non-empty list of zero-argument callables, "
            "such as [partial(make_env, 'CartPole-v1')] * 4"
        )
    for i, env_fn in enumerate(env_fns):
        if not callable(env_fn):
            raise ConfigError(
                f"env_fns[{i}]={env_fn!r} is not callable: "
                "pass a function that makes the environment, not the environment"
            )
    return env_fns


def check_seed(seed: int | None, first: bool) -> int | None:
    """A seed as a plain int; a random one where none was ever given; None means: go on."""
    if seed is None:
        return int(np.random.SeedSequence().generate_state(1)[0]) if first else None
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**63:
        raise ConfigError(f"seed={seed!r} must be an integer between 0 and 2⁶³-1, or None")
    return int(seed)


def check_mode(check: str, first_index: int) -> None:
    """How often answers are checked, and the index of environment 0, or a ConfigError."""
    if check not in ("always", "first"):
        raise ConfigError(f"check={check!r} must be 'always' or 'first'")
    if isinstance(first_index, bool) or not isinstance(first_index, int) or first_index < 0:
        raise ConfigError(f"first_index={first_index!r} must be an integer, at least 0")


def check_equal_spaces(spaces: Sequence[tuple[gym.Space, gym.Space]], first_index: int = 0) -> None:
    """All environments must have the spaces of the first, or an EnvironmentFault names one that differs."""
    for i, pair in enumerate(spaces, first_index):
        for kind, mine, first in zip(("observation_space", "action_space"), pair, spaces[0], strict=True):
            if mine != first:
                raise EnvironmentFault(
                    f"environment {i} has {kind} {mine}, but environment {first_index} has {first}: "
                    "all environments of a vector need equal spaces"
                )


def check_actions(actions: Any, space: gym.Space, num_envs: int) -> np.ndarray:
    """Actions as an array [N] (Discrete) or [N, *action] in `space`, or a ConfigError that says which is not."""
    shape = (num_envs, *(space.shape or ()))
    try:
        actions = np.array(actions)  # a copy: an environment may write into what it is given
    except ValueError:
        raise ConfigError(f"actions {shorten(actions)} are not one array, expected shape {shape}") from None
    if actions.shape != shape:
        raise ConfigError(
            f"actions have shape {actions.shape}, expected {shape}: one action for each of {num_envs} environments"
        )
    if isinstance(space, gym.spaces.Discrete):
        if actions.dtype.kind not in "iu":
            raise ConfigError(f"actions have dtype {actions.dtype}, expected integers for {space}")
        listed = actions.tolist()  # Python compares a handful of numbers sooner than NumPy is called
        if min(listed) < space.start or max(listed) >= space.start + space.n:
            wrong = int(np.flatnonzero((actions < space.start) | (actions >= space.start + space.n))[0])
            raise ConfigError(
                f"actions[{wrong}]={actions[wrong]} is outside {space}: "
                f"its actions go from {space.start} to {space.start + space.n - 1}"
            )
    elif isinstance(space, gym.spaces.Box):
        if actions.dtype.kind not in ("fiu" if space.dtype.kind == "f" else "iu"):
            raise ConfigError(f"actions have dtype {actions.dtype}, expected {space.dtype} for {space}")
        with np.errstate(over="ignore"):
            actions = actions.astype(space.dtype, copy=False)
        inside = (actions >= space.low) & (actions <= space.high) & np.isfinite(actions)
        if not inside.all():
            where = tuple(int(k) for k in np.argwhere(~inside)[0])
            raise ConfigError(
                f"actions{list(where)}={actions[where]} is outside {space}: clip actions for the environment, "
                "and keep the sampled ones for the log-probability"
            )
    else:
        for i, action in enumerate(actions):
            if actions.dtype.kind not in "iub" or not space.contains(action.astype(space.dtype)):
                raise ConfigError(f"actions[{i}]={shorten(action)} is not in {space}")
    return actions


def check_finite(obs: np.ndarray, first_index: int = 0) -> np.ndarray:
    """Observations [N, *obs] of environments `first_index` onward, all finite, or an EnvironmentFault."""
    # A sum of squares is finite only if every number is; where it is not, it may have overflowed, so look at each.
    if obs.dtype.kind == "f" and not math.isfinite(np.vdot(obs, obs)) and not np.isfinite(obs).all():
        i = int(np.argwhere(~np.isfinite(obs))[0][0])
        raise EnvironmentFault(
            f"environment {first_index + i}: observation {shorten(obs[i])} holds a NaN or an infinity"
        )
    return obs


class ObservationCheck:
    """What is asked of the observations [N, *obs] of a vector: all finite, and with check="always" inside their space.

    A NaN is an EnvironmentFault. A number out of bounds is a warning, once: many good environments leave theirs.
    """

    def __init__(self, space: gym.Space, check: str, first_index: int):
        self.space, self.first_index, self.bounds = space, first_index, None
        if check == "always" and isinstance(space, gym.spaces.Box):
            some = np.finfo(space.dtype) if space.dtype.kind == "f" else np.iinfo(space.dtype)
            if (space.low > some.min).any() or (space.high < some.max).any():
                self.bounds = np.maximum(space.low, some.min), np.minimum(space.high, some.max)

    def __call__(self, obs: np.ndarray) -> np.ndarray:
        """The same observations [N, *obs], or an EnvironmentFault that names the environment."""
        if self.bounds is None:
            return check_finite(obs, self.first_index)
        low, high = self.bounds  # both are finite, so what lies between them is finite too
        if np.count_nonzero((obs >= low) & (obs <= high)) < obs.size:
            self.warn_outside(check_finite(obs, self.first_index))
        return obs

    def warn_outside(self, obs: np.ndarray) -> None:
        """Compare finite observations [N, *obs] with the bounds of their space."""
        if self.bounds is None or not np.count_nonzero((obs < self.bounds[0]) | (obs > self.bounds[1])):
            return
        i, *where = map(int, np.argwhere((obs < self.bounds[0]) | (obs > self.bounds[1]))[0])
        self.bounds = None  # said once
        warnings.warn(
            f"environment {self.first_index + i}: observation{where or ''}={obs[(i, *where)]} is outside "
            f"{shorten(self.space)}, its observation_space; training goes on, and no more is said about it",
            stacklevel=4,
        )


def array_spec(space: gym.Space, name: str = "observation_space") -> tuple[tuple[int, ...], np.dtype]:
    """Shape and dtype of what `space` holds, or UnsupportedSpaceError where that is not one array."""
    if isinstance(space, (gym.spaces.Dict, gym.spaces.Tuple)) or space.shape is None or space.dtype is None:
        wrapper = "FlattenObservation" if name == "observation_space" else "TransformAction"
        raise UnsupportedSpaceError(
            f"{name} {space} is not one array: wrap the environment, for example in gymnasium.wrappers.{wrapper}"
        )
    return space.shape, np.dtype(space.dtype)


def shorten(value: Any) -> str:
    """`repr` of a value on one line of at most 120 characters."""
    text = repr(value).replace("\n", " ")
    return text if len(text) <= 120 else text[:117] + "..."
