"""Environments for the fault suite. Importable from a worker process; torch is imported only where that is the point.

`Rows` is the row-integrity environment: its observation is [environment, episode, step, last action], so that each
row of an answer proves which action it answers. All others are `Rows` with one fault.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from typing import Any

import gymnasium as gym
import numpy as np

ACTIONS = 100
HIGHEST = 1e6  # of an observation


class Rows(gym.Env):
    """Observation [environment, episode, step, last action]; the reward of a step is 1000 · step + action."""

    def __init__(self, index: int):
        self.index, self.episode = index, -1
        self.observation_space = gym.spaces.Box(-1, HIGHEST, (4,), np.float32)
        self.action_space = gym.spaces.Discrete(ACTIONS)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[Any, dict]:
        super().reset(seed=seed)
        self.episode, self.elapsed, self.last = self.episode + 1, 0, -1.0
        return self.observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        self.elapsed, self.last = self.elapsed + 1, self.mark(action)
        reward = 1000.0 * self.elapsed + self.last
        ended, odd = self.elapsed >= length(self.index, self.episode), self.episode % 2 == 1
        return self.observe(), reward, ended and not odd, ended and odd, {}

    def mark(self, action: Any) -> float:
        return float(action)

    def observe(self) -> np.ndarray:
        return np.array([self.index, self.episode, self.elapsed, self.last], np.float32)


def length(index: int, episode: int) -> int:
    """How many steps an episode lasts."""
    return 3 + (index + episode) % 4


class BoxRows(Rows):
    """With two continuous actions; the first is the mark."""

    def __init__(self, index: int):
        super().__init__(index)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def mark(self, action: Any) -> float:
        return float(np.float32(np.ravel(action)[0]))


class Large(Rows):
    """Observations of 4 MB: the row, repeated."""

    def __init__(self, index: int):
        super().__init__(index)
        self.observation_space = gym.spaces.Box(-1, HIGHEST, (250_000, 4), np.float32)

    def observe(self) -> np.ndarray:
        return np.tile(super().observe(), (250_000, 1))


class Slow(Rows):
    """Each step of the environments in `which` (default: all) lasts `seconds`."""

    def __init__(self, index: int, seconds: float, which: tuple[int, ...] | None = None):
        super().__init__(index)
        self.seconds = seconds if which is None or index in which else 0.0

    def step(self, action: Any) -> tuple:
        time.sleep(self.seconds)
        return super().step(action)


class SlowReset(Rows):
    """From the second on, each reset lasts `seconds`."""

    def __init__(self, index: int, seconds: float):
        super().__init__(index)
        self.seconds = seconds

    def reset(self, **kwargs: Any) -> tuple:
        if self.episode >= 0:
            time.sleep(self.seconds)
        return super().reset(**kwargs)


class Flood(Rows):
    """Prints a megabyte in each step, on both streams."""

    def step(self, action: Any) -> tuple:
        print("x" * 1_000_000)
        print("y" * 1_000_000, file=sys.stderr)
        return super().step(action)


class Parent(Rows):
    """Has a process of its own, and ends it in `close()`."""

    def __init__(self, index: int):
        super().__init__(index)
        self.child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,), daemon=True)
        self.child.start()

    def close(self) -> None:
        self.child.kill()
        self.child.join()


class WithTorch(Rows):
    """Multiplies matrices with torch in each step, with as many threads as torch finds right."""

    def step(self, action: Any) -> tuple:
        matrices()
        return super().step(action)


def matrices() -> None:
    import torch

    a = torch.ones(400, 400)
    for _ in range(5):
        a = (a @ a).clamp(0, 1)


class Thrifty(Rows):
    """Returns one and the same array from every call."""

    def observe(self) -> np.ndarray:
        if not hasattr(self, "array"):
            self.array = np.zeros(4, np.float32)
        self.array[:] = super().observe()
        return self.array


class Boom(Exception):
    """An error with a name of its own."""


class TwoArguments(Exception):
    """Can be pickled, but not built again from what was pickled."""

    def __init__(self, first: str, second: str):
        super().__init__(f"{first}, {second}")


class Unpicklable(Exception):
    def __reduce__(self):
        raise TypeError("this exception does not travel")


def fail(how: str) -> Any:
    """Break in the way that `how` names; returns what a step shall return where that is the fault."""
    good = np.array([1, 0, 0, -1], np.float32)
    if how == "raise":
        raise Boom("the sky fell")
    if how == "two arguments":
        raise TwoArguments("the sky", "fell")
    if how == "unpicklable":
        raise Unpicklable("the sky fell")
    if how == "KeyboardInterrupt":
        raise KeyboardInterrupt("the sky fell")
    if how == "SIGKILL":
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(600)
    if how == "segfault":
        ctypes.string_at(0)
    if how == "sys.exit":
        sys.exit(3)
    if how == "os._exit":
        os._exit(7)
    if how == "hang":
        time.sleep(600)
    if how == "hang, SIGTERM ignored":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline:
            time.sleep(1)
    nan, large = good.copy(), good.copy()
    nan[2], large[2] = np.nan, 2 * HIGHEST
    return {
        "shape": (good[:3], 0.0, False, False, {}),
        "scalar": (1.0, 0.0, False, False, {}),
        "None": (None, 0.0, False, False, {}),
        "NaN": (nan, 0.0, False, False, {}),
        "infinite after the cast": (np.array([1.0, 0.0, 1e300, 0.0]), 0.0, False, False, {}),
        "out of bounds": (large, 0.0, False, False, {}),
        "reward NaN": (good, float("nan"), False, False, {}),
        "reward None": (good, None, False, False, {}),
        "reward array": (good, np.zeros(3), False, False, {}),
        "4-tuple": (good, 0.0, False, {}),
        "unpicklable info": (good, 0.0, False, False, {"lock": threading.Lock()}),
    }[how]


class Faulty(Rows):
    """Environment 1 breaks as `how` says, in `where`: "make", "reset", "autoreset" or, at step `when`, "step"."""

    def __init__(self, index: int, how: str, where: str = "step", when: int = 2):
        super().__init__(index)
        self.how, self.where, self.when, self.steps, self.resets = how, where, when, 0, 0
        if where == "make" and index == 1:
            fail(how)

    def reset(self, **kwargs: Any) -> Any:
        self.resets += 1
        asked = self.where == "reset" or (self.where == "autoreset" and self.resets > 1)
        if asked and self.index == 1:
            answer = fail(self.how)
            return answer[0] if answer else None
        return super().reset(**kwargs)

    def step(self, action: Any) -> Any:
        self.steps += 1
        if self.where == "step" and self.steps == self.when and self.index == 1:
            answer = super().step(action)
            wrong = fail(self.how)
            return (*answer[:4], wrong[4]) if self.how == "unpicklable info" else wrong
        return super().step(action)


class ResetWithoutInfo(Rows):
    def reset(self, **kwargs: Any) -> Any:
        return super().reset(**kwargs)[0]


class RewardInArray(Rows):
    """Its reward is the right number, in an array of shape (1,)."""

    def step(self, action: Any) -> tuple:
        obs, reward, terminated, truncated, info = super().step(action)
        return obs, np.array([reward], np.float32), terminated, truncated, info


class DiesAfterAnswer(Rows):
    """Environment 0 is slow; environment 1 answers with an info of 8 MB, and its process is killed 0.3 s later."""

    def step(self, action: Any) -> tuple:
        *answer, _ = super().step(action)
        if self.index == 0:
            time.sleep(0.8)
            return *answer, {}
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGKILL)).start()
        return *answer, {"payload": bytes(8_000_000)}


class OtherSpaces(Rows):
    """Environment 1 has another space than environment 0."""

    def __init__(self, index: int, which: str):
        super().__init__(index)
        if index == 1 and which == "shape":
            self.observation_space = gym.spaces.Box(-1, HIGHEST, (5,), np.float32)
        if index == 1 and which == "bounds":
            self.observation_space = gym.spaces.Box(-2, HIGHEST, (4,), np.float32)
        if index == 1 and which == "actions":
            self.action_space = gym.spaces.Discrete(ACTIONS + 1)

    def observe(self) -> np.ndarray:
        row = super().observe()
        return np.append(row, np.float32(0)) if self.observation_space.shape == (5,) else row


class SlowToMake(Rows):
    def __init__(self, index: int, seconds: float):
        super().__init__(index)
        time.sleep(seconds)


class Hang(Rows):
    def step(self, action: Any) -> tuple:
        return fail("hang")


class DiesOnce(Rows):
    """Environment 1 dies in its first step if the file `flag` is there, which it removes first."""

    def __init__(self, index: int, flag: str):
        super().__init__(index)
        self.flag = flag

    def step(self, action: Any) -> tuple:
        if self.index == 1 and os.path.exists(self.flag):
            os.remove(self.flag)
            fail("SIGKILL")
        return super().step(action)
