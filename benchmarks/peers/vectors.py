"""Step vectors of environments: cells come as lines of JSON on standard input, each is answered by one line.

A cell names who steps (`arm`), what (`work`, see workloads.py), how many environments (`envs`), for how many seconds.
"""

import contextlib
import json
import multiprocessing
import sys
import time
import traceback

import gymnasium as gym
import numpy as np
from protocol import MARK, cpu_seconds
from workloads import env_fn

SAME_STEP = {"autoreset_mode": gym.vector.AutoresetMode.SAME_STEP}


def ours(kind: str, **more):
    from ppo_core.envs import SerialVectorEnv
    from ppo_core.parallel import ParallelVectorEnv

    return lambda env_fns: {"serial": SerialVectorEnv, "parallel": ParallelVectorEnv}[kind](env_fns, **more)


def ours_batched(env_fns):
    from ppo_core.extras.batched import BatchedCartPole

    return BatchedCartPole(len(env_fns))


def sb3(kind: str):
    from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

    if kind == "dummy":
        return DummyVecEnv
    # its default would import torch in every process: half a minute of CPU for 32; the speed of steps is the same
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    return lambda env_fns: SubprocVecEnv(env_fns, start_method=method)


ARMS = {
    "ours serial": lambda: ours("serial"),
    "ours serial, check first": lambda: ours("serial", check="first"),
    "ours parallel": lambda: ours("parallel"),
    "ours parallel, check first": lambda: ours("parallel", check="first"),
    "ours batched": lambda: ours_batched,
    "gymnasium sync": lambda: lambda env_fns: gym.vector.SyncVectorEnv(env_fns, **SAME_STEP),
    "gymnasium async": lambda: lambda env_fns: gym.vector.AsyncVectorEnv(env_fns, **SAME_STEP),
    "gymnasium vectorised": lambda: (
        lambda env_fns: gym.make_vec(
            "CartPole-v1", num_envs=len(env_fns), vectorization_mode="vector_entry_point"
        )
    ),
    "sb3 dummy": lambda: sb3("dummy"),
    "sb3 subproc": lambda: sb3("subproc"),
}


def measure(arm: str, work: str, envs: int, seconds: float) -> dict:
    """Step with actions drawn before, for about `seconds` on the wall, after a tenth of it to warm up."""
    before = cpu_seconds()
    with contextlib.closing(ARMS[arm]()([env_fn(work)] * envs)) as env:
        if arm.startswith("sb3"):
            env.seed(1)
            env.reset()
        else:
            env.reset(seed=1)
        actions = np.random.default_rng(1).integers(0, 2, (64, envs))
        started, own = time.perf_counter(), cpu_seconds()
        warm = k = 0
        while True:
            for _ in range(4):
                env.step(actions[k % 64])
                k += 1
            now = time.perf_counter()
            if not warm and now - started >= seconds / 10:
                warm, started, own = k, now, cpu_seconds()
            elif warm and now - started >= seconds:
                break
        used = cpu_seconds() - own
    return {
        "steps": (k - warm) * envs,
        "wall_s": round(now - started, 4),
        "parent_cpu_s": round(used, 4),
        "all_cpu_s": round(cpu_seconds() - before, 4),
    }


if __name__ == "__main__":
    for line in sys.stdin:
        cell = json.loads(line)
        try:
            answer = measure(**cell)
        except Exception as error:  # the other cells go on
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"[:200]}
        print(MARK + json.dumps({**cell, **answer}), flush=True)
