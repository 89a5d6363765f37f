"""Answers to the exercises of chapter 12: wrong ones with the words that the reader must see, and right ones of another kind."""

from __future__ import annotations

import numpy as np
import torch
from torch.testing import assert_close

import ppo_core


# --- explained_variance ------------------------------------------------------------------------------------------
def unexplained(values, returns):
    return (returns - values).var(correction=0) / returns.var(correction=0)


def by_squared_error(values, returns):
    variance = returns.var(correction=0)
    return 1 - (returns - values).square().mean() / variance if variance > 0 else torch.nan


def of_the_values(values, returns):
    return values.var() / returns.var()


def over_the_values(values, returns):
    return 1 - (returns - values).var() / values.var()


def by_deviations(values, returns):
    return 1 - (returns - values).std() / returns.std()


def squared_correlation(values, returns):
    with np.errstate(all="ignore"):
        return np.corrcoef(values.flatten(), returns.flatten())[0, 1] ** 2


def never_negative(values, returns):
    share = 1 - (returns - values).var() / returns.var()
    return max(float(share), 0.0) if returns.var() > 0 else torch.nan


def by_columns(values, returns):
    return (1 - (returns - values).var(0) / returns.var(0)).mean()


def unguarded(values, returns):
    return 1 - (returns - values).var() / returns.var()


def always_perfect(values, returns):
    return 1.0


def upside_down(values, returns):
    """Numerator and denominator exchanged."""
    return 1 - returns.var() / (returns - values).var()


def right_in_numpy(values, returns):
    """Right: NumPy."""
    left, spread = np.var(returns.numpy() - values.numpy()), np.var(returns.numpy())
    return 1 - left / spread if spread > 0 else np.nan


def right_by_squares(values, returns):
    """Right: a variance is the mean square minus the squared mean."""
    errors = (returns - values).double().flatten()
    target = returns.double().flatten()
    spread = (target @ target) / len(target) - target.mean() ** 2
    left = (errors @ errors) / len(errors) - errors.mean() ** 2
    return float("nan") if spread.abs() < 1e-12 else float(1 - left / spread)


# --- first_log_line ----------------------------------------------------------------------------------------------
def line(policy_loss, kl, clipped, value_loss, entropy, vf_coef, ent_coef):
    loss = policy_loss + vf_coef * value_loss - ent_coef * entropy.mean()
    return [float(x) for x in (policy_loss, kl, clipped, value_loss, loss)]


def error(values, returns):
    return 0.5 * (values - returns).square().mean()


def raw_advantages(advantages, values, returns, entropy, vf_coef, ent_coef):
    return line(-advantages.mean(), 0, 0, error(values, returns), entropy, vf_coef, ent_coef)


def raw_objective(advantages, values, returns, entropy, vf_coef, ent_coef):
    return line(advantages.mean(), 0, 0, error(values, returns), entropy, vf_coef, ent_coef)


def all_clipped(advantages, values, returns, entropy, vf_coef, ent_coef):
    return line(0, 0, 1, error(values, returns), entropy, vf_coef, ent_coef)


def kl_is_one(advantages, values, returns, entropy, vf_coef, ent_coef):
    return line(0, 1, 0, error(values, returns), entropy, vf_coef, ent_coef)


def no_half(advantages, values, returns, entropy, vf_coef, ent_coef):
    return line(0, 0, 0, 2 * error(values, returns), entropy, vf_coef, ent_coef)


def bonus_added(advantages, values, returns, entropy, vf_coef, ent_coef):
    """Bug B7."""
    return line(0, 0, 0, error(values, returns), -entropy, vf_coef, ent_coef)


def bonus_forgotten(advantages, values, returns, entropy, vf_coef, ent_coef):
    return line(0, 0, 0, error(values, returns), entropy, vf_coef, 0.0)


def weight_forgotten(advantages, values, returns, entropy, vf_coef, ent_coef):
    return line(0, 0, 0, error(values, returns), entropy, 1.0, ent_coef)


def broadcast(advantages, values, returns, entropy, vf_coef, ent_coef):
    """Bug B18."""
    return line(0, 0, 0, error(values[:, None], returns), entropy, vf_coef, ent_coef)


def four_numbers(advantages, values, returns, entropy, vf_coef, ent_coef):
    return first_by_the_package(advantages, values, returns, entropy, vf_coef, ent_coef)[:4]


def first_by_the_package(advantages, values, returns, entropy, vf_coef, ent_coef):
    """Right: the package's own pieces."""
    zeros = torch.zeros_like(advantages)
    policy_loss = ppo_core.clipped_policy_loss(zeros, zeros, ppo_core.normalize(advantages), 0.2)
    kl = ppo_core.approximate_kl(zeros, zeros)
    return line(policy_loss, kl, 0, ppo_core.value_loss(values, returns), entropy, vf_coef, ent_coef)


def first_in_numpy(advantages, values, returns, entropy, vf_coef, ent_coef):
    """Right: an array."""
    value_loss = np.mean((values.numpy() - returns.numpy()) ** 2) / 2
    return np.array([0, 0, 0, value_loss, vf_coef * value_loss - ent_coef * entropy.numpy().mean()])


# --- my_test -----------------------------------------------------------------------------------------------------
def column(*numbers):
    return torch.tensor(numbers)[:, None]


def none(count):
    return torch.zeros(count, 1, dtype=torch.bool)


def looks_at_shapes(core):
    gae = core.compute_gae(*torch.randn(3, 4, 2), *torch.zeros(2, 4, 2, dtype=torch.bool), 0.9, 0.9)
    assert gae.advantages.shape == (4, 2)


def answers_instead(core):
    gae = core.compute_gae(column(1.0), column(0.0), column(0.0), none(1), none(1), 0.9, 0.9)
    return bool(gae.advantages[0, 0] == 1.0)


def tests_the_installed(core):
    gae = ppo_core.compute_gae(column(1.0), column(0.0), column(2.0), none(1), none(1), 0.5, 0.9)
    assert_close(gae.advantages, column(2.0))


def a_limit_is_an_end(core):
    """Bug B2, in the test itself."""
    gae = core.compute_gae(column(1.0), column(0.0), column(2.0), none(1), ~none(1), 0.5, 0.9)
    assert_close(gae.advantages, column(1.0))


def one_row(core):
    gae = core.compute_gae(column(1.0), column(0.0), column(2.0), none(1), ~none(1), 0.5, 0.9)
    assert_close(gae.advantages, column(2.0))


def terminations_only(core):
    rewards, values, next_values = column(1.0, 2.0, 3.0), column(1.0, 0.0, 2.0), column(0.0, 9.0, 4.0)
    gae = core.compute_gae(rewards, values, next_values, column(False, True, False), none(3), 0.5, 0.5)
    assert_close(gae.advantages, column(0.5, 2.0, 3.0))


def one_long_episode(core):
    rewards, values, next_values = column(1.0, 2.0, 3.0), column(1.0, 0.0, 2.0), column(0.0, 2.0, 4.0)
    ends = column(False, False, True)
    gae = core.compute_gae(rewards, values, next_values, none(3), ends, 0.5, 0.5)
    assert_close(gae.advantages[2], column(3.0)[0])


def ends_but_no_edges(core):
    """Every reward is the same, the last row terminates, and γ is 1."""
    rewards, values, next_values = column(1.0, 1.0, 1.0, 1.0), column(*[0.0] * 4), column(2.0, 5.0, 3.0, 0.0)
    terminated, truncated = column(False, False, False, True), column(False, True, False, False)
    gae = core.compute_gae(rewards, values, next_values, terminated, truncated, 1.0, 0.5)
    assert_close(gae.advantages, column(3 + 6 / 2, 6.0, 4 + 1 / 2, 1.0))


def right_by_a_double_sum(core):
    """Right: random rollouts, and every advantage as a sum over the rows ahead."""
    generator = torch.Generator().manual_seed(3)
    rewards, values, next_values = torch.randn(3, 12, 2, generator=generator)
    terminated, truncated = torch.rand(2, 12, 2, generator=generator) < 0.2
    got = core.compute_gae(rewards, values, next_values, terminated, truncated, 0.8, 0.7).advantages
    for n in range(2):
        for t in range(12):
            total, weight = 0.0, 1.0
            for k in range(t, 12):
                alive = 0.0 if terminated[k, n] else 1.0
                total += weight * (rewards[k, n] + 0.8 * alive * next_values[k, n] - values[k, n])
                if terminated[k, n] or truncated[k, n]:
                    break
                weight *= 0.8 * 0.7
            assert abs(got[t, n] - total) < 1e-4, (t, n)


def right_by_properties(core):
    """Right: what must hold, one sentence after the other."""

    def advantages(rewards, terminated, truncated, gamma=0.5, gae_lambda=0.5):
        rows, next_values = torch.arange(4)[:, None], column(1.0, 2.0, 3.0, 4.0)
        ends = rows == terminated, rows == truncated
        return core.compute_gae(
            column(*rewards), torch.zeros(4, 1), next_values, *ends, gamma, gae_lambda
        ).advantages

    for ending in ((1, 9), (9, 1)):
        one, other = advantages([1.0, 2, 3, 4], *ending), advantages([1.0, 2, 30, 40], *ending)
        assert torch.equal(one[:2], other[:2])
        assert other[2] > one[2]
    assert advantages([1.0, 2, 3, 4], 9, 1)[1] == 2 + 0.5 * 2
    assert advantages([1.0, 2, 3, 4], 1, 9)[1] == 2
    plain = advantages([1.0, 2, 3, 4], 9, 9)
    assert plain[3] == 4 + 0.5 * 4 and plain[2] == 3 + 1.5 + plain[3] / 4


# --- diagnose ----------------------------------------------------------------------------------------------------
RIGHT_ONES = {
    "A": "ratio-always-one",
    "B": "returns-normalised-per-batch",
    "C": "entropy-of-the-chosen-action",
    "D": "values-broadcast",
    "E": "return-is-never-reset",
    "F": "healthy",
}


def but(**changes):
    return lambda: {**RIGHT_ONES, **changes}


WRONG = {
    "explained_variance": {
        "unexplained": (unexplained, "the share that is left unexplained"),
        "mean squared error": (by_squared_error, "The numerator is the mean squared error"),
        "variance of the values": (of_the_values, "how much the values vary"),
        "divided by the values": (over_the_values, "The variance in the denominator is that of the values"),
        "standard deviations": (by_deviations, "The share of the variance needs their squares"),
        "squared correlation": (squared_correlation, "This is the squared correlation"),
        "held at zero": (never_negative, "Something holds it at 0"),
        "by columns": (by_columns, "All T · N numbers are one sample: flatten them"),
        "no guard": (unguarded, "Answer NaN there"),
        "always 1": (always_perfect, "A constant leaves the whole variance"),
        "upside down": (upside_down, "Nothing is left unexplained"),
        "a number": (0.95, "should be a function"),
    },
    "first_log_line": {
        "raw advantages": (raw_advantages, "minus the mean of the raw advantages"),
        "raw objective": (raw_objective, "A loss has a minus sign"),
        "all clipped": (all_clipped, "the middle of the interval, and not 0"),
        "KL of one": (kl_is_one, "It is the ratio that is 1"),
        "no half": (no_half, "the half is missing"),
        "bonus added": (bonus_added, "push the entropy down: subtract it"),
        "bonus forgotten": (bonus_forgotten, "the entropy bonus is missing"),
        "weight forgotten": (weight_forgotten, "with its weight `vf_coef`"),
        "broadcast": (broadcast, "The loss is then c₁ times the value loss"),
        "four numbers": (four_numbers, "has shape (4,), where (5,) was expected"),
    },
    "my_test": {
        "shapes only": (looks_at_shapes, "it catches nothing"),
        "returns a bool": (answers_instead, "nobody looks at that"),
        "the installed package": (tests_the_installed, "its argument `core` is not used"),
        "rejects the sound": (a_limit_is_an_end, "The test rejects the sound package"),
        "one row": (one_row, "gae-without-ends slips through. Not looked at: what an episode's end"),
        "terminations only": (terminations_only, "truncation-is-ignored slips through"),
        "one long episode": (one_long_episode, "slips through"),
        "no edges": (ends_but_no_edges, "rollout-edge-is-zero slips through"),
        "called": (3, "without calling it"),
    },
    "diagnose": {
        "healthy, though nothing is clipped": (but(A="healthy"), "exactly 0 throughout"),
        "sign instead of ratio": (but(A="entropy-sign"), "A wrong sign would not do that"),
        "broadcast instead of normalised": (but(B="values-broadcast"), "A value loss of one half".lower()),
        "normalised instead of broadcast": (
            but(D="returns-normalised-per-batch"),
            "it would stay at one half",
        ),
        "sign instead of measurement": (but(C="entropy-sign"), "it is measured wrongly"),
        "too good to be true": (but(E="healthy"), "no mean return can be above 500"),
        "hypochondria": (but(F="values-broadcast"), "is no illness here"),
        "hypochondria, entropy": (but(F="entropy-sign"), "That is what learning looks like"),
        "no log": (but(E="nothing-is-logged"), "look at what is measured"),
        "one is missing": (lambda: {"A": "healthy"}, "No diagnosis for patient B"),
        "no such illness": (but(B="flu"), "'flu' is not one of the diagnoses"),
        "a list": (lambda: list(RIGHT_ONES.values()), "should be a dictionary"),
    },
}

RIGHT = {
    "explained_variance": [right_in_numpy, right_by_squares],
    "first_log_line": [first_by_the_package, first_in_numpy],
    "my_test": [right_by_a_double_sum, right_by_properties],
    "diagnose": [but(), RIGHT_ONES],
}
