"""Train every specimen of the bug zoo and the sound trainer, and write what could be seen as a small CSV.

    python benchmarks/ch12_bug_zoo.py                    # writes benchmarks/ch12_bug_zoo.csv
    python benchmarks/ch12_bug_zoo.py --only entropy-sign --seeds 2 --out /some/where.csv

The page of the bug zoo draws its tables and its verdicts from this file. One row is one specimen (or the sound core)
with one seed: CartPole-v1 with the default settings, then a handful of tiny environments with known answers.
Some bugs need a setting of their own to be reached at all (`setup`); the sound core is measured with that as well.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from tables import default_settings, header, seeds_up_to, write_table

from ppo_core import make_env
from ppo_core.evaluation import evaluate
from ppo_core.probes import TabularEnv, action_answers_state, constant_reward, forever, two_steps
from ppo_core.teach import zoo

SOUND = "sound"
EPISODES, FIRST_EPISODE = 20, 1000  # of an evaluation: how many, and the seed of the first
GAMMA = 0.8  # of the probes
COLUMNS = {
    "evaluation": "mean return of 20 episodes after training, most probable actions, measured outside the specimen",
    "episode_length": "mean length of all episodes of the training run, in steps, counted outside the specimen",
    "steps_to_475": "environment steps until the reported return first reached 475; empty if it never did",
    "reported_last": "reported return at the end",
    "reported_most": "largest return ever reported",
    "approx_kl": "mean over the run, nats",
    "least_kl": "smallest approx_kl of an update, nats",
    "clip_frac": "mean over the run",
    "first_entropy": "entropy of the first update, nats",
    "last_entropy": "entropy of the last update, nats",
    "explained_variance": "median over the second half of the run",
    "value_loss": "median over the second half of the run, reward units squared",
    "grad_norm": "median over the run, before clipping",
    "last_move": "how far the last update moved the weights (largest change of one)",
    "worlds": "different first observations among eight environments",
    "rows_seen": "share of the rollout's rows that one epoch shows",
    "iterations": "iterations that were completed",
    "after_loading": "evaluation of the saved and loaded policy (setup remembers only)",
    "constant": "V where the truth is 1 (one step, reward 1)",
    "two_steps_error": "largest error of V where the truth is [0.8, 1]",
    "forever": "V where the truth is 5 (reward 1 for ever, cut after 8 steps)",
    "ring_error": "largest error of V on a ring of three states, cut after 4 steps",
    "last_day_error": "error of V where the truth is -1 (the episode ends on the step of its time limit)",
    "right_action": "probability of the right action in a task of one step",
    "aim_error": "distance between a continuous action and its target",
    "first_ratio_gap": "largest |ratio - 1| on the first minibatch, continuous actions",
}


# ---- environments with known answers, beside those of ppo_core.probes


def ring() -> TabularEnv:
    """0 → 1 → 2 → 0 → ..., reward 1 for leaving 2, cut after four steps, where V differs before and after."""
    moves = np.roll(np.eye(3), 1, axis=1)[:, None]
    return TabularEnv(moves, [[0.0], [0.0], [1.0]], time_limit=4)


class LastDay(gym.Env):
    """One step, reward -1, and the episode ends by itself on the very step of its time limit: V = -1."""

    observation_space, action_space = gym.spaces.Box(0.0, 1.0, (2,), np.float32), gym.spaces.Discrete(1)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        return np.array([1.0, 0.0], np.float32), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        return np.array([0.0, 1.0], np.float32), -1.0, True, True, {}


class Aim(gym.Env):
    """One step, two continuous actions; reward is minus the squared distance to a target within the bounds."""

    TARGET = np.array([0.6, -0.6], np.float32)
    observation_space = gym.spaces.Box(0.0, 1.0, (1,), np.float32)
    action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        return np.ones(1, np.float32), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        return np.ones(1, np.float32), -float(np.square(action - self.TARGET).sum()), True, False, {}


def probe(core: ModuleType, make: Callable[[], gym.Env], seed: int) -> Any:
    """A trainer of `core` that has finished on eight copies of a tiny environment."""
    config = core.PPOConfig(
        seed=seed, num_envs=8, num_steps=16, num_minibatches=2, hidden_size=16, learning_rate=0.01, ent_coef=0.0,
        gamma=GAMMA, max_grad_norm=5.0, total_timesteps=8 * 16 * 30,
    )  # fmt: skip
    trainer = core.Trainer(config, core.SerialVectorEnv([make] * 8))
    for _ in trainer.run():
        pass
    return trainer


def values(trainer: Any, states: int) -> np.ndarray:
    with torch.no_grad():
        return trainer.policy.value(torch.eye(states)).numpy()


def furthest(trainer: Any, env: TabularEnv) -> float:
    exact = env.exact_values(GAMMA)
    return float(np.abs(values(trainer, len(exact)) - exact).max())


def right(trainer: Any) -> float:
    with torch.no_grad():
        return float(torch.softmax(trainer.policy.actor(torch.eye(2)), -1).diagonal().mean())


def distance(trainer: Any) -> float:
    with torch.no_grad():
        action = trainer.policy.act(torch.ones(1, 1))[0].numpy()
    return float(np.linalg.norm(np.clip(action, -1.0, 1.0) - Aim.TARGET))


def ratio_gap(core: ModuleType, seed: int) -> float:
    trainer = core.Trainer(core.PPOConfig(seed=seed, num_envs=8), core.SerialVectorEnv([Aim] * 8))
    trainer.collect()
    batch = next(trainer.rollout.minibatches(1))
    with torch.no_grad():
        ratio = torch.exp(trainer.policy.evaluate(batch.obs, batch.actions).logprobs - batch.old_logprobs)
    return float((ratio - 1).abs().max())


PROBES: dict[str, Callable[[ModuleType, int], float]] = {
    "constant": lambda core, seed: float(values(probe(core, constant_reward, seed), 1)[0]),
    "two_steps_error": lambda core, seed: furthest(probe(core, two_steps, seed), two_steps()),
    "forever": lambda core, seed: float(values(probe(core, partial(forever, 8), seed), 1)[0]),
    "ring_error": lambda core, seed: furthest(probe(core, ring, seed), ring()),
    "last_day_error": lambda core, seed: abs(float(values(probe(core, LastDay, seed), 2)[0]) + 1.0),
    "right_action": lambda core, seed: right(probe(core, action_answers_state, seed)),
    "aim_error": lambda core, seed: distance(probe(core, Aim, seed)),
    "first_ratio_gap": ratio_gap,
}


# A probe costs half a second: each family gets those that its bugs can reach.
REACHED = {
    "advantages": ("constant", "two_steps_error", "forever"),
    "endings": ("forever", "ring_error", "last_day_error"),
    "loss": ("constant", "right_action"),
    "sampling": ("right_action", "aim_error", "first_ratio_gap"),
    "buffer": ("right_action",),
    "networks": ("constant", "right_action"),
    "normalisation": ("constant",),
    "measurement": (),
}


def probes_of(name: str, setup: str) -> tuple[str, ...]:
    """All of them for the sound core, once."""
    if name == SOUND:
        return () if setup else tuple(PROBES)
    return REACHED[zoo.specimen(name).family]


# ---- CartPole


def remembering(core: ModuleType) -> type:
    """An actor and critic that see CartPole's observations in units which only its buffer knows."""

    class Remembers(core.ActorCritic):
        def __init__(self, env: Any):
            super().__init__(
                env.single_observation_space,
                env.single_action_space,
                generator=torch.Generator().manual_seed(0),
            )
            self.register_buffer("scale", torch.ones(4))

        def _flat(self, obs: torch.Tensor) -> torch.Tensor:
            return super()._flat(obs) / self.scale

    return Remembers


def settings(setup: str) -> dict[str, Any]:
    if setup == "clip_value_loss":
        return {"clip_value_loss": True}
    if setup == "one_row":  # minibatches of one row: few steps are enough, and all that is affordable
        return {"num_steps": 4, "num_minibatches": 32, "total_timesteps": 640}
    return {}


def cartpole(core: ModuleType, setup: str, seed: int) -> dict[str, Any]:
    """One training run; the numbers of COLUMNS that belong to it."""
    config = core.PPOConfig(seed=seed, **settings(setup))
    factory = partial(make_env, config.env_id)
    envs = policy = None
    if setup == "gymnasium":
        envs = core.GymnasiumVectorEnv(gym.vector.SyncVectorEnv([factory] * config.num_envs))
    if setup == "remembers":
        envs = core.SerialVectorEnv([factory] * config.num_envs)
        policy = remembering(core)(envs)
        policy.scale.copy_(torch.tensor([0.2, 0.5, 0.02, 0.5]))
    trainer = core.Trainer(config, envs, policy)
    history, ended, stopped, last_move = [], 0, "", None
    worlds = len({tuple(obs) for obs in trainer.obs.tolist()})
    before = trainer.weights.detach().clone()
    try:
        for stats in trainer.run():
            history.append(stats)
            ended += int((trainer.rollout.terminated | trainer.rollout.truncated).sum())
            last_move = float((trainer.weights.detach() - before).abs().max())
            before.copy_(trainer.weights.detach())
    except core.NonFiniteError as error:
        stopped = type(error).__name__
    row: dict[str, Any] = {"worlds": worlds, "iterations": len(history), "stopped": stopped}

    def score(agent: torch.nn.Module) -> float:
        return evaluate(agent, factory, EPISODES, FIRST_EPISODE, True).mean

    row["evaluation"] = score(trainer.policy)
    if setup == "remembers":
        with tempfile.TemporaryDirectory() as folder:
            trainer.save(f"{folder}/agent.safetensors")
            fresh = core.SerialVectorEnv([factory] * config.num_envs)
            loaded = core.Trainer.resume(f"{folder}/agent.safetensors", fresh, remembering(core)(fresh))
            row["after_loading"] = score(loaded.policy)
            loaded.close()
    if history:
        second_half = history[len(history) // 2 :]
        reported = [s.episodic_return for s in history if s.episodic_return == s.episodic_return]
        solved = [s.global_step for s in history if s.episodic_return >= 475]
        seen = [s.explained_variance for s in second_half if s.explained_variance == s.explained_variance]
        trainer.rollout.advantages.copy_(torch.arange(config.batch_size).view_as(trainer.rollout.advantages))
        rows = torch.cat([batch.advantages for batch in trainer.rollout.minibatches(4)])
        row |= {
            "episode_length": len(history) * config.batch_size / max(ended, 1),
            "steps_to_475": solved[0] if solved else None,
            "reported_last": history[-1].episodic_return if reported else None,
            "reported_most": max(reported) if reported else None,
            "approx_kl": np.mean([s.approx_kl for s in history]),
            "least_kl": min(s.approx_kl for s in history),
            "clip_frac": np.mean([s.clip_frac for s in history]),
            "first_entropy": history[0].entropy,
            "last_entropy": history[-1].entropy,
            "explained_variance": np.median(seen) if seen else None,
            "value_loss": np.median([s.value_loss for s in second_half]),
            "grad_norm": np.median([s.grad_norm for s in history]),
            "last_move": last_move,
            "rows_seen": len(set(rows.tolist())) / config.batch_size,
        }
    trainer.close()
    return row


def study(name: str, setup: str, seed: int) -> dict[str, Any]:
    """One row: CartPole, then the probes that a bug of this family can reach."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    core = zoo.sound() if name == SOUND else zoo.broken(name)
    row = {"name": name, "setup": setup, "seed": seed, **cartpole(core, setup, seed)}
    for column in probes_of(name, setup):
        try:
            row[column] = PROBES[column](core, seed)
        except core.NonFiniteError:
            row[column] = None  # the run stopped at a NaN
    return row


def brief(value: Any) -> Any:
    """Six digits are more than any statement needs."""
    return f"{float(value):.6g}" if isinstance(value, float | np.floating) else value


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of an interrupted study."""
    rows = csv.DictReader(line for line in path.read_text(encoding="utf-8").splitlines() if line[0] != "#")
    kept = [{**row, "seed": int(row["seed"])} for row in rows]
    for row in kept:
        row |= {probe: "" for probe in PROBES if probe not in probes_of(row["name"], row["setup"])}
    return kept


def write(path: Path, rows: list[dict[str, Any]], seeds: int) -> None:
    order = [SOUND, *zoo.names()]
    rows = sorted(rows, key=lambda row: (order.index(row["name"]), row["setup"], row["seed"]))
    stopped = "the error that ended training on CartPole; an empty number was not measured, or ended so"
    head = header(
        f"python benchmarks/{Path(__file__).name}",
        columns={**COLUMNS, "stopped": stopped},
        seeds=seeds_up_to(seeds),
        settings=default_settings(),
    )
    names = ["name", "setup", "seed", *COLUMNS, "stopped"]
    write_table(path, head, [{column: brief(value) for column, value in row.items()} for row in rows], names)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds, from 1 (default 5)")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="specimens (default: all)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at once (default: all cores)")
    parser.add_argument("--go-on", action="store_true", help="keep the rows that the file already has")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".csv"), help="file to write")
    args = parser.parse_args()
    chosen = [zoo.specimen(name) for name in args.only or zoo.names()]
    pairs = [(SOUND, setup) for setup in sorted({"", *(one.setup for one in chosen)})]
    pairs += [(one.name, one.setup) for one in chosen]
    tasks = [(name, setup, seed) for seed in range(1, args.seeds + 1) for name, setup in pairs]
    rows = read(args.out) if args.go_on and args.out.exists() else []
    there = {(row["name"], row["setup"], row["seed"]) for row in rows}
    tasks = [task for task in tasks if task not in there]
    with ProcessPoolExecutor(args.jobs) as pool:
        for done in as_completed([pool.submit(study, *task) for task in tasks]):
            rows.append(done.result())
            row = rows[-1]
            print(
                f"{len(rows)}/{len(there) + len(tasks)} {row['name']} seed {row['seed']}: {row['evaluation']:g}",
                file=sys.stderr,
                flush=True,
            )
            write(args.out, rows, args.seeds)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
