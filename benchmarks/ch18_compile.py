"""What torch.compile saves of one gradient on a CPU, and what it costs first: `python benchmarks/ch18_compile.py`.

It needs a C++ compiler and takes some minutes of one core. The loss of a minibatch and its backward pass, as the core
computes them, as they are and compiled. CPU seconds, child processes included: the compiler is one.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from ch18_ideas import ONE_THREAD, load, processor
from tables import header, write_table

from ppo_core import PPOConfig, Trainer
from ppo_core.analytic import AnalyticGradient
from ppo_core.buffer import Minibatch
from ppo_core.loss import ppo_loss

SIZES = {128: (4, 128), 1024: (32, 128)}  # rows of a minibatch: N, T
COLUMNS = {
    "rows": "rows of a minibatch",
    "round": "eager, compiled and by hand take turns in each round",
    "start_up_seconds": "CPU seconds of the first two calls of the compiled function, less those of two eager calls; once",
    "eager_us": "CPU microseconds of one loss and its gradient",
    "compiled_us": "the same, compiled",
    "by_hand_us": "the same gradient by ppo_core.analytic",
}


def cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def microseconds(function: Callable[[], object], count: int) -> float:
    started = cpu_seconds()
    for _ in range(count):
        function()
    return 1e6 * (cpu_seconds() - started) / count


def study(rows: int, rounds: int) -> list[dict[str, object]]:
    N, T = SIZES[rows]
    config = PPOConfig(num_envs=N, num_steps=T, total_timesteps=10**6)
    trainer = Trainer(config)
    trainer.collect()
    policy, weights = trainer.policy, trainer.weights
    minibatch = Minibatch(*(x.clone() for x in next(iter(trainer._minibatches()))))

    def loss(*columns: torch.Tensor) -> torch.Tensor:
        return ppo_loss(policy, Minibatch(*columns), config).loss

    compiled_loss = torch.compile(loss, dynamic=False)
    by_hand = AnalyticGradient(policy, config)

    def eager() -> torch.Tensor:
        weights.grad.zero_()
        loss(*minibatch).backward()
        return weights.grad.clone()

    def compiled() -> torch.Tensor:
        weights.grad.zero_()
        compiled_loss(*minibatch).backward()
        return weights.grad.clone()

    expected = eager()
    before = microseconds(eager, 2)
    start_up = 2e-6 * (microseconds(compiled, 2) - before)
    torch.testing.assert_close(compiled(), expected, rtol=1e-3, atol=1e-5)
    table = []
    for number in range(1, rounds + 1):
        count = 300 if rows < 500 else 100
        table.append(
            {
                "rows": rows, "round": number, "start_up_seconds": round(start_up, 2),
                "eager_us": round(microseconds(eager, count), 1),
                "compiled_us": round(microseconds(compiled, count), 1),
                "by_hand_us": round(microseconds(lambda: by_hand(minibatch), count), 1),
            }
        )  # fmt: skip
        print(table[-1], file=sys.stderr, flush=True)
    trainer.close()
    return table


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (default 5)")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".csv"), help="file to write")
    args = parser.parse_args()
    if "TORCHINDUCTOR_CACHE_DIR" not in os.environ:  # else a second run would find what the first compiled
        with tempfile.TemporaryDirectory() as folder:
            return again({"TORCHINDUCTOR_CACHE_DIR": folder})
    torch.set_num_threads(1)
    before, table = load(), [row for rows in SIZES for row in study(rows, args.rounds)]
    facts = {
        "processor": f"{processor()}, {os.cpu_count()} cores, shared with other programs",
        "load": f"{before} before, {load()} after (averages of 1, 5 and 15 minutes)",
        "rounds": str(args.rounds),
    }
    write_table(args.out, header(f"python benchmarks/{Path(__file__).name}", columns=COLUMNS, **facts), table)
    return 0


def again(more: dict[str, str]) -> int:
    """This program once more, with an empty cache and one thread, also for NumPy's products and the compiler."""
    one = {**dict.fromkeys(ONE_THREAD, "1"), "TORCHINDUCTOR_COMPILE_THREADS": "1"}
    return subprocess.call([sys.executable, *sys.argv], env={**os.environ, **one, **more})


if __name__ == "__main__":
    raise SystemExit(main())
