"""The film shows what the package's policy did: its data is computed again where that is possible, and its cart moves as Gymnasium's."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from kit import FOLDER, TOLERANCE, explorables, module, node

from ppo_core import PPOConfig, Trainer, make_env

ROOT = Path(__file__).resolve().parents[2]
DATA = json.loads((FOLDER / "policy_film.json").read_text(encoding="utf-8"))
TICK = 0.02  # seconds in a step of CartPole


def numbers(text: str) -> np.ndarray:
    return np.cumsum([int(word) for word in text.split()]) / 1000


@pytest.fixture(scope="module")
def maker():
    path = ROOT / "tools" / "make_policy_film.py"
    if not path.exists():
        pytest.skip("an installed package comes without tools/")
    spec = importlib.util.spec_from_file_location("make_policy_film", path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


def test_the_first_moment_is_the_seeded_untrained_policy(maker) -> None:
    first = DATA["moments"][0]
    with Trainer(PPOConfig(seed=DATA["seed"])) as trainer:
        policy = trainer.policy
        states, actions, ending = maker.episode(policy)
        assert "".join(map(str, actions)) == first["actions"] and ending == first["ending"]
        np.testing.assert_allclose(numbers(first["position"]), states[:, 0], atol=1e-3)
        np.testing.assert_allclose(numbers(first["angle"]), states[:, 2], atol=1e-3)
        assert trainer.evaluate(num_episodes=20, seed=DATA["episode_seed"]).mean == pytest.approx(
            first["mean_return"], abs=2
        )
    assert np.ptp(numbers(first["push_right_at"])) < 0.05
    # the map once more, cell by cell, in another order than the tool
    shown = numbers(first["push_right"])
    angles, speeds = np.linspace(*DATA["angles"]), np.linspace(*DATA["speeds"])
    for row, speed in enumerate(speeds):
        for column, angle in enumerate(angles):
            logits = policy.actor(torch.tensor([[0.0, 0.0, angle, speed]], dtype=torch.float32))
            expected = torch.sigmoid(logits[0, 1] - logits[0, 0]).item()
            assert abs(shown[row * len(angles) + column] - expected) <= 1e-3


def test_the_second_moment_is_two_iterations_later(maker) -> None:
    later = DATA["moments"][1]
    with Trainer(PPOConfig(seed=DATA["seed"])) as trainer:
        for _, _ in zip(range(later["iteration"]), trainer.run(), strict=False):
            pass
        assert trainer.global_step == later["steps"]
        np.testing.assert_allclose(
            maker.push_right(trainer.policy).ravel(), numbers(later["push_right"]), atol=5e-3
        )


@pytest.mark.parametrize("moment", range(len(DATA["moments"])))
def test_every_step_follows_the_dynamics_of_gymnasium(moment: int) -> None:
    """From each state of the film one step of the real environment leads to the next, as far as rounding to 1e-3 can tell."""
    one = DATA["moments"][moment]
    x, angle = numbers(one["position"]), numbers(one["angle"])
    actions = [int(letter) for letter in one["actions"]]
    assert len(x) == len(angle) == len(actions) + 1
    speeds, turnings = np.diff(x) / TICK, np.diff(angle) / TICK
    with contextlib.closing(make_env("CartPole-v1")) as env:
        cart = env.unwrapped
        obs, _ = env.reset(seed=DATA["episode_seed"])
        np.testing.assert_allclose([x[0], angle[0]], obs[[0, 2]], atol=1e-3)
        for t, action in enumerate(actions[:-1]):
            cart.state = np.array([x[t], speeds[t], angle[t], turnings[t]])
            cart.steps_beyond_terminated = None
            after = cart.step(action)[0]
            np.testing.assert_allclose(after[[0, 2]], [x[t + 1], angle[t + 1]], atol=1e-2)
            # a push the other way would change the speeds by 0.39 and 0.58: the actions are those that were taken
            np.testing.assert_allclose(after[[1, 3]], [speeds[t + 1], turnings[t + 1]], atol=0.15)


@pytest.mark.parametrize("moment", range(len(DATA["moments"])))
def test_the_actions_replayed_from_the_seed_give_the_film(moment: int) -> None:
    """Three seconds of it: an error of rounding grows about fiftyfold in each second that nobody balances."""
    one = DATA["moments"][moment]
    x, angle = numbers(one["position"]), numbers(one["angle"])
    with contextlib.closing(make_env("CartPole-v1")) as env:
        obs, _ = env.reset(seed=DATA["episode_seed"])
        for t, letter in enumerate(one["actions"][:150]):
            np.testing.assert_allclose(obs[[0, 2]], [x[t], angle[t]], atol=1e-2)
            obs = env.step(int(letter))[0]


def test_each_episode_ends_as_it_says() -> None:
    limit = 12 * math.pi / 180
    for one in DATA["moments"]:
        x, angle = numbers(one["position"])[-1], numbers(one["angle"])[-1]
        over = {"fallen": abs(angle) > limit - 1e-3, "off the track": abs(x) > 2.4 - 1e-3}
        assert over.get(one["ending"], len(one["actions"]) == 500)
        assert one["ending"] != "cut" or (abs(x) < 2.4 and abs(angle) < limit)


def test_what_question_and_explanation_say_is_in_the_data() -> None:
    moments = DATA["moments"]
    config = PPOConfig(seed=DATA["seed"])
    assert [one["iteration"] for one in moments] == [0, 2, 4, 8, 16, 32, 64, config.num_iterations]
    assert len(DATA["curve"]) == config.num_iterations and DATA["batch_size"] == config.batch_size
    lengths = [len(one["actions"]) for one in moments]
    assert lengths != sorted(lengths)
    assert lengths[1] < lengths[0] and lengths[2] == 500 and DATA["curve"][3] < 100
    assert [one["ending"] for one in moments[3:6]] == ["off the track"] * 3
    assert [one["ending"] for one in moments[6:]] == ["cut", "cut"]
    assert np.abs(numbers(moments[0]["push_right"]) - 0.5).max() < 0.05
    tilts = [numbers(one["push_right_at"])[-1] - numbers(one["push_right_at"])[0] for one in moments]
    assert max(tilts[3:6]) < -0.1 and min(tilts[6:]) > 0.1 and moments[5]["steps"] == 8192
    assert DATA["positions"] == [-2, 2, 5]


def test_the_pure_functions_read_the_data_as_numpy_does() -> None:
    texts = [one[name] for one in DATA["moments"] for name in ("position", "angle", "push_right")]
    got = node(f"import {{ unpack }} from {module('policy_film')};\nanswer(input.map(unpack));", texts)
    for mine, text in zip(got, texts, strict=True):
        np.testing.assert_allclose(mine, numbers(text), atol=TOLERANCE)
    angle = numbers(DATA["moments"][3]["angle"])
    steps = [0, 1, 50, len(angle) - 2, len(angle) - 1, 10_000, -5]
    got = node(
        f"import {{ speedAt }} from {module('policy_film')};\nanswer(input.steps.map((t) => speedAt(input.angle, t)));",
        {"angle": angle.tolist(), "steps": steps},
    )
    speeds = np.diff(angle) / TICK
    np.testing.assert_allclose(got, [speeds[min(max(t, 0), len(speeds) - 1)] for t in steps], atol=TOLERANCE)


def test_the_nearest_cell_is_the_nearest() -> None:
    rng = np.random.default_rng(1)
    points = np.concatenate([rng.uniform([-0.3, -3], [0.3, 3], (200, 2)), [[9, 9], [-9, 9], [0, 0]]])
    got = node(
        f"import {{ nearestCell }} from {module('policy_film')};\n"
        "answer(input.points.map(([a, s]) => nearestCell(input.angles, input.speeds, a, s)));",
        {"points": points.tolist(), "angles": DATA["angles"], "speeds": DATA["speeds"]},
    )
    angles, speeds = np.linspace(*DATA["angles"]), np.linspace(*DATA["speeds"])
    expected = [np.abs(speeds - s).argmin() * 21 + np.abs(angles - a).argmin() for a, s in points]
    assert got == expected


def test_state_of_the_page_and_its_limits() -> None:
    film = explorables.PolicyFilm(moment=3, step=20)
    state = film.page_state()
    assert state["moment"] == 3 and state["step"] == 20 and state["data"] == DATA
    for wrong in ({"moment": len(DATA["moments"])}, {"step": 501}):
        with pytest.raises(Exception, match=next(iter(wrong))):
            explorables.PolicyFilm(**wrong)
