"""PPO whose whole iteration stays on one device: rollout, advantages, every epoch, clipping and Adam.

The host only says "again". On a GPU the iteration is recorded once as a CUDA graph and replayed, so that thousands of
small kernels cost one launch. On a CPU the same code runs step by step; it is the reference for the other.
"""

from __future__ import annotations

import copy
import os
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import gymnasium as gym
import torch
from torch import Tensor

from ppo_core.buffer import Minibatch
from ppo_core.checkpoint import load_checkpoint, save_checkpoint
from ppo_core.config import PPOConfig
from ppo_core.envs import make_env
from ppo_core.episodes import EpisodeLog
from ppo_core.errors import CheckpointError, ConfigError, NonFiniteError
from ppo_core.evaluation import Evaluation, evaluate
from ppo_core.extras.batched import CartPole, Pendulum, TensorEnv
from ppo_core.gae import compute_gae
from ppo_core.loss import LossTerms, ppo_loss
from ppo_core.policy import ActorCritic
from ppo_core.trainer import IterationStats, clip_gradient, explained_variance, flatten_parameters, part

WARM_UP = 3  # iterations before a graph is recorded: libraries choose their kernels, torch.compile compiles
WATCHED = ("obs", "next_obs", "rewards", "logprobs", "values", "advantages", "loss or gradient norm")


class TensorRollout(NamedTuple):
    """T steps of N environments on the device, written over by every rollout; each is [T, N, ...]."""

    obs: Tensor
    actions: Tensor
    next_obs: Tensor
    rewards: Tensor
    terminated: Tensor
    truncated: Tensor
    logprobs: Tensor
    values: Tensor
    next_values: Tensor
    advantages: Tensor
    returns: Tensor


class CapturedTrainer:
    """PPO on tensor environments, with the settings and the numbers of `Trainer`.

    Nothing between two reports asks a tensor for its value: counters stay on the device and are read `every`
    iterations. Whatever interrupts it, the trainer goes back to its last report, and `run()` goes on.
    `target_kl` skips the remaining steps of an update instead of leaving it: the time is spent, the weights stay.

    Args: `env`, a TensorEnv, in place of the one that `config.env_id` names; `every`, iterations between two reports;
    `graph`, None for a CUDA graph wherever there is CUDA; `compile`, fuse small kernels with torch.compile.
    Raises: ConfigError for settings that need the host.
    """

    def __init__(
        self,
        config: PPOConfig,
        env: TensorEnv | None = None,
        policy: ActorCritic | None = None,
        device: str | torch.device = "cpu",
        every: int = 10,
        graph: bool | None = None,
        compile: bool = False,
    ):
        self.config, self.every = config, every
        self.device = torch.empty(0, device=device).device  # "cuda" becomes "cuda:0"
        self.graph = self.device.type == "cuda" if graph is None else graph
        check_settings(config, env, self.device, every, self.graph)
        if config.torch_threads:
            torch.set_num_threads(config.torch_threads)
        self.env = env or TensorEnv(game_of(config.env_id), config.num_envs, self.device)
        spaces = self.env.single_observation_space, self.env.single_action_space
        dtype = getattr(torch, config.dtype)
        # The weights begin on the host, with the numbers that Trainer begins with.
        policy = policy or ActorCritic(
            *spaces, config.hidden_size, torch.Generator().manual_seed(config.seed)
        )
        self.policy = policy.to(self.device, dtype)
        self.weights = flatten_parameters(self.policy)
        # A fused Adam reads a learning rate in float32 on a GPU, and any on a CPU.
        rate = torch.float32 if self.device.type == "cuda" else torch.float64
        self.learning_rate = torch.full((), config.learning_rate, dtype=rate, device=self.device)
        self.optimizer = torch.optim.Adam(
            [self.weights], self.learning_rate, eps=config.adam_eps, fused=True, capturable=True
        )
        # Made here and not by the first step: a graph remembers addresses.
        self.optimizer.state[self.weights] = {
            "step": torch.zeros((), device=self.device),
            "exp_avg": torch.zeros_like(self.weights),
            "exp_avg_sq": torch.zeros_like(self.weights),
        }
        # 1: Adam leaves the weights and its own state as they are. Mixed precision uses the same switch.
        self.skip = torch.zeros((), device=self.device)
        if config.target_kl is not None:
            self.optimizer.found_inf = self.skip
        self.rollout = allocate(config, self.env, dtype)
        self.generator = self._new_generator(config.seed)
        counters = {"dtype": torch.float64, "device": self.device}
        self.clock = torch.zeros((), **counters)  # iterations done
        self.totals = torch.zeros(len(LossTerms._fields) + 2, **counters)  # then gradient norms, minibatches
        self.finished = torch.zeros(3, **counters)  # episodes that ended: their number, returns and lengths
        self.running = torch.zeros((2, config.num_envs), **counters)  # returns and lengths of those under way
        self.bad = torch.zeros(len(WATCHED), **counters)  # update in which each went wrong first; 0: never
        self.obs = self.env.reset(config.seed)  # [N, O]: what the policy sees next
        self.iteration = 0
        wrap = torch.compile if compile else lambda function: function
        self._act, self._env_step = wrap(self.policy.act), wrap(self.env.step)
        self._gae, self._loss = wrap(compute_gae), wrap(ppo_loss)
        self._again: Callable[[], None] | None = None  # one iteration; recorded when it is first needed
        self._complete: dict[str, Tensor] | None = None  # while iterations run: what to go back to

    @property
    def global_step(self) -> int:
        """Environment steps since the beginning."""
        return self.iteration * self.config.batch_size

    def run(self) -> Iterator[IterationStats]:
        """Train until `total_timesteps`, yielding IterationStats every `every` iterations.

        Means are over all minibatches of these iterations, episodic means over the episodes that ended in them (NaN
        if none did); `explained_variance` and `learning_rate` are those of the last one.
        """
        while self.iteration < self.config.num_iterations:
            self._roll_back()
            count = min(self.every, self.config.num_iterations - self.iteration)
            self._complete = self._state()
            try:
                if self._again is None:
                    self._again = self._record() if self.graph else self._iterate
                started = time.perf_counter()
                for _ in range(count):
                    self._again()
                stats = self._report(count, started)
                self.iteration += count
                self._complete = None
            finally:
                self._roll_back()
            yield stats

    # ---- one iteration, on the device: nothing here may ask a tensor for its value

    def _iterate(self) -> None:
        config = self.config
        if config.anneal_lr:
            self.learning_rate.copy_(config.learning_rate * (1 - self.clock / config.num_iterations))
        self.collect()
        self._count_episodes()
        self.update()
        self.clock += 1

    @torch.no_grad()
    def collect(self) -> None:
        """Step every environment T times with the present policy and compute advantages: fills `self.rollout`."""
        rollout, noise = self.rollout, self._noise()  # [T, N, A]
        for t in range(self.config.num_steps):
            actions = self._act(self.obs, noise[t])
            step = self._env_step(actions)
            for stored, value in zip(rollout, (self.obs, actions, *step[1:]), strict=False):
                stored[t].copy_(value)
            self.obs.copy_(step.obs)
        output = self.policy.evaluate(rollout.obs.flatten(0, 1), rollout.actions.flatten(0, 1))
        rollout.logprobs.copy_(output.logprobs.view_as(rollout.logprobs))
        rollout.values.copy_(output.values.view_as(rollout.values))
        rollout.next_values.copy_(self.policy.value(rollout.next_obs.flatten(0, 1)).view_as(rollout.values))
        gae = self._gae(
            rollout.rewards, rollout.values, rollout.next_values, rollout.terminated, rollout.truncated,
            self.config.gamma, self.config.gae_lambda,
        )  # fmt: skip
        rollout.advantages.copy_(gae.advantages)
        rollout.returns.copy_(gae.returns)
        self._watch(slice(0, -1), [getattr(rollout, name) for name in WATCHED[:-1]])

    @torch.enable_grad()
    def update(self) -> None:
        """Improve the policy on `self.rollout`, in `update_epochs` times `num_minibatches` steps."""
        config, rollout, watched = self.config, self.rollout, []
        names = ("obs", "actions", "logprobs", "advantages", "returns", "values")  # as Minibatch has them
        stored = [getattr(rollout, name).flatten(0, 1) for name in names]
        self.skip.zero_()
        for _ in range(config.update_epochs):
            order, divergence = self._order(), []
            parts = [x[order].tensor_split(config.num_minibatches) for x in stored]
            done = 1 - self.skip
            for minibatch in map(Minibatch, *parts):
                losses = self._loss(self.policy, minibatch, config)
                self.weights.grad.zero_()
                losses.loss.backward()
                norm = clip_gradient(self.weights.grad, config.max_grad_norm)
                self.optimizer.step()
                divergence.append(losses.approx_kl)
                watched.append(losses.loss.detach() + norm)
                terms = [x.detach() for x in losses]
                self.totals += torch.stack([*terms, norm, torch.ones_like(norm)]) * done
            if config.target_kl is not None:
                self.skip += (torch.stack(divergence).mean() > config.target_kl) * (1 - self.skip)
        self._watch(slice(-1, None), [torch.stack(watched)])

    def _noise(self) -> Tensor:
        """The randomness of all actions of a rollout, [T, N, A]."""
        with self.device:
            return self.policy.noise(self.config.num_steps, self.config.num_envs, generator=self.generator)

    def _order(self) -> Tensor:
        """The order in which an epoch visits the T·N steps; `randperm` would ask the host for small numbers of them."""
        numbers = torch.rand(
            self.config.batch_size, generator=self.generator, dtype=torch.float64, device=self.device
        )
        return numbers.argsort()

    def _watch(self, which: slice, tensors: list[Tensor]) -> None:
        """Note the update in which each of `tensors`, of any shape, first held a NaN or an infinity."""
        finite = torch.stack([torch.isfinite(tensor).all() for tensor in tensors])
        self.bad[which] += (self.clock + 1) * (~finite & (self.bad[which] == 0))

    def _count_episodes(self) -> None:
        """Add up what ended in this rollout. All that an environment got before its last end belongs to ended episodes."""
        done = self.rollout.terminated | self.rollout.truncated
        ended = done.flip(0).cumsum(0).flip(0) > 0  # [T, N]: an episode ends here or later in this rollout
        rewards = self.rollout.rewards
        got = torch.stack([rewards, torch.ones_like(rewards)]).to(self.running.dtype)  # [2, T, N]
        ended_here = (got * ended).sum(1) + self.running * ended[0]  # [2, N]
        self.finished += torch.cat([done.sum().unsqueeze(0), ended_here.sum(1)])
        self.running.copy_((got * ~ended).sum(1) + self.running * ~ended[0])

    # ---- between two reports, with the host

    def _record(self) -> Callable[[], None]:
        """Record one iteration as a CUDA graph; the training itself does not move. Returns what runs it again."""
        before = self._state()
        with torch.cuda.device(self.device):
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(WARM_UP):
                    self._iterate()
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with warnings.catch_warnings():  # newer releases find the generator by themselves, and say so
                warnings.simplefilter("ignore")
                graph.register_generator_state(self.generator)
            with torch.cuda.graph(graph):
                self._iterate()
        self._set_state(before)
        return graph.replay

    def _report(self, count: int, started: float) -> IterationStats:
        """Read the counters of `count` iterations and begin them anew; here the host waits for the device."""
        bad, totals, finished = self.bad.tolist(), self.totals.tolist(), self.finished.tolist()
        seconds = time.perf_counter() - started
        if any(bad):
            update, name = min((update, i) for i, update in enumerate(bad) if update)
            raise NonFiniteError(
                f"{WATCHED[name]} holds a NaN or an infinity in update {int(update)}; "
                f"the weights are those of update {self.iteration}"
            )
        self.totals.zero_()
        self.finished.zero_()
        episodes, steps = int(finished[0]), count * self.config.batch_size
        episodic = [total / episodes if episodes else float("nan") for total in finished[1:]]
        minibatches = totals.pop()
        _, *means, grad_norm = (total / minibatches for total in totals)
        return IterationStats(
            self.iteration + count, self.global_step + steps, *episodic, episodes, *means, grad_norm,
            explained_variance(self.rollout.values, self.rollout.returns), float(self.learning_rate),
            round(minibatches / self.config.num_minibatches / count), steps / seconds,
        )  # fmt: skip

    def evaluate(self, num_episodes: int = 20, seed: int = 1000, deterministic: bool = True) -> Evaluation:
        """Play whole episodes in Gymnasium's environments, on the host. Returns Evaluation(returns [E], lengths [E])."""
        if num_episodes < 1:
            raise ConfigError(f"num_episodes={num_episodes} must be at least 1")
        policy = copy.deepcopy(self.policy).to("cpu")
        return evaluate(policy, partial(make_env, self.env.game.ENV_ID), num_episodes, seed, deterministic)

    def save(self, path: str | os.PathLike) -> None:
        """Write a checkpoint of the last report, for `CapturedTrainer.resume`: it goes on with the same numbers."""
        self._roll_back()
        save_checkpoint(
            path, {f"device.{name}": tensor.cpu() for name, tensor in self._state().items()}, self._facts()
        )

    def export(self, path: str | os.PathLike) -> None:
        """Write a checkpoint of the last report for `Trainer.resume`: the same weights and optimiser, new episodes."""
        self._roll_back()
        config, state = self.config, self._state()
        log = EpisodeLog(config.num_envs, no_actions=self.rollout.actions[:0, 0].cpu().numpy())
        log.count = self.env.episodes.cpu().numpy() + 1
        tensors = {
            name: tensor.cpu()
            for name, tensor in state.items()
            if name.startswith(("weights", "adam.", "buffer."))
        }
        tensors |= {f"episodes.{name}": tensor for name, tensor in log.state().items()}
        tensors["generator"] = torch.Generator().manual_seed(config.seed + self.iteration).get_state()
        save_checkpoint(path, tensors, self._facts())

    def _facts(self) -> dict[str, Any]:
        return {"config": self.config.to_dict(), "iteration": self.iteration, "global_step": self.global_step}

    @classmethod
    def resume(
        cls, path: str | os.PathLike, changes: dict[str, Any] | None = None, **arguments: Any
    ) -> CapturedTrainer:
        """A trainer that goes on where `save` left off; `arguments` are those of the class, `changes` replace settings.

        On another kind of device the same environments go on with other random numbers.
        Raises: CheckpointError, ConfigError.
        """
        tensors, facts = load_checkpoint(path)
        saved, config, iteration = part(tensors, "device."), facts.get("config"), facts.get("iteration")
        if not (saved and isinstance(config, dict) and type(iteration) is int and iteration >= 0):
            raise CheckpointError(
                f"{path} was not written by CapturedTrainer.save: Trainer.resume may read it"
            )
        changes = changes or {}
        fixed = sorted({"env_id", "num_envs", "hidden_size", "seed", "dtype"} & changes.keys())
        if fixed := [name for name in fixed if changes[name] != config.get(name)]:
            raise ConfigError(
                f"{fixed[0]} cannot be changed in a checkpoint: its weights and episodes depend on it"
            )
        trainer = cls(PPOConfig.from_dict({**config, **changes}), **arguments)
        fresh = trainer._state()
        if saved["generator"].shape != fresh["generator"].shape:  # of another kind of device
            saved["generator"] = trainer._new_generator(trainer.config.seed + iteration).get_state()
        for name in sorted(saved.keys() | fresh.keys()):
            mine, found = fresh.get(name), saved.get(name)
            if mine is None or found is None or (mine.shape, mine.dtype) != (found.shape, found.dtype):
                raise CheckpointError(
                    f"{path} does not fit: {name} differs, pass the policy it was made with"
                )
            if not found.isfinite().all():
                raise CheckpointError(f"{path} does not fit: {name} holds a NaN or an infinity")
        trainer._set_state(saved)
        return trainer

    def _new_generator(self, seed: int) -> torch.Generator:
        return torch.Generator(self.device).manual_seed(seed)

    def _static(self) -> dict[str, Tensor]:
        """Every tensor that outlives an iteration; each keeps its address."""
        adam = {f"adam.{name}": value for name, value in self.optimizer.state[self.weights].items()}
        env = {f"env.{name}": getattr(self.env, name) for name in ("state", "keys", "steps", "episodes")}
        own = ("weights", "obs", "clock", "totals", "finished", "running", "bad")
        buffers = {f"buffer.{name}": value for name, value in self.policy.named_buffers()}
        return {name: getattr(self, name) for name in own} | adam | env | buffers

    def _state(self) -> dict[str, Tensor]:
        """A copy of all that the next iteration depends on."""
        copies = {name: tensor.detach().clone() for name, tensor in self._static().items()}
        return copies | {"generator": self.generator.get_state()}

    @torch.no_grad()
    def _set_state(self, state: dict[str, Tensor]) -> None:
        for name, tensor in self._static().items():
            tensor.copy_(state[name])
        self.generator.set_state(state["generator"])
        self.iteration = int(state["clock"])

    def _roll_back(self) -> None:
        if self._complete is not None:
            self._set_state(self._complete)
            self._complete = None


def game_of(env_id: str) -> type:
    """The rules of a Gymnasium environment that is also made of arrays, or a ConfigError."""
    games = {game.ENV_ID: game for game in (CartPole, Pendulum)}
    if env_id not in games:
        raise ConfigError(
            f"env_id={env_id!r} is not made of arrays: {' and '.join(games)} are, or pass a TensorEnv"
        )
    return games[env_id]


def check_settings(
    config: PPOConfig, env: TensorEnv | None, device: torch.device, every: int, graph: bool
) -> None:
    """Refuse with a ConfigError what cannot stay on one device."""
    if config.gradient != "autograd":
        raise ConfigError(f"gradient={config.gradient!r} computes on the host: use gradient='autograd'")
    if config.num_workers:
        raise ConfigError(
            f"num_workers={config.num_workers} processes cannot step tensors: use num_workers=0"
        )
    if isinstance(every, bool) or not isinstance(every, int) or every < 1:
        raise ConfigError(f"every={every!r} must be an integer, at least 1")
    if graph and device.type != "cuda":
        raise ConfigError(f"a CUDA graph needs a CUDA device, not {device}: leave graph out")
    if env is not None and (env.num_envs != config.num_envs or env.state.device != device):
        raise ConfigError(
            f"env has {env.num_envs} environments on {env.state.device}, "
            f"expected num_envs={config.num_envs} on {device}"
        )


def allocate(config: PPOConfig, env: TensorEnv, dtype: torch.dtype) -> TensorRollout:
    """An empty rollout; its tensors are [T, N, ...]."""
    T, N, place = config.num_steps, config.num_envs, {"device": env.state.device}
    discrete = isinstance(env.single_action_space, gym.spaces.Discrete)
    shape = env.single_observation_space.shape
    observed = [torch.zeros((T, N, *shape), dtype=dtype, **place) for _ in range(2)]
    actions = torch.zeros(
        (T, N, *env.single_action_space.shape), dtype=torch.int64 if discrete else dtype, **place
    )
    numbers = [torch.zeros((T, N), dtype=dtype, **place) for _ in range(6)]
    ends = [torch.zeros((T, N), dtype=torch.bool, **place) for _ in range(2)]
    return TensorRollout(observed[0], actions, observed[1], numbers[0], *ends, *numbers[1:])
