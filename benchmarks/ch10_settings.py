"""Short runs on CartPole with one setting changed: `python benchmarks/ch10_settings.py`, about a minute.

Chapter 10 lets the reader change these settings one run at a time; this table says what five seeds of each gave.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from tables import default_settings, header, seeds_up_to, write_table

from ppo_core import PPOConfig, Trainer

STEPS = 10_240
CHANGES = {
    "none": (None,),
    "learning_rate": (0.0002, 0.02),
    "clip_coef": (0.05, 0.5),
    "update_epochs": (1, 16),
}
COLUMNS = "episodic_return is the mean of the last 20 training episodes, at the end of the run"


def study(setting: str, value: float | None, seed: int) -> dict[str, object]:
    changed = {} if value is None else {setting: value}
    with Trainer(PPOConfig(total_timesteps=STEPS, seed=seed, **changed)) as trainer:
        last = list(trainer.run())[-1].episodic_return
    return {"setting": setting, "value": value, "seed": seed, "episodic_return": round(last, 2)}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds, from 1 (default 5)")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".csv"), help="file to write")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for setting, values in CHANGES.items():
        for value in values:
            rows += [study(setting, value, seed) for seed in range(1, args.seeds + 1)]
            print(rows[-1], file=sys.stderr, flush=True)
    facts = {"seeds": seeds_up_to(args.seeds), "settings": default_settings(total_timesteps=STEPS)}
    write_table(args.out, header(f"python benchmarks/{Path(__file__).name}", columns=COLUMNS, **facts), rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
