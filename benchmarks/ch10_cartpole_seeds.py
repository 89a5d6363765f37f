"""Train CartPole with the default settings once for each seed, and write what happened as a small CSV.

    python benchmarks/ch10_cartpole_seeds.py            # writes benchmarks/ch10_cartpole_seeds.csv
    python benchmarks/ch10_cartpole_seeds.py --seeds 3 --out /some/where.csv

Chapter 10 draws its interval over seeds from this file and runs the first iterations of one seed again. The header
says which settings and versions the numbers belong to; the page refuses a file whose settings are not the defaults.
One row is one iteration: the first ten of each seed, then about forty more, and the last.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from tables import default_settings, header, seeds_up_to, write_table

from ppo_core import PPOConfig, Trainer

FIRST, MORE = 10, 40  # rows of each seed: the first iterations one by one, then evenly spaced ones


def wanted(iteration: int, num_iterations: int) -> bool:
    """Whether this iteration gets a row."""
    every = max(1, round(num_iterations / MORE))
    return iteration <= FIRST or iteration % every == 0 or iteration == num_iterations


def study(seed: int) -> Iterator[dict[str, object]]:
    """One training run: a row for each wanted iteration, with a mean over 20 evaluation episodes."""
    config = PPOConfig(seed=seed)
    with Trainer(config) as trainer:
        for stats in trainer.run():
            if wanted(stats.iteration, config.num_iterations):
                row = {"seed": seed, "iteration": stats.iteration, "global_step": stats.global_step}
                row |= {
                    name: round(getattr(stats, name), 6)
                    for name in ("episodic_return", "entropy", "approx_kl")
                }
                yield row | {"evaluation": round(trainer.evaluate().mean, 6)}


COLUMNS = (
    "episodic_return is the mean of the last 20 training episodes; evaluation the mean return of 20 episodes"
    " that take the most probable action; entropy and approx_kl are in nats, means over the update"
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds, from 1 (default 5)")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".csv"), help="file to write")
    args = parser.parse_args()
    rows = []
    for seed in range(1, args.seeds + 1):
        rows += study(seed)
        print(
            f"seed {seed}: evaluation {rows[-1]['evaluation']:g} after {rows[-1]['global_step']:,} steps",
            file=sys.stderr,
        )
    facts = {"seeds": seeds_up_to(args.seeds), "settings": default_settings()}
    head = header(f"python benchmarks/{Path(__file__).name}", columns=COLUMNS, **facts)
    write_table(args.out, head, rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
