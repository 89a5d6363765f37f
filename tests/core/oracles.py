"""Independent answers. Each oracle is a plain function of a package under test, `core`, which it accepts or rejects.

`core` is `Core("ppo_core")` or a planted mutant (see mutants.py). What an oracle compares with is written here a
second time in another way, usually in plain Python one number at a time, or comes from a library that we did not write.
An oracle that rejects raises AssertionError.
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import math
import os
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import scipy.special
import scipy.stats
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

ORACLES: dict[str, Callable[[Core], None]] = {}  # by name, for the tests and for the mutants


class Core:
    """A package by name; its modules are attributes: `core.gae.compute_gae`."""

    def __init__(self, package: str = "ppo_core"):
        self.package = package

    def __getattr__(self, module: str) -> ModuleType:
        return importlib.import_module(f"{self.package}.{module}")

    def __repr__(self) -> str:
        return self.package


def oracle(function: Callable[[Core], None]) -> Callable[[Core], None]:
    ORACLES[function.__name__] = function
    return function


def foreign(module: str) -> None:
    """Skip without an optional library, except in CI, which must have it."""
    if importlib.util.find_spec(module) is None:
        if os.environ.get("CI"):
            pytest.fail(f"{module} is not installed, but CI is set: the comparison with it must run here")
        pytest.skip(f"{module} is not installed: pip install 'ppo-core[test]'")


def close(actual: Any, expected: Any, tolerance: float = 1e-9, what: str = "") -> None:
    actual, expected = np.asarray(actual, float), np.asarray(expected, float)
    assert actual.shape == expected.shape, f"{what} has shape {actual.shape}, expected {expected.shape}"
    assert np.isfinite(actual).all(), f"{what} is not finite: {actual}"
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance, err_msg=what)


def refuses(call: Callable[[], Any], *words: str, kind: type[BaseException] = ValueError) -> None:
    """`call` raises `kind`, and the sentence holds every word."""
    try:
        call()
    except kind as error:
        missing = [word for word in words if word not in str(error)]
        assert not missing, f"the message lacks {missing}: {error}"
    except Exception as error:
        raise AssertionError(
            f"expected {kind.__name__} about {words}, got {type(error).__name__}: {error}"
        ) from error
    else:
        raise AssertionError(f"not refused; expected {kind.__name__} about {words}")


# ---- advantages

number = st.floats(-10, 10, allow_nan=False, width=32)
fraction = st.sampled_from([0.0, 0.3, 0.9, 0.99, 1.0])


@st.composite
def rollouts(draw: Any, coherent: bool = False, ends: bool = True, min_steps: int = 1) -> dict[str, Any]:
    """Arguments of compute_gae. `coherent`: next_values[t] is values[t + 1] wherever the episode goes on."""
    steps, envs = draw(st.integers(min_steps, 7)), draw(st.integers(1, 3))
    table = st.lists(st.lists(number, min_size=envs, max_size=envs), min_size=steps, max_size=steps)
    flags = st.lists(
        st.lists(st.booleans() if ends else st.just(False), min_size=envs, max_size=envs),
        min_size=steps,
        max_size=steps,
    )
    rewards, values, next_values = (torch.tensor(draw(table), dtype=torch.float64) for _ in range(3))
    terminated, truncated = (torch.tensor(draw(flags)) for _ in range(2))
    if coherent:
        goes_on = ~(terminated | truncated)[:-1]
        next_values[:-1][goes_on] = values[1:][goes_on]
    return {
        "rewards": rewards, "values": values, "next_values": next_values,
        "terminated": terminated, "truncated": truncated, "gamma": draw(fraction), "gae_lambda": draw(fraction),
    }  # fmt: skip


def gae(core: Core, case: dict[str, Any], **changes: Any) -> Any:
    return core.gae.compute_gae(**{**case, **changes})


def rows(case: dict[str, Any], pick: Any) -> dict[str, Any]:
    """The same case with `pick` applied to every [T, N] tensor."""
    return {name: pick(value) if isinstance(value, Tensor) else value for name, value in case.items()}


def double_sum(case: dict[str, Any]) -> tuple[list[list[float]], list[list[float]]]:
    """A_t = Σ_k (γλ)^k δ_{t+k}, the sum ending with the episode or the rollout; no recursion, no tensors."""
    r, v, w = (case[name].tolist() for name in ("rewards", "values", "next_values"))
    ended, cut = case["terminated"].tolist(), case["truncated"].tolist()
    gamma, lam = case["gamma"], case["gae_lambda"]
    steps, envs = len(r), len(r[0])
    advantages = [[0.0] * envs for _ in range(steps)]
    for i in range(envs):
        for t in range(steps):
            weight = 1.0
            for k in range(t, steps):
                future = 0.0 if ended[k][i] else w[k][i]
                advantages[t][i] += weight * (r[k][i] + gamma * future - v[k][i])
                if ended[k][i] or cut[k][i]:
                    break
                weight *= gamma * lam
    return advantages, [[advantages[t][i] + v[t][i] for i in range(envs)] for t in range(steps)]


@oracle
def gae_is_the_double_sum(core: Core) -> None:
    @given(rollouts())
    def check(case):
        advantages, returns = double_sum(case)
        result = gae(core, case)
        close(result.advantages, advantages, what="advantages")
        close(result.returns, returns, what="returns")

    check()


@oracle
def gae_by_hand(core: Core) -> None:
    """Three steps, worked on paper, with γ = ½ and λ = ½; one column for each way in which the middle step can end."""
    column = lambda *x: torch.tensor(x, dtype=torch.float64)[:, None].expand(3, 4)  # noqa: E731
    flags = torch.tensor([[0, 0, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0]], dtype=torch.bool)
    cuts = torch.tensor([[0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]], dtype=torch.bool)
    case = {
        "rewards": column(1.0, 2.0, 4.0), "values": column(2.0, 4.0, 8.0), "next_values": column(4.0, 8.0, 16.0),
        "terminated": flags, "truncated": cuts, "gamma": 0.5, "gae_lambda": 0.5,
    }  # fmt: skip
    # δ: 1 + 2 - 2 = 1;  2 + 4 - 4 = 2, or 2 - 4 = -2 after an end;  4 + 8 - 8 = 4
    # A_2 = 4;  A_1 = 2 + ¼·4 = 3, -2, 2, -2;  A_0 = 1 + ¼·A_1
    expected = [[1.75, 0.5, 1.5, 0.5], [3.0, -2.0, 2.0, -2.0], [4.0, 4.0, 4.0, 4.0]]
    close(gae(core, case).advantages, expected, what="advantages")
    # A robot that falls at the last moment: +95 for arriving, -4 for the fall, and nothing comes after it.
    fall = {"rewards": [[95.0], [-4.0]], "values": [[90.0], [0.0]], "next_values": [[0.0], [100.0]]}
    fall = {name: torch.tensor(x, dtype=torch.float64) for name, x in fall.items()}
    ends = torch.tensor([[False], [True]])
    result = core.gae.compute_gae(**fall, terminated=ends, truncated=~ends & False, gamma=1.0, gae_lambda=1.0)
    close(result.advantages, [[1.0], [-4.0]], what="the fall")


@oracle
def gae_agrees_with_stable_baselines3(core: Core) -> None:
    """Its buffer knows no truncation: γ V(last observation) is added to the reward where an episode was cut."""
    foreign("stable_baselines3")
    from stable_baselines3.common.buffers import RolloutBuffer

    @given(rollouts(coherent=True))
    def check(case):
        steps, envs = case["rewards"].shape
        done = case["terminated"] | case["truncated"]
        cut = case["truncated"] & ~case["terminated"]
        space = gym.spaces.Box(-1, 1, (1,))
        theirs = RolloutBuffer(
            steps,
            space,
            gym.spaces.Discrete(2),
            gae_lambda=case["gae_lambda"],
            gamma=case["gamma"],
            n_envs=envs,
        )
        theirs.rewards = (case["rewards"] + case["gamma"] * case["next_values"] * cut).numpy()
        theirs.values = case["values"].numpy()
        theirs.episode_starts = np.vstack([np.zeros((1, envs)), done[:-1].numpy()])
        theirs.advantages = np.zeros((steps, envs))
        theirs.compute_returns_and_advantage(case["next_values"][-1], done[-1].numpy())
        result = gae(core, case)
        close(result.advantages, theirs.advantages, 1e-5, "advantages")  # it rounds last_values to float32
        close(result.returns, theirs.returns, 1e-5, "returns")

    check()


@oracle
def gae_agrees_with_torchrl(core: Core) -> None:
    foreign("torchrl")
    from torchrl.objectives.value.functional import generalized_advantage_estimate

    @given(rollouts())
    def check(case):
        their = {
            name: value.T.unsqueeze(-1) for name, value in case.items() if isinstance(value, Tensor)
        }  # [N, T, 1]
        advantages, returns = generalized_advantage_estimate(
            case["gamma"], case["gae_lambda"], their["values"], their["next_values"], their["rewards"],
            done=their["terminated"] | their["truncated"], terminated=their["terminated"],
        )  # fmt: skip
        result = gae(core, case)
        close(result.advantages, advantages.squeeze(-1).T, 1e-5, "advantages")  # it rounds γ and λ to float32
        close(result.returns, returns.squeeze(-1).T, 1e-5, "returns")

    check()


@oracle
def gae_limits(core: Core) -> None:
    """λ = 0 is the TD error; γ = 0 is r - V; λ = 1 is the discounted sum of rewards, and of the value at a cut, minus V."""

    @given(rollouts(coherent=True))
    def check(case):
        r, v, w = (case[name].tolist() for name in ("rewards", "values", "next_values"))
        ended, cut, gamma = case["terminated"].tolist(), case["truncated"].tolist(), case["gamma"]
        steps, envs = len(r), len(r[0])
        td = [
            [r[t][i] + (0 if ended[t][i] else gamma * w[t][i]) - v[t][i] for i in range(envs)]
            for t in range(steps)
        ]
        close(gae(core, case, gae_lambda=0.0).advantages, td, what="λ = 0")
        close(gae(core, case, gamma=0.0).advantages, case["rewards"] - case["values"], what="γ = 0")
        monte_carlo = [[0.0] * envs for _ in range(steps)]
        for t, i in itertools.product(range(steps), range(envs)):
            last = next((k for k in range(t, steps) if ended[k][i] or cut[k][i]), steps - 1)
            monte_carlo[t][i] = sum(gamma ** (k - t) * r[k][i] for k in range(t, last + 1))
            if not ended[last][i]:
                monte_carlo[t][i] += gamma ** (last + 1 - t) * w[last][i]
        result = gae(core, case, gae_lambda=1.0)
        close(result.returns, monte_carlo, what="λ = 1: returns")
        close(result.advantages, np.array(monte_carlo) - np.array(v), what="λ = 1: advantages")

    check()


@oracle
def gae_does_not_see_where_a_rollout_is_cut(core: Core) -> None:
    """A rollout cut after step t gives the same advantages if the value at the cut is exact: V(o_{t+1}) + λ A_{t+1}."""

    @given(rollouts(coherent=True, min_steps=2), st.integers(1, 6))
    def check(case, t):
        assume(t < len(case["rewards"]))
        whole = gae(core, case).advantages
        late = gae(core, rows(case, lambda x: x[t:])).advantages
        close(late, whole[t:], what="the later part")
        early = rows(case, lambda x: x[:t].clone())
        goes_on = ~(case["terminated"] | case["truncated"])[t - 1]
        early["next_values"][-1] += whole[t] * case["gae_lambda"] * goes_on
        close(gae(core, early).advantages, whole[:t], what="the earlier part")

    check()


@oracle
def gae_treats_environments_alike(core: Core) -> None:
    """Environments in another order give columns in that order, and a column does not depend on its neighbours."""

    @given(rollouts(), st.randoms(use_true_random=False))
    def check(case, random):
        result = gae(core, case).advantages
        order = list(range(result.shape[1]))
        random.shuffle(order)
        close(gae(core, rows(case, lambda x: x[:, order])).advantages, result[:, order], what="permuted")
        close(gae(core, rows(case, lambda x: x[:, :1])).advantages, result[:, :1], what="alone")

    check()


@oracle
def gae_keeps_episodes_apart(core: Core) -> None:
    """Whatever happens after an end, of either kind, changes nothing before it; and the first row after it starts anew."""

    @given(rollouts(min_steps=3, ends=False), st.integers(0, 1), st.booleans(), number)
    def check(case, t, by_limit, other):
        case["truncated" if by_limit else "terminated"][t] = True
        before = gae(core, case)
        changed = rows(case, torch.clone)
        for name in ("rewards", "values", "next_values"):
            changed[name][t + 1 :] += other
        after = gae(core, changed)
        close(after.advantages[: t + 1], before.advantages[: t + 1], what="before the end")
        if not by_limit:  # and what the critic thinks of a state after the end does not matter
            changed["next_values"][t] += other
            close(gae(core, changed).advantages[: t + 1], before.advantages[: t + 1], what="value of the end")

    check()


@oracle
def gae_of_exact_values_is_zero(core: Core) -> None:
    """Always to the right in a corridor, with the true values: every advantage is 0, cut by a time limit or not."""
    length, gamma = 5, 0.9
    env = core.probes.corridor(length, time_limit=4)
    to_the_right = np.tile([0.0, 1.0], (length, 1))
    values = env.exact_values(gamma, to_the_right)
    close(values, [gamma ** (length - 1 - s) for s in range(length)], what="exact values")
    for start in range(length):
        states = np.arange(start, min(start + 4, length))
        ends = states == length - 1
        case = {
            "rewards": torch.tensor(ends * 1.0)[:, None],
            "values": torch.tensor(values[states])[:, None],
            "next_values": torch.tensor(np.append(values, 123.0)[states + 1])[
                :, None
            ],  # beyond the end: any number
            "terminated": torch.tensor(ends)[:, None],
            "truncated": torch.tensor((np.arange(len(states)) == 3) & ~ends)[:, None],
        }
        result = core.gae.compute_gae(**case, gamma=gamma, gae_lambda=0.7)
        close(result.advantages, np.zeros((len(states), 1)), what="advantages")
        close(result.returns[:, 0], values[states], what="returns")


@oracle
def gae_refuses_what_cannot_be_right(core: Core) -> None:
    good = {name: torch.zeros(3, 2) for name in ("rewards", "values", "next_values")}
    good |= {name: torch.zeros(3, 2, dtype=torch.bool) for name in ("terminated", "truncated")}
    good |= {"gamma": 0.9, "gae_lambda": 0.9}
    for name in ("rewards", "values", "next_values", "terminated", "truncated"):
        for shape in ((3, 2, 1), (3, 1), (2,), (2, 3)):
            wrong = torch.zeros(shape, dtype=good[name].dtype)
            refuses(
                lambda name=name, wrong=wrong: gae(core, good, **{name: wrong}),
                "[T, N]",
                str((3, 2)) if name != "rewards" else "shape",
            )
    for name, value in itertools.product(("gamma", "gae_lambda"), (-0.1, 1.1, float("nan"))):
        refuses(lambda name=name, value=value: gae(core, good, **{name: value}), name)
    before = rows(good, torch.clone)
    result = gae(core, good)
    assert (
        result.advantages.shape == result.returns.shape == (3, 2) and result.advantages.dtype == torch.float32
    )
    assert all(
        torch.equal(before[name], good[name]) for name in before if isinstance(before[name], Tensor)
    ), "an argument was modified"


# ---- losses


@st.composite
def batches(draw: Any, min_size: int = 1) -> tuple[Tensor, Tensor, Tensor, float]:
    """New log-probabilities, old ones, advantages, ε."""
    size = draw(st.integers(min_size, 8))
    column = lambda x: torch.tensor(draw(st.lists(x, min_size=size, max_size=size)), dtype=torch.float64)  # noqa: E731
    return (
        column(st.floats(-3, 0)),
        column(st.floats(-3, 0)),
        column(number),
        draw(st.sampled_from([0.0, 0.1, 0.2, 0.5])),
    )


def scalar_policy_loss(new: list[float], old: list[float], advantages: list[float], eps: float) -> float:
    """Equation 7 of the paper, sample by sample."""
    total = 0.0
    for n, o, a in zip(new, old, advantages, strict=True):
        ratio = math.exp(n - o)
        clipped = 1 + eps if ratio > 1 + eps else 1 - eps if ratio < 1 - eps else ratio
        total += min(ratio * a, clipped * a)
    return -total / len(new)


def scalar_value_loss(
    values: list[float], returns: list[float], old: list[float] | None = None, eps: float = 0.0
) -> float:
    total = 0.0
    for k, (v, g) in enumerate(zip(values, returns, strict=True)):
        worst = (v - g) ** 2
        if old is not None:
            moved = max(-eps, min(eps, v - old[k]))
            worst = max(worst, (old[k] + moved - g) ** 2)
        total += worst / 2
    return total / len(values)


@oracle
def policy_loss_is_the_formula(core: Core) -> None:
    @given(batches())
    def check(batch):
        expected = scalar_policy_loss(*(x.tolist() for x in batch[:3]), batch[3])
        close(core.loss.clipped_policy_loss(*batch), expected, what="policy loss")

    check()


CLIP_CASES = [  # ratio, advantage, value of the objective, does the gradient pass (ε = 0.2)
    (0.5, +2.0, 1.0, True),
    (1.1, +2.0, 2.2, True),
    (1.5, +2.0, 2.4, False),
    (0.5, -2.0, -1.6, False),
    (0.9, -2.0, -1.8, True),
    (1.5, -2.0, -3.0, True),
]


@oracle
def policy_loss_in_the_six_cases(core: Core) -> None:
    """Value and gradient, by autograd; and beside both edges, where only one of the two sides is flat."""

    def at(ratio: float, advantage: float) -> tuple[float, float]:
        new = torch.tensor([math.log(ratio) - 1.0], dtype=torch.float64, requires_grad=True)
        loss = core.loss.clipped_policy_loss(
            new,
            torch.tensor([-1.0], dtype=torch.float64),
            torch.tensor([advantage], dtype=torch.float64),
            0.2,
        )
        (slope,) = torch.autograd.grad(loss, new)
        return loss.item(), slope.item()

    for ratio, advantage, objective, passes in CLIP_CASES:
        loss, slope = at(ratio, advantage)
        close(loss, -objective, what=f"value at ratio {ratio}, advantage {advantage}")
        close(
            slope,
            -ratio * advantage if passes else 0.0,
            what=f"gradient at ratio {ratio}, advantage {advantage}",
        )
    for edge, advantage in itertools.product((0.8, 1.2), (2.0, -2.0)):
        below, above = at(edge * (1 - 1e-9), advantage), at(edge * (1 + 1e-9), advantage)
        assert abs(above[0] - below[0]) < 1e-7, "the objective jumps at the edge"
        flat_above = edge > 1 and advantage > 0
        flat_below = edge < 1 and advantage < 0
        close(above[1], 0.0 if flat_above else -edge * advantage, 1e-7, f"gradient above {edge}")
        close(below[1], 0.0 if flat_below else -edge * advantage, 1e-7, f"gradient below {edge}")
        _, slope = at(edge, advantage)
        low, high = sorted((above[1], below[1]))
        assert low - 1e-7 <= slope <= high + 1e-7, "the gradient at the edge lies between those beside it"


@oracle
def policy_loss_at_ratio_one_is_the_policy_gradient(core: Core) -> None:
    @given(batches())
    def check(batch):
        new, _, advantages, eps = batch
        new.requires_grad_()
        loss = core.loss.clipped_policy_loss(new, new.detach(), advantages, eps)
        close(loss.detach(), -sum(advantages.tolist()) / len(advantages), what="value")
        if eps > 0:
            (slope,) = torch.autograd.grad(loss, new)
            close(slope, -advantages / len(advantages), what="gradient")

    check()


@oracle
def losses_are_means_over_samples(core: Core) -> None:
    """The loss of two batches laid end to end is their weighted mean; the order of samples does not matter."""

    def terms(new: Tensor, old: Tensor, advantages: Tensor, eps: float) -> list[float]:
        loss = core.loss
        return [
            float(x)
            for x in (
                loss.clipped_policy_loss(new, old, advantages, eps),
                loss.value_loss(new, advantages),
                loss.value_loss(new, advantages, old, eps),
                loss.approximate_kl(new, old),
            )
        ]

    @given(batches(min_size=2), st.integers(1, 7), st.randoms(use_true_random=False))
    def check(batch, cut, random):
        *columns, eps = batch
        size = len(columns[0])
        assume(cut < size)
        whole = terms(*columns, eps)
        left, right = terms(*(x[:cut] for x in columns), eps), terms(*(x[cut:] for x in columns), eps)
        close(
            whole,
            [(a * cut + b * (size - cut)) / size for a, b in zip(left, right, strict=True)],
            what="parts",
        )
        order = list(range(size))
        random.shuffle(order)
        close(terms(*(x[order] for x in columns), eps), whole, what="permuted")

    check()


@oracle
def value_loss_is_the_formula(core: Core) -> None:
    """Plain, and clipped with the maximum, as OpenAI's baselines have it (Stable-Baselines3 leaves the maximum out)."""

    @given(batches())
    def check(batch):
        values, old, returns, eps = batch
        plain = scalar_value_loss(values.tolist(), returns.tolist())
        clipped = scalar_value_loss(values.tolist(), returns.tolist(), old.tolist(), eps)
        close(core.loss.value_loss(values, returns), plain, what="plain")
        close(core.loss.value_loss(values, returns, old, eps), clipped, what="clipped")
        assert clipped >= plain - 1e-12

    check()
    three = torch.tensor([3.0])
    refuses(lambda: core.loss.value_loss(three, three, old_values=three), "together")
    refuses(lambda: core.loss.value_loss(three, three, clip_coef=0.1), "together")


@oracle
def losses_refuse_to_broadcast(core: Core) -> None:
    flat, column, short = torch.zeros(4), torch.zeros(4, 1), torch.zeros(3)
    for wrong in (column, short, torch.zeros(())):
        for k in range(3):
            arguments = [flat, flat, flat]
            arguments[k] = wrong
            refuses(
                lambda a=arguments: core.loss.clipped_policy_loss(*a, 0.2), "[B]", str(tuple(wrong.shape))
            )
        refuses(lambda w=wrong: core.loss.value_loss(w, flat), "[B]", str(tuple(wrong.shape)))
        refuses(lambda w=wrong: core.loss.value_loss(flat, w), "[B]", str(tuple(wrong.shape)))
        refuses(lambda w=wrong: core.loss.value_loss(flat, flat, w, 0.2), "[B]", str(tuple(wrong.shape)))
    refuses(lambda: core.loss.clipped_policy_loss(column, column, column, 0.2), "[B]")
    refuses(lambda: core.loss.value_loss(column, column), "[B]")


@oracle
def normalize_gives_mean_zero_and_deviation_one(core: Core) -> None:
    @given(st.lists(number, min_size=2, max_size=9))
    def check(samples):
        mean = sum(samples) / len(samples)
        deviation = math.sqrt(sum((x - mean) ** 2 for x in samples) / (len(samples) - 1))
        result = core.loss.normalize(torch.tensor(samples, dtype=torch.float64))
        assume(deviation == 0 or deviation > 1e-3)  # between them the result hangs on round-off
        close(result, [(x - mean) / (deviation + 1e-8) for x in samples], 1e-6, "normalized")

    check()
    for constant in (0.0, 3.0, 1e6):
        close(core.loss.normalize(torch.full((5,), constant)), np.zeros(5), what="equal advantages")
    close(core.loss.normalize(torch.tensor([3.0])), [3.0], what="one advantage")


@oracle
def approximate_kl_is_never_negative_and_unbiased(core: Core) -> None:
    """k3, sample by sample; at float32 round-off; and its expectation under the old policy is the true divergence."""

    @given(batches())
    def check(batch):
        new, old = batch[0].tolist(), batch[1].tolist()
        expected = sum(math.exp(n - o) - 1 - (n - o) for n, o in zip(new, old, strict=True)) / len(new)
        close(core.loss.approximate_kl(*batch[:2]), expected, what="k3")

    check()
    for size in (1e-2, 1e-4, 1e-6, 1e-7, 0.0):
        old = torch.linspace(-3, -0.1, 101)
        for sign in (1, -1):
            one_by_one = [core.loss.approximate_kl(o[None] + sign * size, o[None]).item() for o in old]
            assert min(one_by_one) >= 0, f"negative at a difference of {size}: {min(one_by_one)}"
    p, q = np.array([0.7, 0.2, 0.1]), np.array([0.3, 0.3, 0.4])
    samples = [
        core.loss.approximate_kl(torch.tensor([math.log(b)]), torch.tensor([math.log(a)])).item()
        for a, b in zip(p, q, strict=True)
    ]
    close(np.dot(p, samples), scipy.stats.entropy(p, q), 1e-6, "expectation")


@oracle
def gradients_pass_gradcheck(core: Core) -> None:
    """In float64 against finite differences, away from the corners of the clipping."""
    generator = torch.Generator().manual_seed(3)
    random = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    old, advantages, returns = random(6) - 1, random(6), random(6)
    new = (old + torch.tensor([-0.5, -0.1, -0.02, 0.03, 0.1, 0.5], dtype=torch.float64)).requires_grad_()
    check = partial(torch.autograd.gradcheck, raise_exception=False)
    assert check(lambda x: core.loss.clipped_policy_loss(x, old, advantages, 0.2), new)
    assert check(lambda x: core.loss.value_loss(x, returns), new)
    assert check(lambda x: core.loss.value_loss(x, returns, old, 0.2), new)
    assert check(lambda x: core.loss.approximate_kl(x, old), new)
    logits, log_std = random(5, 3).requires_grad_(), random(2).requires_grad_()
    mean, actions = random(5, 2).requires_grad_(), random(5, 2)
    assert check(lambda x: core.policy.categorical(x, torch.tensor([0, 1, 2, 0, 1])), logits)
    assert check(lambda m, s: core.policy.gaussian(m, s, actions), (mean, log_std))
    flags = torch.rand(4, 2, generator=generator) < 0.3
    assert check(
        lambda r, v, w: core.gae.compute_gae(r, v, w, flags, flags.flip(0), 0.9, 0.8),
        tuple(random(4, 2).requires_grad_() for _ in range(3)),
    )


# ---- the policy


def spaces(actions: int | None = 3, box: int = 2, obs: tuple[int, ...] = (4,)) -> tuple[gym.Space, gym.Space]:
    act = gym.spaces.Box(-0.5, 0.5, (box,), np.float32) if actions is None else gym.spaces.Discrete(actions)
    return gym.spaces.Box(-9, 9, obs, np.float32), act


def make_policy(
    core: Core, actions: int | None = 3, seed: int = 0, scale: float = 30.0, **kwargs: Any
) -> Any:
    """A policy with opinions: the last layer of the actor is scaled up, and a Gaussian gets different deviations."""
    policy = core.policy.ActorCritic(*spaces(actions, **kwargs), 8, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        policy.actor[-1].weight.mul_(scale)
        if policy.log_std is not None:
            policy.log_std.copy_(torch.linspace(-0.7, 0.4, policy.action_size))
    return policy


def observations(size: int, seed: int = 0, obs: tuple[int, ...] = (4,)) -> Tensor:
    return torch.randn(size, *obs, generator=torch.Generator().manual_seed(seed))


def forward(network: Any, row: list[float]) -> list[float]:
    """A tanh network on one observation, one number at a time."""
    layers = [m for m in network if isinstance(m, torch.nn.Linear)]
    for k, layer in enumerate(layers):
        weight, bias = layer.weight.tolist(), layer.bias.tolist()
        row = [
            sum(w * x for w, x in zip(line, row, strict=True)) + b
            for line, b in zip(weight, bias, strict=True)
        ]
        if k < len(layers) - 1:
            row = [math.tanh(x) for x in row]
    return row


def scalar_evaluate(policy: Any, obs: list[float], action: Any) -> tuple[float, float, float]:
    """Log-probability, entropy and value of one step, by scipy and plain Python."""
    out, value = forward(policy.actor, obs), forward(policy.critic, obs)[0]
    if policy.log_std is None:
        probabilities = scipy.special.softmax(out)
        return math.log(probabilities[action]), float(scipy.stats.entropy(probabilities)), value
    logprob = entropy = 0.0
    for mean, log_std, a in zip(out, policy.log_std.tolist(), action, strict=True):
        logprob += scipy.stats.norm.logpdf(a, mean, math.exp(log_std))
        entropy += scipy.stats.norm(mean, math.exp(log_std)).entropy()
    return float(logprob), float(entropy), value


@oracle
def categorical_agrees_with_scipy_and_torch(core: Core) -> None:
    @given(
        st.integers(2, 5).flatmap(
            lambda a: st.lists(st.lists(number, min_size=a, max_size=a), min_size=1, max_size=5)
        ),
        st.integers(0, 99),
    )
    def check(table, seed):
        logits = torch.tensor(table, dtype=torch.float64)
        actions = torch.randint(
            logits.shape[1], (len(logits),), generator=torch.Generator().manual_seed(seed)
        )
        logprobs, entropy = core.policy.categorical(logits, actions)
        close(
            logprobs,
            [scipy.special.log_softmax(row)[a] for row, a in zip(table, actions.tolist(), strict=True)],
            what="scipy log-prob",
        )
        close(
            entropy, [scipy.stats.entropy(scipy.special.softmax(row)) for row in table], what="scipy entropy"
        )
        theirs = torch.distributions.Categorical(logits=logits)
        close(logprobs, theirs.log_prob(actions), what="torch log-prob")
        close(entropy, theirs.entropy(), what="torch entropy")

    check()
    extreme = torch.tensor([[1e4, 0.0, -1e4]], dtype=torch.float64)
    close(core.policy.categorical(extreme, torch.tensor([2]))[0], [-2e4], what="far apart")


@oracle
def gaussian_agrees_with_scipy_and_torch(core: Core) -> None:
    @given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 99))
    def check(dimensions, size, seed):
        generator = torch.Generator().manual_seed(seed)
        mean, actions = torch.randn(2, size, dimensions, generator=generator, dtype=torch.float64)
        log_std = torch.randn(dimensions, generator=generator, dtype=torch.float64)
        logprobs, entropy = core.policy.gaussian(mean, log_std, actions)
        theirs = [
            scipy.stats.multivariate_normal(m, np.diag(np.exp(2 * log_std.numpy()))) for m in mean.numpy()
        ]
        close(
            logprobs,
            [d.logpdf(a) for d, a in zip(theirs, actions.numpy(), strict=True)],
            what="scipy log-density",
        )
        close(entropy, [d.entropy() for d in theirs], what="scipy entropy")
        independent = torch.distributions.Independent(torch.distributions.Normal(mean, log_std.exp()), 1)
        close(logprobs, independent.log_prob(actions), what="torch log-density")
        close(entropy, independent.entropy(), what="torch entropy")

    check()


@oracle
def policy_evaluates_each_row_by_itself(core: Core) -> None:
    """Against a network written with loops, for both kinds of actions; [B], never [B, 1]; row by row as all at once."""
    for actions in (3, None):
        policy, obs = make_policy(core, actions), observations(6)
        taken = (
            torch.tensor([0, 1, 2, 2, 1, 0])
            if actions
            else torch.randn(6, 2, generator=torch.Generator().manual_seed(5)) * 2
        )
        output = policy.evaluate(obs, taken)
        expected = [scalar_evaluate(policy, o, a) for o, a in zip(obs.tolist(), taken.tolist(), strict=True)]
        for k, name in enumerate(("logprobs", "entropy", "values")):
            assert getattr(output, name).shape == (6,), (
                f"{name} has shape {tuple(getattr(output, name).shape)}"
            )
            close(getattr(output, name).detach(), [row[k] for row in expected], 1e-5, name)
        close(policy.value(obs).detach(), [row[2] for row in expected], 1e-5, "value()")
        for k in range(6):
            alone = policy.evaluate(obs[k : k + 1], taken[k : k + 1])
            close(torch.stack(alone)[:, 0].detach(), expected[k], 1e-5, "one row alone")
    square = make_policy(core, 3, obs=(2, 2))
    flat = make_policy(core, 3)
    taken = torch.tensor([0, 1, 2])
    assert torch.equal(
        square.evaluate(observations(3, obs=(2, 2)), taken).logprobs,
        flat.evaluate(observations(3), taken).logprobs,
    ), "obs [2, 2]"


@oracle
def actions_are_drawn_from_the_policy(core: Core) -> None:
    """Chi-square for Discrete, Kolmogorov-Smirnov and correlation for Box; fixed seeds, α = 10⁻⁴; and so are numpy_act's."""
    size, generator = 20_000, torch.Generator().manual_seed(11)
    one = observations(1).expand(size, 4)
    policy = make_policy(core, 3, scale=100.0)
    probabilities = scipy.special.softmax(forward(policy.actor, one[0].tolist()))
    assert probabilities.min() > 0.01 and probabilities.max() < 0.9, probabilities
    for act in (
        lambda n: policy.act(one, n).numpy(),
        lambda n: core.policy.numpy_act(policy)(one.numpy(), n.numpy()),
    ):
        noise = policy.noise(size, generator=generator)
        counts = np.bincount(act(noise), minlength=3)
        result = scipy.stats.chisquare(counts, probabilities * size)
        assert result.pvalue > 1e-4, f"{counts / size} were drawn, expected {probabilities}"
    policy = make_policy(core, None)
    mean, std = forward(policy.actor, one[0].tolist()), np.exp(policy.log_std.tolist())
    for act in (
        lambda n: policy.act(one, n).numpy(),
        lambda n: core.policy.numpy_act(policy)(one.numpy(), n.numpy()),
    ):
        drawn = act(policy.noise(size, generator=generator))
        for k in range(2):
            assert scipy.stats.kstest(drawn[:, k], "norm", (mean[k], std[k])).pvalue > 1e-4, f"dimension {k}"
        assert scipy.stats.pearsonr(*drawn.T).pvalue > 1e-4, "the dimensions are not independent"
        assert np.abs(drawn).max() > 0.5, "actions are stored as sampled, not clipped to the space"


@oracle
def numpy_act_is_act(core: Core) -> None:
    """With noise and without, for many observations and for one, after weights were changed in place, and for a subclass."""
    for actions in (3, None):
        policy = make_policy(core, actions)
        fast = core.policy.numpy_act(policy)
        for size in (1, 2, 500):
            for step in range(2):
                obs, noise = (
                    observations(size, step),
                    policy.noise(size, generator=torch.Generator().manual_seed(step)),
                )
                for n in (noise, None):
                    slow = policy.act(obs, n)
                    quick = fast(obs.numpy(), None if n is None else n.numpy())
                    assert quick.shape == tuple(slow.shape) and quick.dtype == (
                        np.int64 if actions else np.float32
                    )
                    close(quick, slow, 0 if actions else 1e-5, f"actions of {size} observations")
                with torch.no_grad():
                    for parameter in policy.parameters():
                        parameter.add_(0.1)
        best = policy.act(observations(50))
        for row, action in zip(observations(50).tolist(), best.tolist(), strict=True):
            out = forward(policy.actor, row)
            close(
                action,
                int(np.argmax(out)) if actions else out,
                1e-5,
                "without noise: the most probable action",
            )

    class Contrary(core.policy.ActorCritic):
        def act(self, obs, noise=None):
            return torch.full((len(obs),), 1)

    contrary = Contrary(*spaces(3), 8, torch.Generator().manual_seed(0))
    assert core.policy.numpy_act(contrary)(observations(4).numpy(), None).tolist() == [1] * 4, (
        "a subclass acts for itself"
    )


@oracle
def weights_begin_orthogonal(core: Core) -> None:
    """Every singular value of a layer is its gain: √2, √2, and 0.01 for the actor or 1 for the critic. Biases are 0."""
    policy = core.policy.ActorCritic(*spaces(3, obs=(6,)), 16, torch.Generator().manual_seed(0))
    for network, last in ((policy.actor, 0.01), (policy.critic, 1.0)):
        layers = [m for m in network if isinstance(m, torch.nn.Linear)]
        for layer, gain in zip(layers, (math.sqrt(2), math.sqrt(2), last), strict=True):
            values = np.linalg.svd(layer.weight.detach().numpy(), compute_uv=False)
            close(values, np.full(len(values), gain), 1e-5, "singular values")
            close(layer.bias.detach(), np.zeros(len(layer.bias)), what="bias")
    shared = {p.data_ptr() for p in policy.actor.parameters()} & {
        p.data_ptr() for p in policy.critic.parameters()
    }
    assert not shared, "actor and critic share weights"
    gaussian = core.policy.ActorCritic(*spaces(None), 8)
    close(gaussian.log_std.detach(), [0.0, 0.0], what="log_std")
    same = [
        core.policy.ActorCritic(*spaces(3), 8, torch.Generator().manual_seed(5)).state_dict()
        for _ in range(2)
    ]
    assert all(torch.equal(same[0][name], same[1][name]) for name in same[0]), "one seed, two sets of weights"


@oracle
def policy_refuses_other_spaces(core: Core) -> None:
    box, dis = spaces(3)
    kind = core.errors.UnsupportedSpaceError
    for wrong in (
        gym.spaces.Discrete(3),
        gym.spaces.Dict(a=box),
        gym.spaces.Tuple([box]),
        gym.spaces.MultiBinary(3),
    ):
        refuses(lambda w=wrong: core.policy.ActorCritic(w, dis), "observation_space", "wrap", kind=kind)
    for wrong in (
        gym.spaces.MultiDiscrete([2, 2]),
        gym.spaces.Discrete(3, start=1),
        gym.spaces.Box(-1, 1, (2, 2)),
        gym.spaces.Dict(a=dis),
    ):
        refuses(lambda w=wrong: core.policy.ActorCritic(box, w), "action_space", "wrap", kind=kind)


# ---- the whole loss


def make_minibatch(core: Core, policy: Any, size: int, seed: int = 0) -> Any:
    """A minibatch whose ratios lie on all sides of the clipping."""
    generator = torch.Generator().manual_seed(seed)
    obs = torch.randn(size, 4, generator=generator)
    if policy.log_std is None:
        actions = torch.randint(policy.action_size, (size,), generator=generator)
    else:
        actions = torch.randn(size, policy.action_size, generator=generator) * 2
    with torch.no_grad():
        output = policy.evaluate(obs, actions)
    random = lambda: torch.randn(size, generator=generator)  # noqa: E731
    return core.buffer.Minibatch(
        obs,
        actions,
        output.logprobs + random() * 0.3,
        3 * random() + 1,
        random(),
        output.values + random() * 0.5,
    )


def scalar_ppo_loss(policy: Any, batch: Any, config: Any) -> dict[str, float]:
    """Everything that ppo_loss returns, from the observations on, one sample at a time."""
    size, eps = len(batch.obs), config.clip_coef
    each = [
        scalar_evaluate(policy, o, a) for o, a in zip(batch.obs.tolist(), batch.actions.tolist(), strict=True)
    ]
    new, entropies, values = map(list, zip(*each, strict=True))
    old, advantages = batch.old_logprobs.tolist(), batch.advantages.tolist()
    if config.normalize_advantages and size > 1:
        mean = sum(advantages) / size
        deviation = math.sqrt(sum((a - mean) ** 2 for a in advantages) / (size - 1))
        advantages = [(a - mean) / (deviation + 1e-8) for a in advantages]
    ratios = [math.exp(n - o) for n, o in zip(new, old, strict=True)]
    terms = {
        "policy_loss": scalar_policy_loss(new, old, advantages, eps),
        "value_loss": scalar_value_loss(
            values, batch.returns.tolist(), batch.old_values.tolist() if config.clip_value_loss else None, eps
        ),
        "entropy": sum(entropies) / size,
        "approx_kl": sum(r - 1 - math.log(r) for r in ratios) / size,
        "clip_frac": sum(abs(r - 1) > eps for r in ratios) / size,
    }
    terms["loss"] = (
        terms["policy_loss"] + config.vf_coef * terms["value_loss"] - config.ent_coef * terms["entropy"]
    )
    return terms


@oracle
def ppo_loss_is_the_formula(core: Core) -> None:
    for actions, size, normalize, clip in itertools.product(
        (3, None), (1, 2, 7), (True, False), (True, False)
    ):
        policy = make_policy(core, actions, scale=60.0)
        batch = make_minibatch(core, policy, size)
        config = core.config.PPOConfig(
            normalize_advantages=normalize, clip_value_loss=clip, vf_coef=0.7, ent_coef=0.03, clip_coef=0.15
        )
        terms = core.loss.ppo_loss(policy, batch, config)
        for name, expected in scalar_ppo_loss(policy, batch, config).items():
            value = getattr(terms, name)
            assert value.shape == (), f"{name} has shape {tuple(value.shape)}"
            close(value.detach(), expected, 2e-5, f"{name} of {size} samples")
            assert value.requires_grad == (name == "loss"), f"{name}: only the loss carries gradient"


@oracle
def each_part_gets_its_own_gradient(core: Core) -> None:
    """The critic gets the gradient of the regression alone, the actor that of the policy terms alone."""
    for actions in (3, None):
        policy = make_policy(core, actions)
        batch = make_minibatch(core, policy, 16)
        config = core.config.PPOConfig(vf_coef=0.7, ent_coef=0.0)
        core.loss.ppo_loss(policy, batch, config).loss.backward()
        critic = [p.grad.clone() for p in policy.critic.parameters()]
        values = policy.critic(batch.obs).squeeze(-1)
        regression = torch.autograd.grad(
            0.7 * 0.5 * ((values - batch.returns) ** 2).mean(), list(policy.critic.parameters())
        )
        for mine, theirs in zip(critic, regression, strict=True):
            close(mine, theirs, 1e-5, "gradient of the critic")
        actor = [p.grad.clone() for p in policy.actor.parameters()]
        policy.zero_grad()
        core.loss.ppo_loss(policy, batch, config.replace(vf_coef=0.0)).loss.backward()
        for mine, alone in zip(actor, [p.grad for p in policy.actor.parameters()], strict=True):
            close(mine, alone, 1e-6, "gradient of the actor without a critic")
        assert all(not p.grad.any() for p in policy.critic.parameters()), "the policy term reaches the critic"
        assert sum(float(g.abs().sum()) for g in actor) > 0
        assert actions or policy.log_std.grad.abs().min() > 0, "log_std gets no gradient"


@oracle
def entropy_bonus_raises_entropy(core: Core) -> None:
    """With advantages of zero and no value loss, one small step down the loss raises the entropy; without bonus, nothing moves."""
    for actions, bonus in itertools.product((3, None), (0.1, 0.0)):
        policy = make_policy(core, actions)
        batch = make_minibatch(core, policy, 16)
        batch = batch._replace(advantages=torch.zeros(16))
        config = core.config.PPOConfig(vf_coef=0.0, ent_coef=bonus)
        before = policy.evaluate(batch.obs, batch.actions).entropy.mean().item()
        core.loss.ppo_loss(policy, batch, config).loss.backward()
        with torch.no_grad():
            for p in policy.parameters():
                p.sub_(0.1 * p.grad if p.grad is not None else 0.0)
        change = policy.evaluate(batch.obs, batch.actions).entropy.mean().item() - before
        assert change > 1e-6 if bonus else change == 0, f"entropy changed by {change} with ent_coef={bonus}"


# ---- the gradient by hand


def distribution_loss(policy: Any, batch: Any, config: Any) -> Tensor:
    """The loss of a minibatch written with torch.distributions."""
    out, advantages = policy.actor(batch.obs), batch.advantages
    if policy.log_std is None:
        distribution: Any = torch.distributions.Categorical(logits=out)
    else:
        normal = torch.distributions.Normal(out, policy.log_std.exp())
        distribution = torch.distributions.Independent(normal, 1)
    if config.normalize_advantages and len(advantages) > 1:
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    ratio = (distribution.log_prob(batch.actions) - batch.old_logprobs).exp()
    low, high = 1 - config.clip_coef, 1 + config.clip_coef
    limited = torch.where(advantages > 0, ratio.clamp(max=high), ratio.clamp(min=low))
    values = policy.critic(batch.obs)[:, 0]
    errors = (values - batch.returns).abs()
    if config.clip_value_loss:
        near = batch.old_values + (values - batch.old_values).clamp(-config.clip_coef, config.clip_coef)
        errors = errors.maximum((near - batch.returns).abs())
    bonus = config.ent_coef * distribution.entropy().mean()
    return config.vf_coef * 0.5 * (errors**2).mean() - (limited * advantages).mean() - bonus


def doubled(core: Core, actions: int | None, size: int, **settings: Any) -> tuple[Any, Any, Any]:
    """A policy and a minibatch in float64, with ratios and values on all sides of the clipping, and settings."""
    policy = make_policy(core, actions, scale=60.0).double()
    batch = make_minibatch(core, policy, size, seed=size)
    batch = core.buffer.Minibatch(*(x if x.dtype == torch.int64 else x.double() for x in batch))
    given = {"vf_coef": 0.7, "ent_coef": 0.03, "clip_coef": 0.15, "dtype": "float64", **settings}
    core.trainer.flatten_parameters(policy)
    return policy, batch, core.config.PPOConfig(**given)


@oracle
def analytic_gradient_is_that_of_autograd(core: Core) -> None:
    """Every gradient and every metric, for both kinds of actions and all options: against autograd on a loss of our own."""
    options = itertools.product((3, None), (1, 2, 64), (True, False), (True, False))
    for actions, size, normalize, clip in options:
        settings = {"normalize_advantages": normalize, "clip_value_loss": clip}
        policy, batch, config = doubled(core, actions, size, **settings)
        what = f"{'Box' if actions is None else 'Discrete'}, {size} samples, {settings}"
        expected = torch.autograd.grad(distribution_loss(policy, batch, config), list(policy.parameters()))
        metrics = core.loss.ppo_loss(policy, batch, config)
        before = [x.clone() for x in batch]
        for p in policy.parameters():
            p.grad.fill_(7.0)  # of an earlier minibatch
        given = core.analytic.AnalyticGradient(policy, config)
        for _ in range(2):  # the second time with the memory of the first
            terms = given(batch)
        for name, mine, theirs in zip(metrics._fields, terms, metrics, strict=True):
            assert mine.shape == () and mine.dtype == torch.float64 and not mine.requires_grad, name
            close(mine, theirs.detach(), 1e-7 if name == "clip_frac" else 1e-12, f"{what}: {name}")
        for (name, p), gradient in zip(policy.named_parameters(), expected, strict=True):
            close(p.grad, gradient, 1e-12, f"{what}: gradient of {name}")
        assert all(map(torch.equal, batch, before)), "the minibatch was changed"
        if size == 64:
            assert 0.2 < metrics.clip_frac < 0.9 and min(map(lambda g: float(g.abs().max()), expected)) > 1e-4


@oracle
def analytic_gradient_is_the_slope_of_the_loss(core: Core) -> None:
    """Without autograd: the difference of the loss a little to either side, in random directions."""
    generator = torch.Generator().manual_seed(0)
    for actions, clip in itertools.product((3, None), (True, False)):
        policy, batch, config = doubled(core, actions, 32, clip_value_loss=clip)
        given = core.analytic.AnalyticGradient(policy, config)
        given(batch)
        for _ in range(5):
            step = [
                1e-6 * torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in policy.parameters()
            ]
            expected = sum(float((p.grad * d).sum()) for p, d in zip(policy.parameters(), step, strict=True))
            with torch.no_grad():
                sides = []
                for sign in (1, -2, 1):
                    for p, d in zip(policy.parameters(), step, strict=True):
                        p += sign * d
                    sides.append(float(distribution_loss(policy, batch, config)))
            close((sides[0] - sides[1]) / 2 / 1e-6, expected / 1e-6, 1e-5, "slope")


@oracle
def analytic_answers_are_those_of_the_policy(core: Core) -> None:
    """`evaluate` and `value` of the hand-written networks, for shaped observations too."""
    generator = torch.Generator().manual_seed(3)
    config = core.config.PPOConfig(gradient="analytic", num_envs=2, num_steps=4, total_timesteps=8)
    spaces = (gym.spaces.Discrete(3), gym.spaces.Box(-1, 1, (2,)))
    for action_space in spaces:
        policy = core.policy.ActorCritic(gym.spaces.Box(-1, 1, (2, 3)), action_space, 8, generator).double()
        core.trainer.flatten_parameters(policy)
        given = core.analytic.AnalyticGradient(policy, config)
        obs = torch.randn(7, 2, 3, generator=generator, dtype=torch.float64)
        actions = torch.tensor([0, 1, 2, 0, 1, 2, 1])
        if policy.log_std is not None:
            actions = torch.randn(7, 2, generator=generator, dtype=torch.float64)
        with torch.no_grad():
            expected, values = policy.evaluate(obs, actions), policy.value(obs)
        answer = given.evaluate(obs, actions)
        close(answer.logprobs, expected.logprobs, 1e-12, "log-probabilities")
        close(answer.entropy, expected.entropy.mean(), 1e-12, "mean entropy")
        close(answer.values, values, 1e-12, "values")
        close(given.value(obs), values, 1e-12, "values")


@oracle
def analytic_steps_are_those_of_torch(core: Core) -> None:
    """Adam in NumPy against torch's plain one: large and tiny gradients, a rate that changes, a state that is copied."""
    generator = torch.Generator().manual_seed(4)
    start = torch.randn(50, generator=generator, dtype=torch.float64)
    mine, theirs = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    adam = core.analytic.NumpyAdam([mine], lr=0.1, eps=1e-3, fused=True)
    torchs = torch.optim.Adam([theirs], lr=0.1, eps=1e-3, foreach=False)
    scale = torch.logspace(-6, 2, 50, dtype=torch.float64)
    for step in range(20):
        mine.grad = torch.randn(50, generator=generator, dtype=torch.float64) * scale
        theirs.grad = mine.grad.clone()
        for optimizer in (adam, torchs):
            optimizer.param_groups[0]["lr"] = 0.1 * (1 - step / 20)
            optimizer.step()
        close(mine.detach(), theirs.detach(), 1e-12, f"weights after step {step + 1}")
        for name, value in torchs.state[theirs].items():
            close(adam.state[mine][name], value, 1e-12, f"{name} after step {step + 1}")
        adam.state[mine] = {name: value.clone() for name, value in adam.state[mine].items()}


@oracle
def analytic_gradient_refuses_other_policies(core: Core) -> None:
    """What it does not know it does not differentiate: subclasses, other networks."""
    kind = core.errors.ConfigError
    config = core.config.PPOConfig(gradient="analytic", num_envs=2, num_steps=4, total_timesteps=8)

    class Another(core.policy.ActorCritic):
        def evaluate(self, obs, actions):
            return super().evaluate(2 * obs, actions)

    box, two = gym.spaces.Box(-9, 9, (4,)), gym.spaces.Discrete(2)
    relu, short = core.policy.ActorCritic(box, two, 8), core.policy.ActorCritic(box, two, 8)
    relu.critic[1], short.actor = torch.nn.ReLU(), torch.nn.Sequential(torch.nn.Linear(4, 2))
    for policy in (Another(box, two, 8), relu, short):
        refuses(
            lambda p=policy: core.trainer.Trainer(config, policy=p).close(), "analytic", "autograd", kind=kind
        )
    core.trainer.Trainer(config, policy=core.policy.ActorCritic(box, two, 8)).close()


# ---- the rollout


def numbered_rollout(core: Core, steps: int, envs: int, actions: int | None = 3) -> Any:
    """A rollout in which every stored number says which step of which environment it belongs to."""
    rollout = core.buffer.Rollout(steps, envs, *spaces(actions))
    for t in range(steps):
        mark = 100.0 * t + np.arange(envs)  # [N]
        obs = np.repeat(mark[:, None], 4, 1).astype(np.float32)
        taken = (mark % 3).astype(np.int64) if actions else np.repeat(mark[:, None], 2, 1).astype(np.float32)
        result = core.envs.StepResult(
            obs + 0.5, obs + 0.25, (mark * 2).astype(np.float32), mark % 2 == 0, mark % 5 == 0
        )
        rollout.add(t, obs, taken, result)
    mark = torch.tensor([[100.0 * t + i for i in range(envs)] for t in range(steps)])
    for name, offset in (("logprobs", 1), ("values", 2), ("advantages", 3), ("returns", 4)):
        getattr(rollout, name).copy_(mark + offset * 0.125)
    return rollout


@oracle
def rollout_keeps_every_row(core: Core) -> None:
    """Row t of environment i is where it was written, and the arrays given may be used again."""
    rollout = numbered_rollout(core, 3, 2)
    for t, i in itertools.product(range(3), range(2)):
        mark = 100.0 * t + i
        assert (
            rollout.obs[t, i].tolist() == [mark] * 4 and rollout.next_obs[t, i].tolist() == [mark + 0.25] * 4
        )
        assert rollout.actions[t, i] == mark % 3 and rollout.rewards[t, i] == 2 * mark
        assert rollout.terminated[t, i] == (mark % 2 == 0) and rollout.truncated[t, i] == (mark % 5 == 0)
    assert rollout.actions.dtype == torch.int64 and rollout.obs.dtype == torch.float32
    obs = np.full((2, 4), 7.0, np.float32)
    result = core.envs.StepResult(obs, obs, np.zeros(2, np.float32), np.zeros(2, bool), np.zeros(2, bool))
    rollout.add(0, obs, np.zeros(2, np.int64), result)
    obs[:] = 9.0
    assert rollout.obs[0].unique().tolist() == [7.0], "the rollout holds on to an array that it was given"
    refuses(
        lambda: rollout.add(1, obs[:1], np.zeros(2, np.int64), result), "obs", "(1, 4)", "(2, 4)", "row 1"
    )
    refuses(lambda: rollout.add(1, obs, np.zeros((2, 1), np.int64), result), "actions", "(2, 1)")
    refuses(
        lambda: rollout.add(1, obs, np.zeros(2, np.int64), result._replace(rewards=np.zeros((2, 1)))),
        "rewards",
    )
    pixels = core.buffer.Rollout(2, 2, gym.spaces.Box(0, 255, (3, 3), np.uint8), gym.spaces.Discrete(2))
    assert pixels.obs.dtype == torch.uint8 and pixels.obs.shape == (2, 2, 3, 3)


@oracle
def minibatches_hold_every_step_once(core: Core) -> None:
    """Each step of the rollout exactly once, all its columns together, sizes within one, shuffled anew each epoch."""
    for steps, envs, parts, actions in (
        (4, 3, 4, 3),
        (5, 3, 4, None),
        (1, 1, 1, 3),
        (7, 1, 7, 3),
        (1, 5, 2, None),
    ):
        rollout = numbered_rollout(core, steps, envs, actions)
        generator = torch.Generator().manual_seed(0)
        epochs = [list(rollout.minibatches(parts, generator)) for _ in range(2)]
        for epoch in epochs:
            sizes = [len(batch.obs) for batch in epoch]
            assert len(epoch) == parts and max(sizes) - min(sizes) <= 1 and sum(sizes) == steps * envs, sizes
            marks = torch.cat([batch.obs[:, 0] for batch in epoch])
            assert sorted(marks.tolist()) == [100.0 * t + i for t in range(steps) for i in range(envs)], (
                "not each step once"
            )
            for batch in epoch:
                mark = batch.obs[:, 0]
                taken = batch.actions % 3 if actions else batch.actions[:, 1]
                close(taken, mark % 3 if actions else mark, what="actions")
                close(batch.old_logprobs, mark + 0.125, what="old_logprobs")
                close(batch.old_values, mark + 0.25, what="old_values")
                close(batch.advantages, mark + 0.375, what="advantages")
                close(batch.returns, mark + 0.5, what="returns")
        if steps * envs > 6:
            orders = [torch.cat([batch.obs[:, 0] for batch in epoch]).tolist() for epoch in epochs]
            assert orders[0] != sorted(orders[0]) and orders[0] != orders[1], "not shuffled anew"
            again = torch.cat(
                [batch.obs[:, 0] for batch in rollout.minibatches(parts, torch.Generator().manual_seed(0))]
            )
            assert again.tolist() == orders[0], "one seed, two orders"


# ---- settings


@oracle
def config_refuses_what_cannot_work(core: Core) -> None:
    make, kind = core.config.PPOConfig, core.errors.ConfigError
    wrong = {
        "seed": (-1, 2**63, 1.0, True), "total_timesteps": (0, 10, "many"), "num_envs": (0, 2.5), "num_steps": (0,), "num_workers": (-1, 9),
        "learning_rate": (-1e-3, float("nan"), float("inf")), "gamma": (-0.1, 1.01, float("nan")), "gae_lambda": (1.5,), "num_minibatches": (0, 1025),
        "update_epochs": (0,), "clip_coef": (-0.1,), "ent_coef": (-1.0,), "vf_coef": (-1.0,), "max_grad_norm": (-1.0,), "target_kl": (-1.0, "low"),
        "hidden_size": (0,), "anneal_lr": (1, "true"), "env_id": (3,), "torch_threads": (-1,), "adam_eps": (-1.0,),
        "gradient": ("numeric", True), "dtype": ("float16", 64), "check": ("never", 1),
    }  # fmt: skip
    for name, values in wrong.items():
        for value in values:
            refuses(lambda n=name, v=value: make(**{n: v}), name, str(value), kind=kind)
    refuses(lambda: make().replace(gama=0.9), "gama", "gamma", kind=kind)
    refuses(lambda: make.from_dict({"learning_rat": 1.0}), "learning_rate", kind=kind)
    try:
        make().gamma = 0.5
    except AttributeError:
        pass
    else:
        raise AssertionError("settings can be changed after they were checked")
    odd = make(num_envs=3, num_steps=5, num_minibatches=4, total_timesteps=50)
    assert (odd.batch_size, odd.minibatch_size, odd.num_iterations) == (15, 4, 3)
    assert make.from_dict(odd.to_dict()) == odd and make.preset("CartPole-v1", seed=7).seed == 7
    assert make.preset("Pendulum-v1").gamma == 0.9 and make.preset("Unknown-v0") == make(env_id="Unknown-v0")
    for field in make.__dataclass_fields__.values():
        assert len(field.metadata["help"].split()) > 1 and "unit" in field.metadata, (
            f"{field.name} is not explained"
        )
