"""Training with several processes, whose number changes how fast it goes and nothing else.

    torchrun --nproc-per-node 8 --max-restarts 3 -m ppo_core train    (and the flags of one process)

Each process, a rank, steps its share of the N environments and computes its share of every gradient; then all shares
are added, and every rank takes the same optimiser step. For 1, 2 and 8 ranks to give the same weights,
 1. environment i gets its seeds from its global index, whoever steps it,
 2. the noise of all actions is drawn for all N environments on every rank, which uses its columns of it,
 3. every rank draws the same permutation, and takes the rows of each minibatch that it owns,
 4. advantages are normalised with the mean and deviation of the whole minibatch, not of a rank's rows,
 5. a rank's loss is its sum divided by the size of the whole minibatch, gradients are added, then clipped,
 6. whatever decides when to stop (the KL divergence, a NaN, Ctrl-C) is the same number on every rank.
What remains is the order in which floats are added: about 1e-15 in float64. In float32 one action that falls to the
other side of a tie makes another run, equally good: equal for a few iterations, not forever.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from ppo_core.analytic import AnalyticGradient
from ppo_core.buffer import Minibatch, Rollout
from ppo_core.checkpoint import load_checkpoint, save_checkpoint
from ppo_core.config import PPOConfig
from ppo_core.envs import SerialVectorEnv, VectorEnv, make_env
from ppo_core.episodes import RECENT, EpisodeLog
from ppo_core.errors import CheckpointError, ConfigError, PPOError
from ppo_core.loss import LossTerms, ppo_loss
from ppo_core.parallel import ParallelVectorEnv
from ppo_core.policy import ActorCritic
from ppo_core.trainer import IterationStats, Trainer

# What a checkpoint holds for each environment [N], and the actions of all episodes under way, one after the other.
PER_ENVIRONMENT, PLAYED = ("episodes.count", "episodes.returns", "episodes.lengths"), "episodes.played"


class RankLost(PPOError, RuntimeError):
    """Another process of the group died, or did not answer in time; without it nothing can be added up any more."""


class World:
    """The ranks that train together, and the one operation that they need: a sum over all of them.

    A world of one rank has no process group, and its sum is what it was given. `calls` and `bytes` count what this
    rank sent into sums. Tensors in CPU memory travel by gloo, those on a GPU by NCCL.

    Args: `rank` of `size`; `store`, where they find each other; `timeout`, seconds that a rank may keep the others
        waiting. Ranks trust each other: what `gather` receives is unpickled.
    Raises: RankLost from every method that needs the others, once one of them is gone.
    """

    def __init__(self, rank: int = 0, size: int = 1, store: dist.Store | None = None, timeout: float = 600.0):
        self.rank, self.size = rank, size
        self.calls = self.bytes = 0
        self.interrupted = False  # Ctrl-C was pressed, and the others have not been told yet
        if size > 1 and not dist.is_initialized():
            backend = (
                "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
            )
            patience = timedelta(seconds=timeout)
            with self._noticing():
                dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=patience)

    @classmethod
    def from_env(cls, timeout: float = 600.0) -> World:
        """The world that `torchrun` describes in environment variables, or that exists already; else a world of one.

        torchrun keeps one store for all attempts of a run, where a restarted rank can read the address of a dead one.
        On one machine we give each attempt a part of its own. On several, restarts are counted by each machine alone:
        start torchrun with the variable there that the error names. Raises: ConfigError without it.
        """
        if dist.is_available() and dist.is_initialized():
            return cls(dist.get_rank(), dist.get_world_size())
        env = os.environ
        if int(env.get("WORLD_SIZE", 1)) == 1:
            return cls()
        shared = env.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        several = env.get("GROUP_WORLD_SIZE", "1") != "1"
        if shared and several and int(env.get("TORCHELASTIC_MAX_RESTARTS", 0)):
            raise ConfigError(
                "--max-restarts on several machines: a restarted process can read the address of a dead one. "
                "Set TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 where torchrun is started, or take --max-restarts 0"
            )
        if torch.cuda.is_available():
            torch.cuda.set_device(int(env.get("LOCAL_RANK", 0)) % torch.cuda.device_count())
        store, rank, size = next(dist.rendezvous("env://", timeout=timedelta(seconds=timeout)))
        if shared and not several:
            store = dist.PrefixStore(f"attempt {restarts()}", store)
        return cls(rank, size, store, timeout)

    def columns(self, num_envs: int) -> slice:
        """The environments of this rank, r·N//W up to (r+1)·N//W: no two ranks differ by more than one.

        Raises: ConfigError if there are more ranks than environments.
        """
        if self.size > num_envs:
            raise ConfigError(
                f"{self.size} processes are more than num_envs={num_envs} environments, and each needs one: "
                "raise num_envs (it counts the environments of all processes), or start fewer"
            )
        return slice(self.rank * num_envs // self.size, (self.rank + 1) * num_envs // self.size)

    def all_sum_(self, tensor: Tensor) -> Tensor:
        """Replace `tensor`, of any shape, by its sum over all ranks, equal to the last bit on each. Returns it."""
        if self.size > 1:
            with self._noticing():
                dist.all_reduce(tensor)
            self.calls, self.bytes = self.calls + 1, self.bytes + tensor.nbytes
        return tensor

    def gather(self, value: Any) -> list:
        """What every rank brought, in the order of ranks, on every rank; anything that can be pickled."""
        values = [value] * self.size
        if self.size > 1:
            with self._noticing():
                dist.all_gather_object(values, value)
        return values

    @contextmanager
    def _noticing(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise RankLost(
                f"rank {self.rank} of {self.size} waited for the others in vain, one of them died or hangs: go on from "
                f"the last checkpoint (torchrun --max-restarts does). {str(error).strip().splitlines()[0][:200]}"
            ) from error

    def agree(self, error: BaseException | None = None) -> None:
        """A point that every rank passes, or none: if one brings an error or was interrupted, all raise it."""
        error = error or self.pending()
        if self.all_sum_(torch.tensor(float(error is not None))).item():
            self.raise_together(error)

    def raise_together(self, error: BaseException | None) -> None:
        """Raise the error of the lowest rank that has one, on every rank; all must know that there is one."""
        self.interrupted = False
        first = next(one for one in self.gather(None if error is None else _packed(error, self.rank)) if one)
        if first[0] != self.rank:
            error = _unpacked(*first)
        error.told_by_another_rank = self.rank > 0  # one message is enough
        raise error

    @contextmanager
    def together(self) -> Iterator[None]:
        """What one rank raises inside, all ranks raise at the end. No sums inside: nobody could join a late one."""
        error = None
        try:
            yield
        except BaseException as raised:
            error = raised
        self.agree(error)

    def pending(self) -> KeyboardInterrupt | None:
        """The interrupt that the others must hear of."""
        return KeyboardInterrupt() if self.interrupted else None

    @contextmanager
    def holding_interrupts(self) -> Iterator[None]:
        """Inside, Ctrl-C stops all ranks at the next point of agreement; a second one stops this rank at once."""

        def note(number: int, frame: Any) -> None:
            if self.interrupted:
                raise KeyboardInterrupt
            self.interrupted = True

        if self.size == 1 or threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def close(self) -> None:
        """Leave the process group. The others notice if they still wait for this rank."""
        if self.size > 1 and dist.is_initialized():
            dist.destroy_process_group()


def restarts() -> int:
    """How often torchrun has started this group anew."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0))


def goes_on_after_restart(path: str | os.PathLike, config: PPOConfig) -> bool:
    """Whether torchrun has started this group anew, and `path` holds what a run with exactly these settings wrote.

    torchrun gives the same arguments again, and this is how a run finds what it had saved. A run with the same
    settings has the same numbers whoever began it, so that an older file of such a run serves as well.
    """
    try:
        return restarts() > 0 and load_checkpoint(path)[1].get("config") == config.to_dict()
    except CheckpointError:
        return False


class Share(NamedTuple):
    """The rows of a minibatch that this rank owns, and how many rows the whole minibatch has."""

    rows: Minibatch
    size: int


class DistributedTrainer(Trainer):
    """The Trainer for one rank of several: the same settings, numbers, errors and checkpoints as with one process.

    `num_envs`, `num_minibatches` and all other settings are those of the whole run, but `num_workers` is what each
    rank starts beside itself. Every rank yields the same IterationStats (`steps_per_second` is its own clock's).
    `run`, `save` and `resume` are calls for all ranks together; rank 0 writes the file, which does not say how many
    ranks there were: any number of them resumes it, one process too. On several machines it must lie where all see it.

    Args: `env` holds the environments `world.columns(num_envs)`, made with `first_index` equal to the first of them;
        `policy`: the weights of rank 0 are everybody's. `world`: default `World.from_env()`.
    Raises: ConfigError for more ranks than environments; RankLost; what a Trainer raises on any rank, on all of them.
    """

    def __init__(
        self,
        config: PPOConfig,
        env: VectorEnv | None = None,
        policy: ActorCritic | None = None,
        world: World | None = None,
    ):
        self.world = world or World.from_env()
        self.columns = self.world.columns(config.num_envs)
        with self.world.together():
            super().__init__(config, env, policy)
        if self.world.rank > 0:
            self.weights.data.zero_()
        self.world.all_sum_(self.weights.data)
        # Advantages are normalised in `_minibatches`, where the moments of whole minibatches are known.
        self._loss_config = config.replace(normalize_advantages=False)
        if self.analytic is not None:
            self.analytic = AnalyticGradient(self.policy, self._loss_config)
        no_actions = self.rollout.actions[:0, 0].numpy()
        self.episodes = GlobalEpisodeLog(self.world, self.columns.start, self.env.num_envs, no_actions)

    # ---- what this rank does, and what all do together

    def run(self) -> Iterator[IterationStats]:
        """As `Trainer.run`, on every rank together. Ctrl-C on any of them stops all after the same iteration."""
        with self.world.holding_interrupts():
            yield from super().run()

    def _environments(self, env: VectorEnv | None) -> VectorEnv:
        config, mine = self.config, range(self.config.num_envs)[self.columns]
        if env is None:
            return make_share(config, mine)
        if env.num_envs != len(mine) or getattr(env, "first_index", 0) != mine.start:
            raise ConfigError(
                f"env has {env.num_envs} environments from number {getattr(env, 'first_index', 0)} on, but of "
                f"num_envs={config.num_envs} rank {self.world.rank} of {self.world.size} steps {len(mine)} "
                f"from number {mine.start} on: make it with world.columns({config.num_envs}), and first_index"
            )
        return env

    def _noise(self) -> Tensor:
        return super()._noise()[:, self.columns]

    def _restore_env(self) -> None:
        with self.world.together():
            super()._restore_env()

    def collect(self) -> None:
        """As `Trainer.collect`, for the environments of this rank; a NaN or a lost worker on one rank stops all."""
        with self.world.together():
            super().collect()

    def _iterate(self) -> IterationStats:
        stats = super()._iterate()
        return stats._replace(explained_variance=self._explained_variance())

    def _explained_variance(self) -> float:
        returns = self.rollout.returns.double()
        errors = returns - self.rollout.values
        sums = self.world.all_sum_(torch.stack([x.sum() for x in (returns, returns**2, errors, errors**2)]))
        mean, square, error_mean, error_square = (sums / self.config.batch_size).tolist()
        variance, left = square - mean**2, error_square - error_mean**2
        return float("nan") if variance <= 0 else 1 - left / variance

    def _minibatches(self) -> Iterator[Share]:
        """The rows of this rank in the minibatches of one epoch, with advantages normalised by global moments."""
        rollout, N, first = self.rollout, self.config.num_envs, self.columns.start
        parts = self._order().tensor_split(self.config.num_minibatches)  # rows t·N + i of the whole rollout
        t, i = torch.cat(parts) // N, torch.cat(parts) % N
        mine = (i >= first) & (i < self.columns.stop)
        rows = (t * rollout.num_envs + i - first)[mine]  # t·n + i - first in the rollout of this rank
        counts = [int(part.sum()) for part in mine.tensor_split(self.config.num_minibatches)]
        stored = (
            rollout.obs,
            rollout.actions,
            rollout.logprobs,
            rollout.advantages,
            rollout.returns,
            rollout.values,
        )
        shares = map(Minibatch, *(x.flatten(0, 1)[rows].split(counts) for x in stored))
        shares = [Share(rows, len(part)) for rows, part in zip(shares, parts, strict=True)]
        yield from self._normalized(shares) if self.config.normalize_advantages else shares

    def _order(self) -> Tensor:
        """The rows of the whole rollout in random order, [T·N], the same on every rank: all generators are in step."""
        return torch.randperm(self.config.batch_size, generator=self.generator)

    def _normalized(self, shares: list[Share]) -> Iterator[Share]:
        """One sum for all minibatches of an epoch: their advantages are known before the first gradient step."""
        moments = self._moments([share.rows.advantages.double() for share in shares])  # [minibatches, 2]
        for (rows, size), (total, square) in zip(shares, moments, strict=True):
            if size > 1:  # a single sample has no deviation, and stays as it is
                mean = total / size
                std = ((square - size * mean**2) / (size - 1)).clamp(min=0).sqrt()
                advantages = ((rows.advantages - mean) / (std + 1e-8)).to(rows.advantages.dtype)
                rows = rows._replace(advantages=advantages)
            yield Share(rows, size)

    def _moments(self, advantages: list[Tensor]) -> Tensor:
        """Sum and sum of squares of each minibatch over all ranks, [minibatches, 2]."""
        return self.world.all_sum_(torch.stack([torch.stack([a.sum(), (a**2).sum()]) for a in advantages]))

    def _gradient(self, share: Share) -> LossTerms:
        """The gradient of the whole minibatch, and its diagnostics: one sum over ranks of one flat tensor [P + 7]."""
        error, terms = None, torch.zeros(len(LossTerms._fields), dtype=self.weights.dtype)
        try:
            if self._weight(share):  # a rank may own no row of a small minibatch
                terms = torch.stack(self._own_gradient(share.rows)) * self._weight(share)
                self.weights.grad.mul_(self._weight(share))
            else:
                self.weights.grad.zero_()
        except BaseException as raised:
            error = raised
        error = error or self.world.pending()
        failed = torch.tensor([float(error is not None)], dtype=terms.dtype)
        summed = self.world.all_sum_(torch.cat([self.weights.grad, terms, failed]))
        if summed[-1]:
            self.world.raise_together(error)
        self.weights.grad.copy_(summed[: len(self.weights)])
        return LossTerms(*summed[len(self.weights) : -1])

    def _weight(self, share: Share) -> float:
        """What turns the mean over a rank's rows into its part of the mean over the whole minibatch."""
        return len(share.rows.returns) / share.size

    def _own_gradient(self, rows: Minibatch) -> LossTerms:
        if self.analytic is not None:
            return self.analytic(rows)
        losses = ppo_loss(self.policy, rows, self._loss_config)
        self.weights.grad.zero_()
        losses.loss.backward()
        return losses._replace(loss=losses.loss.detach())

    def _check_finite(self, name: str, tensor: Tensor) -> None:
        if (
            tensor.ndim > 1 and self.columns.start
        ):  # columns of zeros, so that the message counts as one process does
            others = torch.zeros_like(tensor[:, :1]).expand(-1, self.columns.start, *tensor.shape[2:])
            tensor = torch.cat([others, tensor], 1) if not torch.isfinite(tensor).all() else tensor
        super()._check_finite(name, tensor)

    # ---- checkpoints that do not say how many ranks there were

    def save(self, path: str | os.PathLike) -> None:
        """Write the checkpoint of all ranks together, as one process would; rank 0 does, and all learn of a failure."""
        self._roll_back()
        tensors, facts = self._state()
        shares = self.world.gather({name: tensors[name] for name in (*PER_ENVIRONMENT, PLAYED)})
        tensors |= {name: sum(share[name] for share in shares) for name in PER_ENVIRONMENT}
        tensors[PLAYED] = torch.cat([share[PLAYED] for share in shares])
        with self.world.together():
            if self.world.rank == 0:
                save_checkpoint(path, tensors, facts)

    @classmethod
    def resume(
        cls,
        path: str | os.PathLike,
        env: VectorEnv | None = None,
        policy: ActorCritic | None = None,
        **changes: Any,
    ) -> DistributedTrainer:
        """As `Trainer.resume`, in `World.from_env()`: by as many ranks as there are now, each of which reads the file.

        Raises: CheckpointError, also where ranks read different files; ConfigError.
        """
        world = World.from_env()
        with world.together():
            _, facts = load_checkpoint(path)
        if any(others != facts for others in world.gather(facts)):
            raise CheckpointError(
                f"{path} is not the same file for all {world.size} processes: put it where all machines see it"
            )
        return super().resume(path, env, policy, **changes)

    def _state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The state of the whole run, with zeros in the place of environments that other ranks own."""
        tensors, facts = super()._state()
        for name in PER_ENVIRONMENT:
            own, tensors[name] = tensors[name], torch.zeros(self.config.num_envs, dtype=tensors[name].dtype)
            tensors[name][self.columns] = own
        return tensors, facts

    def _set_state(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        lengths = tensors["episodes.lengths"]
        first, last = (int(lengths[:i].sum()) for i in (self.columns.start, self.columns.stop))
        own = {name: tensors[name][self.columns] for name in PER_ENVIRONMENT}
        super()._set_state({**tensors, **own, PLAYED: tensors[PLAYED][first:last]}, facts)


class GlobalEpisodeLog(EpisodeLog):
    """The log of this rank's environments, in which `recent` and the number of ended episodes are those of all ranks."""

    def __init__(self, world: World, first_index: int, num_envs: int, no_actions: np.ndarray):
        super().__init__(num_envs, no_actions)
        self.world, self.first_index = world, first_index

    def record(self, rollout: Rollout) -> int:
        """Take in a rollout. Returns the number of episodes that ended in it, on all ranks."""
        before = list(self.recent)
        self.recent.clear()
        ended = super().record(rollout)
        times = (rollout.terminated | rollout.truncated).nonzero()[-RECENT:] + torch.tensor(
            [0, self.first_index]
        )
        # One sum gathers everything: each rank writes into its own part of zeros.
        table = torch.zeros(self.world.size, RECENT + 1, 4, dtype=torch.float64)
        table[self.world.rank, 0, 0] = ended
        if ended:
            table[self.world.rank, 1 : len(times) + 1] = torch.cat(
                [times, torch.tensor(list(self.recent))], 1
            )
        self.world.all_sum_(table)
        rows = [row for part in table.tolist() for row in part[1 : 1 + min(RECENT, int(part[0][0]))]]
        self.recent.clear()
        self.recent.extend([*before, *((total, int(length)) for _, _, total, length in sorted(rows))])
        return int(table[:, 0, 0].sum())


def make_share(config: PPOConfig, mine: range) -> VectorEnv:
    """The environments with the indices `mine`, as `config` asks for them; no more workers than environments."""
    env_fns = [partial(make_env, config.env_id)] * len(mine)
    if config.num_workers:
        workers = min(config.num_workers, len(mine))
        return ParallelVectorEnv(env_fns, num_workers=workers, check=config.check, first_index=mine.start)
    return SerialVectorEnv(env_fns, check=config.check, first_index=mine.start)


def _packed(error: BaseException, rank: int) -> tuple[int, bytes, str, str]:
    """An error on its way to other ranks: itself where it can be sent, and its text."""
    try:
        pickled = pickle.dumps(error)
        pickle.loads(pickled)
    except Exception:
        pickled = b""
    return (
        rank,
        pickled,
        f"{type(error).__name__}: {error}",
        "".join(traceback.format_exception(error))[-20_000:],
    )


def _unpacked(rank: int, pickled: bytes, text: str, told: str) -> BaseException:
    try:
        error = pickle.loads(pickled)
    except Exception:
        error = PPOError(text)
    if not isinstance(error, KeyboardInterrupt):
        error.add_note(f"Raised on rank {rank}:\n{told}")
    return error
