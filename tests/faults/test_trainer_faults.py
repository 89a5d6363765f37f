"""Trainers under faults: every case passes for ours, every cut resumes to the same digest, and broken trainers are noticed."""

from __future__ import annotations

import builtins
import errno
import json
import os
import signal
import sys
from functools import partial
from pathlib import Path

import gymnasium as gym
import pytest
import torch

HERE = Path(__file__).resolve().parent
sys.path[:0] = [path for path in (str(HERE),) if path not in sys.path]

import trainer_cases as cases  # noqa: E402
from trainer_sides import SIDES, SMALL, Ours, factories  # noqa: E402

import ppo_core  # noqa: E402
from ppo_core import checkpoint  # noqa: E402
from ppo_core.adapters import GymnasiumVectorEnv  # noqa: E402

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="platform: kills and full disks as Linux has them"
)

LONG = {"same_seed", "killed_while_saving"}  # the core's tests hold these; `make faults` runs them in full
SHORT = [fault.name for fault in cases.CASES if fault.name not in LONG]


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(1)


@pytest.mark.parametrize("name", SHORT)
def test_ours_passes(name: str) -> None:
    fault = next(fault for fault in cases.CASES if fault.name == name)
    verdict, _ = cases.run(fault, "ppo_core", 2.0)
    assert verdict.name == "PASS", verdict


def test_every_cut_resumes_to_the_same_digest() -> None:
    rows = list(cases.all_cuts(stride=10))
    assert [row.case for row in rows if row.verdict != "PASS"] == [], "\n".join(map(cases.told, rows))
    assert sum(int(row.seen.split()[0]) for row in rows) > 50, "fewer cuts than were meant"


def test_kills_during_saves_leave_a_checkpoint(tmp_path: Path) -> None:
    verdict = cases.killed_while_saving(Ours, tmp_path, times=8)
    assert verdict.name == "PASS", verdict


# ---- what a case must notice


class ForgetsTheGenerator(Ours):
    """After resuming, its random numbers begin anew."""

    @classmethod
    def resume(cls, path: Path, workers: int = 0):
        trainer = Ours.resume(path, workers)
        trainer.generator.manual_seed(trainer.config.seed)
        return trainer


class ForgetsAdam(Ours):
    @classmethod
    def resume(cls, path: Path, workers: int = 0):
        trainer = Ours.resume(path, workers)
        trainer.optimizer.state.clear()
        return trainer


class BeginsNewEpisodes(Ours):
    @classmethod
    def resume(cls, path: Path, workers: int = 0):
        trainer = Ours.resume(path, workers)
        trainer.episodes.forget_running()
        return trainer


class WritesInPlace(Ours):
    """As most programs do."""

    name = "writes_in_place"

    @staticmethod
    def save(trainer, path: Path) -> None:
        tensors, facts = trainer._state()
        header = json.dumps(facts, sort_keys=True)
        digest = checkpoint._digest(tensors, header)
        path.write_bytes(
            checkpoint.save(tensors, {"format": checkpoint.FORMAT, "facts": header, "sha256": digest})
        )


class ReadsPickles(Ours):
    extension = ".pt"  # torch.load reads a file called .safetensors as what it is called

    @staticmethod
    def resume(path: Path, workers: int = 0):
        try:
            torch.load(path, weights_only=False)
        except Exception as error:
            raise ValueError(f"{path.name}: {error}") from error


class LooksAtNothing(Ours):
    """Its environments and its rollouts are not checked."""

    @classmethod
    def make(cls, poison=None, **settings):
        trainer = Ours.make(**settings)
        if poison:
            envs = gym.vector.SyncVectorEnv(factories(3, poison=poison))
            trainer = ppo_core.Trainer(Ours.config(), GymnasiumVectorEnv(envs))
        trainer._check_finite = lambda name, tensor: None
        return trainer


@pytest.fixture
def sides(monkeypatch: pytest.MonkeyPatch):
    for side in (
        ForgetsTheGenerator,
        ForgetsAdam,
        BeginsNewEpisodes,
        WritesInPlace,
        ReadsPickles,
        LooksAtNothing,
    ):
        monkeypatch.setitem(SIDES, side.name, SIDES.get(side.name, side))


@pytest.mark.parametrize(
    ("trial", "side", "verdict"),
    [
        (cases.killed_between_iterations, ForgetsTheGenerator, "WEAK"),
        (cases.killed_in_an_update, ForgetsAdam, "WEAK"),
        (cases.killed_in_a_rollout, BeginsNewEpisodes, "WEAK"),
        (cases.killed_in_a_save, WritesInPlace, "CRASH"),
        (cases.full_disk, WritesInPlace, "CRASH"),
        (cases.hidden_code, ReadsPickles, "SILENT"),
        (cases.nan_reward, LooksAtNothing, "SILENT"),
        (cases.huge_reward, LooksAtNothing, "SILENT"),
    ],
)
def test_a_broken_trainer_is_noticed(trial, side, verdict: str, tmp_path: Path, sides) -> None:
    assert trial(side, tmp_path).name == verdict


# ---- a full disk at every call


def test_a_full_disk_at_any_call_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ENOSPC from each call of the system that a save makes, one after the other; both checkpoints can be read after each."""
    trainer = Ours.train(Ours.make(), 1)
    path, numbers, left = tmp_path / "c.safetensors", [], 0
    for _ in range(2):
        trainer.save(path)
    before = sorted(os.listdir(tmp_path))
    real = {
        name: getattr(os, name) for name in ("fsync", "link", "replace", "open", "unlink", "listdir", "stat")
    }

    class System:
        """The module `os` of a disk that is full from the n-th call on, but lets files be removed."""

        def __init__(self, limit: int):
            self.limit, self.calls = limit, []

        def __getattr__(self, name: str):
            if name in ("fsync", "link", "replace", "open"):
                return partial(self.call, name, real[name])
            return getattr(os, name)

        def call(self, name: str, function, *arguments):
            self.calls.append(name)
            if len(self.calls) >= self.limit:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return function(*arguments)

    def full(*arguments, **keywords):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for limit in range(1, 12):
        system = System(limit)
        with monkeypatch.context() as patch:
            patch.setattr(checkpoint, "os", system)
            patch.setattr(checkpoint.shutil, "copyfile", full)
            patch.setattr(checkpoint, "open", partial(system.call, "open", builtins.open), raising=False)
            try:
                trainer.save(path)
            except ppo_core.CheckpointError as error:
                assert "No space left" in str(error) and path.name in str(error)
                left += 1
            else:
                numbers = system.calls
                break
        assert sorted(os.listdir(tmp_path)) == before, system.calls
        for name in before:
            ppo_core.Trainer.resume(tmp_path / name).close()
    assert numbers[:2] == ["open", "fsync"] and left == len(numbers) > 5, (left, numbers)


# ---- a loss that is not finite, with a gradient that is


class InfiniteEntropy(ppo_core.ActorCritic):
    broken = False

    def evaluate(self, obs, actions):
        output = super().evaluate(obs, actions)
        return output._replace(entropy=output.entropy + torch.inf) if self.broken else output


def test_a_loss_that_is_not_finite_is_named_before_the_weights_move() -> None:
    spaces = gym.spaces.Box(-9, 9, (4,)), gym.spaces.Discrete(2)
    policy = InfiniteEntropy(*spaces, 8, torch.Generator().manual_seed(0))
    trainer = ppo_core.Trainer(Ours.config(), policy=policy)
    Ours.train(trainer, 1)
    before, policy.broken = Ours.digest(trainer), True
    with pytest.raises(
        ppo_core.NonFiniteError, match=r"loss .* epoch 1 .* update 2; the weights are those of update 1"
    ):
        Ours.train(trainer)
    assert Ours.digest(trainer) == before
    policy.broken = False
    Ours.train(trainer)
    assert trainer.iteration == 5


# ---- the command line


def test_a_killed_command_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    """kill -9 of `python -m ppo_core train` with two workers; `--resume` writes the checkpoint of an uninterrupted run."""
    import subprocess

    sizes = {**SMALL, "hidden_size": 8, "total_timesteps": 24 * 40}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in sizes.items()]
    whole = Ours.train(Ours.make(total_timesteps=24 * 40))
    path = tmp_path / "run.safetensors"
    command = [sys.executable, "-m", "ppo_core", "train", f"--checkpoint={path}", "--save-every=1"]
    code = (
        "import os, runpy, sys, ppo_core.checkpoint as c, ppo_core.trainer as t\n"
        "save, done = t.save_checkpoint, 0\n"
        "def counted(*a):\n"
        "    global done; done += 1\n"
        "    save(*a)\n"
        "    if done == 9: os.kill(os.getpid(), 9)\n"
        "t.save_checkpoint = counted\n"
        "from ppo_core.__main__ import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, *command[3:], "--num-workers=2", *flags], capture_output=True, timeout=100)  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    done = subprocess.run([*command, f"--resume={path}"], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr[-2000:]
    assert Ours.digest(Ours.resume(path)) == Ours.digest(whole)
