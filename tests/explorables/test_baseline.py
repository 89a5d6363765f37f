"""The baseline lab: its samples, its exact mean and its exact spread are those of NumPy and torch."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from kit import TOLERANCE, module, node

SETTINGS = list(itertools.product([0.05, 0.3, 0.5, 0.9, 0.95], [0.0, 0.5, 2.0], [-2.0, 0.0, 3.4, 9.0]))
MEANS = np.array([3.0, 4.0])


def mulberry32(seed: int, count: int) -> np.ndarray:
    """The published generator, in Python integers cut to 32 bits."""
    mask, numbers = 0xFFFFFFFF, []
    for _ in range(count):
        seed = (seed + 0x6D2B79F5) & mask
        t = ((seed ^ (seed >> 15)) * (seed | 1)) & mask
        t = ((t + ((t ^ (t >> 7)) * (t | 61))) & mask) ^ t
        numbers.append((t ^ (t >> 14)) / 2**32)
    return np.array(numbers)


def moments(prob: float, noise: float, baseline: float) -> tuple[float, float]:
    """Mean and standard deviation of a sample of the gradient: torch's scores, and the noise by quadrature."""
    logits = torch.tensor([0.0, np.log(prob / (1 - prob))], dtype=torch.float64, requires_grad=True)
    points, weights = np.polynomial.hermite_e.hermegauss(20)
    values, probs = [], []
    for action in (0, 1):
        (grad,) = torch.autograd.grad(torch.log_softmax(logits, 0)[action], logits)
        values.append(grad[1].item() * (MEANS[action] + noise * points - baseline))
        probs.append((prob if action else 1 - prob) * weights / weights.sum())
    values, probs = np.concatenate(values), np.concatenate(probs)
    mean = probs @ values
    return mean, np.sqrt(max(0.0, probs @ (values - mean) ** 2))


def test_the_random_numbers_are_those_of_the_generator() -> None:
    got = node(
        f"import {{ uniforms }} from {module('baseline')}; answer([1, 42, 999].map((s) => uniforms(s, 50)));"
    )
    for seed, numbers in zip((1, 42, 999), got, strict=True):
        np.testing.assert_array_equal(numbers, mulberry32(seed, 50))


def test_mean_and_spread_are_exact() -> None:
    got = node(
        f"""import {{ exactMean, exactSpread }} from {module("baseline")};
        answer(input.map(([p, n, b]) => [exactMean(p), exactSpread(p, n, b)]));""",
        SETTINGS,
    )
    np.testing.assert_allclose(got, [moments(*setting) for setting in SETTINGS], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("prob", [0.05, 0.5, 0.9])
def test_the_best_baseline_is_the_best_of_all(prob: float) -> None:
    best = node(f"import {{ bestBaseline }} from {module('baseline')}; answer(bestBaseline(input));", prob)
    grid = np.linspace(-2, 9, 1101)
    found = grid[np.argmin([moments(prob, 0.5, b)[1] for b in grid])]
    assert best == pytest.approx(found, abs=0.006)


def test_samples_follow_the_model_and_their_gradients_scatter_as_said() -> None:
    settings = [(0.3, 0.5, 0.0), (0.9, 2.0, 3.4), (0.5, 0.0, 3.5)]
    got = node(
        f"""import {{ gradient, samples }} from {module("baseline")};
        answer(input.map(([p, n, b]) => samples(3, 20000, p, n).map((s) => [s.action, s.ret, gradient(s, p, b)])));""",
        settings,
    )
    for (prob, noise, baseline), rows in zip(settings, got, strict=True):
        action, ret, gradient = np.array(rows).T
        mean, spread = moments(prob, noise, baseline)
        assert action.mean() == pytest.approx(prob, abs=0.015)
        np.testing.assert_allclose(gradient, (action - prob) * (ret - baseline), atol=TOLERANCE)
        assert gradient.mean() == pytest.approx(mean, abs=4 * spread / len(rows) ** 0.5 + TOLERANCE)
        assert gradient.std() == pytest.approx(spread, rel=0.05, abs=TOLERANCE)


def test_the_baseline_moves_no_draw() -> None:
    """The same actions whatever the noise; the mean over the samples shifts by b times the mean score, nothing else."""
    quiet, noisy = node(
        f"import {{ samples }} from {module('baseline')}; answer([0, 2].map((n) => samples(1, 200, 0.5, n).map((s) => s.action)));"
    )
    assert quiet == noisy and 0 < sum(quiet) < 200
