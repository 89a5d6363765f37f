"""The trainer: collect a rollout, compute advantages, update the policy, and begin again."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ppo_core.analytic import AnalyticGradient, NumpyAdam
from ppo_core.buffer import Minibatch, Rollout
from ppo_core.checkpoint import check_facts, check_fits, load_checkpoint, save_checkpoint
from ppo_core.checks import check_seed
from ppo_core.config import PPOConfig
from ppo_core.envs import SerialVectorEnv, VectorEnv, make_env
from ppo_core.episodes import EpisodeLog
from ppo_core.errors import ConfigError, EnvironmentFault, NonFiniteError, WorkerError
from ppo_core.evaluation import Evaluation, evaluate, film, observation_space_of, within_bounds
from ppo_core.gae import compute_gae
from ppo_core.loss import LossTerms, ppo_loss
from ppo_core.parallel import ParallelVectorEnv
from ppo_core.policy import ActorCritic, numpy_act


class IterationStats(NamedTuple):
    """What one iteration (one rollout and its update) did; plain numbers.

    "Mean" is the mean over all minibatches of the whole update, each counted once.
    """

    iteration: int  # from 1
    global_step: int  # environment steps since the beginning
    episodic_return: float  # reward units; mean of the last 20 finished episodes, NaN before the first
    episodic_length: float  # steps; the same window
    episodes: int  # episodes that ended in this rollout
    policy_loss: float  # mean
    value_loss: float  # mean; reward units, squared
    entropy: float  # mean; nats
    approx_kl: float  # mean; nats, estimator k3
    clip_frac: float  # mean share of samples with |ratio - 1| > ε
    grad_norm: float  # mean; before clipping
    explained_variance: float  # 1 - Var(returns - values) / Var(returns) before the update; at most 1
    learning_rate: float  # used in this iteration
    epochs: int  # passes over the rollout; fewer than update_epochs only where target_kl stopped them
    steps_per_second: float  # environment steps per second of wall time, collecting and updating together


class Trainer:
    """PPO on N environments, one iteration at a time.

    `env` and `policy` replace what `config` would make. An iteration is all or nothing: whatever interrupts it
    (you, a NaN, a worker that dies), the trainer stays as it was after the last complete one, and `run()` goes on.
    Raises: ConfigError, UnsupportedSpaceError.
    """

    def __init__(self, config: PPOConfig, env: VectorEnv | None = None, policy: ActorCritic | None = None):
        self.config = config
        if config.torch_threads:
            torch.set_num_threads(config.torch_threads)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.env = self._environments(env)
        spaces = self.env.single_observation_space, self.env.single_action_space
        dtype = getattr(torch, config.dtype)
        self.policy = (policy or ActorCritic(*spaces, config.hidden_size, self.generator)).to(dtype)
        self.weights = flatten_parameters(self.policy)
        self.analytic = AnalyticGradient(self.policy, config) if config.gradient == "analytic" else None
        Adam = NumpyAdam if self.analytic else torch.optim.Adam
        self.optimizer = Adam([self.weights], lr=config.learning_rate, eps=config.adam_eps, fused=True)
        self.act = numpy_act(self.policy)
        self.rollout = Rollout(config.num_steps, self.env.num_envs, *spaces, dtype)
        self.iteration = self.global_step = 0
        self.episodes = EpisodeLog(self.env.num_envs, no_actions=self.rollout.actions[:0, 0].numpy())
        self.obs = self.env.reset(seed=config.seed)  # [N, *obs]: what the policy sees next
        self._env_moved_on = False
        self._complete: tuple[dict, dict] | None = None  # while an iteration runs: what to go back to

    # ---- one iteration: collect, then update

    def run(self) -> Iterator[IterationStats]:
        """Train until `total_timesteps`, yielding IterationStats after every iteration. Stop and go on as you like."""
        while self.iteration < self.config.num_iterations:
            self._roll_back()
            self._complete = self._state()
            try:
                stats = self._iterate()
                self._complete = None
            finally:
                self._roll_back()
            yield stats

    def _roll_back(self) -> None:
        """Undo an incomplete iteration. If this is interrupted too, whoever needs the state next does it again."""
        if self._complete is not None:
            self._set_state(*self._complete)
            self._complete = None

    def _iterate(self) -> IterationStats:
        started = time.perf_counter()
        if self._env_moved_on:
            self._restore_env()
        learning_rate = self.config.learning_rate
        if self.config.anneal_lr:
            learning_rate *= 1 - self.iteration / self.config.num_iterations
        self.optimizer.param_groups[0]["lr"] = learning_rate

        self.collect()
        finished = self.episodes.record(self.rollout)
        means, grad_norm, epochs = self.update()

        self.iteration += 1
        self.global_step += self.config.batch_size
        return IterationStats(
            self.iteration, self.global_step, *self.episodes.means(), finished,
            means.policy_loss, means.value_loss, means.entropy, means.approx_kl, means.clip_frac, grad_norm,
            explained_variance(self.rollout.values, self.rollout.returns), learning_rate, epochs,
            self.config.batch_size / (time.perf_counter() - started),
        )  # fmt: skip

    def collect(self) -> None:
        """Step every environment T times with the present policy and compute advantages: fills `self.rollout`."""
        config, rollout = self.config, self.rollout
        noise = self._noise().numpy()  # [T, N, A]
        for t in range(config.num_steps):
            actions = self.act(self.obs, noise[t])
            result = self.env.step(within_bounds(actions, self.env.single_action_space))
            rollout.add(t, self.obs, actions, result)
            self.obs = result.obs

        # Values and log-probabilities of all T·N steps at once: nothing needs them while the environments move.
        judge = self.analytic or self.policy
        with torch.no_grad():
            output = judge.evaluate(rollout.obs.flatten(0, 1), rollout.actions.flatten(0, 1))
            rollout.logprobs.copy_(output.logprobs.view_as(rollout.logprobs))
            rollout.values.copy_(output.values.view_as(rollout.values))
            next_values = judge.value(rollout.next_obs.flatten(0, 1))
            rollout.next_values.copy_(next_values.view_as(rollout.values))
        gae = compute_gae(
            rollout.rewards, rollout.values, rollout.next_values, rollout.terminated, rollout.truncated,
            config.gamma, config.gae_lambda,
        )  # fmt: skip
        rollout.advantages.copy_(gae.advantages)
        rollout.returns.copy_(gae.returns)
        for name in ("obs", "next_obs", "rewards", "logprobs", "values", "advantages"):
            self._check_finite(name, getattr(rollout, name))

    @torch.enable_grad()  # an interrupt on the way out of no_grad() leaves gradients switched off
    def update(self) -> tuple[LossTerms, float, int]:
        """Improve the policy on `self.rollout`. Returns (mean LossTerms, mean gradient norm, epochs done)."""
        config, terms, grad_norms = self.config, [], []
        for epoch in range(1, config.update_epochs + 1):
            for minibatch in self._minibatches():
                terms.append(self._gradient(minibatch))
                grad_norms.append(clip_gradient(self.weights.grad, config.max_grad_norm))
                self._check_finite(f"loss or gradient norm in epoch {epoch}", terms[-1].loss + grad_norms[-1])
                self.optimizer.step()
            epoch_kl = mean(t.approx_kl for t in terms[-config.num_minibatches :])
            if config.target_kl is not None and epoch_kl > config.target_kl:
                break
        return LossTerms(*map(mean, zip(*terms, strict=True))), mean(grad_norms), epoch

    # ---- the parts of an iteration that a subclass may replace

    def _environments(self, env: VectorEnv | None) -> VectorEnv:
        """The N environments that this process steps: `env`, or those that the settings ask for."""
        if env is not None and env.num_envs != self.config.num_envs:
            raise ConfigError(
                f"env has {env.num_envs} environments, but num_envs={self.config.num_envs}: make the two equal"
            )
        return env if env is not None else make_vector_env(self.config)

    def _noise(self) -> Tensor:
        """The randomness of all actions of a rollout, [T, N, A], drawn at once."""
        return self.policy.noise(self.config.num_steps, self.config.num_envs, generator=self.generator)

    def _minibatches(self) -> Iterator[Minibatch]:
        """The minibatches of one epoch."""
        return self.rollout.minibatches(self.config.num_minibatches, self.generator)

    def _gradient(self, minibatch: Minibatch) -> LossTerms:
        """The loss of a minibatch, without gradient; its gradient is left in `self.weights.grad`."""
        if self.analytic is not None:
            return self.analytic(minibatch)
        losses = ppo_loss(self.policy, minibatch, self.config)
        self.weights.grad.zero_()
        losses.loss.backward()
        return losses._replace(loss=losses.loss.detach())

    def _check_finite(self, name: str, tensor: Tensor) -> None:
        if torch.isfinite(tensor).all():
            return
        where = f"update {self.iteration + 1}"
        if tensor.ndim > 1:
            t, i = (~torch.isfinite(tensor)).nonzero()[0, :2].tolist()
            where = f"step {t} of environment {i}, {where}"
        raise NonFiniteError(
            f"{name} holds a NaN or an infinity in {where}; the weights are those of update {self.iteration}"
        )

    # ---- looking at what was learned

    def evaluate(self, num_episodes: int = 20, seed: int = 1000, deterministic: bool = True) -> Evaluation:
        """Play whole episodes in fresh environments, without learning; training goes on as if nothing had happened.

        `deterministic` takes the most probable action, otherwise a sample. Episode i always has the same seed.
        Returns: Evaluation(returns [E], lengths [E]). Raises: ConfigError for no episodes.
        """
        if num_episodes < 1:
            raise ConfigError(f"num_episodes={num_episodes} must be at least 1")
        env_fn = getattr(self.env, "env_fns", [partial(make_env, self.config.env_id)])[0]
        space, expected = observation_space_of(env_fn), self.env.single_observation_space
        if space != expected:
            raise ConfigError(
                f"evaluate() made {self.config.env_id}, because the environment of this trainer has no env_fns, "
                f"but its observation_space {space} is not the {expected} of training: set env_id"
            )
        return evaluate(self.policy, env_fn, num_episodes, seed, deterministic)

    def film(self, seed: int = 1000, deterministic: bool = True) -> tuple[list[np.ndarray], float]:
        """Play one episode with pictures, without a display. Returns ([height, width, 3] uint8 frames, its return)."""
        seed = check_seed(seed, first=True)
        with contextlib.closing(make_env(self.config.env_id, render_mode="rgb_array")) as env:
            return film(self.policy, env, seed, deterministic)

    def close(self) -> None:
        """Close the environments."""
        self.env.close()

    def __enter__(self) -> Trainer:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # ---- stopping and going on

    def save(self, path: str | os.PathLike) -> None:
        """Write a checkpoint of the last complete iteration: weights, optimiser, random numbers, episodes under way."""
        self._roll_back()
        save_checkpoint(path, *self._state())

    @classmethod
    def resume(
        cls,
        path: str | os.PathLike,
        env: VectorEnv | None = None,
        policy: ActorCritic | None = None,
        **changes: Any,
    ) -> Trainer:
        """A trainer that goes on exactly where `save` left off; `changes` replace settings, such as total_timesteps.

        Environments are put back by replaying their episodes under way. One that cannot be (no `restore`, or not
        deterministic under its seed) starts a new episode: weights and optimiser are the same, later numbers not.
        Raises: CheckpointError, ConfigError.
        """
        tensors, facts = load_checkpoint(path)
        check_facts(path, tensors, facts, makes_env=env is None and "env_id" not in changes)
        fixed = sorted({"env_id", "num_envs", "hidden_size", "seed", "dtype"} & changes.keys())
        if fixed := [name for name in fixed if changes[name] != facts["config"].get(name)]:
            raise ConfigError(
                f"{fixed[0]}={changes[fixed[0]]!r} cannot be changed in a checkpoint: "
                "its weights and episodes depend on it"
            )
        trainer = cls(PPOConfig.from_dict({**facts["config"], **changes}), env, policy)
        check_fits(path, tensors, trainer._state()[0])
        trainer._set_state(tensors, facts)
        return trainer

    def _state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything that the next iteration depends on, after the last complete one: (tensors, plain values)."""
        adam = self.optimizer.state.get(self.weights, {})
        tensors = {"weights": self.weights.detach().clone(), "generator": self.generator.get_state()}
        tensors |= {f"adam.{name}": value.clone() for name, value in adam.items()}
        tensors |= {f"buffer.{name}": value.clone() for name, value in self.policy.named_buffers()}
        tensors |= {f"episodes.{name}": value for name, value in self.episodes.state().items()}
        progress = {"iteration": self.iteration, "global_step": self.global_step}
        return tensors, {"config": self.config.to_dict(), **progress}

    def _set_state(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        with torch.no_grad():
            self.weights.copy_(tensors["weights"])
            for name, value in self.policy.named_buffers():
                value.copy_(tensors[f"buffer.{name}"])
        self.generator.set_state(tensors["generator"])
        self.optimizer.state.clear()
        if "adam.step" in tensors:
            self.optimizer.state[self.weights] = {k: v.clone() for k, v in part(tensors, "adam.").items()}
        self.episodes.set_state(part(tensors, "episodes."))
        self.iteration, self.global_step = facts["iteration"], facts["global_step"]
        self._env_moved_on = True

    def _restore_env(self) -> None:
        """Put the environments back to the end of the last complete iteration; reset those that cannot be."""
        if hasattr(self.env, "restore"):
            actions = [within_bounds(a, self.env.single_action_space) for a in self.episodes.actions]
            try:
                self.obs = self.env.restore(self.config.seed, self.episodes.count.tolist(), actions)
            except (EnvironmentFault, WorkerError) as error:
                if type(error) not in (EnvironmentFault, WorkerError):
                    raise  # a worker died or hangs
                self.episodes.count += 1  # these do not follow their seeds: on to the next episode
                self.episodes.forget_running()
                none = [a[:0] for a in actions]
                self.obs = self.env.restore(self.config.seed, self.episodes.count.tolist(), none)
        else:
            self.obs = self.env.reset()
            self.episodes.forget_running()
        self._env_moved_on = False


# ---- small pieces


def make_vector_env(config: PPOConfig) -> VectorEnv:
    """The environments that `config` asks for: worker processes if num_workers > 0, else in this process."""
    env_fns = [partial(make_env, config.env_id)] * config.num_envs
    if config.num_workers:
        return ParallelVectorEnv(env_fns, config.num_workers, check=config.check)
    return SerialVectorEnv(env_fns, config.check)


def flatten_parameters(policy: nn.Module) -> nn.Parameter:
    """Lay all weights in one tensor [P] and all gradients in another; the policy's parameters become views of them.

    One tensor means one Adam step, one norm and one copy, where there were a dozen of each.
    """
    parameters = list(policy.parameters())
    flat = nn.Parameter(torch.cat([p.detach().flatten() for p in parameters]))
    flat.grad = torch.zeros_like(flat)
    start = 0
    for p in parameters:
        end = start + p.numel()
        p.data, p.grad = flat.data[start:end].view_as(p), flat.grad[start:end].view_as(p)
        start = end
    return flat


def clip_gradient(grad: Tensor, max_norm: float) -> Tensor:
    """Scale `grad` [P] in place so that its norm is at most `max_norm` (0: leave it). Returns the norm before."""
    norm = grad.norm()
    if max_norm:
        grad.mul_((max_norm / (norm + 1e-6)).clamp(max=1.0))
    return norm


def explained_variance(values: Tensor, returns: Tensor) -> float:
    """1 - Var(returns - values) / Var(returns): 1 is a perfect critic, 0 a constant one; NaN for constant returns."""
    variance = returns.var(correction=0)
    return float("nan") if variance == 0 else float(1 - (returns - values).var(correction=0) / variance)


def mean(tensors: Any) -> float:
    """The mean of scalar tensors, as a float."""
    return float(torch.stack(list(tensors)).mean())


def part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, without it; tensors of any shape."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
