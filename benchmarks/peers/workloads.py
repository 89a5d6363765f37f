"""Environments whose step costs what we say: CPU time for nothing, or images."""

from __future__ import annotations

import time
from functools import partial

import gymnasium as gym
import numpy as np


class Burn(gym.Env):
    """Each step uses up `microseconds` of CPU time; an episode has 200 steps."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (4,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, microseconds: float = 100.0):
        self.seconds, self.steps = microseconds * 1e-6, 0

    def reset(self, *, seed=None, options=None):
        self.steps = 0
        return np.zeros(4, np.float32), {}

    def step(self, action):
        end = time.thread_time() + self.seconds
        while time.thread_time() < end:
            pass
        self.steps += 1
        return np.zeros(4, np.float32), 1.0, False, self.steps >= 200, {}


class Images(gym.Env):
    """Observations of 84 x 84 x 4 bytes, which cost almost nothing to make; an episode has 200 steps."""

    observation_space = gym.spaces.Box(0, 255, (84, 84, 4), np.uint8)
    action_space = gym.spaces.Discrete(2)

    def __init__(self):
        self.steps, self.image = 0, np.zeros((84, 84, 4), np.uint8)

    def reset(self, *, seed=None, options=None):
        self.steps = 0
        return self.image, {}

    def step(self, action):
        self.steps += 1
        self.image[self.steps % 84] = self.steps % 251
        return self.image, 1.0, False, self.steps >= 200, {}


def env_fn(work: str):
    """A callable that makes one environment: `burn:300`, `images`, or a name that Gymnasium knows."""
    if work.startswith("burn:"):
        return partial(Burn, float(work.split(":")[1]))
    if work == "images":
        return Images
    return partial(gym.make, work)
