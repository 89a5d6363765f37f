"""Train CartPole with each of the four wrong treatments of an episode's end, and write what came of it as a small CSV.

    python benchmarks/ch06_endings.py                # writes benchmarks/ch06_endings.csv
    python benchmarks/ch06_endings.py --seeds 2 --steps 10240 --out /some/where.csv

Chapter 06 draws its figure of behaviour from this file. Everything is the default configuration; the only differences
are the time limit of the training environments and what happens to a step on its way to the trainer. One row is one
run: the mean return of 20 fresh episodes with the usual limit of 500 steps, and the critic's mean value at the end.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import gymnasium
import numpy as np
from tables import default_settings, header, seeds_up_to, write_table

from ppo_core import PPOConfig, SerialVectorEnv, StepResult, Trainer, make_env
from ppo_core.evaluation import evaluate

LIMITS = (50, 500)  # steps after which a training episode is truncated
Change = Callable[[StepResult], StepResult]


class Changed:
    """A vector environment whose steps are changed on their way to the trainer."""

    def __init__(self, env: SerialVectorEnv, change: Change):
        self.env, self.change = env, change

    def __getattr__(self, name: str) -> object:
        return getattr(self.env, name)

    def step(self, actions: np.ndarray) -> StepResult:
        """One step of every environment, [N, ...], changed."""
        return self.change(self.env.step(actions))


class ResetRowKept:
    """Gymnasium's default, NEXT_STEP, taken as it comes: the row of the reset is kept as if it were a transition."""

    def __init__(self, env_fns: list):
        self.envs, self.num_envs = gymnasium.vector.SyncVectorEnv(env_fns), len(env_fns)
        self.single_observation_space = self.envs.single_observation_space
        self.single_action_space = self.envs.single_action_space

    def reset(self, seed: int | None = None) -> np.ndarray:
        """Start everywhere. Returns obs [N, *obs]."""
        return self.envs.reset(seed=seed)[0]

    def step(self, actions: np.ndarray) -> StepResult:
        """One row of every environment, [N, ...]."""
        obs, rewards, terminated, truncated, _ = self.envs.step(actions)
        return StepResult(obs, obs, rewards.astype(np.float32), terminated, truncated)

    def close(self) -> None:
        """Close the environments."""
        self.envs.close()


def truncation_is_death(step: StepResult) -> StepResult:
    """The time limit counts as an end of the task."""
    return step._replace(terminated=step.terminated | step.truncated)


def truncation_ignored(step: StepResult) -> StepResult:
    """The time limit counts as nothing: the successor is the first observation of the next episode."""
    end = step.truncated & ~step.terminated
    next_obs = np.where(end[:, None], step.obs, step.next_obs)
    return step._replace(next_obs=next_obs, truncated=step.truncated & step.terminated)


def cut_is_death(num_steps: int) -> Change:
    """No value behind the last row of a rollout."""
    clock = count(1)

    def change(step: StepResult) -> StepResult:
        return step._replace(terminated=step.terminated | (next(clock) % num_steps == 0))

    return change


def versions(config: PPOConfig) -> dict[str, Change | None]:
    """The right treatment and the four wrong ones; None is the one that needs another environment."""
    return {
        "right": lambda step: step,
        "truncation is death": truncation_is_death,
        "truncation ignored": truncation_ignored,
        "reset row kept": None,
        "cut is death": cut_is_death(config.num_steps),
    }


def study(version: str, limit: int, steps: int, seed: int) -> dict[str, object]:
    """One training run and its evaluation."""
    config = PPOConfig(seed=seed, total_timesteps=steps)
    env_fns = [partial(make_env, config.env_id, max_episode_steps=limit)] * config.num_envs
    change = versions(config)[version]
    env = ResetRowKept(env_fns) if change is None else Changed(SerialVectorEnv(env_fns), change)
    with Trainer(config, env=env) as trainer:
        *_, stats = trainer.run()
        played = evaluate(trainer.policy, partial(make_env, config.env_id), 20, 1000, True)
        value = trainer.rollout.values.mean().item()
    return {
        "limit": limit,
        "version": version,
        "seed": seed,
        "global_step": stats.global_step,
        "evaluation": round(played.mean, 3),
        "value": round(value, 3),
    }


COLUMNS = (
    "limit in steps, of the training environments; evaluation is the mean return of 20 fresh episodes of at"
    " most 500 steps, most probable action; value is the critic's mean over the last rollout, in discounted reward"
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10, help="how many seeds, from 1 (default 10)")
    parser.add_argument("--steps", type=int, default=25_600, help="length of a run (default 25600)")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".csv"), help="file to write")
    args = parser.parse_args()
    rows = []
    for seed in range(1, args.seeds + 1):
        for limit in LIMITS:
            for version in versions(PPOConfig()):
                rows.append(study(version, limit, args.steps, seed))
                print(rows[-1], file=sys.stderr)
    command = f"python benchmarks/{Path(__file__).name} --seeds {args.seeds} --steps {args.steps}"
    facts = {"seeds": seeds_up_to(args.seeds), "settings": default_settings(total_timesteps=args.steps)}
    write_table(args.out, header(command, columns=COLUMNS, **facts), rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
