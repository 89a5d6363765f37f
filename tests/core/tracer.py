"""Environments that a test can see through. Importable from a worker process; never imports torch.

`Tracer` writes down in each observation where it comes from, so that a row of a rollout proves which transition it is.
`Faulty` breaks the contract in one chosen way, at one chosen moment.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

FINGERPRINT = 2**20  # float32 holds every integer below 2²⁴


class Tracer(gym.Env):
    """The observation is [environment, fingerprint of the episode's seed, step, last action, a random number].

    The length of an episode, and whether it is terminated, truncated or both, follow from its seed; `expected_end` says how.
    The reward of a step is 10 · (steps done before it) + its action.
    """

    def __init__(self, name: int, actions: int = 4, longest: int = 7):
        self.name, self.longest = name, longest
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (5,), np.float32)
        self.action_space = gym.spaces.Discrete(actions)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.fingerprint = (-1 if seed is None else seed) % FINGERPRINT
        self.length, self.how = expected_end(self.fingerprint, self.longest)
        self.elapsed, self.last = 0, -1.0
        return self.observe(), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        assert self.elapsed < self.length, "a step after the end of the episode"
        reward = self.reward(action)
        self.elapsed, self.last = self.elapsed + 1, self.mark(action)
        ended = self.elapsed == self.length
        return (
            self.observe(),
            reward,
            ended and self.how != "truncated",
            ended and self.how != "terminated",
            {},
        )

    def mark(self, action: Any) -> float:
        return float(action)

    def reward(self, action: Any) -> float:
        return 10.0 * self.elapsed + float(action)

    def observe(self) -> np.ndarray:
        return np.array(
            [self.name, self.fingerprint, self.elapsed, self.last, self.np_random.random()], np.float32
        )


class ContinuousTracer(Tracer):
    """The same with a Box of two narrow dimensions; an action is marked by its first number, the reward by its second."""

    def __init__(self, name: int, bound: float = 0.3, longest: int = 7):
        super().__init__(name, longest=longest)
        self.action_space = gym.spaces.Box(-bound, bound, (2,), np.float32)

    def mark(self, action: Any) -> float:
        assert self.action_space.contains(action), f"{action} is outside {self.action_space}"
        return float(action[0])

    def reward(self, action: Any) -> float:
        return float(action[1])


def expected_end(fingerprint: int, longest: int = 7) -> tuple[int, str]:
    """Length and kind of the end of the episode with this fingerprint; a seventh end in both ways at once."""
    kinds = ("terminated", "truncated", "terminated", "truncated", "terminated", "truncated", "both")
    return 1 + fingerprint % longest, kinds[fingerprint // longest % 7]


class Drifting(gym.Env):
    """Ignores its seed: its second episode ends after two steps, all others after fifty, so no replay goes as before."""

    def __init__(self):
        self.lives = 0
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (1,), np.float32)
        self.action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        self.lives, self.elapsed = self.lives + 1, 0
        return np.zeros(1, np.float32), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.elapsed += 1
        return (
            np.full(1, self.elapsed, np.float32),
            1.0,
            self.elapsed == (2 if self.lives == 2 else 50),
            False,
            {},
        )


class Modules(Tracer):
    """Its observation says whether this process has imported torch, and whether it has imported `also`."""

    def __init__(self, also: str = "gymnasium"):
        super().__init__(0)
        self.also = also

    def observe(self) -> np.ndarray:
        return np.array(["torch" in sys.modules, self.also in sys.modules, os.getpid(), 0, 0], np.float32)


class Boom(Exception):
    """An error with a name of its own."""


class TwoArguments(Exception):
    """Can be pickled, but not built again from what was pickled."""

    def __init__(self, first: str, second: str):
        super().__init__(f"{first} and {second}")


class Unpicklable(Exception):
    def __reduce__(self):
        raise TypeError("this exception does not want to travel")


class BecomesAString(Exception):
    """Unpickles as something that is no exception."""

    def __reduce__(self):
        return str, ("no exception",)


class Speechless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even its text can be had")


def fail(how: str) -> Any:
    """Break in the way that `how` names; returns what a step shall return where that is the fault."""
    good = np.zeros(5, np.float32)
    if how == "raise":
        raise Boom("the sky fell")
    if how == "two arguments":
        raise TwoArguments("this", "that")
    if how == "unpicklable":
        raise Unpicklable("the sky fell")
    if how == "becomes a string":
        raise BecomesAString("the sky fell")
    if how == "speechless":
        raise Speechless("the sky fell")
    if how == "long":
        raise Boom("the sky fell " + "雨" * 100_000)
    if how == "keyboard interrupt":
        raise KeyboardInterrupt("the environment's own")
    if how == "sys.exit":
        sys.exit(3)
    if how == "os._exit":
        os._exit(7)
    if how == "kill":
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
        time.sleep(60)
    if how == "hang":
        time.sleep(600)
    if how == "hang and ignore SIGTERM":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    return {
        "wrong shape": (np.zeros(4, np.float32), 0.0, False, False, {}),
        "extra axis": (np.zeros((1, 5), np.float32), 0.0, False, False, {}),
        "scalar": (1.0, 0.0, False, False, {}),
        "None": (None, 0.0, False, False, {}),
        "text": ("five", 0.0, False, False, {}),
        "ragged": ([[1.0, 2.0], [3.0]], 0.0, False, False, {}),
        "complex": (np.zeros(5, complex), 0.0, False, False, {}),
        "NaN": (np.array([0, np.nan, 0, 0, 0], np.float32), 0.0, False, False, {}),
        "NaN at the end": (np.array([0, np.nan, 0, 0, 0], np.float32), 0.0, True, False, {}),
        "inf": (np.array([0, np.inf, 0, 0, 0], np.float32), 0.0, False, False, {}),
        "inf after the cast": (np.array([0, 1e300, 0, 0, 0]), 0.0, False, False, {}),
        "4-tuple": (good, 0.0, False, {}),
        "nothing": None,
        "reward NaN": (good, float("nan"), False, False, {}),
        "reward inf": (good, float("inf"), False, False, {}),
        "reward None": (good, None, False, False, {}),
        "reward array": (good, np.zeros(2), False, False, {}),
    }[how]


class Faulty(Tracer):
    """A tracer that fails once `how` says, in `where`: "make", "reset", "autoreset" or "step" number `when` of its life.

    With `flag`, a path, it fails only while that file exists, and removes it first: so it fails once in all its lives.
    """

    def __init__(
        self,
        name: int,
        how: str,
        where: str = "step",
        when: int = 3,
        flag: str | None = None,
        longest: int = 7,
    ):
        super().__init__(name, longest=longest)
        self.fault, self.where, self.when, self.flag, self.lived, self.resets = how, where, when, flag, 0, 0
        if where == "make" and self.due():
            fail(how)

    def due(self) -> bool:
        if self.flag is None:
            return True
        there = os.path.exists(self.flag)
        if there:
            os.remove(self.flag)
        return there

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        self.resets += 1
        wanted = self.where == "reset" or (self.where == "autoreset" and self.resets > 1)
        if wanted and self.due():
            answer = fail(self.fault)
            return answer[:1] + answer[4:] if answer else answer
        return super().reset(seed=seed)

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.lived += 1
        if self.where == "step" and self.lived >= self.when and self.due():
            return fail(self.fault)
        return super().step(action)


class Slow(Tracer):
    """Sleeps in each step, and writes down that it did."""

    def __init__(self, name: int, seconds: float, log: str | None = None):
        super().__init__(name)
        self.seconds, self.log = seconds, log

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        if self.log:
            with Path(self.log).open("a") as file:
                file.write(f"{int(action)}\n")
        time.sleep(self.seconds)
        return super().step(action)


class Spacious(Tracer):
    """A tracer with spaces of your choice."""

    def __init__(self, observation_space: gym.Space | None = None, action_space: gym.Space | None = None):
        super().__init__(0)
        self.observation_space = self.observation_space if observation_space is None else observation_space
        self.action_space = self.action_space if action_space is None else action_space


class Echo(gym.Env):
    """Accepts any action of `action_space`; observes nothing but zeros; never ends."""

    def __init__(self, action_space: gym.Space):
        self.observation_space = gym.spaces.Box(-1, 1, (1,), np.float32)
        self.action_space = action_space

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        assert self.action_space.contains(np.asarray(action, self.action_space.dtype)), (
            f"{action} came through"
        )
        return np.zeros(1, np.float32), 0.0, False, False, {}


def tracers(num_envs: int, **kwargs: Any) -> list:
    """env_fns of `num_envs` tracers."""
    from functools import partial

    return [partial(Tracer, i, **kwargs) for i in range(num_envs)]


class Thrifty(Tracer):
    """Returns one and the same array from every call, and writes into the action that it was given."""

    def observe(self) -> np.ndarray:
        if not hasattr(self, "buffer"):
            self.buffer = np.zeros(5, np.float32)
        self.buffer[:] = super().observe()
        return self.buffer


class ThriftyContinuous(ContinuousTracer):
    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        answer = super().step(action)
        action[:] = 99.0
        return answer


class Parental(Tracer):
    """Starts a process of its own in each episode, as environments with a simulator do."""

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        import multiprocessing

        method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
        child = multiprocessing.get_context(method).Process(target=abs, args=(-1,))
        child.start()
        child.join()
        assert child.exitcode == 0
        return super().reset(seed=seed)
