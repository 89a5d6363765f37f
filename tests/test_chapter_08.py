"""The stored study of chapter 08, held against its script and the default settings."""

from __future__ import annotations

import json
from itertools import islice

import pytest
from studies import load_script, read_study, with_later_settings

from ppo_core import PPOConfig

NAME = "ch08_epochs"


@pytest.fixture
def script(monkeypatch):
    return load_script(NAME, monkeypatch)


@pytest.fixture(scope="module")
def study() -> tuple[dict[str, str], list[dict[str, str]]]:
    return read_study(NAME)


def test_the_stored_study_used_the_default_settings(study) -> None:
    header, _ = study
    settings = {name: value for name, value in PPOConfig().to_dict().items() if name != "seed"}
    assert with_later_settings(json.loads(header["settings"])) == settings, f"run again: {header['command']}"


def test_the_stored_study_has_each_look_once_and_in_order(study, script) -> None:
    _, rows = study
    expected = [
        (age, seed, epoch) for age in script.TRAINED for seed in range(1, 21) for epoch in script.LOOKS
    ]
    assert [tuple(int(row[name]) for name in ("trained", "seed", "epoch")) for row in rows] == expected


def test_the_first_looks_are_what_the_script_writes(study, script) -> None:
    """The first two rows of one run, computed again; other machines differ in the last digits, and a little further on."""
    _, rows = study
    stored = [row for row in rows if row["trained"] == "3" and row["seed"] == "20"]
    for again, row in zip(islice(script.study(20, 3), 2), stored, strict=False):
        for name in ("surrogate", "elsewhere", "effective"):
            assert again[name] == pytest.approx(float(row[name]), abs=0.02)
        assert again["return"] == pytest.approx(float(row["return"]), rel=0.15)


def test_before_the_first_epoch_nothing_has_moved(study) -> None:
    _, rows = study
    for row in rows:
        if row["epoch"] == "0":
            assert abs(float(row["surrogate"])) < 1e-3 and abs(float(row["elsewhere"])) < 1e-3
            assert float(row["effective"]) == pytest.approx(1, abs=1e-3)
