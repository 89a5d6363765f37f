"""The ending lab computes the package's advantages, each treatment written as the flags that it amounts to."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from kit import TOLERANCE, module, node

import ppo_core

ENDINGS, TREATMENTS = ["terminated", "truncated", "cut"], ["rule", "always end", "always value", "ignore"]
SETTINGS = list(itertools.product([0.0, 0.8, 1.0], [0.0, 0.6, 1.0], [0.0, 5.0, 9.5], [0.0, 2.0, 5.0]))


def by_the_package(
    ending: str, treatment: str, gamma: float, gae_lambda: float, final: float, start: float
) -> np.ndarray:
    """Advantages [8] from compute_gae; row 4 is the last one of its episode or rollout."""
    behind = final if ending == "cut" else start
    values = torch.tensor([5.0] * 5 + [behind] * 3, dtype=torch.float64)[:, None]
    next_values = torch.tensor([5.0] * 4 + [final] + [behind] * 3, dtype=torch.float64)[:, None]
    rewards = torch.ones_like(values)
    terminated, truncated = torch.zeros(2, 8, 1, dtype=torch.bool)
    if treatment == "ignore":
        next_values[4] = values[5]
    elif treatment == "rule" and ending == "cut":  # two rollouts
        pieces = [
            ppo_core.compute_gae(
                *(x[part] for x in (rewards, values, next_values, terminated, truncated)), gamma, gae_lambda
            )
            for part in (slice(0, 5), slice(5, 8))
        ]
        return torch.cat([piece.advantages for piece in pieces])[:, 0].numpy()
    elif treatment == "always end" or (treatment == "rule" and ending == "terminated"):
        terminated[4] = True
    else:
        truncated[4] = True
    result = ppo_core.compute_gae(rewards, values, next_values, terminated, truncated, gamma, gae_lambda)
    return result.advantages[:, 0].numpy()


@pytest.mark.parametrize("ending", ENDINGS)
def test_endings_advantages_are_those_of_the_package(ending: str) -> None:
    got = node(
        f"""import {{ advantages }} from {module("endings")};
        answer(input.treatments.map((t) => input.settings.map((s) => advantages(input.ending, t, ...s).advantages)));""",
        {"ending": ending, "treatments": TREATMENTS, "settings": SETTINGS},
    )
    for treatment, answers in zip(TREATMENTS, got, strict=True):
        for setting, answer in zip(SETTINGS, answers, strict=True):
            expected = by_the_package(ending, treatment, *setting)
            np.testing.assert_allclose(
                answer, expected, atol=TOLERANCE, rtol=0, err_msg=f"{treatment} {setting}"
            )


def test_endings_says_right_where_the_numbers_are_right_for_every_value() -> None:
    """Right means: equal to the rule for all values, or, after a cut, equal to the rollout that goes on."""
    right = node(
        f"""import {{ isRight }} from {module("endings")};
        answer(input.endings.map((e) => input.treatments.map((t) => isRight(e, t))));""",
        {"endings": ENDINGS, "treatments": TREATMENTS},
    )
    for ending, answers in zip(ENDINGS, right, strict=True):
        for treatment, said in zip(TREATMENTS, answers, strict=True):
            equal = all(
                np.allclose(by_the_package(ending, treatment, *s)[:5], by_the_package(ending, "rule", *s)[:5])
                for s in SETTINGS
            )
            assert said == (equal or (ending, treatment) == ("cut", "ignore")), (ending, treatment)


def test_endings_start_from_an_exact_critic() -> None:
    """The question says so: as the lab starts, every advantage up to the truncation is zero."""
    got = node(
        f"""import {{ advantages }} from {module("endings")};
        answer(advantages("truncated", "rule", 0.8, 0.9, 5, 2).advantages);"""
    )
    np.testing.assert_allclose(got[:5], np.zeros(5), atol=TOLERANCE)
