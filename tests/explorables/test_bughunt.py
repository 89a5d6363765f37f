"""The bug hunt draws what was measured, and its texts are those of the zoo."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from kit import FOLDER, TOLERANCE, explorables, module, node

import ppo_core
from ppo_core.teach import zoo

DATA = json.loads((FOLDER / "bughunt.json").read_text(encoding="utf-8"))


def test_what_is_drawn_is_the_logarithm_or_the_number_held_at_minus_one() -> None:
    values = [-3.0, -1.0, -0.2, 0.0, 1e-9, 3e-5, 0.7, 1.0, 40.0, 5150.0]
    metrics = ["value_loss", "grad_norm", "explained_variance", "entropy"]
    got = node(
        f"import {{ drawn }} from {module('bughunt')};\n"
        "answer(input.metrics.map((metric) => input.values.map((value) => drawn(metric, value))));",
        {"metrics": metrics, "values": values},
    )
    logs = np.log10(np.maximum(values, 1e-6))
    expected = [logs, logs, np.clip(values, -1, 1), np.array(values)]
    np.testing.assert_allclose(got, expected, atol=TOLERANCE, rtol=0)


def test_a_range_holds_every_number_that_is_drawn() -> None:
    for case in (*DATA["patients"].values(), *DATA["sound"]):
        for metric in DATA["metrics"]:
            curves = [case[metric], *(run[metric] for run in DATA["sound"])]
            low, high = node(
                f"import {{ range }} from {module('bughunt')};\nanswer(range(input.metric, input.curves));",
                {"metric": metric, "curves": curves},
            )
            numbers = np.array([x for curve in curves for x in curve if x is not None], float)
            if metric in ("value_loss", "grad_norm"):
                numbers = np.log10(np.maximum(numbers, 1e-6))
            if metric == "explained_variance":
                numbers = numbers.clip(-1, 1)
            assert low < high
            np.testing.assert_allclose([low, high], [numbers.min(), numbers.max()], atol=TOLERANCE)
        if case is DATA["patients"]["values-broadcast"]:
            break  # a handful is enough: each is one start of Node


def test_a_path_breaks_where_a_number_is_missing() -> None:
    curves = [[1, 2, 3], [None, 2, 3], [1, None, 3], [None, None], [], [5], [1, 2, None, 4, 5]]
    got = node(
        f"import {{ path, range }} from {module('bughunt')};\n"
        "answer(input.map((curve) => [path('entropy', curve, (i) => 10 * i, (v) => v), range('entropy', [curve])]));",
        curves,
    )
    assert [text for text, _ in got] == [
        "M0 1L10 2L20 3", "M10 2L20 3", "M0 1h2M20 3h2", "", "", "M0 5h2", "M0 1L10 2M30 4L40 5",
    ]  # fmt: skip
    assert [ends for _, ends in got[3:6]] == [[0, 1], [0, 1], [4.5, 5.5]]


def test_the_score_counts_answers_and_right_ones() -> None:
    cases = explorables.BugHunt().data["cases"]
    right = {str(i): case["options"].index(case["title"]) for i, case in enumerate(cases)}
    rng = np.random.default_rng(1)
    for _ in range(5):
        shown = rng.choice(10, size=rng.integers(11), replace=False)
        answers = {str(i): int(rng.integers(4)) for i in shown}
        got = node(
            f"import {{ score }} from {module('bughunt')};\nanswer(score(input.cases, input.answers));",
            {"cases": cases, "answers": answers},
        )
        hits = sum(right[case] == option for case, option in answers.items())
        assert got == {"answered": len(answers), "right": hits, "of": 10}


def test_ten_cases_with_four_different_diagnoses_each_and_the_texts_of_the_zoo() -> None:
    data = explorables.BugHunt().data
    assert len(data["cases"]) == 10 == len(DATA["patients"])
    places = []
    for name, case in zip(DATA["patients"], data["cases"], strict=True):
        assert len(set(case["options"])) == 4
        places.append(case["options"].index(case["title"]))
        assert case["curves"] == DATA["patients"][name]
        assert len(case["clue"]) > 60
        if name:
            assert case["diff"] == zoo.specimen(name).diff and case["title"] == zoo.specimen(name).title
    assert len(set(places)) == 4  # the right one is in no fixed place
    assert [bool(case["diff"]) for case in data["cases"]].count(False) == 1  # one is sound


def late_loss(curves: dict[str, list[float]]) -> float:
    return float(np.median(curves["value_loss"][24:40]))


@pytest.mark.parametrize(
    "name, clue",
    [
        ("return-is-never-reset", lambda c: max(c["episodic_return"]) > 500),
        ("ratio-always-one", lambda c: max(c["approx_kl"]) == 0 and c["entropy"][-1] < 0.1),
        ("entropy-of-the-chosen-action", lambda c: abs(c["entropy"][0] - math.log(2) / 2) < 0.02),
        ("returns-normalised-per-batch", lambda c: all(abs(x - 0.5) < 0.1 for x in c["value_loss"])),
        ("values-broadcast", lambda c: np.mean(c["explained_variance"]) < 0.1),
        ("observation-is-a-reference", lambda c: c["episodic_return"][-1] < 12 < c["episodic_return"][0]),
        ("", lambda c: c["episodic_return"][-1] >= 475 and c["value_loss"][-1] < 1e-3),
        ("critic-target-moves", lambda c: max(c["grad_norm"]) < 2 and min(c["value_loss"][4:]) > 20),
        ("truncation-is-termination", lambda c: late_loss(c) > 20 * max(map(late_loss, DATA["sound"]))),
        ("clip-without-advantage", lambda c: c["policy_loss"][0] > 0.03),
    ],
)
def test_the_clue_is_in_the_curves(name: str, clue) -> None:
    assert clue(DATA["patients"][name])


def test_the_first_points_can_be_measured_again() -> None:
    """The data belongs to this package: the first four iterations of the sound trainer give the first point again."""
    config = ppo_core.PPOConfig(seed=DATA["seeds"][0])
    with ppo_core.Trainer(config) as trainer:
        history = [stats for _, stats in zip(range(4), trainer.run(), strict=False)]
    for metric in ("episodic_return", "entropy", "value_loss"):
        again = np.mean([getattr(stats, metric) for stats in history])
        assert again == pytest.approx(DATA["sound"][0][metric][0], rel=0.1)
