"""The critic lab learns as value_loss and compute_gae would have it, from walks through the package's corridor."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from kit import TOLERANCE, module, node

import ppo_core
from ppo_core.probes import corridor

SETTINGS = [
    {"seed": seed, "episodes": episodes, "learning_rate": rate, "updates": 12}
    for seed, episodes, rate in [(1, 1, 0.1), (2, 8, 0.5), (20, 16, 1.0)]
]


def lab(setting: dict, n: int | None) -> list[dict]:
    """What the explorable computes; n = None means Monte Carlo."""
    return node(
        f"""import {{ learn, rmse }} from {module("critic")};
        const n = input.n === null ? Infinity : input.n;
        answer(learn(n, input.setting).map((step) => ({{ ...step, rmse: rmse(step.values) }})));""",
        {"setting": setting, "n": n},
    )


def targets_by_gae(walk: dict, values: np.ndarray, gae_lambda: float) -> np.ndarray:
    """The returns of compute_gae for one walk: λ = 1 is Monte Carlo, λ = 0 is TD(0)."""
    cells = np.array(walk["cells"])
    T = len(cells)
    columns = {
        "rewards": np.zeros(T),
        "values": values[cells],
        "next_values": np.append(values[cells[1:]], 99.0),  # nobody may look at the last one
    }
    columns["rewards"][-1] = walk["payoff"]
    tensors = {name: torch.tensor(column)[:, None] for name, column in columns.items()}
    terminated = torch.zeros(T, 1, dtype=torch.bool)
    terminated[-1] = True
    never = torch.zeros_like(terminated)
    out = ppo_core.compute_gae(
        **tensors, terminated=terminated, truncated=never, gamma=1.0, gae_lambda=gae_lambda
    )
    return out.returns[:, 0].numpy()


def targets_by_sums(walk: dict, values: np.ndarray, n: int) -> np.ndarray:
    """n rewards, then the critic, added up one by one."""
    cells, rewards = walk["cells"], [0.0] * (len(walk["cells"]) - 1) + [float(walk["payoff"])]
    targets = []
    for t in range(len(cells)):
        total = sum(rewards[t : t + n])
        targets.append(total + (values[cells[t + n]] if t + n < len(cells) else 0.0))
    return np.array(targets)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: f"seed {s['seed']}")
@pytest.mark.parametrize("n", [None, 1, 2, 4, 12], ids=str)
def test_updates_are_gradient_steps_on_the_value_loss(setting: dict, n: int | None) -> None:
    history = lab(setting, n)
    values = np.zeros(5)
    np.testing.assert_array_equal(history[0]["values"], values)
    assert len(history) == setting["updates"] + 1
    for step in history[1:]:
        cells = np.concatenate([walk["cells"] for walk in step["batch"]])
        targets = np.concatenate(
            [
                targets_by_sums(walk, values, n)
                if n not in (None, 1)
                else targets_by_gae(walk, values, float(n is None))
                for walk in step["batch"]
            ]
        )
        after = values.copy()
        for cell in set(cells.tolist()):  # the regression of one cell: its own mean, its own step
            value = torch.tensor(values[cell], requires_grad=True)
            mine = torch.tensor(targets[cells == cell])
            ppo_core.value_loss(value.expand(len(mine)), mine).backward()
            after[cell] -= setting["learning_rate"] * value.grad.item()
        np.testing.assert_allclose(step["values"], after, atol=TOLERANCE, rtol=0)
        np.testing.assert_array_equal(step["visits"], np.bincount(cells, minlength=5))
        assert len(step["batch"]) == setting["episodes"]
        values = after
    exact = corridor().exact_values(gamma=1.0)
    errors = [np.sqrt(np.mean((np.array(step["values"]) - exact) ** 2)) for step in history]
    np.testing.assert_allclose([step["rmse"] for step in history], errors, atol=TOLERANCE)


def test_walks_are_walks_of_the_corridor() -> None:
    """Each step goes to a neighbour, each end is out, the payoff says where; seeds repeat; the coin is fair."""
    walks = node(
        f"""import {{ walks }} from {module("critic")};
        answer([walks(3, 0, 2000), walks(3, 0, 2000), walks(3, 1, 2000), walks(4, 0, 2000)]);"""
    )
    assert walks[0] == walks[1]
    assert all(one != other for one, other in itertools.combinations(walks[1:], 2))
    for walk in itertools.chain(*walks):
        assert walk["cells"][0] == 2 and walk["cells"][-1] == (4 if walk["payoff"] else 0)
        assert set(np.abs(np.diff(walk["cells"])).tolist()) <= {1}
    payoffs = np.array([walk["payoff"] for walk in itertools.chain(*walks)])
    lengths = np.array([len(walk["cells"]) for walk in itertools.chain(*walks)])
    assert abs(payoffs.mean() - 0.5) < 0.03  # five standard errors
    assert abs(lengths.mean() - 9) < 0.5  # 3 · 3 steps from the middle of five cells


def test_extreme_settings_give_finite_values_between_zero_and_one() -> None:
    for n, rate, episodes in itertools.product([None, 1, 12], [0.02, 1.0], [1, 16]):
        setting = {"seed": 7, "episodes": episodes, "learning_rate": rate, "updates": 200}
        values = np.array([step["values"] for step in lab(setting, n)])
        assert np.isfinite(values).all() and values.min() >= 0.0 and values.max() <= 1.0 + 1e-12
