"""The tests that catch the specimens. Each takes a core, accepts the sound one, and is short enough to be read.

They are written to be read, and not to be complete: the core's own oracles (tests/core) ask far more.
"""

from __future__ import annotations

import math
import tempfile
from functools import partial
from types import ModuleType
from typing import Any

import gymnasium as gym
import torch
from torch import Tensor
from torch.testing import assert_close

# ---- two helpers


def column(*numbers: Any) -> Tensor:
    """T numbers as [T, 1]: what happened to one environment."""
    return torch.tensor(numbers)[:, None]


def trainer_on(core: ModuleType, make: Any, **settings: Any) -> Any:
    """A trainer of that core on four copies of the environment that `make()` gives, eight steps per rollout."""
    env = core.SerialVectorEnv([make] * 4)
    sizes = {"num_envs": 4, "num_steps": 8, "total_timesteps": 32}
    return core.Trainer(core.PPOConfig(**{**sizes, **settings}), env=env)


# ---- advantages


def three_steps_by_hand(core):
    # γ = λ = ½, and row 1 ends an episode: δ = 1 + 2 - 2, 2 + 0 - 4, 3 + 4 - 2.
    rewards, values, next_values = column(1.0, 2.0, 3.0), column(2.0, 4.0, 2.0), column(4.0, 100.0, 8.0)
    terminated, no = column(False, True, False), column(False, False, False)
    got = core.compute_gae(rewards, values, next_values, terminated, no, 0.5, 0.5)
    assert_close(got.advantages, column(1.0 - 2.0 / 4, -2.0, 5.0))
    assert_close(got.returns, got.advantages + values)


def as_expected_is_no_advantage(core):
    # Reward 1 for ever is worth 1 / (1 - 0.9) = 10, wherever we cut the rollout.
    ones, tens, no = torch.ones(3, 1), torch.full((3, 1), 10.0), torch.zeros(3, 1, dtype=torch.bool)
    got = core.compute_gae(ones, tens, tens, no, no, 0.9, 0.95)
    assert_close(got.advantages, torch.zeros(3, 1))


def an_episode_knows_nothing_of_the_next(core):
    def first_advantage(reward_afterwards, how):
        terminated, truncated = column(how == "terminated", False), column(how == "truncated", False)
        rewards, zeros = column(1.0, reward_afterwards), column(0.0, 0.0)
        return core.compute_gae(rewards, zeros, zeros, terminated, truncated, 0.9, 0.95).advantages[0]

    for how in ("terminated", "truncated"):
        assert_close(first_advantage(0.0, how), first_advantage(100.0, how))


def the_critic_regresses_on_numbers(core):
    trainer = trainer_on(core, core.probes.constant_reward, vf_coef=1.0)
    trainer.collect()
    batch = next(trainer.rollout.minibatches(1))
    core.ppo_loss(trainer.policy, batch, trainer.config).loss.backward()
    slope = (trainer.policy.value(batch.obs) - batch.returns).mean()  # of ½ (V - R)², where R is a number
    assert_close(trainer.policy.critic[-1].bias.grad, slope.detach()[None])


# ---- endings


def a_time_limit_is_no_death(core):
    # Reward 1 for ever is worth 1 / (1 - 0.9) = 10, also when we stop watching.
    no, yes = column(False), column(True)
    got = core.compute_gae(column(1.0), column(10.0), column(10.0), no, yes, 0.9, 0.95)
    assert_close(got.advantages, column(0.0))


def a_time_limit_asks_the_successor(core):
    no, yes = column(False), column(True)
    got = core.compute_gae(column(0.0), column(1.0), column(5.0), no, yes, 0.5, 0.95)
    assert_close(got.advantages, column(0.5 * 5.0 - 1.0))


def a_death_at_the_limit_is_a_death(core):
    yes = column(True)
    got = core.compute_gae(column(-1.0), column(3.0), column(100.0), yes, yes, 0.9, 0.95)
    assert_close(got.advantages, column(-1.0 - 3.0))


def every_row_is_a_step(core):
    # In the corridor, action 1 goes one place to the right and action 0 one to the left. Two steps, then truncation.
    trainer = trainer_on(core, partial(core.probes.corridor, 5, 2))
    trainer.collect()
    rows = trainer.rollout
    here, there = rows.obs.argmax(-1), rows.next_obs.argmax(-1)
    assert_close(there - here, 2 * rows.actions - 1)


def a_reset_is_not_a_step(core):
    # The same, with Gymnasium's own vector environment, which resets in the step after the end.
    envs = gym.vector.SyncVectorEnv([partial(core.probes.corridor, 5, 2)] * 4)
    config = core.PPOConfig(num_envs=4, num_steps=8, total_timesteps=32)
    trainer = core.Trainer(config, env=core.GymnasiumVectorEnv(envs))
    trainer.collect()
    rows = trainer.rollout
    here, there = rows.obs.argmax(-1), rows.next_obs.argmax(-1)
    assert_close(there - here, 2 * rows.actions - 1)


# ---- the loss


def the_six_cases_of_the_clip(core):
    # (A, ratio, gain); ε = 0.2. The gain is held only where it would become better than at the edge.
    for advantage, ratio, gain in [
        (+1.0, 0.5, +0.5), (+1.0, 1.0, +1.0), (+1.0, 1.5, +1.2),
        (-1.0, 0.5, -0.8), (-1.0, 1.0, -1.0), (-1.0, 1.5, -1.5),
    ]:  # fmt: skip
        new, old = torch.log(torch.tensor([ratio])), torch.zeros(1)
        loss = core.clipped_policy_loss(new, old, torch.tensor([advantage]), 0.2)
        assert_close(-loss, torch.tensor(gain), msg=lambda text, case=(advantage, ratio): f"{case}: {text}")


def an_entropy_bonus_raises_entropy(core):
    config = core.PPOConfig(ent_coef=1.0, vf_coef=0.0, normalize_advantages=False)
    trainer = trainer_on(core, core.probes.right_action)
    with torch.no_grad():
        trainer.policy.actor[-1].bias.copy_(torch.tensor([2.0, 0.0]))  # not as random as can be
    trainer.collect()
    trainer.rollout.advantages.zero_()  # nothing to learn but entropy
    batch = next(trainer.rollout.minibatches(1))
    core.ppo_loss(trainer.policy, batch, config).loss.backward()
    before = trainer.policy.evaluate(batch.obs, batch.actions).entropy.mean()
    with torch.no_grad():
        trainer.weights -= 0.1 * trainer.weights.grad
    after = trainer.policy.evaluate(batch.obs, batch.actions).entropy.mean()
    assert after > before, f"entropy went from {before:.4f} to {after:.4f}"


def the_ratio_moves_after_a_step(core):
    trainer = trainer_on(core, core.probes.right_action)
    trainer.collect()
    means, _, _ = trainer.update()
    assert means.approx_kl > 0, "sixteen steps of the optimiser, and the policy is where it was"


def a_perfect_critic_has_no_loss(core):
    trainer = trainer_on(core, core.probes.reward_is_seen)
    trainer.collect()
    batch = next(trainer.rollout.minibatches(1))
    batch = batch._replace(returns=trainer.policy.value(batch.obs).detach())
    assert_close(core.ppo_loss(trainer.policy, batch, trainer.config).value_loss, torch.tensor(0.0))


def value_clipping_is_pessimistic(core):
    # The critic went from 5 to 1 and should have gone to 10: the error that counts is the larger one.
    value, target, old = torch.tensor([1.0]), torch.tensor([10.0]), torch.tensor([5.0])
    assert_close(core.value_loss(value, target, old, 0.2), torch.tensor(0.5 * 9.0**2))


# ---- sampling


def the_first_ratio_is_one(core):
    trainer = core.Trainer(core.PPOConfig(env_id="Pendulum-v1", num_envs=4, num_steps=8))
    with torch.no_grad():
        trainer.policy.log_std += 2.0  # many actions beyond the bounds
    trainer.collect()
    batch = next(trainer.rollout.minibatches(1))
    assert_close(trainer.policy.evaluate(batch.obs, batch.actions).logprobs, batch.old_logprobs)


def a_coin_has_entropy_log_two(core):
    even = torch.zeros(1, 2)  # two logits
    _, entropy = core.policy.categorical(even, torch.tensor([0]))
    assert_close(entropy, torch.tensor([math.log(2)]))


def environments_begin_differently(core):
    env = core.SerialVectorEnv([partial(core.make_env, "CartPole-v1")] * 3)
    starts = {tuple(obs) for obs in env.reset(seed=0).tolist()}
    assert len(starts) == 3, "some environments begin in the same state"


# ---- the rollout


def an_epoch_shows_every_row_once(core):
    trainer = trainer_on(core, core.probes.right_action)
    trainer.rollout.advantages.copy_(torch.arange(32.0).view(8, 4))
    shown = torch.cat([batch.advantages for batch in trainer.rollout.minibatches(4)])
    assert_close(shown.sort().values, torch.arange(32.0))


# ---- networks and optimiser


def every_gradient_begins_at_zero(core):
    def mean_norm(epochs):
        still = {"learning_rate": 0.0, "max_grad_norm": 0.0, "num_minibatches": 1}
        trainer = trainer_on(core, core.probes.right_action, update_epochs=epochs, **still)
        trainer.collect()
        return trainer.update()[1]

    assert_close(mean_norm(1), mean_norm(4))  # nothing moves, so every epoch has the same gradient


def the_whole_gradient_is_clipped(core):
    one = {"max_grad_norm": 0.01, "num_minibatches": 1, "update_epochs": 1}
    trainer = trainer_on(core, core.probes.right_action, **one)
    trainer.collect()
    trainer.update()
    assert trainer.weights.grad.norm() < 0.0101, f"the norm is {trainer.weights.grad.norm():.4f}"


def an_untrained_policy_has_no_opinion(core):
    trainer = core.Trainer(core.PPOConfig(env_id="CartPole-v1"))
    probabilities = torch.softmax(trainer.policy.actor(torch.randn(100, 4)), -1)
    furthest = (probabilities - 0.5).abs().max().item()
    assert furthest < 0.05, f"a probability is {furthest:.2f} away from one half"


def the_last_update_still_learns(core):
    trainer = trainer_on(core, core.probes.right_action, total_timesteps=3 * 32, learning_rate=0.3)
    rates = [stats.learning_rate for stats in trainer.run()]
    assert_close(rates, [0.3, 0.2, 0.1])


# ---- normalisation


def targets_are_in_reward_units(core):
    trainer = trainer_on(core, core.probes.constant_reward)
    trainer.collect()
    assert_close(trainer.rollout.returns, torch.ones(8, 4))  # one step, reward 1


def one_sample_stays_finite(core):
    assert core.normalize(torch.tensor([3.0])).isfinite().all()


def equal_advantages_stay_finite(core):
    assert_close(core.normalize(torch.full((4,), 3.0)), torch.zeros(4))


# ---- measurement


def the_log_counts_like_we_do(core):
    # Reward 1 a step, cut after three: four environments end 2 · 4 episodes in steps 1 to 8 and 3 · 4 in steps 9 to 16.
    trainer = trainer_on(core, partial(core.probes.forever, 3), total_timesteps=2 * 32)
    told = [(stats.episodes, stats.episodic_return) for stats in trainer.run()]
    assert told == [(8, 3.0), (12, 3.0)], f"told (episodes, return): {told}"


def the_mean_is_over_all_minibatches(core):
    still = {"learning_rate": 0.0, "num_minibatches": 2, "update_epochs": 1}
    trainer = trainer_on(core, core.probes.action_answers_state, **still)
    trainer.collect()
    means, _, _ = trainer.update()
    error = trainer.rollout.values - trainer.rollout.returns
    assert_close(means.value_loss, float(0.5 * error.square().mean()))


def a_divergence_is_never_negative(core):
    # For one small step of the log-probability, k3 is half its square.
    for step in (0.1, 0.01, 0.001, 0.0001):
        kl = core.approximate_kl(torch.tensor([step]), torch.zeros(1))
        assert_close(kl, torch.tensor(step**2 / 2), rtol=0.1, atol=0.0)


def a_loaded_policy_acts_alike(core):
    class Remembers(core.ActorCritic):
        def __init__(self, env):
            super().__init__(env.single_observation_space, env.single_action_space)
            self.register_buffer("mean", torch.zeros(1))  # as running statistics are

    env = core.SerialVectorEnv([core.probes.right_action] * 4)
    trainer = core.Trainer(core.PPOConfig(num_envs=4), env, Remembers(env))
    trainer.policy.mean += 5.0
    with tempfile.TemporaryDirectory() as folder:
        trainer.save(f"{folder}/agent.safetensors")
        loaded = core.Trainer.resume(f"{folder}/agent.safetensors", env, Remembers(env))
    assert_close(loaded.policy.mean, trainer.policy.mean)
