"""The bandit lab computes the score, the exact gradient and the learning of a softmax policy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from kit import TOLERANCE, explorables, module, node

from ppo_core.policy import categorical

LOGITS = [[0.0, 0.0, 0.0, 0.0], [0.3, -1.2, 2.0, 0.1], [1000.0, 1001.0, 999.0, 0.0], [40.0, 0.0, 0.0, -40.0]]
REWARDS = [[4.5, 5.0, 6.0, 4.5], [-2.0, 8.0, 0.5, 1.0], [3.0, 3.0, 3.0, 3.0]]


def learned(settings: dict, rounds: int, uniforms: list[float], normals: list[float]) -> dict:
    """The same run in NumPy, from the same luck."""
    rewards, logits, average, history = np.array(settings["rewards"]), np.zeros(4), 0.0, []
    for t in range(rounds):
        probs = np.exp(logits - logits.max())
        probs /= probs.sum()
        history.append(probs @ rewards)
        arm = min(int(np.searchsorted(np.cumsum(probs), uniforms[t], side="right")), 3)
        reward = rewards[arm] + normals[t]
        gain = reward - (average if settings["baseline"] == "mean" else 0.0)
        logits = logits + settings["rate"] * gain * (np.eye(4)[arm] - probs)
        average += (reward - average) / (t + 1)
    return {"logits": logits, "average": average, "history": np.array(history)}


def test_probabilities_and_scores_are_those_of_the_package() -> None:
    """Autograd through the package's log-probabilities, and log-probabilities themselves."""
    got = node(
        f"""import {{ score, softmax }} from {module("bandit")};
        answer(input.map((z) => {{ const p = softmax(z); return [p, z.map((_, arm) => score(p, arm))]; }}));""",
        LOGITS,
    )
    for logits, (probs, scores) in zip(LOGITS, got, strict=True):
        leaf = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
        logprobs, _ = categorical(leaf.expand(4, 4), torch.arange(4))
        np.testing.assert_allclose(probs, logprobs.detach().exp().numpy(), atol=TOLERANCE, rtol=0)
        rows = [torch.autograd.grad(logprob, leaf, retain_graph=True)[0].numpy() for logprob in logprobs]
        np.testing.assert_allclose(scores, rows, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("rewards", REWARDS, ids=str)
def test_the_exact_gradient_is_autograds_and_the_mean_of_the_pushes(rewards: list[float]) -> None:
    got = node(
        f"""import {{ exactGradient, meanReward, push, softmax }} from {module("bandit")};
        answer(input.logits.map((z) => {{
          const p = softmax(z), r = input.rewards;
          return [meanReward(p, r), exactGradient(p, r), [0, 3].map((b) => p.map((_, arm) => push(p, arm, r[arm], b)))];
        }}));""",
        {"logits": LOGITS, "rewards": rewards},
    )
    for logits, (mean, exact, pushes) in zip(LOGITS, got, strict=True):
        leaf = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
        objective = torch.softmax(leaf, -1) @ torch.tensor(rewards, dtype=torch.float64)
        (gradient,) = torch.autograd.grad(objective, leaf)
        probs = torch.softmax(leaf, -1).detach().numpy()
        assert mean == pytest.approx(objective.item(), abs=TOLERANCE)
        np.testing.assert_allclose(exact, gradient.numpy(), atol=TOLERANCE, rtol=0)
        for with_baseline in pushes:  # a baseline leaves the mean as it is
            np.testing.assert_allclose(probs @ np.array(with_baseline), gradient, atol=TOLERANCE, rtol=0)


def test_the_spread_is_that_of_many_guesses() -> None:
    probs, rewards, baseline = np.array([0.5, 0.25, 0.15, 0.1]), np.array([2.0, 4.0, 0.0, 1.0]), 1.5
    got = node(
        f"""import {{ spread }} from {module("bandit")};
        answer([spread(input.probs, input.rewards, input.baseline), spread([1, 0, 0, 0], input.rewards, 0),
                spread(input.probs, [3, 3, 3, 3], 3, 0)]);""",
        {"probs": probs.tolist(), "rewards": rewards.tolist(), "baseline": baseline},
    )
    rng = np.random.default_rng(0)
    arms = rng.choice(4, size=400_000, p=probs)
    gains = rewards[arms] + rng.normal(size=len(arms)) - baseline
    pushes = gains[:, None] * (np.eye(4)[arms] - probs)
    assert got[0] == pytest.approx(np.sqrt(pushes.var(0).sum()), rel=0.01)
    assert got[1:] == [0, 0]  # a certain arm has no score; a baseline that knows every reward leaves nothing


@pytest.mark.parametrize("baseline", ["none", "mean"])
@pytest.mark.parametrize("rate", [0.02, 0.1, 1.6])
def test_learning_is_that_of_numpy(baseline: str, rate: float) -> None:
    settings = {"rewards": REWARDS[0], "rate": rate, "baseline": baseline, "seed": 7}
    run, again, luck = node(
        f"""import {{ fresh, luck, reinforce }} from {module("bandit")};
        const start = fresh(), whole = reinforce(start, input, 300);
        let steps = fresh();
        for (let i = 0; i < 300; i++) steps = reinforce(steps, input);
        if (start.round !== 0 || start.history.length) throw new Error("a run was changed in place");
        answer([whole, steps, Array.from({{ length: 300 }}, (_, t) => luck(input.seed, t))]);""",
        settings,
    )
    assert run == again and run["round"] == 300  # in one go or round by round
    expected = learned(settings, 300, [one["u"] for one in luck], [one["normal"] for one in luck])
    for name in ("logits", "average", "history"):
        np.testing.assert_allclose(run[name], expected[name], atol=TOLERANCE, rtol=0, err_msg=name)


def test_the_luck_is_uniform_and_normal_and_differs_by_seed() -> None:
    rows = node(
        f"""import {{ luck }} from {module("bandit")};
        answer([0, 1, 999].map((seed) => Array.from({{ length: 20000 }}, (_, t) => luck(seed, t))));"""
    )
    for row in rows:
        u, normal = np.array([(one["u"], one["normal"]) for one in row]).T
        assert u.min() >= 0 and u.max() < 1
        np.testing.assert_allclose(np.histogram(u, 10, (0, 1))[0] / len(u), 0.1, atol=0.01)
        assert abs(normal.mean()) < 0.03 and abs(normal.std() - 1) < 0.03
        assert np.isfinite(normal).all() and abs((np.abs(normal) > 1.96).mean() - 0.05) < 0.01
        assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 0.03
        assert abs(np.corrcoef(u, normal)[0, 1]) < 0.03
    first = [np.array([one["u"] for one in row]) for row in rows]
    assert abs(np.corrcoef(first[0], first[1])[0, 1]) < 0.03


def test_a_long_run_at_the_ends_of_all_sliders_stays_finite_and_short() -> None:
    runs = node(
        f"""import {{ fresh, guess, reinforce, KEPT }} from {module("bandit")};
        answer(input.map((settings) => {{
          const run = reinforce(fresh(), settings, 5000), next = guess(run, settings);
          return {{ ...run, kept: KEPT, probs: next.probs, arm: next.arm, push: next.push }};
        }}));""",
        [
            {"rewards": rewards, "rate": 1.6, "baseline": baseline, "seed": 3}
            for rewards in ([8, 8, 8, 8], [-2, -2, -2, 8], [-2, -2, -2, -2])
            for baseline in ("none", "mean")
        ],
    )
    for run in runs:
        numbers = [*run["logits"], *run["probs"], *run["push"], *run["history"], run["average"]]
        assert np.isfinite(np.array(numbers, float)).all()
        assert sum(run["probs"]) == pytest.approx(1) and run["probs"][run["arm"]] > 0
        assert len(run["history"]) == run["kept"]


def test_python_starts_it_where_the_module_does() -> None:
    fresh, rewards = node(
        f"""import {{ fresh }} from {module("bandit")}; answer([fresh(), input]);""",
        [getattr(explorables.BanditLab(), f"reward_{arm}") for arm in range(4)],
    )
    assert explorables.BanditLab().run == fresh
    assert rewards == REWARDS[0]
    assert explorables.BanditLab().run is not explorables.BanditLab().run
