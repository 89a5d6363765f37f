"""ppo_core.extras.distributed: the number of processes changes no number, and trouble on one of them stops all."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist

if sys.platform == "win32" or not dist.is_available():
    pytest.skip("platform: processes are forked here, and meet through gloo", allow_module_level=True)

import ranks as job

from ppo_core.checkpoint import load_checkpoint
from ppo_core.errors import CheckpointError, ConfigError
from ppo_core.extras.distributed import DistributedTrainer, World, goes_on_after_restart
from ppo_core.trainer import Trainer

TOLERANCE = 1e-12  # float64: only the order in which numbers are added may differ


@pytest.fixture(scope="module")
def ranks():
    ranks = job.Ranks()
    yield ranks
    ranks.close()


@pytest.fixture(scope="module")
def one() -> job.Trained:
    """One process, five iterations."""
    return job.alone(job.config())


def apart(a: job.Trained, b: job.Trained) -> float:
    return float(np.abs(a.weights - b.weights).max())


def assert_same(several: list[job.Trained], one: job.Trained, tolerance: float = TOLERANCE) -> None:
    for rank in several:
        assert apart(rank, one) < tolerance
        np.testing.assert_array_equal(rank.weights, several[0].weights)  # to the last bit among ranks
        assert len(rank.stats) == len(one.stats)
        for mine, theirs in zip(rank.stats, one.stats, strict=True):
            for name, a, b in zip(mine._fields, mine, theirs, strict=True):
                if name != "steps_per_second":
                    assert a == pytest.approx(b, rel=tolerance, abs=tolerance, nan_ok=True), name


SETTINGS = {
    "slices of 2, 3 and 3": (3, job.config()),
    "analytic": (2, job.config(gradient="analytic")),
    "KL stop, unequal minibatches": (2, job.config(4, num_minibatches=5, update_epochs=4, target_kl=2e-4)),
    "ranks without a row": (3, job.config(3, num_envs=3, num_steps=5, num_minibatches=12)),
    "minibatches of one step": (2, job.config(3, num_envs=2, num_steps=4, num_minibatches=8)),
    "Pendulum, clipped values, advantages as they are": (
        2,
        job.config(3, env_id="Pendulum-v1", num_envs=5, clip_value_loss=True, normalize_advantages=False),
    ),
    "a worker beside each rank": (2, job.config(2, num_workers=2, num_envs=3)),
}


def test_two_processes_are_one(ranks, one):
    two = job.values(ranks(job.train, 2, job.config()))
    assert_same(two, one)
    assert not np.isnan(one.stats[-1].episodic_return)


@pytest.mark.parametrize("name", SETTINGS)
def test_world_size_is_no_hyperparameter(ranks, name):
    size, settings = SETTINGS[name]
    one = job.alone(settings)
    assert_same(job.values(ranks(job.train, size, settings)), one)
    if settings.target_kl:
        assert min(s.epochs for s in one.stats) < settings.update_epochs  # it did stop early somewhere


def test_a_world_of_one_is_one(one):
    world = World()
    assert_same([job.train(world, job.config())], one)
    assert world.bytes == world.calls == 0


def test_float32_agrees_for_a_few_iterations(ranks):
    settings = job.config(3, dtype="float32")
    assert_same(job.values(ranks(job.train, 2, settings)), job.alone(settings), 1e-5)


def test_traffic(ranks, one):
    """A sum for each gradient and epoch, and four more an iteration; nothing grows with the rollout."""
    two = job.values(ranks(job.train, 2, job.config()))[0]
    gradients, epochs, iterations = 5 * 2 * 4, 5 * 2, 5
    assert two.calls == 1 + 1 + gradients + epochs + 3 * iterations
    P = len(one.weights)
    assert gradients * (P + 7) * 8 < two.bytes < gradients * (P + 7) * 8 + P * 8 + iterations * 2500


@pytest.mark.parametrize("name", job.BROKEN)
def test_each_condition_is_needed(ranks, name):
    """A trainer that breaks one condition gives other weights, with the settings under which the sound one does not."""
    settings = job.telling(ranks, name, 2)
    one = job.alone(settings)
    assert apart(job.values(ranks(job.train, 2, settings))[0], one) < TOLERANCE
    broken = job.values(ranks(job.train, 2, settings, name))
    assert apart(broken[0], one) > 1e-6


# ---- checkpoints


def test_any_number_of_processes_resumes_any_other(ranks, one, tmp_path):
    """Two up to iteration 2, one up to 3, three up to the end: the numbers of one."""
    first, second = tmp_path / "two.safetensors", tmp_path / "one.safetensors"
    parts = [
        job.values(ranks(job.train, 2, job.config(), iterations=2, save=first)),
        [job.resume(World(), first, iterations=3, save=second)],
        job.values(ranks(job.resume, 3, second)),
    ]
    stats = [part[0].stats for part in parts]
    assert [len(part) for part in stats] == [2, 1, 2]
    assert_same([each._replace(stats=[*stats[0], *stats[1], *stats[2]]) for each in parts[-1]], one)


def test_a_checkpoint_does_not_say_how_many_there_were(ranks, tmp_path):
    paths = [tmp_path / f"{size}.safetensors" for size in (1, 2, 3)]
    with Trainer(job.config()) as trainer:
        job.trained(trainer, 3)
        trainer.save(paths[0])
    for size in (2, 3):
        ranks(job.train, size, job.config(), iterations=3, save=paths[size - 1])
    (tensors, facts), *others = map(load_checkpoint, paths)
    assert len(tensors["episodes.played"]) > 0
    for theirs, their_facts in others:
        assert their_facts == facts and theirs.keys() == tensors.keys()
        for name, tensor in tensors.items():
            assert tensor.shape == theirs[name].shape and tensor.dtype == theirs[name].dtype
            torch.testing.assert_close(theirs[name], tensor, rtol=0, atol=TOLERANCE)


def test_a_file_that_cannot_be_written_or_read_is_everybodys_error(ranks, tmp_path):
    (tmp_path / "file").touch()
    for function, *args in (
        (job.save_where_it_cannot, job.config(), tmp_path / "file" / "x"),
        (job.resume, tmp_path / "nothing"),
    ):
        outcomes = ranks(function, 2, *args)
        assert [outcome.error[0] for outcome in outcomes] == ["CheckpointError"] * 2
        assert outcomes[0].error == outcomes[1].error


# ---- trouble on one rank


@pytest.mark.parametrize(
    "what, name, words, workers",
    [
        ("nan", "EnvironmentFault", "environment 6: observation", 0),
        ("raises", "KeyError", "the simulator's licence", 0),
        ("unsendable", "Unsendable", "<lambda>", 0),
        ("interrupt", "KeyboardInterrupt", "", 0),
        ("killed", "WorkerDied", "killed by SIGKILL", 1),
    ],
)
def test_trouble_on_one_rank_stops_all(ranks, one, tmp_path, what, name, words, workers):
    """Each raises the same, in the same iteration; and where the environments live on, training goes on as if nothing."""
    env = partial(job.with_fault, what, 6, tmp_path / "once", workers)
    outcomes = ranks(job.train_through_faults, 2, job.config(), env)
    assert max(outcome.seconds for outcome in outcomes) < 60
    (told, weights), (told_by_1, weights_by_1) = job.values(outcomes)
    assert told_by_1[0].startswith(name) and words in told_by_1[0]
    assert told[0].startswith(name if what != "unsendable" else "PPOError") and words in told[0]
    np.testing.assert_array_equal(weights, weights_by_1)
    if not workers:
        assert len(told) == len(told_by_1) == 1
        assert np.abs(weights - one.weights).max() < TOLERANCE


def test_a_nan_in_one_policy_names_the_environment_of_the_whole_run(ranks):
    outcomes = ranks(job.train, 2, job.config(), "SpoiltRollout")
    assert outcomes[0].error == outcomes[1].error
    assert outcomes[0].error[0] == "NonFiniteError"
    assert "rewards holds a NaN or an infinity in step 3 of environment 5, update 1" in outcomes[0].error[1]


def test_an_error_in_one_gradient_stops_all(ranks):
    outcomes = ranks(job.train, 2, job.config(), "SpoiltGradient")
    assert [outcome.error for outcome in outcomes] == [("MemoryError", "no room on rank 1")] * 2


def test_a_nan_in_one_gradient_stops_all(ranks):
    outcomes = ranks(job.train, 2, job.config(), "NaNGradient")
    assert outcomes[0].error == outcomes[1].error
    assert outcomes[0].error[0] == "NonFiniteError" and "gradient norm in epoch 1" in outcomes[0].error[1]


def test_a_rank_that_dies_ends_the_others(ranks, tmp_path):
    env = partial(job.with_fault, "dies", 6, tmp_path / "once", 0)
    outcomes = ranks(job.train, 3, job.config(), env=env)
    assert outcomes[2].code == 13
    for outcome in outcomes[:2]:
        assert outcome.error[0] == "RankLost" and "go on from the last checkpoint" in outcome.error[1]
        assert outcome.seconds < outcomes[2].seconds + 20


def test_a_rank_that_hangs_ends_the_others_after_the_timeout(ranks):
    outcomes = ranks(job.train, 2, job.config(), "HangsOnRankOne", timeout=2.0)
    assert [outcome.error[0] for outcome in outcomes] == ["RankLost"] * 2
    assert outcomes[0].seconds < outcomes[1].seconds  # the second wakes up after ten seconds, alone


# ---- what is refused


def test_more_processes_than_environments(ranks):
    outcomes = ranks(job.train, 3, job.config(num_envs=2))
    for outcome in outcomes:
        assert outcome.error[0] == "ConfigError"
        assert "3 processes are more than num_envs=2 environments" in outcome.error[1]


def test_environments_of_another_share_are_refused(ranks):
    outcomes = ranks(job.train, 2, job.config(), env=job.share_of_rank_zero)
    assert [outcome.error[0] for outcome in outcomes] == ["ConfigError"] * 2
    assert "rank 1 of 2 steps 4 from number 4 on" in outcomes[0].error[1]


@pytest.mark.parametrize("num_envs, size", [(8, 3), (7, 7), (1, 1), (64, 5)])
def test_columns_cover_every_environment_once(num_envs, size):
    each = [
        range(num_envs)[World(rank, 1).__class__.columns(_Place(rank, size), num_envs)]
        for rank in range(size)
    ]
    assert [i for part in each for i in part] == list(range(num_envs))
    assert max(map(len, each)) - min(map(len, each)) <= 1


class _Place(World):
    """A place in a world that needs no process group."""

    def __init__(self, rank, size):
        self.rank, self.size = rank, size


def test_without_torchrun_the_world_is_this_process(monkeypatch):
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert World.from_env().size == 1


def test_restarts_on_several_machines_need_a_store_of_their_own(monkeypatch):
    facts = {
        "WORLD_SIZE": "2", "RANK": "0", "GROUP_WORLD_SIZE": "2",
        "TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_MAX_RESTARTS": "1",
    }  # fmt: skip
    for name, value in facts.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1"):
        World.from_env()


def test_after_a_restart_a_run_goes_on_from_its_own_checkpoint_only(monkeypatch, tmp_path):
    path, settings = tmp_path / "x.safetensors", job.config(2)
    assert not goes_on_after_restart(path, settings)
    with DistributedTrainer(settings, world=World()) as trainer:
        trainer.save(path)
    assert not goes_on_after_restart(path, settings)  # a first start begins anew, whatever lies there
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert goes_on_after_restart(path, settings)
    assert not goes_on_after_restart(path, settings.replace(seed=2))
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError):
        load_checkpoint(path)
    assert not goes_on_after_restart(path, settings)


# ---- the command


@pytest.mark.slow
def test_torchrun_restarts_a_killed_run_and_the_numbers_are_those_of_one_process(tmp_path):
    """The command line, two processes; rank 1 is killed once, torchrun starts both again, the checkpoint is found."""
    path, settings = tmp_path / "run.safetensors", job.config(8)
    script = Path(__file__).with_name("killed_once.py")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    flags = ["--dtype", "float64", "--total-timesteps", str(settings.total_timesteps), "--save-every", "2"]
    flags += ["--update-epochs", str(settings.update_epochs)]
    done = subprocess.run(
        [*torchrun, "--max-restarts", "2", script, "train", "--checkpoint", path, *flags],
        capture_output=True, text=True, timeout=300, cwd=tmp_path, env={**os.environ, "KILL_AT": "5"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("Started again: going on from") == 1  # one voice, and no restart was wasted
    assert "after 1,024 steps" in done.stdout
    assert done.stdout.count("Evaluation:") == 1
    with Trainer(settings) as trainer:
        weights = job.trained(trainer)
    with Trainer.resume(path) as resumed:
        assert resumed.iteration == 8
        assert np.abs(resumed.weights.detach().numpy() - weights).max() < TOLERANCE
