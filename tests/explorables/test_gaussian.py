"""The Gaussian lab computes the package's log-density, torch's squashed one, and means over all draws by the right integral."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch
from kit import TOLERANCE, explorables, module, node
from torch.distributions import AffineTransform, Normal, TanhTransform, TransformedDistribution

import ppo_core.evaluation
import ppo_core.policy

CASES = [  # mean, log_std, bound, noise: the middle, each end of each slider, and far outside
    (0.0, 0.0, 1.0, 0.0),
    (0.5, -0.5, 1.0, 1.2),
    (1.6, -0.7, 1.0, -0.8),
    (-2.0, -2.5, 0.2, -3.0),
    (2.0, 1.0, 0.2, 3.0),
    (-2.0, 1.0, 3.0, 2.9),
    (2.0, -2.5, 3.0, 0.1),
]


def numbers(expression: str, cases: list = CASES) -> np.ndarray:
    return np.array(
        node(
            f"import * as lab from {module('gaussian')};\n"
            f"answer(input.map(([m, s, b, z]) => {{ const a = m + Math.exp(s) * z; return {expression}; }}));",
            cases,
        ),
        dtype=np.float64,
    )


def test_log_density_entropy_and_score_are_those_of_the_package_and_of_torch() -> None:
    got = numbers("[lab.logprob(a, m, s), lab.entropy(s), ...lab.score(a, m, s)]")
    for row, (mean, log_std, _, noise) in zip(got, CASES, strict=True):
        m, s = (torch.tensor([x], dtype=torch.float64, requires_grad=True) for x in (mean, log_std))
        action = (m + s.exp() * noise).detach()
        logprobs, entropy = ppo_core.policy.gaussian(m[None], s, action[None])
        expected = [logprobs, entropy, *torch.autograd.grad(logprobs.sum(), (m, s))]
        np.testing.assert_allclose(row, [x.item() for x in expected], atol=TOLERANCE, rtol=1e-9)
        normal = Normal(m, s.exp())
        np.testing.assert_allclose(
            row[:2], [normal.log_prob(action).item(), normal.entropy().item()], atol=TOLERANCE
        )


def test_clipping_is_that_of_the_trainer_and_squashing_that_of_torch() -> None:
    got = numbers("[lab.executed('clip', a, b), lab.executed('tanh', a, b), lab.squashedLogprob(a, m, s, b)]")
    for row, (mean, log_std, bound, noise) in zip(got, CASES, strict=True):
        action = np.array([[mean + np.exp(log_std) * noise]])
        space = gym.spaces.Box(-bound, bound, (1,), np.float64)
        np.testing.assert_allclose(
            row[0], ppo_core.evaluation.within_bounds(action, space).item(), atol=TOLERANCE
        )
        tanh, scale = TanhTransform(cache_size=1), AffineTransform(0.0, bound, cache_size=1)
        m, s, u = (torch.tensor(x, dtype=torch.float64) for x in (mean, log_std, action.item()))
        squashed = scale(tanh(u))  # cached, so that the way back loses nothing near the bounds
        logprob = TransformedDistribution(Normal(m, s.exp()), [tanh, scale]).log_prob(squashed)
        np.testing.assert_allclose(row[1:], [squashed.item(), logprob.item()], atol=TOLERANCE, rtol=1e-9)


def test_the_slope_of_the_squash_survives_numbers_of_any_size() -> None:
    got = node(
        f"import {{ logSlope }} from {module('gaussian')};\nanswer(input.map((u) => logSlope(u, 2)));",
        [0.0, 3.0, -3.0, 40.0, -1e4],
    )
    u = torch.tensor([0.0, 3.0, -3.0, 40.0, -1e4], dtype=torch.float64)
    expected = TanhTransform().log_abs_det_jacobian(u, u.tanh()) + np.log(2)
    np.testing.assert_allclose(got, expected.numpy(), atol=TOLERANCE, rtol=1e-12)
    assert got[3] == pytest.approx(np.log(2) + np.log(4) - 80)


def test_the_share_of_clipped_actions() -> None:
    got = numbers("lab.outside(m, s, b)")
    for row, (mean, log_std, bound, _) in zip(got, CASES, strict=True):
        normal = Normal(
            torch.tensor(mean, dtype=torch.float64), torch.tensor(log_std, dtype=torch.float64).exp()
        )
        low, high = (normal.cdf(torch.tensor(x, dtype=torch.float64)).item() for x in (-bound, bound))
        np.testing.assert_allclose(row, [low, 1 - high], atol=TOLERANCE)


@pytest.mark.parametrize("kind", ["clip", "tanh"])
def test_the_mean_pull_is_an_integral_over_all_draws(kind: str) -> None:
    got = numbers(f"lab.meanPull('{kind}', m, s, b)")
    z = torch.linspace(-10, 10, 400_001, dtype=torch.float64)
    weights = torch.exp(Normal(0.0, 1.0).log_prob(z)) * (z[1] - z[0])
    for row, (mean, log_std, bound, _) in zip(got, CASES, strict=True):
        std = np.exp(log_std)
        action = mean + std * z
        done = action.clamp(-bound, bound) if kind == "clip" else bound * action.tanh()
        scaled = (done - mean) / std
        expected = [(weights * scaled).sum().item() / std, (weights * scaled**2).sum().item() - 1]
        np.testing.assert_allclose(row, expected, atol=TOLERANCE, rtol=1e-7)


def test_clipped_actions_narrow_a_centred_policy_and_sampled_ones_pull_by_zero() -> None:
    """What the explanation says, drawn: the sampled score has mean 0, the clipped one a mean below 0 for log σ."""
    std = 0.6
    z = torch.randn(400_000, generator=torch.Generator().manual_seed(1)).double()
    sampled = (z.square() - 1).mean().item()
    clipped = (((std * z).clamp(-1, 1) / std).square() - 1).mean().item()
    (row,) = numbers("lab.meanPull('clip', m, s, b)", [(0.0, np.log(std), 1.0, 0.0)])
    assert abs(sampled) < 0.01 and row[1] < -0.1
    assert clipped == pytest.approx(row[1], abs=0.01)


def test_clipping_narrows_whenever_the_mean_is_inside_and_far_outside_it_widens() -> None:
    bounds = [0.2, 1.0, 3.0]
    cases = [(share * b, s, b, 0.0) for b in bounds for share in (-1, -0.5, 0, 1) for s in (-2.5, 0.0, 1.0)]
    inside = numbers("lab.meanPull('clip', m, s, b)[1]", cases)
    assert (inside <= TOLERANCE).all() and (inside < -0.1).any()
    (far,) = numbers("lab.meanPull('clip', m, s, b)", [(2.0, -2.5, 0.2, 0.0)])
    assert far[0] < 0 < far[1]


def test_the_mean_outside_turns_the_pull_round() -> None:
    (row,) = numbers(
        "[lab.score(a, m, s)[0], lab.score(lab.executed('clip', a, b), m, s)[0]]", [(1.6, -0.7, 1.0, 0.8)]
    )
    assert row[0] > 0 > row[1]


def test_state_of_the_page_and_its_limits() -> None:
    lab = explorables.GaussianLab(outside="tanh", noise=-3.0)
    state = lab.page_state()
    assert {"mean", "log_std", "bound", "noise", "outside"} <= set(state)
    assert state["outside"] == "tanh" and state["noise"] == -3.0
    for wrong in ({"bound": 0.0}, {"mean": 3.0}, {"outside": "wrap"}, {"log_std": 2.0}):
        with pytest.raises(Exception, match=next(iter(wrong))):
            explorables.GaussianLab(**wrong)
