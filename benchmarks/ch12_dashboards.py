"""Train a sound trainer and some of the bug zoo's, and write what they reported as the data of the bug hunt.

    python benchmarks/ch12_dashboards.py         # writes ppo_core/viz/explorables/bughunt.json
    python benchmarks/ch12_dashboards.py --timesteps 4096 --out /some/where.json

The explorable of chapter 12 shows these curves. One point is the mean over four iterations; numbers have three digits.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from tables import versions

import ppo_core
from ppo_core.teach import zoo

METRICS = (
    "episodic_return", "explained_variance", "value_loss", "entropy", "approx_kl", "clip_frac", "grad_norm", "policy_loss",
)  # fmt: skip
SOUND = (1, 2, 3)  # seeds of the sound trainer, drawn behind the others
PATIENTS = {  # name of the specimen, "" for the sound trainer: what differs from the default settings
    "return-is-never-reset": {}, "ratio-always-one": {}, "entropy-of-the-chosen-action": {},
    "returns-normalised-per-batch": {}, "values-broadcast": {}, "observation-is-a-reference": {}, "": {"seed": 4},
    "critic-target-moves": {}, "truncation-is-termination": {}, "clip-without-advantage": {},
}  # fmt: skip
TOGETHER = 4


def brief(numbers: list[float]) -> float | None:
    """The mean in three digits; null in JSON where there is none."""
    mean = float(np.mean(numbers))
    return float(f"{mean:.3g}") if math.isfinite(mean) else None


def curves(core: ModuleType, timesteps: int, **settings: float) -> dict[str, list[float | None]]:
    """Each metric of one training run."""
    config = core.PPOConfig(total_timesteps=timesteps, **settings)
    with core.Trainer(config) as trainer:
        history = list(trainer.run())
    groups = [history[i : i + TOGETHER] for i in range(0, len(history), TOGETHER)]
    return {name: [brief([getattr(s, name) for s in group]) for group in groups] for name in METRICS}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--timesteps", type=int, default=50_000, help="environment steps of each run")
    home = Path(ppo_core.__file__).parent / "viz" / "explorables"
    parser.add_argument("--out", type=Path, default=home / "bughunt.json", help="file to write")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    sound = []
    for seed in SOUND:
        sound.append(curves(zoo.sound(), args.timesteps, seed=seed))
        print(f"sound, seed {seed}", file=sys.stderr, flush=True)
    patients = {}
    for name, settings in PATIENTS.items():
        core = zoo.broken(name) if name else zoo.sound()
        patients[name] = curves(core, args.timesteps, **{"seed": 1, **settings})
        print(f"{name}: {patients[name]['episodic_return'][-1]}", file=sys.stderr, flush=True)
    data = {
        "command": f"python benchmarks/{Path(__file__).name}",
        "versions": f"ppo_core {ppo_core.__version__}, {versions()}",
        "env_id": ppo_core.PPOConfig().env_id,
        "seeds": SOUND,
        "steps": args.timesteps,
        "metrics": METRICS,
        "sound": sound,
        "patients": patients,
    }
    args.out.write_text(json.dumps(data, separators=(",", ":")) + "\n", encoding="utf-8", newline="\n")
    print(f"{args.out.name}: {args.out.stat().st_size / 1000:.0f} kB", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
