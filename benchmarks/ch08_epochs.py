"""Learn from one rollout for 1 to 50 epochs, without a clip, and write what became of the policy as a small CSV.

    python benchmarks/ch08_epochs.py            # writes benchmarks/ch08_epochs.csv
    python benchmarks/ch08_epochs.py --seeds 2 --out /some/where.csv

Chapter 08 draws its experiment from this file and runs two seeds again. For each seed: train CartPole for some
iterations (`trained`), collect one rollout, and improve the plain surrogate, mean(ratio · A), on this one rollout.
One row is one look: the surrogate on that rollout, the surrogate on sixteen other rollouts of the same old policy, the
share of the samples that the ratios leave effective, and the mean return of 128 new episodes played by the new policy.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from copy import deepcopy
from itertools import islice
from pathlib import Path

import gymnasium
import numpy as np
import torch
from tables import default_settings, header, write_table
from torch import Tensor

from ppo_core import ActorCritic, PPOConfig, Trainer
from ppo_core.loss import normalize

TRAINED = (3, 10, 40)  # iterations before the rollout: an early, a half-trained and a later policy
LOOKS = (0, 1, 2, 4, 8, 16, 32, 50)  # epochs after which we look
OTHERS = 16  # rollouts of the same old policy that nothing is learned from
EPISODES = 128

Samples = tuple[
    Tensor, Tensor, Tensor, Tensor
]  # obs [B, *obs], actions, old log-probabilities, advantages, each [B]


def samples(trainer: Trainer) -> Samples:
    """A new rollout of the present policy, flat."""
    trainer.collect()
    rollout = trainer.rollout
    stored = (rollout.obs, rollout.actions, rollout.logprobs, rollout.advantages)
    return tuple(x.flatten(0, 1).clone() for x in stored)


@torch.no_grad()
def surrogate(policy: ActorCritic, batch: Samples) -> tuple[float, float]:
    """mean(ratio · A), with A in standard deviations, and the effective share of the samples."""
    obs, actions, old_logprobs, advantages = batch
    ratio = torch.exp(policy.evaluate(obs, actions).logprobs - old_logprobs)
    share = ratio.sum() ** 2 / ratio.square().sum() / len(ratio)
    return (ratio * normalize(advantages)).mean().item(), share.item()


def true_return(policy: ActorCritic, seed: int = 1000) -> float:
    """Mean return of 128 new episodes, all at once; actions are sampled."""
    envs = gymnasium.make_vec("CartPole-v1", num_envs=EPISODES, vectorization_mode="vector_entry_point")
    generator = torch.Generator().manual_seed(seed)
    obs, _ = envs.reset(seed=seed)
    playing, total = np.ones(EPISODES, bool), 0.0
    while playing.any():
        actions = policy.act(torch.from_numpy(obs), policy.noise(EPISODES, generator=generator))
        obs, rewards, terminated, truncated, _ = envs.step(actions.numpy())
        total += float(rewards[playing].sum())
        playing &= ~(terminated | truncated)
    return total / EPISODES


def study(seed: int, trained: int) -> Iterator[dict[str, object]]:
    """One rollout, learned from again and again: a row for each look."""
    with Trainer(PPOConfig(seed=seed)) as trainer:
        for _ in islice(trainer.run(), trained):
            pass
        batch = samples(trainer)
        others = tuple(map(torch.cat, zip(*(samples(trainer) for _ in range(OTHERS)), strict=True)))
        policy, config = deepcopy(trainer.policy), trainer.config
    optimizer = torch.optim.Adam(policy.actor.parameters(), lr=config.learning_rate, eps=config.adam_eps)
    shuffle = torch.Generator().manual_seed(seed)
    for epoch in range(LOOKS[-1] + 1):
        if epoch > 0:
            for part in torch.randperm(len(batch[0]), generator=shuffle).tensor_split(config.num_minibatches):
                obs, actions, old_logprobs, advantages = (x[part] for x in batch)
                ratio = torch.exp(policy.evaluate(obs, actions).logprobs - old_logprobs)
                optimizer.zero_grad()
                (-(ratio * normalize(advantages)).mean()).backward()
                torch.nn.utils.clip_grad_norm_(policy.actor.parameters(), config.max_grad_norm)
                optimizer.step()
        if epoch in LOOKS:
            here, share = surrogate(policy, batch)
            there, _ = surrogate(policy, others)
            numbers = {
                "surrogate": here,
                "elsewhere": there,
                "effective": share,
                "return": true_return(policy),
            }
            yield {"trained": trained, "seed": seed, "epoch": epoch} | {
                k: round(v, 4) for k, v in numbers.items()
            }


COLUMNS = (
    "trained is iterations before the rollout; surrogate is mean(ratio · A) on the rollout that is learned from,"
    f" elsewhere the same on {OTHERS} other rollouts of the old policy, both with A in standard deviations;"
    f" effective is the effective share of the samples; return is the mean of {EPISODES} new episodes, actions sampled"
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20, help="how many seeds, from 1 (default 20)")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".csv"), help="file to write")
    args = parser.parse_args()
    rows = []
    for trained in TRAINED:
        for seed in range(1, args.seeds + 1):
            rows += study(seed, trained)
            print(f"trained {trained}, seed {seed}: {rows[-1]}", file=sys.stderr)
    facts = {"seeds": f"1 to {args.seeds}", "settings": default_settings()}
    head = header(f"python benchmarks/{Path(__file__).name}", columns=COLUMNS, **facts)
    write_table(args.out, head, rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
