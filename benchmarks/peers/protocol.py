"""What every runner is asked, how all of them measure, and the one line of JSON that each answers.

A runner trains one library's PPO in a process of its own and imports nothing but that library and this file. The clock
runs from the end of the second iteration (the first two compile, allocate and warm caches) until `--seconds` of CPU are
used up, and stops at the end of an iteration. CPU seconds are user and system time, those of worker processes included.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
import time
from importlib.metadata import version

for _name in ("OMP", "MKL", "OPENBLAS"):  # before anybody loads NumPy or torch
    os.environ.setdefault(f"{_name}_NUM_THREADS", "1")

try:
    import resource
except ImportError:  # Windows counts no children and no peak
    resource = None

WARM_UP = 2  # iterations
MARK = "ANSWER "  # begins the line that holds the answer; everything else on stdout is the library's own

# CleanRL's published settings of ppo.py; what a library cannot do is named in its runner as a deviation.
SETTINGS = {
    "total_timesteps": 500_000, "learning_rate": 2.5e-4, "anneal_lr": True, "gamma": 0.99, "gae_lambda": 0.95,
    "num_minibatches": 4, "update_epochs": 4, "clip_coef": 0.2, "clip_value_loss": True, "ent_coef": 0.01,
    "vf_coef": 0.5, "max_grad_norm": 0.5, "hidden_size": 64, "adam_eps": 1e-5,
}  # fmt: skip


class Enough(BaseException):
    """Ends a library's training loop from inside a hook; no library catches it."""


def asked(**more: dict) -> argparse.Namespace:
    """What the command line asks for; `more` are options of one runner."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--env", default="CartPole-v1")
    parser.add_argument("--envs", type=int, default=4)
    parser.add_argument("--steps", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=2.0, help="CPU seconds to measure, at least")
    parser.add_argument("--iterations", type=int, default=0, help="measure so many iterations instead")
    parser.add_argument("--seed", type=int, default=1)
    for name, options in more.items():
        parser.add_argument(f"--{name}", **options)
    return parser.parse_args()


def cpu_seconds() -> float:
    """User and system seconds of this process since it started, and of its children that have ended."""
    if resource is None:
        return time.process_time()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def peak_megabytes() -> float:
    if resource is None:
        return math.nan
    unit = 2**20 if platform.system() == "Darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


class Meter:
    """Counts iterations, holds the clock, and writes the answer."""

    def __init__(self, args: argparse.Namespace, deviations: str = ""):
        self.args, self.deviations = args, deviations
        self.batch = args.envs * args.steps
        self.iterations = 0  # complete ones, those of the warm-up included
        self.begun: tuple[float, float] | None = None
        self.stopped: tuple[float, float] | None = None
        self.import_cpu_s = math.nan

    def imported(self) -> None:
        """Everything is imported: what has been used up to here is the cost of starting."""
        self.import_cpu_s = time.process_time()

    def iteration(self) -> bool:
        """One more iteration is complete. Returns whether enough has been measured."""
        now = cpu_seconds(), time.perf_counter()
        self.iterations += 1
        if self.iterations == WARM_UP:
            self.begun = now
            return False
        if self.begun is None:
            return False
        if self.args.iterations:
            over = self.iterations - WARM_UP >= self.args.iterations
        else:
            over = now[0] - self.begun[0] >= self.args.seconds
        self.stopped = now
        return over

    def answer(self, *packages: str, **more: object) -> None:
        """Print the answer: the steps that were measured and what they cost."""
        if self.begun is None or self.stopped is None:
            sys.exit(f"only {self.iterations} iterations were seen, which is none after the warm-up")
        print(
            MARK
            + json.dumps(
                {
                    "steps": (self.iterations - WARM_UP) * self.batch,
                    "cpu_s": round(self.stopped[0] - self.begun[0], 4),
                    "wall_s": round(self.stopped[1] - self.begun[1], 4),
                    "rss_mb": round(peak_megabytes(), 1),
                    "import_cpu_s": round(self.import_cpu_s, 3),
                    "versions": versions(*packages),
                    "deviations": self.deviations,
                    **more,
                }
            ),
            flush=True,
        )


def versions(*packages: str) -> str:
    known = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"python {platform.python_version()}, {known}"


class Solved:
    """Whether three evaluations in a row reached the goal, and what came before cost."""

    GOAL, IN_A_ROW, EVERY, EPISODES = 475.0, 3, 2048, 20

    def __init__(self, meter: Meter):
        self.meter, self.good, self.count = meter, 0, 0
        self.evaluation_cpu_s, self.last = 0.0, math.nan
        self.ready = time.process_time()  # the trainer is made

    def now(self, steps: int, evaluate) -> bool:
        """After `steps` environment steps; `evaluate(seed)` plays 20 episodes without sampling. True once solved."""
        if steps % self.EVERY:
            return False
        begun = time.process_time()
        self.last = float(evaluate(1000 + self.EPISODES * self.count))
        self.evaluation_cpu_s += time.process_time() - begun
        self.count += 1
        self.good = self.good + 1 if self.last >= self.GOAL else 0
        return self.good == self.IN_A_ROW

    def answer(self, steps: int, *packages: str) -> None:
        total = time.process_time()
        facts = {
            "solved": int(self.good == self.IN_A_ROW),
            "steps": steps,
            "process_cpu_s": round(total, 3),
            "train_cpu_s": round(total - self.ready - self.evaluation_cpu_s, 3),
            "evaluation_cpu_s": round(self.evaluation_cpu_s, 3),
            "import_cpu_s": round(self.meter.import_cpu_s, 3),
            "last_evaluation": round(self.last, 1),
            "versions": versions(*packages),
        }
        print(MARK + json.dumps(facts), flush=True)
