"""The clip lab computes the package's loss and its gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from kit import TOLERANCE, module, node

import ppo_core


def clip_objectives(
    ratio: torch.Tensor, advantages: torch.Tensor, clip_coef: float
) -> dict[str, torch.Tensor]:
    """The three versions with a part missing, [B] each, as PyTorch computes them."""
    clipped = ratio.clamp(1 - clip_coef, 1 + clip_coef)
    return {
        "no clip": ratio * advantages,
        "no min": clipped * advantages,
        "min first": torch.min(ratio, clipped) * advantages,
    }


@pytest.mark.parametrize("clip_coef", [0.0, 0.1, 0.2, 0.5])
def test_clip_gains_and_pulls_are_those_of_the_package(clip_coef: float) -> None:
    """Values and gradients of PPO's own loss, one sample at a time, and of the broken versions, by autograd."""
    ratios = [0.0, 0.03, 0.31, 0.49, 0.77, 0.93, 1.04, 1.17, 1.33, 1.61, 2.0]
    cases = [(r, a) for r in ratios for a in (-2.0, -0.7, 0.0, 0.4, 1.0, 2.0)]
    kinds = ["ppo", "no clip", "no min", "min first"]
    got = node(
        f"""import {{ gain, pull }} from {module("clip")};
        answer(input.kinds.map((kind) => input.cases.map(([r, a]) => [gain(kind, r, a, input.clip_coef), pull(kind, r, a, input.clip_coef)])));""",
        {"kinds": kinds, "cases": cases, "clip_coef": clip_coef},
    )
    ratio, advantages = torch.tensor(cases, dtype=torch.float64).T
    for kind, answers in zip(kinds, got, strict=True):
        logprobs = ratio.log().requires_grad_()
        if kind == "ppo":
            zeros = torch.zeros(1, dtype=torch.float64)
            gains = torch.stack(
                [
                    -ppo_core.clipped_policy_loss(
                        logprobs[i : i + 1], zeros, advantages[i : i + 1], clip_coef
                    )
                    for i in range(len(cases))
                ]
            )
        else:
            gains = clip_objectives(logprobs.exp(), advantages, clip_coef)[kind]
        (pulls,) = torch.autograd.grad(gains.sum(), logprobs)
        expected = torch.stack([gains, pulls], 1).detach().numpy()
        np.testing.assert_allclose(answers, expected, atol=TOLERANCE, rtol=0, err_msg=kind)
