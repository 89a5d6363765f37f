"""What chapters start from: trained agents that can do what they promise, and the tables of longer measurements."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppo_core.teach import data_file, load_checkpoint
from ppo_core.teach.material import _STAGES

ROOT = Path(__file__).resolve().parents[1]


def test_the_finished_agent_has_solved_cartpole_and_the_half_way_one_has_not() -> None:
    chance = 40  # a random policy keeps the pole up for about 22 steps
    half_way, trained = load_checkpoint("08"), load_checkpoint("10")
    assert trained.evaluate(num_episodes=20).mean >= 475
    assert chance < half_way.evaluate(num_episodes=20).mean < 475
    assert half_way.global_step < trained.global_step == trained.config.total_timesteps // 256 * 256


def test_the_half_way_agent_trains_on() -> None:
    trainer = load_checkpoint(9)
    before = trainer.global_step
    stats = next(iter(trainer.run()))
    assert stats.global_step == before + trainer.config.num_envs * trainer.config.num_steps


@pytest.mark.parametrize("chapter", _STAGES)
def test_every_chapter_may_be_named_by_its_number_or_its_text(chapter: str) -> None:
    assert load_checkpoint(chapter).global_step == load_checkpoint(int(chapter)).global_step


@pytest.mark.parametrize("chapter", ["03", 99, "the end"])
def test_a_chapter_without_one_gets_the_list(chapter: object) -> None:
    with pytest.raises(KeyError, match=r"no checkpoint belongs to chapter .*05, 06"):
        load_checkpoint(chapter)


def test_a_table_is_found_in_the_repository_and_in_a_pack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "ch10_cartpole_seeds.csv"
    assert data_file(name) == ROOT / "benchmarks" / name
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "benchmarks" / "mine.csv").write_text("a,b\n")
    monkeypatch.chdir(tmp_path / "notebooks")
    assert data_file("mine.csv").samefile(tmp_path / "benchmarks" / "mine.csv")
    with pytest.raises(FileNotFoundError, match=r"no file 'none.csv' in .*benchmarks"):
        data_file("none.csv")
