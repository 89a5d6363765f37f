"""Processes that train together, for the tests: forked from one that has imported torch, so that each costs little.

What a rank does is a function of this module that takes its World. Its outcome comes back, whatever happens to it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import time
import traceback
from collections.abc import Callable
from functools import partial
from multiprocessing import connection
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from ppo_core import PPOConfig
from ppo_core.envs import SerialVectorEnv, make_env
from ppo_core.extras.distributed import DistributedTrainer, Share, World, make_share
from ppo_core.loss import LossTerms, normalize
from ppo_core.parallel import ParallelVectorEnv
from ppo_core.trainer import IterationStats, Trainer, clip_gradient


class Outcome(NamedTuple):
    """What became of a rank: exactly one of `value`, `error` and `code` says it."""

    value: Any = None
    error: tuple[str, str] | None = None  # the type's name and the message
    code: int | None = None  # its process ended without a word
    seconds: float = 0.0


class Ranks:
    """`ranks(function, size, ...)` runs `function(world, ...)` on each of `size` ranks and returns their outcomes."""

    def __init__(self):
        self.pipe, theirs = multiprocessing.Pipe()
        self.nursery = multiprocessing.get_context("spawn").Process(target=_nursery, args=(theirs,))
        self.nursery.start()
        theirs.close()

    def __call__(
        self, function: Callable, size: int, *args: Any, patience: float = 240.0, **options: Any
    ) -> list[Outcome]:
        with tempfile.TemporaryDirectory() as folder:
            self.pipe.send((function, size, os.path.join(folder, "store"), patience, args, options))
            return self.pipe.recv()

    def close(self) -> None:
        self.pipe.close()
        self.nursery.join(10)


def values(outcomes: list[Outcome]) -> list[Any]:
    assert all(one.error is None and one.code is None for one in outcomes), outcomes
    return [one.value for one in outcomes]


def _nursery(pipe: Any) -> None:
    torch.set_num_threads(1)  # a process with threads must not fork
    context = multiprocessing.get_context("fork")
    while True:
        try:
            function, size, store, patience, args, options = pipe.recv()
        except EOFError:
            return
        ends = [context.Pipe(duplex=False) for _ in range(size)]
        jobs = [(end, function, rank, size, store, args, options) for rank, (_, end) in enumerate(ends)]
        processes = [context.Process(target=_rank, args=job) for job in jobs]
        started = time.monotonic()
        for process, (_, end) in zip(processes, ends, strict=True):
            process.start()
            end.close()
        outcomes: list[Outcome] = [Outcome(error=("TimeoutError", f"not within {patience} s"))] * size
        waiting = {receive: rank for rank, (receive, _) in enumerate(ends)}
        while waiting and (left := started + patience - time.monotonic()) > 0:
            for receive in connection.wait(list(waiting), left):
                rank = waiting.pop(receive)
                try:
                    outcome = receive.recv()
                except EOFError:
                    processes[rank].join()
                    outcome = Outcome(code=processes[rank].exitcode)
                outcomes[rank] = outcome._replace(seconds=time.monotonic() - started)
        for process in processes:
            process.join(max(0.0, 5 if not waiting else 0))
            process.kill()
            process.join()
        pipe.send(outcomes)


def _rank(end: Any, function: Callable, rank: int, size: int, store: str, args: tuple, options: dict) -> None:
    try:
        world = World(rank, size, dist.FileStore(store, size), options.pop("timeout", 200.0))
        outcome = Outcome(value=function(world, *args, **options))
    except BaseException as error:
        outcome = Outcome(error=(type(error).__name__, str(error)))
        if os.environ.get("SHOW"):
            traceback.print_exc()
    end.send(outcome)
    end.close()
    world.close()


# ---- what ranks do


class Trained(NamedTuple):
    weights: np.ndarray  # [P]
    stats: list[IterationStats]
    calls: int  # sums over ranks, and what this rank sent into them
    bytes: int


def config(iterations: int = 5, **settings: Any) -> PPOConfig:
    """Short runs: a sum over ranks is quick, but on a busy machine each waits for its turn."""
    settings = {"num_envs": 8, "num_steps": 32, "update_epochs": 2, "dtype": "float64", **settings}
    return PPOConfig(total_timesteps=iterations * settings["num_envs"] * settings["num_steps"], **settings)


def alone(settings: PPOConfig, env: Any = None) -> Trained:
    """What one process without a world does."""
    with Trainer(settings, env) as trainer:
        return Trained(trained(trainer), [], 0, 0)._replace(stats=trainer.told)


def trained(trainer: Trainer, iterations: int | None = None) -> np.ndarray:
    trainer.told = []
    for stats in trainer.run():
        trainer.told.append(stats)
        if stats.iteration == iterations:
            break
    return trainer.weights.detach().numpy().copy()


def train(
    world: World,
    settings: PPOConfig,
    kind: str = "DistributedTrainer",
    env: Callable | None = None,
    iterations: int | None = None,
    save: Path | None = None,
) -> Trained:
    with globals()[kind](settings, env and env(settings, world), world=world) as trainer:
        weights = trained(trainer, iterations)
        if save:
            trainer.save(save)
        return Trained(weights, trainer.told, world.calls, world.bytes)


def resume(world: World, path: Path, iterations: int | None = None, save: Path | None = None) -> Trained:
    trainer = DistributedTrainer.resume(path) if world.size > 1 else Trainer.resume(path)
    with trainer:
        weights = trained(trainer, iterations)
        if save:
            trainer.save(save)
        return Trained(weights, trainer.told, world.calls, world.bytes)


def train_through_faults(world: World, settings: PPOConfig, env: Callable) -> tuple[list[str], np.ndarray]:
    """Train on after every error that all ranks raise, as somebody at a prompt would."""
    told = []
    with DistributedTrainer(settings, env(settings, world), world=world) as trainer:
        while trainer.iteration < settings.num_iterations:
            try:
                trained(trainer)
            except BaseException as error:
                told.append(f"{type(error).__name__}: {error}")
                if len(told) == 4:
                    break
        return told, trainer.weights.detach().numpy().copy()


def save_where_it_cannot(world: World, settings: PPOConfig, path: Path) -> None:
    with DistributedTrainer(settings, world=world) as trainer:
        trainer.save(path)


# ---- environments in which something happens to one of them


class Faulty(gym.Wrapper):
    """CartPole in which, at one step of its life, something happens; `once` is a file that the first time leaves."""

    def __init__(self, what: str, once: Path):
        super().__init__(make_env("CartPole-v1"))
        self.what, self.once, self.count = what, once, 0

    def step(self, action):
        self.count += 1
        answer = self.env.step(action)
        if self.count == 40 and not self.once.exists():
            self.once.touch()
            if self.what == "nan":
                return (answer[0] * np.nan, *answer[1:])
            if self.what == "raises":
                raise KeyError("the simulator's licence")
            if self.what == "unsendable":
                raise Unsendable(lambda: None)
            if self.what == "interrupt":
                os.kill(os.getpid(), signal.SIGINT)
            if self.what == "dies":
                os._exit(13)
            if self.what == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
        return answer


class Unsendable(Exception):
    """One that no pickle holds."""


def with_fault(
    what: str, index: int, once: Path, workers: int, settings: PPOConfig, world: World | None
) -> Any:
    """The environments of a rank (of all, without a world), of which number `index` is Faulty."""
    mine = range(settings.num_envs)[world.columns(settings.num_envs) if world else slice(None)]
    env_fns = [partial(Faulty, what, once) if i == index else partial(make_env, "CartPole-v1") for i in mine]
    if workers:
        return ParallelVectorEnv(env_fns, num_workers=workers, first_index=mine.start, start_method="fork")
    return SerialVectorEnv(env_fns, first_index=mine.start)


# ---- trainers that break one of the conditions


class NormalizesByRank(DistributedTrainer):
    """Advantages get mean 0 and deviation 1 on each rank, not in the minibatch."""

    def _normalized(self, shares):
        return [s._replace(rows=s.rows._replace(advantages=normalize(s.rows.advantages))) for s in shares]


class MeanOfMeans(DistributedTrainer):
    """Each rank's mean counts the same, however many rows it has: what DistributedDataParallel does."""

    def _weight(self, share: Share) -> float:
        return 1 / self.world.size


class NoiseByRank(DistributedTrainer):
    """Each rank draws the noise of its own actions."""

    def _noise(self) -> Tensor:
        own = torch.Generator().manual_seed(self.config.seed + self.world.rank)
        return torch.empty_like(super()._noise()).copy_(
            self.policy.noise(self.config.num_steps, self.env.num_envs, generator=own)
        )


class SeedsByRank(DistributedTrainer):
    """Environment i of rank r is seeded like environment i + r, as in CleanRL: ranks play the same episodes."""

    def _environments(self, env):
        mine = range(self.config.num_envs)[self.columns]
        return make_share(self.config, range(self.world.rank, self.world.rank + len(mine)))


class ShufflesByRank(DistributedTrainer):
    """Each rank draws its own permutation."""

    def _order(self) -> Tensor:
        own = torch.Generator().manual_seed(self.config.seed + self.world.rank)
        return super()._order()[torch.randperm(self.config.batch_size, generator=own)]


class ClipsByRank(DistributedTrainer):
    """Each rank clips its gradient before the sum."""

    def _own_gradient(self, rows) -> LossTerms:
        terms = super()._own_gradient(rows)
        clip_gradient(self.weights.grad, self.config.max_grad_norm)
        return terms


class StopsByRankZero(DistributedTrainer):
    """The KL divergence of rank 0's rows decides when to stop."""

    def _own_gradient(self, rows) -> LossTerms:
        self.own_kl = super()._own_gradient(rows)
        return self.own_kl

    def _gradient(self, share: Share) -> LossTerms:
        terms = super()._gradient(share)
        kl = self.own_kl.approx_kl if self.world.rank == 0 else torch.zeros_like(terms.approx_kl)
        return terms._replace(approx_kl=self.world.all_sum_(kl.clone()))


class EachStopsAlone(StopsByRankZero):
    """Each rank stops by the KL divergence of its own rows: one leaves the loop, and the other waits for it."""

    def _gradient(self, share: Share) -> LossTerms:
        return DistributedTrainer._gradient(self, share)._replace(approx_kl=self.own_kl.approx_kl)


BROKEN = [
    "NormalizesByRank",
    "MeanOfMeans",
    "NoiseByRank",
    "SeedsByRank",
    "ShufflesByRank",
    "ClipsByRank",
    "StopsByRankZero",
]


def telling(ranks: Ranks, name: str, iterations: int) -> PPOConfig:
    """Settings under which the trainer `name` must show its fault: minibatches that ranks share unequally.

    For a KL stop, a threshold between the divergence of the first epoch and what rank 0 believes it to be.
    """
    settings = config(iterations, num_minibatches=5, update_epochs=4)
    if "Stops" not in name:
        return settings
    first = config(1, num_minibatches=5, update_epochs=1)
    kinds = ("DistributedTrainer", "StopsByRankZero")
    divergences = [values(ranks(train, 2, first, kind))[0].stats[0].approx_kl for kind in kinds]
    return settings.replace(target_kl=sum(divergences) / 2)


# ---- trainers with trouble on the last rank


class SpoiltRollout(DistributedTrainer):
    """A reward of environment 5 becomes a NaN on its way into the rollout."""

    def _noise(self) -> Tensor:
        add = type(self.rollout).add

        def spoilt(t, obs, actions, result):
            if t == 3 and self.world.rank == 1:
                result.rewards[5 - self.columns.start] = np.nan
            add(self.rollout, t, obs, actions, result)

        self.rollout.add = spoilt
        return super()._noise()


class SpoiltGradient(DistributedTrainer):
    def _own_gradient(self, rows) -> LossTerms:
        if self.world.rank == 1:
            raise MemoryError("no room on rank 1")
        return super()._own_gradient(rows)


class NaNGradient(DistributedTrainer):
    def _own_gradient(self, rows) -> LossTerms:
        terms = super()._own_gradient(rows)
        if self.world.rank == 1:
            self.weights.grad[7] = torch.nan
        return terms


class HangsOnRankOne(DistributedTrainer):
    def collect(self) -> None:
        if self.world.rank == 1:
            time.sleep(10)
        super().collect()


def share_of_rank_zero(settings: PPOConfig, world: World) -> SerialVectorEnv:
    return SerialVectorEnv([partial(make_env, settings.env_id)] * (settings.num_envs // world.size))
