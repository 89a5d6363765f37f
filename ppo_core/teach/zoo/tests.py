"""The tests that catch the specimens. Each takes a core, accepts the sound one, and is short enough to be read.

They are written to be read and not to be complete: the core's own oracles (tests/core) ask far more.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.testing import assert_close


def column(*numbers: Any) -> Tensor:
    """T numbers as [T, 1]: what happened to one environment."""
    return torch.tensor(numbers)[:, None]


def trainer_on(core: ModuleType, make: Any, num_envs: int = 4, num_steps: int = 8, **settings: Any) -> Any:
    """A trainer of that core on `num_envs` copies of the environment that `make()` gives."""
    env = core.SerialVectorEnv([make] * num_envs)
    sizes = {"num_envs": num_envs, "num_steps": num_steps, "total_timesteps": num_envs * num_steps}
    return core.Trainer(core.PPOConfig(**{**sizes, **settings}), env=env)


# ---- advantages and endings


def a_time_limit_is_no_death(core):
    # Reward 1 for ever is worth 1 / (1 - 0.9) = 10, also when we stop watching.
    no, yes = column(False), column(True)
    got = core.compute_gae(column(1.0), column(10.0), column(10.0), no, yes, 0.9, 0.95)
    assert_close(got.advantages, column(0.0))


def an_episode_knows_nothing_of_the_next(core):
    def first_advantage(reward_afterwards, how):
        terminated, truncated = column(how == "terminated", False), column(how == "truncated", False)
        rewards = column(1.0, reward_afterwards)
        return core.compute_gae(
            rewards, column(0.0, 0.0), column(0.0, 0.0), terminated, truncated, 0.9, 0.95
        ).advantages[0]

    for how in ("terminated", "truncated"):
        assert_close(first_advantage(0.0, how), first_advantage(100.0, how))


def three_steps_by_hand(core):
    # γ = λ = ½, and row 1 ends an episode: δ = 1 + 2 - 2, 2 + 0 - 4, 3 + 4 - 2.
    rewards, values, next_values = column(1.0, 2.0, 3.0), column(2.0, 4.0, 2.0), column(4.0, 100.0, 8.0)
    terminated, no = column(False, True, False), column(False, False, False)
    got = core.compute_gae(rewards, values, next_values, terminated, no, 0.5, 0.5)
    assert_close(got.advantages, column(1.0 - 2.0 / 4, -2.0, 5.0))
    assert_close(got.returns, got.advantages + values)


# ---- the loss


def the_six_cases_of_the_clip(core):
    # (A, ratio, gain); ε = 0.2. The gain is held only where it would become better than at the edge.
    for advantage, ratio, gain in [
        (+1.0, 0.5, +0.5), (+1.0, 1.0, +1.0), (+1.0, 1.5, +1.2),
        (-1.0, 0.5, -0.8), (-1.0, 1.0, -1.0), (-1.0, 1.5, -1.5),
    ]:  # fmt: skip
        new, old = torch.log(torch.tensor([ratio])), torch.zeros(1)
        loss = core.clipped_policy_loss(new, old, torch.tensor([advantage]), 0.2)
        assert_close(-loss, torch.tensor(gain))


def an_entropy_bonus_raises_entropy(core):
    config = core.PPOConfig(ent_coef=1.0, vf_coef=0.0, normalize_advantages=False)
    trainer = trainer_on(core, core.probes.right_action)
    with torch.no_grad():
        trainer.policy.actor[-1].bias.copy_(torch.tensor([2.0, 0.0]))  # not yet as random as can be
    trainer.collect()
    trainer.rollout.advantages.zero_()  # nothing to learn but entropy
    batch = next(trainer.rollout.minibatches(1))
    core.ppo_loss(trainer.policy, batch, config).loss.backward()
    before = trainer.policy.evaluate(batch.obs, batch.actions).entropy.mean()
    with torch.no_grad():
        trainer.weights -= 0.1 * trainer.weights.grad
    assert trainer.policy.evaluate(batch.obs, batch.actions).entropy.mean() > before


# ---- collecting


def targets_are_in_reward_units(core):
    trainer = trainer_on(core, core.probes.constant_reward)
    trainer.collect()
    assert_close(trainer.rollout.returns, torch.ones(8, 4))  # one step, reward 1


def the_first_ratio_is_one(core):
    trainer = core.Trainer(core.PPOConfig(env_id="Pendulum-v1", num_envs=4, num_steps=8))
    with torch.no_grad():
        trainer.policy.log_std += 2.0  # many actions beyond the bounds
    trainer.collect()
    batch = next(trainer.rollout.minibatches(1))
    logprobs = trainer.policy.evaluate(batch.obs, batch.actions).logprobs
    assert_close(logprobs, batch.old_logprobs)
