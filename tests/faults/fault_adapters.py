"""The vector environments under test. Each is imported only in the process of its own trial.

A factory is called as `factory(env_fns, start_method, **options)`. The options are `timeout` and `start_timeout`
(seconds that a worker may take) and `restarts` (how often a dead worker is replaced); each is passed only if the
factory's `lacks` does not name it. It returns an object with

    reset(seed=None)  ->  obs [N, *obs]
    step(actions)     ->  something with .obs .next_obs .rewards .terminated .truncated (such as our StepResult),
                          or a tuple (obs, rewards, terminated, truncated, ...) whose obs begins a new episode at an end
    close()
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

SERIAL = ("processes", "timeout", "start_timeout", "restarts")


def ours(env_fns: Sequence, start_method: str, restarts: int = 0, **limits: float) -> Any:
    """`ppo_core.parallel.ParallelVectorEnv`, one worker for each environment."""
    from ppo_core.parallel import ParallelVectorEnv

    options: dict[str, Any] = {"step_timeout": limits["timeout"]} if "timeout" in limits else {}
    if "start_timeout" in limits:
        options["start_timeout"] = limits["start_timeout"]
    if restarts:
        options |= {"on_worker_death": "restart", "max_restarts": restarts}
    return ParallelVectorEnv(env_fns, len(env_fns), start_method, **options)


def serial(env_fns: Sequence, start_method: str) -> Any:
    """`ppo_core.envs.SerialVectorEnv`, in the process itself."""
    from ppo_core.envs import SerialVectorEnv

    return SerialVectorEnv(env_fns)


serial.lacks = SERIAL


class _Gymnasium:
    def __init__(self, env_fns: Sequence, start_method: str, timeout: float | None):
        from gymnasium.vector import AsyncVectorEnv, AutoresetMode

        self.timeout = timeout
        self.env = AsyncVectorEnv(env_fns, context=start_method, autoreset_mode=AutoresetMode.SAME_STEP)

    def reset(self, seed: int | None = None) -> Any:
        if self.timeout is None:
            return self.env.reset(seed=seed)[0]
        self.env.reset_async(seed=seed)
        return self.env.reset_wait(timeout=self.timeout)[0]

    def step(self, actions: Any) -> tuple:
        if self.timeout is None:
            return self.env.step(actions)
        self.env.step_async(actions)
        return self.env.step_wait(timeout=self.timeout)

    def close(self) -> None:
        self.env.close()


def gymnasium(env_fns: Sequence, start_method: str, timeout: float | None = None) -> Any:
    """`gymnasium.vector.AsyncVectorEnv` in the mode SAME_STEP, the one that is nearest to ours."""
    return _Gymnasium(env_fns, start_method, timeout)


gymnasium.lacks = ("start_timeout", "restarts")


class _StableBaselines3:
    def __init__(self, env_fns: Sequence, start_method: str):
        from stable_baselines3.common.vec_env import SubprocVecEnv

        self.env = SubprocVecEnv(list(env_fns), start_method=start_method)

    def reset(self, seed: int | None = None) -> Any:
        if seed is not None:
            self.env.seed(seed)
        return self.env.reset()

    def step(self, actions: Any) -> tuple:
        obs, rewards, done, infos = self.env.step(actions)
        truncated = [info.get("TimeLimit.truncated", False) for info in infos]
        return obs, rewards, [d and not t for d, t in zip(done, truncated, strict=True)], truncated

    def close(self) -> None:
        self.env.close()


def stable_baselines3(env_fns: Sequence, start_method: str) -> Any:
    """`stable_baselines3.common.vec_env.SubprocVecEnv`."""
    return _StableBaselines3(env_fns, start_method)


stable_baselines3.lacks = ("timeout", "start_timeout", "restarts")

ADAPTERS = {
    "ours": ("ParallelVectorEnv", "ppo-core", ours),
    "serial": ("SerialVectorEnv", "ppo-core", serial),
    "gymnasium": ("Gymnasium AsyncVectorEnv", "gymnasium", gymnasium),
    "stable-baselines3": ("Stable-Baselines3 SubprocVecEnv", "stable-baselines3", stable_baselines3),
}


def version_of(adapter: str) -> str:
    """The version of the package behind a named adapter; nothing for a factory in a file."""
    return version(ADAPTERS[adapter][1]) if adapter in ADAPTERS else ""
