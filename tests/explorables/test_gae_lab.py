"""The GAE explorable computes what the package computes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from kit import TOLERANCE, explorables, module, node, package_advantages, random_rollout

from ppo_core.probes import corridor

SETTINGS = list(itertools.product([0.0, 0.5, 0.99, 1.0], [0.0, 0.3, 0.95, 1.0]))


def test_gae_advantages_are_those_of_the_package() -> None:
    rollouts = [random_rollout(seed) for seed in range(5)]
    got = node(
        f"""import {{ advantages, deltas }} from {module("gae")};
        answer(input.rollouts.map((r) => input.settings.map(([g, l]) => [advantages(r, g, l), deltas(r, g)])));""",
        {"rollouts": rollouts, "settings": SETTINGS},
    )
    for rollout, answers in zip(rollouts, got, strict=True):
        for (gamma, gae_lambda), (advantages, deltas) in zip(SETTINGS, answers, strict=True):
            np.testing.assert_allclose(
                advantages, package_advantages(rollout, gamma, gae_lambda), atol=TOLERANCE, rtol=0
            )
            np.testing.assert_allclose(
                deltas, package_advantages(rollout, gamma, 0.0), atol=TOLERANCE, rtol=0
            )


def test_gae_weights_times_deltas_are_the_advantages() -> None:
    rollout = random_rollout(7)
    got = node(
        f"""import {{ weights }} from {module("gae")};
        answer(input.settings.map(([g, l]) => input.rollout.rewards.map((_, t) => weights(input.rollout, g, l, t))));""",
        {"rollout": rollout, "settings": SETTINGS},
    )
    for (gamma, gae_lambda), matrix in zip(SETTINGS, got, strict=True):
        deltas = package_advantages(rollout, gamma, 0.0)
        np.testing.assert_allclose(
            np.array(matrix) @ deltas, package_advantages(rollout, gamma, gae_lambda), atol=TOLERANCE, rtol=0
        )


@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.99, 1.0])
def test_gae_critics_are_the_values_of_the_corridor(gamma: float) -> None:
    rollout, process = explorables.corridor_rollout()
    exact, none, one, untrained = node(
        f"""import {{ processValues, withCritic }} from {module("gae")};
        const {{ rollout, corridor, gamma }} = input;
        answer([processValues(corridor, gamma), processValues(corridor, gamma, 0), processValues(corridor, gamma, 1),
                withCritic(rollout, corridor, "untrained", gamma)]);""",
        {"rollout": rollout, "corridor": process, "gamma": gamma},
    )
    np.testing.assert_allclose(exact, corridor(5).exact_values(gamma), atol=TOLERANCE, rtol=0)
    assert none == [0.0] * 5
    assert one == process["rewards"]
    assert untrained == {**rollout, "values": [0] * 18, "next_values": [0] * 18}


def test_the_corridor_rollout_is_a_true_one_with_every_kind_of_ending() -> None:
    """The rings of the picture are the TD errors of the exact critic: in a deterministic world the exact advantages."""
    rollout, process = explorables.corridor_rollout()
    assert sum(rollout["terminated"]) == 1 and sum(rollout["truncated"]) == 1
    assert not (rollout["terminated"][-1] or rollout["truncated"][-1])  # and the last episode goes on
    exact = corridor(5).exact_advantages(0.99)
    td_errors = package_advantages(rollout, 0.99, 0.0)
    for t, (state, successor) in enumerate(zip(process["states"], process["next_states"], strict=True)):
        action = int(successor > state)
        assert td_errors[t] == pytest.approx(exact[state, action], abs=1e-6)
    for t in range(17):
        if not (rollout["terminated"][t] or rollout["truncated"][t]):
            assert process["next_states"][t] == process["states"][t + 1]


def test_a_rollout_of_ones_own() -> None:
    rollout = random_rollout(3, num_steps=6)
    shown = explorables.GAEExplorable(**{name: np.array(column) for name, column in rollout.items()})
    assert shown.rollout == rollout and shown.process is None
    with pytest.raises(ValueError, match="truncated not given"):
        explorables.GAEExplorable(**{name: column for name, column in rollout.items() if name != "truncated"})
    with pytest.raises(ValueError, match=r"values must be a list of T = 6 numbers"):
        explorables.GAEExplorable(**{**rollout, "values": np.zeros((6, 2))})
