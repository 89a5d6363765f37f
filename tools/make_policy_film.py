"""Make the data of the policy film: moments of one training run on CartPole, and what the policy did at each.

    python tools/make_policy_film.py

Trains with the default settings and seed 1, as chapter 10 does, and looks at the policy after iterations 0, 2, 4, 8,
and so on, each twice as late as the one before, and at the end. At each moment: one episode of the most probable
actions, always the same episode; the probability of a push to the right over angle and turning speed of the
pole, with the cart in the middle and at rest, and at some positions of the cart; and the mean return of twenty episodes.

Writes ppo_core/viz/explorables/policy_film.json. Takes about half a minute.
"""

from __future__ import annotations

import contextlib
import json
import platform
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch

import ppo_core
from ppo_core import ActorCritic, PPOConfig, Trainer, make_env

TARGET = Path(__file__).resolve().parents[1] / "ppo_core" / "viz" / "explorables" / "policy_film.json"
MOMENTS = (0, 2, 4, 8, 16, 32, 64)  # iterations after which to look; the end comes after them
EPISODE_SEED = 1000  # the first episode of Trainer.evaluate
ANGLES = np.linspace(-0.2, 0.2, 21)  # rad
SPEEDS = np.linspace(-2.0, 2.0, 21)  # rad/s
POSITIONS = np.linspace(-2.0, 2.0, 5)  # of the cart
THOUSAND = 1000  # lengths, angles and probabilities are written in thousandths


def episode(policy: ActorCritic) -> tuple[np.ndarray, list[int], str]:
    """States [steps + 1, 4], actions and ending of the episode in which each action is the most probable one."""
    with contextlib.closing(make_env("CartPole-v1")) as env:
        obs, _ = env.reset(seed=EPISODE_SEED)
        states, actions, terminated, truncated = [obs], [], False, False
        while not (terminated or truncated):
            actions.append(int(policy.act(torch.from_numpy(obs[None]))[0]))
            obs, _, terminated, truncated, _ = env.step(actions[-1])
            states.append(obs)
        fallen = abs(obs[2]) > env.unwrapped.theta_threshold_radians
    return np.array(states), actions, "cut" if truncated else "fallen" if fallen else "off the track"


@torch.no_grad()
def push_right(policy: ActorCritic) -> np.ndarray:
    """Probability of a push to the right, [speeds, angles], with the cart in the middle and at rest."""
    speed, angle = torch.meshgrid(torch.tensor(SPEEDS), torch.tensor(ANGLES), indexing="ij")
    zero = torch.zeros_like(angle)
    states = torch.stack([zero, zero, angle, speed], dim=-1).float()
    return policy.actor(states).softmax(-1)[..., 1].numpy()


@torch.no_grad()
def push_right_at(policy: ActorCritic) -> np.ndarray:
    """Probability of a push to the right at each position, with everything at rest and the pole upright."""
    states = torch.zeros(len(POSITIONS), 4)
    states[:, 0] = torch.tensor(POSITIONS)
    return policy.actor(states).softmax(-1)[:, 1].numpy()


def differences(numbers: np.ndarray) -> str:
    """Thousandths, each as its difference from the one before: shorter."""
    return " ".join(map(str, np.diff(np.rint(numbers * THOUSAND).astype(int), prepend=0)))


def moment(trainer: Trainer) -> dict[str, object]:
    """What the film shows of the policy as it is now."""
    states, actions, ending = episode(trainer.policy)
    return {
        "iteration": trainer.iteration,
        "steps": trainer.global_step,
        "position": differences(states[:, 0]),
        "angle": differences(states[:, 2]),
        "actions": "".join(map(str, actions)),
        "ending": ending,
        "push_right": differences(push_right(trainer.policy).ravel()),
        "push_right_at": differences(push_right_at(trainer.policy)),
        "mean_return": round(trainer.evaluate(num_episodes=20, seed=EPISODE_SEED).mean, 1),
    }


def main() -> None:
    config = PPOConfig(seed=1)
    with Trainer(config) as trainer:
        moments, curve = [moment(trainer)], []
        for stats in trainer.run():
            known = not np.isnan(stats.episodic_return)
            curve.append(round(stats.episodic_return, 1) if known else None)
            if stats.iteration in (*MOMENTS, config.num_iterations):
                moments.append(moment(trainer))
                print(*(f"{name} {moments[-1][name]}" for name in ("steps", "ending", "mean_return")))
    record = {
        "command": "python tools/make_policy_film.py",
        "seed": config.seed,
        "episode_seed": EPISODE_SEED,
        "batch_size": config.batch_size,
        "angles": [ANGLES[0], ANGLES[-1], len(ANGLES)],
        "speeds": [SPEEDS[0], SPEEDS[-1], len(SPEEDS)],
        "positions": [POSITIONS[0], POSITIONS[-1], len(POSITIONS)],
        "versions": {
            "python": platform.python_version(),
            "ppo_core": ppo_core.__version__,
            "torch": torch.__version__.split("+")[0],
            "gymnasium": gym.__version__,
        },
        "curve": curve,
        "moments": moments,
    }
    TARGET.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"{TARGET.name}: {len(moments)} moments, {TARGET.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
