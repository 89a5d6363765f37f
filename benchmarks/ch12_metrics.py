"""Train CartPole soundly, too gently and for too long, and write what the trainer reported as a small CSV.

    python benchmarks/ch12_metrics.py            # writes benchmarks/ch12_metrics.csv
    python benchmarks/ch12_metrics.py --seeds 2 --out /some/where.csv

Chapter 12 draws what healthy metrics look like from this file (arm "default"), and asks it what becomes of an agent
that goes on training after it has learned (the arms "long, ..."), and what the gradient norm hides (the arms "gentle").
One row is one iteration of one seed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy
from tables import default_settings, header, seeds_up_to, write_table

from ppo_core import PPOConfig, SerialVectorEnv, StepResult, Trainer, make_env

METRICS = (
    "episodic_return", "policy_loss", "value_loss", "entropy", "approx_kl", "clip_frac", "grad_norm", "explained_variance",
)  # fmt: skip
LONG = {"total_timesteps": 100_000}
GENTLE = {"num_steps": 128, "gamma": 0.99, "learning_rate": 2.5e-4, "total_timesteps": 100_000}
ARMS: dict[str, dict] = {
    "default": {},
    "long, annealed": LONG,
    "long, constant": {**LONG, "anneal_lr": False},
    "long, constant, limit is a fall": {**LONG, "anneal_lr": False},
    "gentle": GENTLE,
    "gentle, no gradient clipping": {**GENTLE, "max_grad_norm": 0.0},
}


class LimitIsAFall(SerialVectorEnv):
    """Reports a truncation as a termination, as many trainers take it."""

    def step(self, actions: numpy.ndarray) -> StepResult:
        result = super().step(actions)
        done = result.terminated | result.truncated
        return result._replace(terminated=done, truncated=numpy.zeros_like(done))


def study(arm: str, seed: int) -> Iterator[dict[str, object]]:
    """One training run: a row for every fourth of its iterations, from the second on; of a long run, every eighth."""
    config = PPOConfig(seed=seed, **ARMS[arm])
    env = None
    if arm.endswith("fall"):
        env = LimitIsAFall([partial(make_env, config.env_id)] * config.num_envs)
    every = 8 if arm.startswith("long") else 4
    with Trainer(config, env=env) as trainer:
        for stats in trainer.run():
            if stats.iteration % every == 2 or stats.iteration == config.num_iterations:
                row = {"arm": arm, "seed": seed, "global_step": stats.global_step}
                names = METRICS if arm == "default" else ("episodic_return", "approx_kl", "grad_norm")
                yield row | {name: f"{getattr(stats, name):.5g}" for name in names}


COLUMNS = "as in ppo_core.IterationStats; all arms but the first store three of them"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=8, help="how many seeds, from 1 (default 8)")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".csv"), help="file to write")
    parser.add_argument(
        "--arms", nargs="+", choices=ARMS, default=list(ARMS), help="which arms (default all)"
    )
    args = parser.parse_args()
    rows = []
    for arm in args.arms:
        for seed in range(1, args.seeds + 1):
            rows += study(arm, seed)
            print(f"{arm}, seed {seed}: {rows[-1]['episodic_return']}", file=sys.stderr, flush=True)
    facts = {"seeds": seeds_up_to(args.seeds), "settings": default_settings(), "arms": json.dumps(ARMS)}
    head = header(f"python benchmarks/{Path(__file__).name}", columns=COLUMNS, **facts)
    write_table(args.out, head, rows, ["arm", "seed", "global_step", *METRICS])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
