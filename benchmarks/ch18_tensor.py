"""What environments made of arrays give, from one environment to thousands: `python benchmarks/ch18_tensor.py`.

One minute of one core. CartPole in Gymnasium's own vector, as NumPy arrays and as tensors; rollouts; whole iterations of
PPO. Steps per CPU second on a CPU, per second on a GPU:

    python benchmarks/ch18_tensor.py --device cuda --graph --environments 4096 65536
"""

# ruff: noqa: E402
from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

# Before NumPy is imported: a second thread of its linear algebra would spin while other programs hold the cores.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import gymnasium as gym
import numpy as np
import torch
from bench_rounds import load, processor
from tables import default_settings, header, write_table

from ppo_core import PPOConfig, Trainer
from ppo_core.extras.batched import BatchedCartPole, CartPole, TensorEnv
from ppo_core.extras.captured import CapturedTrainer

STEPS, SECONDS = 32, 0.05  # of a rollout; what one measurement fills at least
COLUMNS = {
    "environments": "number of environments N, each taking 32 steps a rollout",
    "part": "env: stepping alone, actions drawn before; rollout: acting, values and advantages too; ppo: with the update",
    "how": "gymnasium: its vectorised CartPole; arrays: BatchedCartPole and Trainer; analytic: the same with "
    "gradient='analytic'; tensors: TensorEnv and CapturedTrainer",
    "steps_per_second": "median of the rounds, environment steps per CPU second (per second on a GPU)",
    "best": "the best round",
}


def settings(environments: int, **changes: object) -> PPOConfig:
    return PPOConfig(
        num_envs=environments, num_steps=STEPS, total_timesteps=environments * STEPS * 1000, **changes
    )


def arms(
    environments: int, device: str, graph: bool, compiled: bool
) -> dict[tuple[str, str], Callable[[], None]]:
    """What is measured: each function takes `STEPS` steps in every environment."""
    random = np.random.default_rng(0).integers(0, 2, (STEPS, environments))
    on_device = CapturedTrainer(settings(environments), device=device, graph=graph, compile=compiled)
    tensors, actions = TensorEnv(CartPole, environments, device), torch.from_numpy(random).to(device)
    tensors.reset(0)
    found = {
        ("env", "tensors"): lambda: [tensors.step(row) for row in actions],
        ("rollout", "tensors"): on_device.collect,
        ("ppo", "tensors"): on_device._record() if graph else on_device._iterate,
    }
    if device != "cpu":
        return found
    theirs = gym.make_vec("CartPole-v1", environments, vectorization_mode="vector_entry_point")
    theirs.reset(seed=0)
    mine = BatchedCartPole(environments)
    mine.reset(seed=0)
    trainers = {
        how: Trainer(settings(environments, gradient=gradient), env=BatchedCartPole(environments))
        for how, gradient in (("arrays", "autograd"), ("analytic", "analytic"))
    }
    found |= {
        ("env", "gymnasium"): lambda: [theirs.step(row) for row in random],
        ("env", "arrays"): lambda: [mine.step(row) for row in random],
        ("rollout", "arrays"): trainers["arrays"].collect,
    }
    found |= {("ppo", how): partial(next, trainer.run()) for how, trainer in trainers.items()}
    return found


def measured(work: Callable[[], None], device: str) -> float:
    """Seconds of one call: of CPU time on a CPU, between two moments at which a GPU is idle."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    wait = (lambda: None) if device == "cpu" else torch.cuda.synchronize
    wait()
    started, calls = clock(), 0
    while clock() - started < SECONDS:
        work()
        calls += 1
        wait()
    return (clock() - started) / calls


def study(environments: int, args: argparse.Namespace) -> list[dict[str, object]]:
    work = arms(environments, args.device, args.graph, args.compile)
    seconds = {name: [] for name in work}
    for _ in range(args.rounds + 1):  # the first round warms up
        for name, function in work.items():
            seconds[name].append(measured(function, args.device))
    return [
        {
            "environments": environments, "part": part, "how": how,
            "steps_per_second": round(environments * STEPS / statistics.median(seconds[part, how][1:])),
            "best": round(environments * STEPS / min(seconds[part, how][1:])),
        }
        for part, how in sorted(work, key=lambda name: (["env", "rollout", "ppo"].index(name[0]), name[1]))
    ]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--environments", type=int, nargs="+", default=[1, 8, 64, 512, 4096], metavar="N")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each, in turn (default 3)")
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--graph", action="store_true", help="record the iteration as a CUDA graph")
    parser.add_argument(
        "--compile", action="store_true", help="fuse small operations with torch.compile (minutes)"
    )
    parser.add_argument(
        "--out", type=Path, help="file to write (default: beside this script, on a CPU alone)"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    host = processor() if args.device == "cpu" else torch.cuda.get_device_name(args.device)
    out = args.out or (
        Path(__file__).with_suffix(".csv") if args.device == "cpu" and not args.compile else None
    )
    command = " ".join(["python benchmarks/ch18_tensor.py", *sys.argv[1:]])
    start, rows = load(), []
    for environments in args.environments:
        found = study(environments, args)
        rows += found
        for row in found:
            print(*row.values(), sep="\t", file=sys.stderr, flush=True)
        if out:
            facts = {
                "settings": default_settings(num_steps=STEPS),
                "host": f"{host}, one thread",
                "load": f"{start} at the start, {load()} at the end (averages over 1, 5 and 15 minutes)",
            }
            write_table(out, header(command, columns=COLUMNS, **facts), rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
