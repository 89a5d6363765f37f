"""Two trainers behind one small interface, ours and Stable-Baselines3's, so that each fault is tried on both.

A side makes a trainer on small environments, trains it a number of iterations, saves, resumes, and says in one digest
what the trainer is. Run as a program, it trains in a process of its own and prints that digest.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

NUM_ENVS, NUM_STEPS, ITERATIONS = 3, 8, 5
SMALL = {"num_envs": NUM_ENVS, "num_steps": NUM_STEPS, "num_minibatches": 2, "update_epochs": 2, "seed": 4}
Hook = Callable[
    [int], None
]  # called with the number of the environment step, or of the optimiser step, from 1


class Poison(gym.Wrapper):
    """One environment that answers `value` instead of its reward, or somewhere in its observation, in its n-th step."""

    def __init__(self, env: gym.Env, field: str, at: int, value: float):
        super().__init__(env)
        self.field, self.left, self.value = field, at, value

    def step(self, action: Any) -> tuple:
        obs, reward, terminated, truncated, info = self.env.step(action)
        self.left -= 1
        if self.left == 0 and self.field == "reward":
            reward = self.value
        elif self.left == 0:
            obs = np.asarray(obs, np.float32).copy()
            obs[-1] = self.value
        return obs, reward, terminated, truncated, info


class Hooked(gym.Wrapper):
    """One environment that calls `hook(n)` before its n-th step."""

    def __init__(self, env: gym.Env, hook: Hook):
        super().__init__(env)
        self.hook, self.steps = hook, 0

    def step(self, action: Any) -> tuple:
        self.steps += 1
        self.hook(self.steps)
        return self.env.step(action)


def make_one(env_id: str = "CartPole-v1", poison: tuple | None = None, hook: Hook | None = None) -> gym.Env:
    env = gym.make(env_id, disable_env_checker=True)
    env = Poison(env, *poison) if poison else env
    return Hooked(env, hook) if hook else env


def factories(
    num_envs: int, env_id: str = "CartPole-v1", poison: tuple | None = None, hook: Hook | None = None
) -> list:
    """Environment 1 (or 0, if it is alone) has the poison, environment 0 the hook."""
    fns = [partial(make_one, env_id) for _ in range(num_envs)]
    if poison:
        fns[min(1, num_envs - 1)] = partial(make_one, env_id, poison)
    if hook:
        fns[0] = partial(make_one, env_id, None, hook)
    return fns


def digest_of(arrays: dict[str, Any]) -> str:
    """One hash over named arrays: their bytes, shapes and types."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name} {array.dtype} {array.shape} ".encode() + array.tobytes())
    return total.hexdigest()[:16]


def hook_optimizer(optimizer: Any, hook: Hook | None) -> None:
    """Call `hook(n)` before the n-th step of an optimiser."""
    if hook is None:
        return
    step, done = optimizer.step, 0

    def hooked(*arguments: Any, **keywords: Any) -> Any:
        nonlocal done
        done += 1
        hook(done)
        return step(*arguments, **keywords)

    optimizer.step = hooked


class Ours:
    """ppo_core."""

    name = "ppo_core"
    extension = ".safetensors"

    @staticmethod
    def version() -> str:
        return f"ppo_core {importlib.metadata.version('ppo-core')}"

    @staticmethod
    def config(**changes: Any) -> Any:
        from ppo_core import PPOConfig

        settings = {**SMALL, "hidden_size": 8, **changes}
        settings.setdefault("total_timesteps", ITERATIONS * settings["num_envs"] * settings["num_steps"])
        return PPOConfig(**settings)

    @classmethod
    def make(
        cls,
        workers: int = 0,
        poison: tuple | None = None,
        env_hook: Hook | None = None,
        adam_hook: Hook | None = None,
        **changes: Any,
    ) -> Any:
        from ppo_core import SerialVectorEnv, Trainer

        config = cls.config(num_workers=workers, **changes)
        env = None
        if poison or env_hook:
            env = SerialVectorEnv(factories(config.num_envs, config.env_id, poison, env_hook))
        trainer = Trainer(config, env)
        hook_optimizer(trainer.optimizer, adam_hook)
        return trainer

    @staticmethod
    def train(trainer: Any, iterations: int | None = None, after: Callable[[], None] | None = None) -> Any:
        """Go on for so many iterations (to the end), calling `after` after each."""
        done = 0
        for _ in trainer.run():
            done += 1
            if after:
                after()
            if done == iterations:
                break
        return trainer

    @staticmethod
    def save(trainer: Any, path: Path) -> None:
        trainer.save(path)

    @staticmethod
    def resume(path: Path, workers: int = 0) -> Any:
        from ppo_core import Trainer

        return Trainer.resume(path, num_workers=workers)

    @staticmethod
    def weights(trainer: Any) -> str:
        return digest_of({"weights": trainer.weights.detach().numpy()})

    @staticmethod
    def digest(trainer: Any) -> str:
        """Weights, both moments and the step of Adam, the random generator, the episode log, the counters."""
        adam = trainer.optimizer.state.get(trainer.weights, {})
        log = trainer.episodes
        arrays = {
            "weights": trainer.weights.detach().numpy(),
            **{f"adam {name}": value.numpy() for name, value in adam.items()},
            "generator": trainer.generator.get_state().numpy(),
            "counters": [trainer.iteration, trainer.global_step],
            "episodes": log.count,
            "lengths": log.lengths,
            "returns": log.returns,
            "recent": np.array(log.recent, float),
            "played": np.concatenate(log.actions),
        }
        return digest_of(arrays)

    @staticmethod
    def finite(trainer: Any) -> bool:
        return bool(np.isfinite(trainer.weights.detach().numpy()).all())


class SB3:
    """Stable-Baselines3's PPO, by its public interface, with the same sizes."""

    name = "stable_baselines3"
    extension = ".zip"

    @staticmethod
    def version() -> str:
        return f"stable_baselines3 {importlib.metadata.version('stable-baselines3')}"

    @classmethod
    def make(
        cls,
        workers: int = 0,
        poison: tuple | None = None,
        env_hook: Hook | None = None,
        adam_hook: Hook | None = None,
        **changes: Any,
    ) -> Any:
        import torch
        from stable_baselines3 import PPO
        from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

        settings = {**SMALL, **changes}
        num_envs, num_steps = settings["num_envs"], settings["num_steps"]
        fns = factories(num_envs, settings.get("env_id", "CartPole-v1"), poison, env_hook)
        env = SubprocVecEnv(fns, start_method="fork" if sys.platform == "linux" else None) if workers else DummyVecEnv(fns)  # fmt: skip
        size = settings.get("batch_size", num_envs * num_steps // settings["num_minibatches"])
        before = torch.get_num_threads()
        model = PPO(
            "MlpPolicy", env, n_steps=num_steps, batch_size=size, n_epochs=settings["update_epochs"], seed=settings["seed"],
            device="cpu", policy_kwargs={"net_arch": [8, 8]},
        )  # fmt: skip
        torch.set_num_threads(before)
        model.wanted = ITERATIONS * num_envs * num_steps
        hook_optimizer(model.policy.optimizer, adam_hook)
        return model

    @staticmethod
    def train(model: Any, iterations: int | None = None, after: Callable[[], None] | None = None) -> Any:
        from stable_baselines3.common.callbacks import BaseCallback

        size = model.n_envs * model.n_steps
        wanted = getattr(model, "wanted", ITERATIONS * size)
        steps = wanted - model.num_timesteps if iterations is None else iterations * size

        class After(BaseCallback):
            """`after` once the update of a rollout is done: before the next one begins, and at the end."""

            begun = False

            def _on_step(self) -> bool:
                return True

            def _on_rollout_start(self) -> None:
                if self.begun and after:
                    after()
                self.begun = True

            def _on_training_end(self) -> None:
                if after:
                    after()

        return model.learn(steps, callback=After(), reset_num_timesteps=False)

    @staticmethod
    def save(model: Any, path: Path) -> None:
        model.save(path)

    @classmethod
    def resume(cls, path: Path, workers: int = 0) -> Any:
        from stable_baselines3 import PPO
        from stable_baselines3.common.vec_env import DummyVecEnv

        return PPO.load(path, env=DummyVecEnv(factories(NUM_ENVS)), device="cpu")

    @staticmethod
    def weights(model: Any) -> str:
        return digest_of({k: v.numpy() for k, v in model.policy.state_dict().items()})

    @staticmethod
    def digest(model: Any) -> str:
        """Weights and the state of Adam. (Its random generators are global, and no checkpoint holds them.)"""
        arrays = {k: v.numpy() for k, v in model.policy.state_dict().items()}
        for number, adam in model.policy.optimizer.state_dict()["state"].items():
            arrays |= {f"adam {number} {name}": value.numpy() for name, value in adam.items()}
        return digest_of({**arrays, "counters": [model.num_timesteps]})

    @staticmethod
    def finite(model: Any) -> bool:
        return all(bool(np.isfinite(v.numpy()).all()) for v in model.policy.state_dict().values())


SIDES = {side.name: side for side in (Ours, SB3)}


def main() -> None:
    """`trainer_sides.py SIDE`, with settings as JSON on stdin: train to the end and print the digest."""
    import torch

    torch.set_num_threads(1)
    side = SIDES[sys.argv[1]]
    trainer = side.train(side.make(**json.loads(sys.stdin.read() or "{}")))
    print(side.digest(trainer))


if __name__ == "__main__":
    main()
