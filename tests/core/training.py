"""Oracles of whole trainers: what is collected, what an update does, and what interrupts, faults and kills leave behind."""

from __future__ import annotations

import itertools
import math
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import tracer
from contract import MODES, QUICK, Script, flag, interrupted_at, make, needs, raises, same
from oracles import Core, close, double_sum, observations, oracle, refuses, scalar_evaluate
from tracer import tracers

# ---- small helpers


def settings(core: Core, **changes: Any) -> Any:
    small = {
        "num_envs": 3,
        "num_steps": 8,
        "num_minibatches": 2,
        "update_epochs": 2,
        "hidden_size": 8,
        "seed": 4,
        "total_timesteps": 24 * 5,
    }
    merged = {**small, **changes}
    if "total_timesteps" not in changes:
        merged["total_timesteps"] = 5 * merged["num_envs"] * merged["num_steps"]
    return core.config.PPOConfig(**merged)


def see(policy: Any) -> Any:
    """Scale the weights that read a tracer's fingerprint, so that tanh is not saturated and every number counts."""
    with torch.no_grad():
        for network in (policy.actor, policy.critic):
            network[0].weight[:, 1] *= 1e-6
        policy.actor[-1].weight *= 50
    return policy


def make_trainer(core: Core, env: Any, **changes: Any) -> Any:
    """A trainer on tracers (or another vector environment) with a policy that can see."""
    config = settings(core, num_envs=env.num_envs, **changes)
    policy = core.policy.ActorCritic(
        env.single_observation_space, env.single_action_space, 8, torch.Generator().manual_seed(2)
    )
    return core.trainer.Trainer(config, env, see(policy) if policy.obs_size == 5 else policy)


def cartpole(core: Core, workers: int = 0, **changes: Any) -> Any:
    return core.trainer.Trainer(settings(core, num_workers=workers, **changes))


def state(trainer: Any) -> dict[str, list]:
    """Everything that a trainer is, as plain numbers."""
    adam = trainer.optimizer.state.get(trainer.weights, {})
    log = {name: value.tolist() for name, value in trainer.episodes.state().items()}
    return {
        "weights": trainer.weights.tolist(), "adam": [adam[k].tolist() for k in sorted(adam)], "generator": trainer.generator.get_state().tolist(),
        "iteration": [trainer.iteration, trainer.global_step], **log,
    }  # fmt: skip


def numbers(stats: Any) -> list[float]:
    """One iteration's metrics but its speed, with NaN made equal to itself."""
    return [None if value != value else value for value in stats._replace(steps_per_second=0.0)]


def trained(trainer: Any, iterations: int | None = None) -> tuple[list, dict]:
    """Run (to the end, or so many iterations); metrics and final state."""
    history = []
    for stats in trainer.run():
        history.append(numbers(stats))
        if len(history) == iterations:
            break
    return history, state(trainer)


# ---- collecting


def vectors(core: Core) -> list[tuple[str, Any]]:
    return [
        ("serial", lambda: make(core, tracers(3), "serial")),
        ("parallel", lambda: make(core, tracers(3), QUICK)),
        *(
            (
                str(mode),
                lambda m=mode: core.adapters.GymnasiumVectorEnv(
                    gym.vector.SyncVectorEnv(tracers(3), autoreset_mode=m)
                ),
            )
            for mode in MODES[::2]
        ),
    ]


@oracle
def collected_rows_are_true_transitions(core: Core) -> None:
    """Each stored row is the transition that the script says, across rollouts; and all that is computed from it is right."""
    for name, vector in vectors(core):
        env = vector()
        trainer = make_trainer(core, env, gamma=0.9, gae_lambda=0.8)
        script, rollout = Script(3), trainer.rollout
        expected_obs = script.reset(trainer.config.seed)
        for _ in range(3):
            trainer.collect()
            assert not any(
                getattr(rollout, k).requires_grad
                for k in ("logprobs", "values", "next_values", "advantages", "returns")
            )
            for t in range(8):
                assert np.array_equal(rollout.obs[t], expected_obs), (
                    f"{name}: row {t} is not what the policy saw"
                )
                expected = script.step(rollout.actions[t].tolist())
                row = (
                    trainer.obs if t == 7 else rollout.obs[t + 1].numpy(),
                    rollout.next_obs[t],
                    rollout.rewards[t],
                    rollout.terminated[t],
                    rollout.truncated[t],
                )
                same([np.asarray(x) for x in row], expected, f"{name}: row {t}")
                expected_obs = expected[0]
            assert rollout.actions.unique().numel() == 4, "all actions were tried"
            flat = zip(
                rollout.obs.flatten(0, 1).tolist(),
                rollout.actions.flatten().tolist(),
                rollout.next_obs.flatten(0, 1).tolist(),
                strict=True,
            )
            each = [
                (*scalar_evaluate(trainer.policy, o, a), scalar_evaluate(trainer.policy, n, 0)[2])
                for o, a, n in flat
            ]
            for k, column in ((0, "logprobs"), (2, "values"), (3, "next_values")):
                close(getattr(rollout, column).flatten(), [e[k] for e in each], 1e-4, f"{name}: {column}")
            case = {
                k: getattr(rollout, k)
                for k in ("rewards", "values", "next_values", "terminated", "truncated")
            } | {"gamma": 0.9, "gae_lambda": 0.8}
            advantages, returns = double_sum(case)
            close(rollout.advantages, advantages, 1e-4, f"{name}: advantages")
            close(rollout.returns, returns, 1e-4, f"{name}: returns")
            trainer.update()
        env.close()


@oracle
def sampled_actions_are_stored_and_clipped_ones_are_played(core: Core) -> None:
    """The environment gets actions within its bounds; the rollout keeps what was sampled, with its log-probability."""
    env = make(core, [partial(tracer.ContinuousTracer, i) for i in range(3)], "serial")
    trainer = make_trainer(core, env)
    trainer.collect()
    rollout = trainer.rollout
    assert rollout.actions.dtype == torch.float32 and rollout.actions.shape == (8, 3, 2)
    assert (rollout.actions.abs() > 0.3).float().mean() > 0.3, "the stored actions are clipped"
    close(
        rollout.next_obs[..., 3],
        rollout.actions[..., 0].clamp(-0.3, 0.3),
        1e-6,
        "what the environment was given",
    )
    close(rollout.rewards, rollout.actions[..., 1].clamp(-0.3, 0.3), 1e-6, "rewards")
    flat = zip(rollout.obs.flatten(0, 1).tolist(), rollout.actions.flatten(0, 1).tolist(), strict=True)
    close(
        rollout.logprobs.flatten(),
        [scalar_evaluate(trainer.policy, o, a)[0] for o, a in flat],
        1e-4,
        "log-probabilities",
    )
    for batch in rollout.minibatches(2, torch.Generator()):
        logprobs = trainer.policy.evaluate(batch.obs, batch.actions).logprobs
        close(
            (logprobs - batch.old_logprobs).exp().detach(),
            np.ones(12),
            1e-5,
            "the ratio before the first update",
        )
    env.close()


@oracle
def episodes_are_counted(core: Core) -> None:
    """Returns, lengths and number of episodes, counted a second time by the script, over many rollouts, in every kind of vector."""
    for name, vector in vectors(core):
        env = vector()
        trainer = make_trainer(
            core, env, num_steps=3, total_timesteps=9 * 40
        )  # episodes of up to seven steps
        script, finished = Script(3), []
        script.reset(trainer.config.seed)
        totals, lengths = [0.0] * 3, [0] * 3
        assert math.isnan(trainer.episodes.means()[0])
        for stats in trainer.run():
            ended = 0
            for t in range(3):
                _, _, rewards, terminated, truncated = script.step(trainer.rollout.actions[t].tolist())
                for i in range(3):
                    totals[i], lengths[i] = totals[i] + float(rewards[i]), lengths[i] + 1
                    if terminated[i] or truncated[i]:
                        finished.append((totals[i], lengths[i]))
                        totals[i], lengths[i], ended = 0.0, 0, ended + 1
            recent = finished[-20:] or [(math.nan, math.nan)]
            assert stats.episodes == ended, (
                f"{name}: {stats.episodes} episodes in the rollout, expected {ended}"
            )
            means = [sum(column) / len(recent) for column in zip(*recent, strict=True)]
            np.testing.assert_allclose(
                [stats.episodic_return, stats.episodic_length], means, 1e-6, err_msg=f"{name}: means"
            )
            assert stats.global_step == stats.iteration * 9
        assert len(finished) > 40 and stats.iteration == 40
        env.close()


# ---- updating


def reference_update(
    policy: Any, rollout: Any, config: Any, generator: torch.Generator, optimizer: torch.optim.Adam
) -> dict[str, Any]:
    """One update written a second time: torch.distributions, a list of parameters, plain Adam, torch's own clipping."""
    size, parts = config.num_steps * config.num_envs, config.num_minibatches
    flat = {
        name: getattr(rollout, name).flatten(0, 1)
        for name in ("obs", "actions", "logprobs", "advantages", "returns", "values")
    }
    history: list[dict[str, float]] = []
    for epoch in range(1, config.update_epochs + 1):  # noqa: B007
        order = torch.randperm(size, generator=generator)
        sizes = [size // parts + (k < size % parts) for k in range(parts)]
        for rows in order.split(sizes):
            out = policy.actor(flat["obs"][rows])
            if policy.log_std is None:
                distribution = torch.distributions.Categorical(logits=out)
            else:
                distribution = torch.distributions.Independent(
                    torch.distributions.Normal(out, policy.log_std.exp()), 1
                )
            log_ratio = distribution.log_prob(flat["actions"][rows]) - flat["logprobs"][rows]
            ratio, advantages = log_ratio.exp(), flat["advantages"][rows]
            if config.normalize_advantages and len(rows) > 1:
                advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
            clipped = torch.where(
                advantages > 0,
                ratio.minimum(torch.tensor(1 + config.clip_coef)),
                ratio.maximum(torch.tensor(1 - config.clip_coef)),
            )
            policy_loss = -(clipped * advantages).mean()
            values, returns, old = (
                policy.critic(flat["obs"][rows])[:, 0],
                flat["returns"][rows],
                flat["values"][rows],
            )
            error = (values - returns) ** 2
            if config.clip_value_loss:
                near = torch.minimum(torch.maximum(values, old - config.clip_coef), old + config.clip_coef)
                error = torch.maximum(error, (near - returns) ** 2)
            value_loss, entropy = error.mean() / 2, distribution.entropy().mean()
            loss = policy_loss + config.vf_coef * value_loss - config.ent_coef * entropy
            optimizer.zero_grad()
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(policy.parameters(), config.max_grad_norm or math.inf)
            optimizer.step()
            terms = {
                "policy_loss": policy_loss,
                "value_loss": value_loss,
                "entropy": entropy,
                "grad_norm": norm,
            }
            terms |= {
                "approx_kl": (ratio - 1 - log_ratio).mean(),
                "clip_frac": ((ratio - 1).abs() > config.clip_coef).float().mean(),
            }
            history.append({name: float(value.detach()) for name, value in terms.items()})
        if (
            config.target_kl is not None
            and np.mean([h["approx_kl"] for h in history[-parts:]]) > config.target_kl
        ):
            break
    return {name: np.mean([h[name] for h in history]) for name in history[0]} | {"epochs": epoch}


UPDATES: list[tuple[str, dict[str, Any]]] = [
    ("CartPole-v1", {}),
    (
        "CartPole-v1",
        {"max_grad_norm": 0.05, "vf_coef": 2.0, "anneal_lr": False, "normalize_advantages": False},
    ),
    ("CartPole-v1", {"num_minibatches": 5, "num_steps": 7, "clip_value_loss": True, "max_grad_norm": 0.0}),
    ("CartPole-v1", {"num_minibatches": 24, "update_epochs": 1}),
    ("CartPole-v1", {"num_steps": 1, "num_minibatches": 2, "total_timesteps": 9}),
    ("CartPole-v1", {"num_envs": 1, "num_steps": 10, "num_minibatches": 3}),
    ("CartPole-v1", {"num_envs": 1, "num_steps": 1, "num_minibatches": 1, "total_timesteps": 4}),
    ("CartPole-v1", {"target_kl": 1e-3, "update_epochs": 6, "learning_rate": 0.02}),
    (
        "Pendulum-v1",
        {"gamma": 0.9, "max_grad_norm": 0.5, "clip_coef": 0.1, "ent_coef": 0.05, "learning_rate": 0.01},
    ),
    ("CartPole-v1", {"gradient": "analytic", "clip_value_loss": True, "num_minibatches": 5, "num_steps": 7}),
    ("CartPole-v1", {"gradient": "analytic", "num_minibatches": 24, "normalize_advantages": False}),
    ("Pendulum-v1", {"gradient": "analytic", "gamma": 0.9, "ent_coef": 0.05, "target_kl": 1e-3}),
    ("CartPole-v1", {"dtype": "float64"}),
    ("Pendulum-v1", {"dtype": "float64", "gradient": "analytic"}),
]


@oracle
def updates_and_metrics_are_those_of_a_second_implementation(core: Core) -> None:
    """Weights and metrics after each of several iterations; minibatches of one, ragged ones, one step, one environment."""
    stopped_early = False
    for env_id, changes in UPDATES:
        trainer = cartpole(core, env_id=env_id, **changes)
        config = trainer.config
        twin = core.policy.ActorCritic(
            trainer.env.single_observation_space, trainer.env.single_action_space, 8
        ).to(getattr(torch, config.dtype))
        # what is computed in double precision agrees to double precision
        closer = 1e-6 if config.dtype == "float64" else 1.0
        optimizer = torch.optim.Adam(
            twin.parameters(), lr=config.learning_rate, eps=config.adam_eps, foreach=False, fused=False
        )
        done = 0
        with torch.no_grad():
            for mine, theirs in zip(twin.parameters(), trainer.policy.parameters(), strict=True):
                mine.copy_(theirs)
        generator = torch.Generator()
        for stats in trainer.run():
            # the generator as it was after collecting: the numbers drawn since are one permutation for each epoch
            generator.set_state(_generator_after_noise(trainer))
            rate = config.learning_rate * (1 - done / config.num_iterations if config.anneal_lr else 1)
            optimizer.param_groups[0]["lr"] = rate
            expected = reference_update(twin, trainer.rollout, config, generator, optimizer)
            what = f"{env_id} {changes} iteration {done + 1}"
            close(stats.learning_rate, rate, 1e-12, f"{what}: learning_rate")
            assert stats.epochs == expected.pop("epochs"), f"{what}: {stats.epochs} epochs"
            stopped_early |= stats.epochs < config.update_epochs
            for name, value in expected.items():
                close(
                    getattr(stats, name),
                    value,
                    closer * (2e-3 if name == "approx_kl" else 5e-4),
                    f"{what}: {name}",
                )
            for mine, theirs in zip(trainer.policy.parameters(), twin.parameters(), strict=True):
                close(mine.detach(), theirs.detach(), 2e-4 * closer, f"{what}: weights")
            returns, values = trainer.rollout.returns.double(), trainer.rollout.values.double()
            if returns.var(correction=0) > 1e-6:
                close(
                    stats.explained_variance,
                    1 - float(((returns - values).var(correction=0)) / returns.var(correction=0)),
                    1e-3,
                    f"{what}: explained_variance",
                )
            done += 1
            _remember_generator(trainer)
        assert done == config.num_iterations
        trainer.close()
    assert stopped_early, "target_kl never stopped an update"


@oracle
def analytic_update_is_that_of_autograd(core: Core) -> None:
    """Sixteen minibatches of CleanRL's settings on the same rollout: the weights are equal to rounding, in both precisions."""
    same_as_cleanrl = {
        "num_envs": 4, "num_steps": 128, "num_minibatches": 4, "update_epochs": 4, "hidden_size": 64, "learning_rate": 2.5e-4,
        "clip_value_loss": True, "total_timesteps": 2048,
    }  # fmt: skip
    for env_id, (dtype, tolerance) in itertools.product(
        ("CartPole-v1", "Pendulum-v1"), (("float32", 1e-6), ("float64", 1e-12))
    ):
        with cartpole(core, env_id=env_id, dtype=dtype, **same_as_cleanrl) as trainer:
            trained(trainer, 2)
            trainer.collect()
            with cartpole(core, env_id=env_id, dtype=dtype, gradient="analytic", **same_as_cleanrl) as other:
                other._set_state(*trainer._state())
                other.rollout = trainer.rollout
                other.optimizer.param_groups[0]["lr"] = trainer.optimizer.param_groups[0]["lr"]
                before = trainer.weights.detach().clone()
                (mine, norm, _), (theirs, their_norm, _) = other.update(), trainer.update()
                what = f"{env_id} in {dtype}"
                assert float((trainer.weights - before).abs().max().detach()) > 1e-3, "nothing was learned"
                close(other.weights.detach(), trainer.weights.detach(), tolerance, f"{what}: weights")
                close([*mine, norm], [*theirs, their_norm], 100 * tolerance, f"{what}: metrics")


@oracle
def a_run_in_float64_is_in_float64(core: Core) -> None:
    """Every number from the policy inward; observations and rewards are those of the environment; resuming too."""
    for env_id in ("CartPole-v1", "Pendulum-v1"):
        trainer = cartpole(core, env_id=env_id, dtype="float64")
        trained(trainer, 3)
        floats = [x for x in vars(trainer.rollout).values() if isinstance(x, torch.Tensor)]
        floats += [trainer.weights, trainer.weights.grad, trainer.optimizer.state[trainer.weights]["exp_avg"]]
        floats += [trainer.policy.noise(2), *trainer._gradient(next(trainer._minibatches()))[:5]]
        kinds = [x.dtype for x in floats if x.is_floating_point()]
        assert len(kinds) > 15 and set(kinds) == {torch.float64}, kinds
        obs = trainer.rollout.obs.flatten(0, 1)
        noise = trainer.policy.noise(len(obs), generator=torch.Generator().manual_seed(0))
        acted = trainer.act(obs.numpy(), noise.numpy())
        close(acted, trainer.policy.act(obs, noise), 1e-14, "numpy_act")
        seen = torch.rand(50, *trainer.rollout.obs.shape[2:], dtype=torch.float64)
        assert not torch.equal(trainer.policy.value(seen), trainer.policy.value(seen.float())), "rounded"
        rollout = trainer.rollout
        assert not torch.equal(rollout.logprobs, rollout.logprobs.float().double()), "computed in float32"
        with TemporaryDirectory() as folder:
            trainer.save(Path(folder) / "x")
            with core.trainer.Trainer.resume(Path(folder) / "x") as resumed:
                assert trained(resumed) == trained(trainer), "resumed to other numbers"
            raises(
                core.errors.ConfigError,
                lambda p=folder: core.trainer.Trainer.resume(Path(p) / "x", dtype="float32"),
                "dtype",
            )
        trainer.close()


def _remember_generator(trainer: Any) -> None:
    trainer.remembered = trainer.generator.get_state()


def _generator_after_noise(trainer: Any) -> torch.Tensor:
    """The state of the trainer's generator after it drew one rollout's noise, from its state before the iteration."""
    generator = torch.Generator()
    if hasattr(trainer, "remembered"):
        generator.set_state(trainer.remembered)
    else:  # a new trainer has drawn its weights
        generator.manual_seed(trainer.config.seed)
        type(trainer.policy)(
            trainer.env.single_observation_space,
            trainer.env.single_action_space,
            trainer.config.hidden_size,
            generator,
        )
    trainer.policy.noise(trainer.config.num_steps, trainer.config.num_envs, generator=generator)
    return generator.get_state()


# ---- the same numbers


@oracle
def one_seed_gives_one_history(core: Core) -> None:
    """Twice in this process, in worker processes of every number, and with evaluations in between; another seed gives another."""
    expected = trained(cartpole(core))
    assert trained(cartpole(core)) == expected, "the same seed twice"
    assert trained(cartpole(core, seed=5)) != expected, "another seed gives the same history"
    for workers in (1, 2, 3):
        with cartpole(core, workers) as trainer:
            assert trained(trainer)[0] == expected[0], f"{workers} workers"
            assert trainer.weights.tolist() == expected[1]["weights"], f"{workers} workers"
    trainer, history = cartpole(core), []
    for stats in trainer.run():
        history.append(numbers(stats))
        trainer.evaluate(2, deterministic=False)
    assert (history, state(trainer)) == expected, "evaluate() changes training"
    torch.manual_seed(99)
    np.random.seed(3)  # noqa: NPY002  (the global generator must not matter)
    assert trained(cartpole(core)) == expected, "a global random state matters"


@oracle
def a_new_process_gives_the_same_numbers(core: Core) -> None:
    """With another hash seed, and one by one: nothing of this process matters."""
    code = f"from {core.package}.trainer import Trainer\nfrom {core.package}.config import PPOConfig\n"
    code += "import sys\nsettings = eval(sys.stdin.read())\ntrainer = Trainer(PPOConfig(**settings))\n"
    code += "print([[x if x == x else None for x in s._replace(steps_per_second=0.0)] for s in trainer.run()], trainer.weights.tolist(), sep='\\n')"
    trainer = cartpole(core)
    history, final = trained(trainer)
    command = [sys.executable, "-c", code]
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "12345",
        "PYTHONPATH": str(Path(core.trainer.__file__).parents[1]),
    }
    answer = subprocess.run(
        command,
        input=repr(trainer.config.to_dict()),
        capture_output=True,
        text=True,
        env=environment,
        timeout=100,
    )
    assert answer.returncode == 0, answer.stderr
    metrics, weights = answer.stdout.splitlines()
    assert eval(metrics, {}) == history, "other metrics"
    assert eval(weights, {}) == final["weights"], "other weights"


@oracle
def resuming_is_not_interrupting(core: Core) -> None:
    """Whatever the cut: metrics and state of a resumed run are those of a run in one piece; with workers too, and for Box actions."""
    cases: list[tuple[dict[str, Any], tuple[int, ...]]] = [
        ({}, (0, 1, 2, 4)),
        ({"env_id": "Pendulum-v1", "num_steps": 5}, (2,)),
        ({"num_envs": 1, "num_steps": 1, "num_minibatches": 1}, (3,)),
    ]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "some where" / "Ünï cöde.safetensors"
        for changes, cuts in cases:
            expected = trained(cartpole(core, **changes))
            for cut in cuts:
                with cartpole(core, **changes) as trainer:
                    before = trained(trainer, cut)[0] if cut else []
                    trainer.save(path)
                for workers in (0, 2) if cut == 2 else (0,):
                    with core.trainer.Trainer.resume(path, num_workers=workers) as resumed:
                        after, final = trained(resumed)
                        assert before + after == expected[0], (
                            f"cut after {cut} with {workers} workers: other metrics"
                        )
                        assert final == expected[1], f"cut after {cut} with {workers} workers: another state"
        resumed = core.trainer.Trainer.resume(path, total_timesteps=10)
        assert resumed.config.total_timesteps == 10 and resumed.config.num_envs == 1


@oracle
def resuming_keeps_what_a_policy_remembers(core: Core) -> None:
    """Buffers of a policy, such as a running mean of observations, are part of a checkpoint: the same observation, the same action."""

    class Normalizing(core.policy.ActorCritic):
        def __init__(self):
            super().__init__(
                gym.spaces.Box(-9, 9, (4,)), gym.spaces.Discrete(2), 8, torch.Generator().manual_seed(0)
            )
            self.register_buffer("mean", torch.zeros(4))
            with torch.no_grad():
                self.actor[-1].weight *= 500

        def _flat(self, obs):
            return super()._flat(obs) - self.mean

    with TemporaryDirectory() as folder:
        trainer = core.trainer.Trainer(settings(core), policy=Normalizing())
        trained(trainer, 1)
        trainer.policy.mean += torch.tensor([1.0, -2.0, 0.5, 3.0])
        trainer.save(Path(folder) / "a")
        resumed = core.trainer.Trainer.resume(Path(folder) / "a", policy=Normalizing())
        obs = observations(200)
        assert torch.equal(resumed.policy.act(obs), trainer.policy.act(obs)), "another action after resuming"
        fresh = Normalizing()
        fresh.load_state_dict({**trainer.policy.state_dict(), "mean": torch.zeros(4)})
        assert not torch.equal(fresh.act(obs), trainer.policy.act(obs)), "the buffer does not matter here"


@oracle
def resuming_refuses_what_cannot_go_on(core: Core) -> None:
    resume, config_error, error = (
        core.trainer.Trainer.resume,
        core.errors.ConfigError,
        core.errors.CheckpointError,
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.safetensors"
        with cartpole(core) as trainer:
            trained(trainer, 2)
            trainer.save(path)
        for name, value in (("env_id", "Acrobot-v1"), ("num_envs", 4), ("hidden_size", 9), ("seed", 5)):
            raises(config_error, lambda n=name, v=value: resume(path, **{n: v}), name)
        raises(config_error, lambda: resume(path, learning_rat=1.0), "learning_rate")
        raises(error, lambda: resume(Path(folder) / "b"), "no checkpoint")
        big = core.policy.ActorCritic(gym.spaces.Box(-1, 1, (4,)), gym.spaces.Discrete(2), 16)
        raises(error, lambda: resume(path, policy=big), "weights", "policy")
        core.checkpoint.save_checkpoint(path, {"weights": torch.zeros(3)}, {"hello": 1})
        raises(error, lambda: resume(path), "trainer")


# ---- interrupts and faults: an iteration is all or nothing


class Interrupting:
    """A vector environment that raises in its n-th step, once."""

    def __init__(self, env: Any, when: int, error: type[BaseException] = KeyboardInterrupt):
        self.env, self.left, self.error = env, when, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self.env, name)

    def step(self, actions: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            raise self.error("in the middle of a rollout")
        return self.env.step(actions)


def after_an_interrupt(trainer: Any, expected: tuple[list, dict], what: str) -> None:
    """Where it stands is a complete iteration; and to its end it gives the numbers of an uninterrupted run."""
    done = trainer.iteration
    history, final = trained(trainer)
    assert history == expected[0][done:], f"{what}: other metrics after iteration {done}"
    assert final == expected[1], f"{what}: another final state"


@oracle
def an_interrupted_iteration_never_happened(core: Core) -> None:
    """In env.step, in the middle of an update, in worker processes; then weights are those of the last complete iteration."""
    expected = trained(cartpole(core))
    one = trained(cartpole(core), 1)[1]
    for error in (KeyboardInterrupt, RuntimeError):
        for kind in ("serial", QUICK):
            env = make(core, [partial(core.envs.make_env, "CartPole-v1")] * 3, kind)
            trainer = core.trainer.Trainer(settings(core), Interrupting(env, 8 + 5, error))
            raises(error, lambda t=trainer: trained(t))
            assert trainer.weights.tolist() == one["weights"], (
                "weights moved in an iteration that was interrupted"
            )
            assert state(trainer)["episodes" if "episodes" in one else "count"] == one["count"]
            with TemporaryDirectory() as folder:
                trainer.save(Path(folder) / "x")
                with core.trainer.Trainer.resume(Path(folder) / "x") as resumed:
                    after_an_interrupt(
                        resumed, expected, "resumed from the checkpoint of an interrupted trainer"
                    )
            after_an_interrupt(trainer, expected, f"{error.__name__} in env.step of a {kind} environment")
            env.close()
    trainer, calls = cartpole(core), 0
    step = trainer.optimizer.step

    def third(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 7:
            raise KeyboardInterrupt
        return step(*args)

    trainer.optimizer.step = third
    raises(KeyboardInterrupt, lambda: trained(trainer))
    assert state(trainer) == one, (
        "the state after an interrupted update is not that of the last complete iteration"
    )
    after_an_interrupt(trainer, expected, "in the middle of an update")


@oracle
def an_interrupt_at_any_line_never_happened(core: Core, stride: int = 23) -> None:
    """At every so many-th line of an iteration; and at every line of the recovery from another interrupt."""
    changes = {"num_envs": 2, "num_steps": 3, "num_minibatches": 2, "update_epochs": 1, "total_timesteps": 18}
    expected = trained(cartpole(core, **changes))
    try:
        _interrupted_anywhere(core, changes, expected, stride)
    finally:
        torch.set_grad_enabled(True)


def _interrupted_anywhere(
    core: Core, changes: dict[str, Any], expected: tuple[list, dict], stride: int
) -> None:
    modules = [core.trainer, core.buffer, core.episodes, core.loss, core.envs, core.gae, core.policy]
    for count in range(1, 5000, stride):
        trainer = cartpole(core, **changes)
        line = interrupted_at(count, modules, lambda t=trainer: trained(t))
        after_an_interrupt(trainer, expected, f"interrupted at '{line}'")
        if line is None:
            break
    assert count > 10 * stride, f"{count} lines"
    for count in range(1, 300, 3):
        env = make(core, [partial(core.envs.make_env, "CartPole-v1")] * 2, "serial")
        trainer = core.trainer.Trainer(settings(core, **changes), Interrupting(env, 5))

        lines = _interrupted_in_recovery(count, core, trainer)
        if count % 2:
            with TemporaryDirectory() as folder:
                trainer.save(Path(folder) / "x")
                with core.trainer.Trainer.resume(Path(folder) / "x") as resumed:
                    after_an_interrupt(resumed, expected, f"saved after a second interrupt at '{lines}'")
        after_an_interrupt(trainer, expected, f"a second interrupt at '{lines}'")
        if lines is None:
            break
    assert count > 15, f"{count} lines of recovery"


def _interrupted_in_recovery(count: int, core: Core, trainer: Any) -> str | None:
    """Train until the environment interrupts, and interrupt again at the `count`-th line that then runs in the trainer."""
    armed, seen, where = False, 0, []
    files = {core.trainer.__file__, core.episodes.__file__}

    def line(frame, event, argument):
        nonlocal armed, seen
        if event == "exception" and argument[0] is KeyboardInterrupt:
            armed = True
        elif event == "line" and armed:
            seen += 1
            if seen == count:
                where.append(f"{frame.f_code.co_name}: line {frame.f_lineno}")
                raise KeyboardInterrupt
        return line

    before = sys.gettrace()
    sys.settrace(lambda frame, event, argument: line if frame.f_code.co_filename in files else None)
    try:
        trained(trainer)
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
    return where[0] if where else None


class Poisoned:
    """A vector environment of somebody else's, with a NaN in one place of one result."""

    def __init__(self, env: Any, field: str, at: int, index: int, value: float = math.nan):
        self.env, self.field, self.at, self.index, self.value = env, field, at, index, value

    def __getattr__(self, name: str) -> Any:
        return getattr(self.env, name)

    def step(self, actions: Any) -> Any:
        self.at -= 1
        result = self.env.step(actions)
        if self.at == -1:
            array = getattr(result, self.field).copy()
            array[self.index] = self.value
            result = result._replace(**{self.field: array})
        return result


@oracle
def what_is_not_finite_is_named(core: Core) -> None:
    """Tensor, step, environment and update; before any weight changes; and without the fault training goes on as if it had not been."""
    expected = trained(cartpole(core))
    one = trained(cartpole(core), 1)[1]["weights"]
    for field, value, step, words in (
        ("rewards", math.nan, 8 + 2, ("rewards", "step 2 of environment 1")),
        ("rewards", math.inf, 8 + 2, ("rewards", "step 2 of environment 1")),
        ("obs", math.nan, 8 + 4, ("obs", "step 5 of environment 1")),
        ("next_obs", math.nan, 8 + 4, ("next_obs", "step 4 of environment 1")),
        ("obs", math.nan, 8 + 7, ("obs", "environment 1")),
    ):
        env = make(core, [partial(core.envs.make_env, "CartPole-v1")] * 3, "serial")
        trainer = core.trainer.Trainer(settings(core), Poisoned(env, field, step, 1, value))
        raises(
            core.errors.NonFiniteError,
            lambda t=trainer: trained(t),
            *words,
            "update 2" if step < 15 else "update",
        )
        assert trainer.iteration in (1, 2) and torch.isfinite(trainer.weights).all()
        assert trainer.iteration == 2 or trainer.weights.tolist() == one, "weights moved"
        after_an_interrupt(trainer, expected, f"after a NaN in {field}")

    class Explosive(core.policy.ActorCritic):
        explode = False

        def evaluate(self, obs, actions):
            output = super().evaluate(obs, actions)
            return (
                output._replace(logprobs=output.logprobs + (0 * output.logprobs).sqrt())
                if self.explode
                else output
            )

    def explosive() -> Any:
        policy = Explosive(
            gym.spaces.Box(-9, 9, (4,)), gym.spaces.Discrete(2), 8, torch.Generator().manual_seed(0)
        )
        return core.trainer.Trainer(settings(core), policy=policy)

    expected, trainer = trained(explosive()), explosive()
    trained(trainer, 2)
    before = trainer.weights.tolist()
    trainer.policy.explode = True
    raises(core.errors.NonFiniteError, lambda: trained(trainer), "gradient norm", "epoch 1", "update 3")
    assert trainer.weights.tolist() == before, "weights moved"
    trainer.policy.explode = False
    after_an_interrupt(trainer, expected, "after a NaN gradient")


@oracle
def environments_that_cannot_be_put_back_begin_anew(core: Core) -> None:
    """Without `restore`, or where a replay goes another way: a new episode, a whole log, and training goes on."""
    for env in (
        core.adapters.GymnasiumVectorEnv(gym.vector.SyncVectorEnv(tracers(3), autoreset_mode=MODES[1])),
        make(core, [tracer.Drifting] * 3, "serial"),
        make(core, [tracer.Drifting] * 3, QUICK),
    ):
        trainer = core.trainer.Trainer(settings(core, total_timesteps=24 * 8), Interrupting(env, 8 * 4 + 5))
        raises(KeyboardInterrupt, lambda t=trainer: trained(t))
        weights, count = trainer.weights.tolist(), trainer.episodes.count.copy()
        assert trainer.iteration == 4
        history, _ = trained(trainer, 1)
        assert (trainer.episodes.lengths <= 8).all(), (
            "steps of before the interrupt are counted as steps of the new episodes"
        )
        history += trained(trainer)[0]
        assert (
            len(history) == 4
            and trainer.weights.tolist() != weights
            and (trainer.episodes.count > count).all()
        )
        assert all(
            len(a) == n for a, n in zip(trainer.episodes.actions, trainer.episodes.lengths, strict=True)
        )
        env.close()


@oracle
def a_worker_may_die_in_training(core: Core) -> None:
    """With on_worker_death="restart" training goes on, and a checkpoint written afterwards still resumes to the same numbers."""
    with flag() as path, TemporaryDirectory() as folder:
        os.remove(path)
        fns = [
            partial(tracer.Tracer, 0),
            partial(tracer.Tracer, 1),
            partial(tracer.Faulty, 2, "kill", when=1, flag=path),
        ]
        with make(core, fns, QUICK, on_worker_death="restart") as env:
            trainer = make_trainer(core, env, total_timesteps=24 * 9)
            trained(trainer, 2)
            for _ in range(3):
                Path(path).touch()
                trained(trainer, 1)
            assert not os.path.exists(path) and trainer.iteration == 5
            trainer.save(Path(folder) / "x")
            expected = trained(trainer)
        with make(core, tracers(3), "serial") as env:
            policy = core.policy.ActorCritic(env.single_observation_space, env.single_action_space, 8)
            resumed = core.trainer.Trainer.resume(Path(folder) / "x", env, policy)
            assert trained(resumed) == expected, "resumed after a worker had been replaced: other numbers"


# ---- evaluating


@oracle
def evaluation_plays_whole_episodes(core: Core) -> None:
    """Returns and lengths of each episode, played a second time one by one; the same for each call; fresh environments."""
    env = make(core, [partial(tracer.Tracer, 0)] * 2, "serial")
    trainer = make_trainer(core, env)
    result = trainer.evaluate(6, seed=11)
    for i in range(6):
        one = tracer.Tracer(0)
        obs, _ = one.reset(seed=int(np.random.SeedSequence((11, i, 0)).generate_state(1)[0]))
        total, length, over = 0.0, 0, False
        while not over:
            action = int(trainer.policy.act(torch.from_numpy(obs[None]))[0])
            obs, reward, terminated, truncated, _ = one.step(action)
            total, length, over = total + reward, length + 1, terminated or truncated
        assert (result.returns[i], result.lengths[i]) == (total, length), (
            f"episode {i}: {result}, expected {(total, length)}"
        )
    assert result.lengths.min() < result.lengths.max() and result.returns.shape == (6,)
    close(result.mean, result.returns.mean(), what="mean")
    close(result.std, result.returns.std(), what="std")
    again, sampled = trainer.evaluate(6, seed=11), trainer.evaluate(6, seed=11, deterministic=False)
    assert np.array_equal(again.returns, result.returns) and np.array_equal(again.lengths, result.lengths)
    assert not np.array_equal(sampled.returns, result.returns), "sampled actions are the most probable ones"
    assert np.array_equal(sampled.returns, trainer.evaluate(6, seed=11, deterministic=False).returns)
    refuses(lambda: trainer.evaluate(0), "num_episodes", kind=core.errors.ConfigError)
    env.close()
    other = core.adapters.GymnasiumVectorEnv(gym.vector.SyncVectorEnv(tracers(2)))
    trainer = make_trainer(core, other)  # its config says CartPole, but it trains on something else
    refuses(lambda: trainer.evaluate(2), "CartPole-v1", "evaluate", kind=core.errors.ConfigError)
    refuses(
        lambda: core.trainer.Trainer(settings(core), make(core, tracers(2), "serial")),
        "num_envs",
        kind=core.errors.ConfigError,
    )


# ---- probes: environments whose values are known


def probe(core: Core, make_env: Callable[[], Any], **changes: Any) -> Any:
    """A trainer that has finished on eight copies of a probe."""
    config = {
        "num_envs": 8,
        "num_steps": 16,
        "num_minibatches": 2,
        "update_epochs": 4,
        "hidden_size": 16,
        "learning_rate": 0.01,
        "anneal_lr": True,
        "ent_coef": 0.0,
    }
    config |= {"gamma": 0.8, "total_timesteps": 8 * 16 * 30, "max_grad_norm": 5.0, **changes}
    trainer = core.trainer.Trainer(core.config.PPOConfig(**config), core.envs.SerialVectorEnv([make_env] * 8))
    trained(trainer)
    return trainer


def learned(trainer: Any, states: int) -> tuple[list[float], list[list[float]]]:
    """V(s) and π(a|s) of each state."""
    with torch.no_grad():
        return trainer.policy.value(torch.eye(states)).tolist(), torch.softmax(
            trainer.policy.actor(torch.eye(states)), -1
        ).tolist()


@oracle
def probes_are_solved(core: Core) -> None:
    """Known values, known actions; each probe fails when one part of the trainer is broken."""
    probes = core.probes
    close(learned(probe(core, probes.constant_reward), 1)[0], [1.0], 0.05, "constant_reward: V")
    close(learned(probe(core, probes.reward_is_seen), 2)[0], [-1.0, 1.0], 0.05, "reward_is_seen: V")
    close(learned(probe(core, probes.two_steps), 2)[0], [0.8, 1.0], 0.05, "two_steps: V = [γ, 1]")
    values, actions = learned(probe(core, probes.right_action), 1)
    assert actions[0][1] > 0.95, f"right_action: π = {actions}"
    close(values, [1.0], 0.1, "right_action: V")
    values, actions = learned(probe(core, probes.action_answers_state), 2)
    assert actions[0][0] > 0.95 and actions[1][1] > 0.95, f"action_answers_state: π = {actions}"


@oracle
def a_time_limit_is_no_death(core: Core) -> None:
    """Reward 1 for ever, watched eight steps at a time: V = 1 / (1 - γ) = 5; about 3.3 if truncation counted as termination."""
    trainer = probe(core, partial(core.probes.forever, 8))
    close(learned(trainer, 1)[0], [5.0], 0.05, "forever: V")


@oracle
def a_corridor_is_evaluated(core: Core) -> None:
    """The value of the uniform policy, V(s) = (s + 1) / 6, by a critic beside an actor that never changes; with a time limit too."""

    class Uniform(core.policy.ActorCritic):
        def act(self, obs, noise=None):
            return noise.argmax(-1)

        def evaluate(self, obs, actions):
            values = self.value(obs)
            return core.policy.PolicyOutput(
                torch.full_like(values, -math.log(2)), torch.zeros_like(values), values
            )

    exact = core.probes.corridor(5).exact_values(1.0)
    close(exact, [(s + 1) / 6 for s in range(5)], what="exact values")
    for limit in (None, 3):
        env = core.envs.SerialVectorEnv([partial(core.probes.corridor, 5, limit)] * 16)
        policy = Uniform(
            env.single_observation_space, env.single_action_space, 16, torch.Generator().manual_seed(0)
        )
        config = core.config.PPOConfig(
            num_envs=16,
            num_steps=64,
            gamma=1.0,
            total_timesteps=16 * 64 * 25,
            num_minibatches=4,
            update_epochs=4,
            learning_rate=5e-3,
        )
        trainer = core.trainer.Trainer(config, env, policy)
        trained(trainer)
        reachable = range(5) if limit is None else range(1, 4)
        values = policy.value(torch.eye(5)).tolist()
        close(
            [values[s] for s in reachable], [exact[s] for s in reachable], 0.06, f"V with time limit {limit}"
        )


@oracle
def exact_values_are_exact(core: Core) -> None:
    """exact_values and exact_advantages against summing probabilities forward, and the environments against their own tables."""
    probes = core.probes
    assert probes.two_steps().exact_values(0.7).tolist() == [
        0.7,
        1.0,
    ] and probes.constant_reward().exact_values(0.3).tolist() == [1.0]
    assert probes.reward_is_seen().exact_values(0.3).tolist() == [-1.0, 1.0]
    close(probes.forever(8).exact_values(0.8), [5.0], what="forever")
    close(probes.right_action().exact_advantages(0.9), [[-1.0, 1.0]], what="right_action")
    generator = np.random.default_rng(0)
    transitions = generator.random((3, 2, 3))
    transitions *= 0.9 / transitions.sum(-1, keepdims=True)
    env = probes.TabularEnv(transitions, generator.normal(size=(3, 2)), start=[0.2, 0.5, 0.3])
    policy, gamma = np.array([[0.3, 0.7], [0.5, 0.5], [0.9, 0.1]]), 0.9
    expected = np.zeros(3)
    for s in range(3):
        there, discount = np.eye(3)[s], 1.0
        for _ in range(400):  # what is left then is below 1e-30
            expected[s] += discount * sum(
                there[x] * policy[x, a] * env.rewards[x, a] for x in range(3) for a in range(2)
            )
            there = np.array(
                [
                    sum(there[x] * policy[x, a] * transitions[x, a, y] for x in range(3) for a in range(2))
                    for y in range(3)
                ]
            )
            discount *= gamma
    close(env.exact_values(gamma, policy), expected, what="exact_values")
    advantages = [
        [env.rewards[s, a] + gamma * transitions[s, a] @ expected - expected[s] for a in range(2)]
        for s in range(3)
    ]
    close(env.exact_advantages(gamma, policy), advantages, what="exact_advantages")
    counts, starts = np.zeros((3, 2, 4)), np.zeros(3)
    obs, _ = env.reset(seed=1)
    starts[obs.argmax()] += 1
    for _ in range(20_000):
        s, a = int(obs.argmax()), int(generator.integers(2))
        obs, reward, terminated, truncated, _ = env.step(a)
        assert reward == env.rewards[s, a] and not truncated
        counts[s, a, 3 if terminated else obs.argmax()] += 1
        if terminated:
            assert not obs.any(), "nothing is observed after the end"
            obs, _ = env.reset()
            starts[obs.argmax()] += 1
    full = np.concatenate([transitions, 1 - transitions.sum(-1, keepdims=True)], -1)
    for s in range(3):
        for a in range(2):
            assert np.abs(counts[s, a] / counts[s, a].sum() - full[s, a]).max() < 0.03, (
                f"transitions of state {s}, action {a}"
            )
    assert np.abs(starts / starts.sum() - [0.2, 0.5, 0.3]).max() < 0.05, "first states"
    limited = probes.forever(4)
    limited.reset(seed=0)
    ends = [limited.step(0)[2:4] for _ in range(4)]
    assert ends == [(False, False)] * 3 + [(False, True)], ends
    for wrong in (
        lambda: probes.TabularEnv(np.ones((2, 1, 2)), [[0.0], [0.0]]),
        lambda: probes.TabularEnv(np.zeros((2, 1, 1)), [[0.0], [0.0]]),
    ):
        refuses(wrong, "transitions")
    from gymnasium.utils.env_checker import check_env

    for make_probe in (
        probes.constant_reward,
        probes.reward_is_seen,
        probes.two_steps,
        probes.right_action,
        probes.action_answers_state,
        probes.forever,
        probes.corridor,
    ):
        check_env(make_probe(), skip_render_check=True)


@oracle
def cartpole_is_solved(core: Core, within: int = 50_000) -> None:
    """The last net: the default settings reach a mean return of 475 over 20 episodes."""
    trainer = core.trainer.Trainer(core.config.PPOConfig(total_timesteps=100_000))
    best = 0.0
    for stats in trainer.run():
        if stats.episodic_return > 400 and stats.iteration % 5 == 0:
            best = max(best, trainer.evaluate(20).mean)
        hopeless = stats.global_step > 12_000 and stats.episodic_return < 50
        if best >= 475 or stats.global_step > within or hopeless:
            break
    assert best >= 475, f"not solved within {within:,} steps: {stats}"


# ---- checkpoints

EXAMPLE = {
    "a": torch.arange(5.0), "empty": torch.zeros(0, 2), "bytes": torch.arange(7, dtype=torch.uint8), "ints": torch.tensor([[1, -2], [3, 4]]),
    "scalar": torch.tensor(3.5), "bool": torch.tensor([True, False]), "double": torch.tensor([1e-300], dtype=torch.float64),
}  # fmt: skip


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(
        first[k].dtype == second[k].dtype and torch.equal(first[k], second[k]) for k in first
    )


@contextmanager
def saved(core: Core, version: int = 0):
    """A folder and a checkpoint in it, one among `version` + 1."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "c.safetensors"
        for k in range(version + 1):
            core.checkpoint.save_checkpoint(
                path, {**EXAMPLE, "version": torch.tensor(k)}, {"version": k, "text": "ε = 0.2"}
            )
        yield path


@oracle
def checkpoints_keep_everything(core: Core) -> None:
    """All tensors and facts, also transposed and aliased ones; the one before is kept; nothing else is left in the folder."""
    with saved(core, 2) as path:
        tensors, facts = core.checkpoint.load_checkpoint(path)
        assert equal(tensors, {**EXAMPLE, "version": torch.tensor(2)}) and facts == {
            "version": 2,
            "text": "ε = 0.2",
        }
        earlier, facts = core.checkpoint.load_checkpoint(path.with_name(path.name + ".previous"))
        assert facts["version"] == 1 and earlier["version"] == 1, "the checkpoint before is not kept"
        assert sorted(os.listdir(path.parent)) == ["c.safetensors", "c.safetensors.previous"], os.listdir(
            path.parent
        )
        table = torch.arange(6.0).reshape(2, 3)
        core.checkpoint.save_checkpoint(path, {"t": table.T, "same": table, "row": table[1]}, {})
        again, _ = core.checkpoint.load_checkpoint(path)
        assert equal(again, {"t": table.T, "same": table, "row": table[1]})
        # what a predecessor with the same process number left behind when it was killed between two steps
        for name in (f".{path.name}.previous.{os.getpid()}", f".{path.name}.{os.getpid()}.writing"):
            with suppress(OSError):
                os.link(path, path.with_name(name))
        for k in range(3):
            core.checkpoint.save_checkpoint(path, {"k": torch.tensor(k)}, {})
        assert core.checkpoint.load_checkpoint(path)[0]["k"] == 2
        assert core.checkpoint.load_checkpoint(path.with_name(path.name + ".previous"))[0]["k"] == 1


@oracle
def damaged_checkpoints_are_refused(core: Core) -> None:
    """Each byte flipped in turn, cut at each length, emptied, replaced: a sentence, and where the one before it is."""
    error = core.errors.CheckpointError
    with saved(core, 1) as path:
        content, bad = path.read_bytes(), path.with_name("bad.safetensors")
        shutil.copy(path, bad.with_name(bad.name + ".previous"))
        right = core.checkpoint.load_checkpoint(path)
        generator = np.random.default_rng(0)
        for k in range(len(content)):
            flipped = bytearray(content)
            flipped[k] ^= 1 << int(generator.integers(8))
            bad.write_bytes(flipped)
            try:
                tensors, facts = core.checkpoint.load_checkpoint(bad)
            except error as refusal:
                assert "previous" in str(refusal), refusal
            else:  # white space between two words of the header is no content
                assert equal(tensors, right[0]) and facts == right[1], f"byte {k} flipped, and nobody noticed"
        for length in [*range(0, len(content), 37), len(content) - 1]:
            bad.write_bytes(content[:length])
            raises(error, lambda: core.checkpoint.load_checkpoint(bad), "previous")
        bad.write_bytes(content + b"x")
        raises(error, lambda: core.checkpoint.load_checkpoint(bad))
        from safetensors.torch import save_file

        save_file({"a": torch.zeros(2)}, bad)
        raises(error, lambda: core.checkpoint.load_checkpoint(bad), "format")
        raises(error, lambda: core.checkpoint.load_checkpoint(path.parent))
        raises(error, lambda: core.checkpoint.load_checkpoint(path.parent / "nowhere"), "no checkpoint")


class Marker:
    """Unpickling it makes a file."""

    def __init__(self, path: Path):
        self.path = str(path)

    def __reduce__(self) -> tuple:
        return open, (self.path, "w")


@oracle
def hostile_files_run_nothing(core: Core) -> None:
    """A pickle, a torch file and a NumPy file that would leave a mark: refused, and no mark is left."""
    import pickle

    import cloudpickle

    with TemporaryDirectory() as folder:
        mark, path = Path(folder) / "mark", Path(folder) / "hostile.safetensors"
        for name, protocol in itertools.product(("hostile.safetensors", "hostile.pt", "hostile"), (0, 2, 4)):
            target = path.with_name(name)
            target.write_bytes(pickle.dumps({"weights": Marker(mark)}, protocol=protocol))
            raises(core.errors.CheckpointError, lambda t=target: core.checkpoint.load_checkpoint(t))
            torch.save({"weights": Marker(mark)}, target, pickle_protocol=max(protocol, 2))
            raises(core.errors.CheckpointError, lambda t=target: core.trainer.Trainer.resume(t))
        path.write_bytes(cloudpickle.dumps(Marker(mark)))
        raises(core.errors.CheckpointError, lambda: core.trainer.Trainer.resume(path))
        np.save(path.with_suffix(".npy"), np.array([Marker(mark)], dtype=object), allow_pickle=True)
        raises(core.errors.CheckpointError, lambda: core.checkpoint.load_checkpoint(path.with_suffix(".npy")))
        assert not mark.exists(), "a file was made by code in the checkpoint"
        pickle.loads(pickle.dumps(Marker(mark))).close()
        assert mark.exists(), "the hostile file is harmless, so this test shows nothing"


def save_for_ever(package: str, path: str, ready: Any) -> None:
    """In a process of its own: saves until it is killed."""
    module = Core(package).checkpoint
    for k in itertools.count():
        module.save_checkpoint(path, {"version": torch.full((200_000,), float(k))}, {"version": k})
        ready.set()


@oracle
def a_kill_leaves_a_whole_checkpoint(core: Core, times: int = 10) -> None:
    """kill -9 in the middle of a loop that only saves, ten times: what is there can be loaded, and so can the one before."""
    generator, context = np.random.default_rng(0), multiprocessing.get_context(QUICK)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "c.safetensors"
        for _ in range(times):
            ready = context.Event()
            process = context.Process(target=save_for_ever, args=(core.package, str(path), ready))
            process.start()
            assert ready.wait(60)
            time.sleep(float(generator.uniform(0.005, 0.06)))
            process.kill()
            process.join()
            tensors, facts = core.checkpoint.load_checkpoint(path)
            assert (tensors["version"] == facts["version"]).all()
            earlier = path.with_name(path.name + ".previous")
            if earlier.exists():
                core.checkpoint.load_checkpoint(earlier)


@oracle
def a_checkpoint_made_with_intent_is_refused(core: Core) -> None:
    """A right digest over what no trainer wrote: each tensor lacking, cut, of another type; wrong facts; a module to import."""
    error, checkpoint = core.errors.PPOError, core.checkpoint
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.safetensors"
        with cartpole(core) as trainer:
            trained(trainer, 2)
            trainer.save(path)
        tensors, facts = checkpoint.load_checkpoint(path)

        def refused(tensors: dict, facts: dict, *words: str) -> None:
            checkpoint.save_checkpoint(path, tensors, facts)
            raises(error, lambda: core.trainer.Trainer.resume(path), *words)

        for name, tensor in tensors.items():
            refused({k: v for k, v in tensors.items() if k != name}, facts)
            refused({**tensors, name: tensor.half()}, facts)
            refused({**tensors, name: tensor[None]}, facts)
            if tensor.ndim and name != "episodes.recent":
                refused({**tensors, name: tensor[:-1]}, facts)
                refused({**tensors, name: torch.cat([tensor, tensor])}, facts)
            if tensor.is_floating_point():
                refused({**tensors, name: tensor * math.nan}, facts)
        for name in ("count", "lengths"):
            refused({**tensors, f"episodes.{name}": -1 - tensors[f"episodes.{name}"]}, facts, "lengths")
        refused({**tensors, "generator": torch.zeros_like(tensors["generator"])}, facts)
        refused({**tensors, "more": torch.zeros(1)}, facts, "unknown", "more")
        for name, value in itertools.product(facts, (None, -1, "x", 1.5, [], True, 2**70)):
            refused(tensors, {**facts, name: value})
        for name, value in (("num_envs", 10**9), ("seed", -1), ("hello", 1), ("env_id", None)):
            refused(tensors, {**facts, "config": {**facts["config"], name: value}})
        (Path(folder) / "never_imported.py").write_text("raise RuntimeError('this ran')")
        sys.path.insert(0, folder)
        try:
            other = {**facts, "config": {**facts["config"], "env_id": "never_imported:CartPole-v1"}}
            refused(tensors, other, "never_imported", "import")
            env = make(core, [partial(core.envs.make_env, "CartPole-v1")] * 3, "serial")
            core.trainer.Trainer.resume(path, env=env).close()
            refused(
                tensors, {**facts, "config": {**facts["config"], "env_id": "math:CartPole-v7"}}, "CartPole-v7"
            )
        finally:
            sys.path.remove(folder)
        for text in ("", "[1]", "{", "[" * 100_000):
            from safetensors.torch import save_file

            digest = checkpoint._digest({"a": torch.zeros(1)}, text)
            save_file(
                {"a": torch.zeros(1)}, path, {"format": checkpoint.FORMAT, "facts": text, "sha256": digest}
            )
            raises(core.errors.CheckpointError, lambda: checkpoint.load_checkpoint(path), "facts")


@oracle
def two_checkpoints_are_there_at_any_moment(core: Core) -> None:
    """Stopped before each line of a save: the last two are two different ones, and whole; a later save removes the rest."""
    for stop in itertools.count(1):
        with saved(core, 2) as path:
            seen = 0

            def line(frame: Any, event: str, argument: Any, stop: int = stop) -> Any:
                nonlocal seen
                seen += event == "line"
                if event == "line" and seen == stop:
                    raise _Stop
                return line

            previous = path.with_name(path.name + ".previous")
            # a kill runs no `finally`: what would be cleaned up stays
            unlink, Path.unlink = Path.unlink, lambda *a, **k: None
            before = sys.gettrace()
            sys.settrace(lambda f, e, a: line if f.f_code.co_filename == core.checkpoint.__file__ else None)
            try:
                core.checkpoint.save_checkpoint(path, {"version": torch.tensor(3)}, {"version": 3})
                finished = True
            except _Stop:
                finished = False
            finally:
                sys.settrace(before)
                Path.unlink = unlink
            versions = [core.checkpoint.load_checkpoint(p)[1]["version"] for p in (path, previous)]
            assert versions in ([2, 1], [3, 1], [3, 2]), f"stopped at line {stop}: {versions}"
            for name in set(os.listdir(path.parent)) - {path.name, previous.name}:
                other = path.with_name(name.replace(str(os.getpid()), "1"))
                os.replace(path.with_name(name), other)
            clock = time.time
            time.time = lambda clock=clock: clock() + 4000
            try:
                core.checkpoint.save_checkpoint(path, {"version": torch.tensor(4)}, {"version": 4})
            finally:
                time.time = clock
            assert sorted(os.listdir(path.parent)) == [path.name, previous.name], os.listdir(path.parent)
        if finished:
            assert stop > 15, f"{stop} lines"
            return


class _Stop(BaseException):
    """Not an OSError: nothing in a save catches it."""


@oracle
def a_full_disk_keeps_the_old_checkpoint(core: Core) -> None:
    """A write that fails in the middle: a sentence, the old checkpoints as they were, no rest of the new one."""
    try:
        import resource
    except ImportError:
        needs(False, "no limit on the size of files")
    with saved(core, 1) as path:
        before = {name: path.with_name(name).read_bytes() for name in os.listdir(path.parent)}
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        try:
            raises(
                core.errors.CheckpointError,
                lambda: core.checkpoint.save_checkpoint(path, {"big": torch.ones(100_000)}, {}),
                "cannot write",
                "untouched",
            )
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert {name: path.with_name(name).read_bytes() for name in os.listdir(path.parent)} == before
        raises(
            core.errors.CheckpointError,
            lambda: core.checkpoint.save_checkpoint(path / "below a file", {}, {}),
            "cannot write",
        )


@oracle
def checkpoints_reach_the_disk_in_order(core: Core) -> None:
    """Written and flushed before it takes the place of the old one, and then the folder too: what a loss of power needs."""
    calls: list[str] = []
    module = core.checkpoint

    class Recording:
        def __getattr__(self, name: str) -> Any:
            original = getattr(os, name)
            if name not in ("fsync", "replace"):
                return original
            return lambda *args: (calls.append(name), original(*args))[1]

    with saved(core, 0) as path:
        module.os, real = Recording(), module.os
        try:
            core.checkpoint.save_checkpoint(path, EXAMPLE, {})
        finally:
            module.os = real
    assert calls[0] == "fsync" and calls[-2:] == (
        ["replace", "fsync"] if os.name == "posix" else calls[-2:]
    ), calls
    assert calls.count("replace") == 2, calls
