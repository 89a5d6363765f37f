"""What each idea of the core buys, end to end: `python benchmarks/ch18_ideas.py`, about three minutes of one core.

Each row of the table is the whole training loop with one idea switched off, or one more switched on. How each is
switched off stands in this file: a class of a few lines, or one setting. All variants run in turn, several rounds, in
one process and one thread; the measure is CPU seconds, which other programs on the machine disturb least. NumPy's
matrix products get one thread too, which only the environment of the process can say: it starts itself anew for that.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import gymnasium as gym
import torch
from tables import header, write_table
from torch import nn

from ppo_core import PPOConfig, Trainer, make_env
from ppo_core.adapters import GymnasiumVectorEnv
from ppo_core.extras.batched import BatchedCartPole
from ppo_core.loss import LossTerms, ppo_loss
from ppo_core.policy import PolicyOutput, numpy_act
from ppo_core.trainer import mean

SIZES = {"4x128": (4, 128, 8), "8x256": (8, 256, 3), "32x128": (32, 128, 2)}  # N, T, iterations of one turn
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
COLUMNS = {
    "size": "environments × steps of a rollout",
    "idea": "what is switched off or on, against the row core",
    "kind": "core (the reference), off (an idea of the core is missing) or on (one more than the default)",
    "round": "the turn; all variants of a size take one turn in each round",
    "steps": "environment steps of the turn, training included",
    "cpu_seconds": "user and system time of the process, all threads",
    "wall_seconds": "time on the clock, which other programs lengthen",
    "collect_seconds": "CPU seconds of collect()",
    "update_seconds": "CPU seconds of update()",
}


# ---- the ideas, switched off: each class is the core without one of them


class TorchActor(Trainer):
    """Actions from PyTorch in every step, where the core has NumPy on the same weights."""

    def __init__(self, *arguments: object):
        super().__init__(*arguments)
        self.act = lambda obs, noise: self.policy.act(torch.from_numpy(obs), torch.from_numpy(noise)).numpy()


class ValuesEveryStep(Trainer):
    """Values and log-probabilities after every step, where the core asks once for the whole rollout."""

    def __init__(self, *arguments: object):
        super().__init__(*arguments)
        self._act_alone, self._evaluate = self.act, self.policy.evaluate
        self._outputs: list[PolicyOutput] = []
        self.act, self.policy.evaluate = self._act_and_evaluate, self._what_was_found

    @torch.no_grad()
    def _act_and_evaluate(self, obs, noise):
        actions = self._act_alone(obs, noise)
        self._outputs.append(self._evaluate(torch.from_numpy(obs), torch.from_numpy(actions)))
        return actions

    def _what_was_found(self, obs, actions):
        if torch.is_grad_enabled():
            return self._evaluate(obs, actions)
        outputs, self._outputs = self._outputs, []
        return PolicyOutput(*map(torch.cat, zip(*outputs, strict=True)))


class SeparateTensors(Trainer):
    """A tensor for each weight, PyTorch's default Adam and clip_grad_norm_, where the core has one flat tensor."""

    def __init__(self, *arguments: object):
        super().__init__(*arguments)
        for p in self.policy.parameters():
            p.data, p.grad = p.data.clone(), None
        self.optimizer = torch.optim.Adam(
            self.policy.parameters(), lr=self.config.learning_rate, eps=self.config.adam_eps
        )
        self.act = numpy_act(self.policy)

    @torch.enable_grad()
    def update(self):
        config, terms, grad_norms = self.config, [], []
        for epoch in range(1, config.update_epochs + 1):
            for minibatch in self._minibatches():
                losses = ppo_loss(self.policy, minibatch, config)
                self.optimizer.zero_grad()
                losses.loss.backward()
                terms.append(losses._replace(loss=losses.loss.detach()))
                grad_norms.append(nn.utils.clip_grad_norm_(self.policy.parameters(), config.max_grad_norm))
                self._check_finite(f"gradient norm in epoch {epoch}", grad_norms[-1])
                self.optimizer.step()
        return LossTerms(*map(mean, zip(*terms, strict=True))), mean(grad_norms), epoch


class Textbook(ValuesEveryStep, TorchActor, SeparateTensors):
    """All three missing."""


def gymnasiums_own(config: PPOConfig) -> GymnasiumVectorEnv:
    """Gymnasium's vector environment in one process, where the core has its own."""
    same_step = gym.vector.AutoresetMode.SAME_STEP
    env_fns = [partial(make_env, config.env_id)] * config.num_envs
    return GymnasiumVectorEnv(gym.vector.SyncVectorEnv(env_fns, autoreset_mode=same_step))


def arrays(config: PPOConfig) -> BatchedCartPole:
    """All environments in one step of arrays."""
    return BatchedCartPole(config.num_envs)


# idea → (kind, trainer, the environment it is given or None, settings)
IDEAS: dict[str, tuple[str, type[Trainer], Callable | None, dict[str, object]]] = {
    "core": ("core", Trainer, None, {}),
    "NumPy actor": ("off", TorchActor, None, {}),
    "values in one batch": ("off", ValuesEveryStep, None, {}),
    "flat tensors, fused Adam": ("off", SeparateTensors, None, {}),
    "own serial environment": ("off", Trainer, gymnasiums_own, {}),
    "one thread": ("off", Trainer, None, {"torch_threads": 2}),
    "first three together": ("off", Textbook, None, {}),
    "checks on first answers only": ("on", Trainer, None, {"check": "first"}),
    "gradient by hand": ("on", Trainer, None, {"gradient": "analytic"}),
    "batched CartPole": ("on", Trainer, arrays, {}),
    "by hand and batched": ("on", Trainer, arrays, {"gradient": "analytic"}),
}


class Clock:
    """Counts the CPU seconds of a function."""

    def __init__(self, function: Callable):
        self.function, self.seconds = function, 0.0

    def __call__(self, *arguments: object) -> object:
        started = time.process_time()
        try:
            return self.function(*arguments)
        finally:
            self.seconds += time.process_time() - started


class Variant:
    """One idea on one size, ready to take its turns."""

    def __init__(self, idea: str, size: str):
        self.idea, self.size = idea, size
        self.kind, trainer, make, settings = IDEAS[idea]
        N, T, self.iterations = SIZES[size]
        self.config = PPOConfig(num_envs=N, num_steps=T, total_timesteps=10**9, anneal_lr=False, **settings)
        self.trainer = trainer(self.config, make(self.config) if make else None)
        self.trainer.collect, self.trainer.update = Clock(self.trainer.collect), Clock(self.trainer.update)
        self.run = self.trainer.run()
        next(self.run)  # what happens once: allocation, the first look at every answer

    def turn(self, number: int) -> dict[str, object]:
        torch.set_num_threads(self.config.torch_threads)
        clocks = self.trainer.collect, self.trainer.update
        for clock in clocks:
            clock.seconds = 0.0
        time.sleep(0.2)  # threads of the turn before come to rest
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(self.iterations):
            next(self.run)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        torch.set_num_threads(1)
        seconds = [cpu, wall, *(clock.seconds for clock in clocks)]
        names = ("cpu_seconds", "wall_seconds", "collect_seconds", "update_seconds")
        return {
            "size": self.size, "idea": self.idea, "kind": self.kind, "round": number,
            "steps": self.iterations * self.config.batch_size,
            **{name: round(value, 4) for name, value in zip(names, seconds, strict=True)},
        }  # fmt: skip


def rows(sizes: list[str], rounds: int) -> Iterator[dict[str, object]]:
    for size in sizes:
        variants = [Variant(idea, size) for idea in IDEAS]
        for number in range(1, rounds + 1):
            for variant in variants:
                yield variant.turn(number)
        for variant in variants:
            variant.trainer.close()


def processor() -> str:
    """The processor's name, where the system says it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown"


def load() -> str:
    return ", ".join(f"{number:.1f}" for number in os.getloadavg()) if hasattr(os, "getloadavg") else "?"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7, help="turns of each variant (default 7)")
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".csv"), help="file to write")
    args = parser.parse_args()
    if any(os.environ.get(name) != "1" for name in ONE_THREAD):
        return subprocess.call(
            [sys.executable, *sys.argv], env={**os.environ, **dict.fromkeys(ONE_THREAD, "1")}
        )
    torch.set_num_threads(1)
    before, table = load(), []
    for row in rows(args.sizes, args.rounds):
        table.append(row)
        print(row, file=sys.stderr, flush=True)
    facts = {
        "processor": f"{processor()}, {os.cpu_count()} cores, shared with other programs",
        "load": f"{before} before, {load()} after (averages of 1, 5 and 15 minutes)",
        "rounds": str(args.rounds),
    }
    write_table(
        args.out,
        header(f"python benchmarks/{Path(__file__).name}", columns=COLUMNS, seeds="1", **facts),
        table,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
