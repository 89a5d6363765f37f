"""Exercises of chapter 18, speed and hardware."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ppo_core.teach.exercise import Case, Exercise, Misconception, Wrong

INFINITE = float("inf")

# ---------------------------------------------------------------------------------------------------------------
# iteration_speedup(times, factors) -> how many times as fast the whole becomes


def iteration_speedup(times, factors):
    """The reference: all the time before, divided by all the time after."""
    after = sum(time / factor for time, factor in zip(times, factors, strict=True))
    return sum(times) / after


def speedup_by_shares(times, factors):
    """The oracle: the time after in units of the time before, one part after the other."""
    total, left = math.fsum(times), 1.0
    for time, factor in zip(times, factors, strict=True):
        left -= time / total * (1 - (0.0 if factor == INFINITE else 1 / factor))
    return 1 / left


def shares(times: Sequence[float]) -> np.ndarray:
    return np.asarray(times, float) / np.sum(times)


def finite(factors: Sequence[float]) -> np.ndarray:
    """The factors with something large for "costs nothing": what a mean would need."""
    return np.minimum(np.asarray(factors, float), 1e6)


ITERATION_SPEEDUP = Exercise(
    name="iteration_speedup",
    chapter=18,
    axes=("part",),
    prompt="How many times as fast does an iteration become, if each of its parts becomes so many times as fast?",
    hints=(
        "Speed-ups cannot be added or averaged; times can be added.",
        "A part that took `time` takes `time / factor` afterwards. What does the whole take before, and what afterwards?",
        "return sum(times) / sum(time / factor for time, factor in zip(times, factors))",
    ),
    cases=(
        Case(
            "nothing changes",
            "With every factor 1 the iteration stays as it is.",
            read="What an idea can save",
            arguments=lambda: ([60.0, 10.0, 6.0, 44.0], [1.0, 1.0, 1.0, 1.0]),
        ),
        Case(
            "one part of four",
            "Only the part that changes shrinks; the others take as long as before.",
            read="What an idea can save",
            arguments=lambda: ([60.0, 10.0, 6.0, 44.0], [4.0, 1.0, 1.0, 1.0]),
        ),
        Case(
            "two parts",
            "Divide each time by its own factor, then add.",
            read="What an idea can save",
            arguments=lambda: ([60.0, 10.0, 6.0, 44.0], [30.0, 1.0, 1.0, 4.0]),
        ),
        Case(
            "one part costs nothing",
            "An infinite factor leaves the time of the other parts: that is the limit of the law.",
            read="What an idea can save",
            arguments=lambda: ([60.0, 10.0, 6.0, 44.0], [INFINITE, 1.0, 1.0, 1.0]),
        ),
        Case(
            "one part gets slower",
            "A factor below 1 is a part that became slower.",
            read="What an idea can save",
            arguments=lambda: ([1.0, 3.0], [0.5, 6.0]),
        ),
    ),
    reference=iteration_speedup,
    oracle=speedup_by_shares,
    misconceptions=(
        Misconception(
            "mean of the factors",
            lambda times, factors: float(np.mean(finite(factors))),
            "This is the mean of the factors. It does not know how much time each part takes: add times, not factors.",
            read="What an idea can save",
        ),
        Misconception(
            "factors weighted by their shares",
            lambda times, factors: float(shares(times) @ finite(factors)),
            "The factors are weighted by the shares of time. Then a part that costs nothing would make the whole infinitely fast. The times are what "
            "can be added: divide each by its factor first.",
            read="What an idea can save",
        ),
        Misconception(
            "product of the factors",
            lambda times, factors: float(np.prod(finite(factors))),
            "The factors are multiplied. That holds for factors of one and the same time; these are different parts.",
            read="What an idea can save",
        ),
        Misconception(
            "upside down",
            lambda times, factors: 1 / speedup_by_shares(times, factors),
            "This is the time that is left, as a share of the time before. Asked is how many times as fast: turn it upside down.",
            read="What an idea can save",
        ),
        Misconception(
            "times multiplied",
            lambda times, factors: sum(times) / float(np.asarray(times) @ finite(factors)),
            "The times are multiplied by the factors. Four times as fast means a quarter of the time: divide.",
            read="What an idea can save",
        ),
    ),
    crash_help={"division by zero": "An infinite factor is float('inf'), and a time divided by it is 0."},
    note="Times add up, factors do not.",
)

# ---------------------------------------------------------------------------------------------------------------
# rollout_values(critic, obs) -> values [T, N] with one call of the critic


class CountingCritic:
    """A critic that says how often it was asked, and answers in float64, so that no order of summation matters.

    Takes observations [..., O] and returns one number for each, [..., 1], as a network does.
    """

    def __init__(self, size: int):
        import torch

        self.weight = torch.linspace(-1.0, 1.5, size, dtype=torch.float64)
        self.calls = self.rows = 0

    def __call__(self, obs: Any) -> Any:
        if not hasattr(obs, "detach"):
            raise Wrong(
                "The critic is asked about a NumPy array or a number. Keep the observations a tensor."
            )
        if obs.ndim < 1 or obs.shape[-1] != len(self.weight):
            raise Wrong(
                f"The critic is asked about observations of shape {tuple(obs.shape)}; their last axis must have {len(self.weight)} "
                "entries, the size of one observation."
            )
        self.calls += 1
        self.rows += obs[..., 0].numel()
        return (obs.double() @ self.weight).tanh().unsqueeze(-1) + 2


def rollout_values(critic, obs):
    """The reference: all rows in one batch."""
    T, N = obs.shape[:2]
    return critic(obs.flatten(0, 1)).view(T, N)


def _one_batch(T: int, N: int, size: int) -> Callable[[Callable[..., Any]], None]:
    """A test: the values are those of the slow way, and the critic was asked once."""

    def test(answer: Callable[..., Any]) -> None:
        import torch

        obs = torch.linspace(-2.0, 2.0, T * N * size).view(T, N, size)
        given, critic = obs.clone(), CountingCritic(size)
        got = answer(critic, given)
        expected = [[CountingCritic(size)(obs[t, i]).item() for i in range(N)] for t in range(T)]
        if not hasattr(got, "detach"):
            raise Wrong(
                f"The result is of type {type(got).__name__}, expected a tensor [T, N]. Read: chapter 18, 'One batch'."
            )
        if got.shape != (T, N):
            hint = " A critic answers [..., 1]: take that axis away." if got.ndim == 3 else ""
            raise Wrong(
                f"The values have shape {tuple(got.shape)}, expected [T, N] = ({T}, {N}).{hint} Read: chapter 18, 'One batch'."
            )
        if not torch.equal(given, obs):
            raise Wrong("The observations were changed in place. Others still need them.")
        values = np.asarray(got.detach(), float)
        if not np.allclose(values, expected, atol=1e-5):
            if np.allclose(np.sort(values, None), np.sort(np.ravel(expected)), atol=1e-5):
                raise Wrong(
                    "Every value is there, but not in its place: the rows were flattened in one order and put back in another. "
                    "Read: chapter 18, 'One batch'."
                )
            raise Wrong(
                "The numbers are not those of the slow function. Faster must mean: the same numbers, sooner."
            )
        if critic.calls == 1:
            return
        once = (
            "one call for each step"
            if critic.calls == T
            else "one call for each environment"
            if critic.calls == N
            else "no batch yet"
        )
        each = "one call for each observation" if critic.calls == T * N else once
        raise Wrong(
            f"The values are right, but the critic was called {critic.calls} times: {each}. One call can answer for all {T * N} "
            "observations. Read: chapter 18, 'One batch'."
        )

    return test


ROLLOUT_VALUES = Exercise(
    name="rollout_values",
    chapter=18,
    prompt="Make `slow_values` fast, without changing what it returns.",
    hints=(
        "Nothing between two steps of a rollout needs a value. So the critic can be asked afterwards, about everything at once.",
        "`obs.flatten(0, 1)` has shape [T · N, O]. The critic answers [T · N, 1].",
        "T, N = obs.shape[:2]; return critic(obs.flatten(0, 1)).view(T, N)",
    ),
    cases=(
        Case("a small rollout", "", test=_one_batch(3, 2, 2)),
        Case("a longer one", "", test=_one_batch(7, 5, 4)),
        Case("one environment", "", test=_one_batch(6, 1, 3)),
    ),
    reference=rollout_values,
    crash_help={
        "view size is not compatible": "view needs rows that lie one after the other in memory; reshape copies them where they do not.",
        "is invalid for input of size": "The values are [T · N, 1]: as many numbers as T times N.",
    },
    note="The same numbers, one call.",
)

# ---------------------------------------------------------------------------------------------------------------
# workers_pay_from(step_costs, serial, workers) -> the step cost at which two measured lines cross


def workers_pay_from(step_costs, serial, workers):
    """The reference: the first crossing, on straight lines between the measured points."""
    for k, saved in enumerate(np.subtract(serial, workers)):
        if saved >= 0:
            if k == 0:
                return step_costs[0]
            before = workers[k - 1] - serial[k - 1]
            return step_costs[k - 1] + (step_costs[k] - step_costs[k - 1]) * before / (before + saved)
    return INFINITE


def crossing_by_bisection(step_costs, serial, workers):
    """The oracle: look at the two straight lines ever more closely, where they change order first."""
    costs = np.asarray(step_costs, float)

    def saved(cost: float) -> float:
        return float(np.interp(cost, costs, serial) - np.interp(cost, costs, workers))

    if saved(costs[0]) >= 0:
        return float(costs[0])
    for low, high in itertools.pairwise(costs):
        if saved(high) < 0:
            continue
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (low, middle) if saved(middle) >= 0 else (middle, high)
        return float(high)
    return INFINITE


def _wins(serial: Sequence[float], workers: Sequence[float]) -> np.ndarray:
    return np.flatnonzero(np.asarray(serial, float) >= np.asarray(workers, float))


def _first_measured(step_costs, serial, workers):
    wins = _wins(serial, workers)
    return float(step_costs[wins[0]]) if len(wins) else INFINITE


def _last_lost(step_costs, serial, workers):
    wins = _wins(serial, workers)
    return float(step_costs[max(wins[0] - 1, 0)]) if len(wins) else INFINITE


def _halfway(step_costs, serial, workers):
    wins = _wins(serial, workers)
    if not len(wins) or wins[0] == 0:
        return _first_measured(step_costs, serial, workers)
    return float(step_costs[wins[0] - 1] + step_costs[wins[0]]) / 2


def _other_way(step_costs, serial, workers):
    return crossing_by_bisection(step_costs, workers, serial)


def _largest(step_costs, serial, workers):
    found = crossing_by_bisection(step_costs, serial, workers)
    return float(step_costs[-1]) if found == INFINITE else found


COSTS = [10.0, 30.0, 100.0, 300.0, 1000.0]

WORKERS_PAY_FROM = Exercise(
    name="workers_pay_from",
    chapter=18,
    prompt="From which step cost on are workers at least as fast as one process?",
    hints=(
        "Look for the first measured cost at which the workers take no longer. The crossing lies between it and the cost before.",
        "On each side of the crossing one line is ahead: by how much before, and by how much after? The crossing divides the interval in the ratio of these two.",
        "k is the first index where serial[k] >= workers[k]; before = workers[k-1] - serial[k-1], after = serial[k] - workers[k]; "
        "return step_costs[k-1] + (step_costs[k] - step_costs[k-1]) * before / (before + after). Before all, k = 0; after all, float('inf').",
    ),
    cases=(
        Case(
            "a crossing in the middle of an interval",
            "Between two measured costs take the crossing of the straight lines.",
            read="Processes or arrays",
            arguments=lambda: ([10.0, 20.0], [10.0, 20.0], [14.0, 16.0]),
        ),
        Case(
            "five costs",
            "The crossing divides the interval in the ratio of the two distances.",
            read="Processes or arrays",
            arguments=lambda: (COSTS, [12.0, 32.0, 104.0, 310.0, 1010.0], [40.0, 52.0, 95.0, 190.0, 600.0]),
        ),
        Case(
            "a crossing exactly at a measured cost",
            "Where both take equally long, the workers are at least as fast.",
            read="Processes or arrays",
            arguments=lambda: (COSTS, [12.0, 32.0, 104.0, 310.0, 1010.0], [40.0, 52.0, 104.0, 190.0, 600.0]),
        ),
        Case(
            "they pay from the beginning",
            "If the workers win at the first cost, that is the answer; what lies below was not measured.",
            read="Processes or arrays",
            arguments=lambda: ([100.0, 200.0], [110.0, 210.0], [90.0, 130.0]),
        ),
        Case(
            "they never pay",
            "If the workers never win, no measured cost is enough: the answer is infinity.",
            read="Processes or arrays",
            arguments=lambda: (
                COSTS,
                [12.0, 32.0, 104.0, 310.0, 1010.0],
                [700.0, 720.0, 790.0, 990.0, 1700.0],
            ),
        ),
    ),
    reference=workers_pay_from,
    oracle=crossing_by_bisection,
    misconceptions=(
        Misconception(
            "the first measured win",
            _first_measured,
            "This is the first measured cost at which the workers win. The crossing lies before it, and how far depends on both sides.",
            read="Processes or arrays",
        ),
        Misconception(
            "the last measured loss",
            _last_lost,
            "This is the last measured cost at which the workers lose. The crossing lies after it.",
            read="Processes or arrays",
        ),
        Misconception(
            "half-way",
            _halfway,
            "This is the middle of the interval. The crossing is nearer to the side where the two lines are closer together.",
            read="Processes or arrays",
        ),
        Misconception(
            "the other order",
            _other_way,
            "Serial and workers are exchanged: this is where one process is at least as fast.",
            read="Processes or arrays",
        ),
        Misconception(
            "the largest cost for never",
            _largest,
            "Where the workers never win, this returns the largest cost that was measured, as if they paid from there on. The honest answer is infinity.",
            read="Processes or arrays",
        ),
    ),
    crash_help={
        "unsupported operand type(s) for -": "Lists cannot be subtracted: take the entries one by one, or np.subtract(serial, workers).",
        "list index out of range": "What if the workers never win? Then there is no such index, and the answer is float('inf').",
        "index 0 is out of bounds": "What if the workers never win? Then there is no such index, and the answer is float('inf').",
    },
    note="Below this cost, one process.",
)

# ---------------------------------------------------------------------------------------------------------------
# weight_gradient(x, y, grad_y) -> gradient of the loss with respect to W, where y = tanh(x Wᵀ + b)


def weight_gradient(x, y, grad_y):
    """The reference: back through tanh, then the outer products of all samples, added."""
    return (grad_y * (1 - y**2)).T @ x


def gradient_by_differences(x, y, grad_y):
    """The oracle: move one weight a little, see how every output moves, and weigh with grad_y."""
    x, y, grad_y = (np.asarray(a, np.float64) for a in (x, y, grad_y))
    before, step = np.arctanh(y), 1e-5
    gradient = np.zeros((y.shape[1], x.shape[1]))
    for o in range(y.shape[1]):
        for i in range(x.shape[1]):
            up, down = (np.tanh(before[:, o] + sign * step * x[:, i]) for sign in (1, -1))
            gradient[o, i] = np.sum(grad_y[:, o] * (up - down)) / (2 * step)
    return gradient


def _layer(B: int, inputs: int, outputs: int, scale: float) -> Callable[[], tuple]:
    def arguments() -> tuple:
        import torch

        generator = torch.Generator().manual_seed(B + 10 * inputs + 100 * outputs)
        x = torch.randn(B, inputs, generator=generator, dtype=torch.float64)
        y = torch.tanh(scale * torch.randn(B, outputs, generator=generator, dtype=torch.float64))
        return x, y, torch.randn(B, outputs, generator=generator, dtype=torch.float64)

    return arguments


def layer(rule: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """A wrong gradient, from a rule on arrays."""
    return lambda x, y, g: rule(*(np.asarray(a, np.float64) for a in (x, y, g)))


WEIGHT_GRADIENT = Exercise(
    name="weight_gradient",
    chapter=18,
    axes=("output", "input"),
    prompt="Write the gradient of the loss with respect to the weights of one tanh layer, without autograd.",
    hints=(
        "Two steps back: from the output y to the sum before tanh, and from there to the weights.",
        "The derivative of tanh is 1 - y². Multiply grad_y with it, entry by entry. Then weight [o, i] gets, from each sample, that times x[i].",
        "return (grad_y * (1 - y**2)).T @ x",
    ),
    cases=(
        Case(
            "one sample, one input, one output",
            "One number: grad_y · (1 - y²) · x.",
            read="Backwards through a layer",
            arguments=_layer(1, 1, 1, 1.0),
        ),
        Case(
            "one sample",
            "The gradient has the shape of the weights: [outputs, inputs].",
            read="Backwards through a layer",
            arguments=_layer(1, 3, 2, 1.0),
        ),
        Case(
            "a batch",
            "The samples add up.",
            read="Backwards through a layer",
            arguments=_layer(6, 3, 2, 0.7),
        ),
        Case(
            "as many inputs as outputs",
            "Where the shape cannot tell the two axes apart, only the numbers can.",
            read="Backwards through a layer",
            arguments=_layer(5, 3, 3, 1.5),
        ),
    ),
    reference=weight_gradient,
    oracle=gradient_by_differences,
    misconceptions=(
        Misconception(
            "tanh forgotten",
            layer(lambda x, y, g: g.T @ x),
            "The step through tanh is missing: a unit that is nearly ±1 hardly answers to its weights. Multiply grad_y with 1 - y² first.",
            read="Backwards through a layer",
        ),
        Misconception(
            "tanh of the output again",
            layer(lambda x, y, g: (g * (1 - np.tanh(y) ** 2)).T @ x),
            "y already is the tanh. Its derivative is 1 - y², with no second tanh in it.",
            read="Backwards through a layer",
        ),
        Misconception(
            "derivative of the sigmoid",
            layer(lambda x, y, g: (g * y * (1 - y)).T @ x),
            "y (1 - y) is the derivative of the sigmoid. That of tanh is 1 - y².",
            read="Backwards through a layer",
        ),
        Misconception(
            "the square left out",
            layer(lambda x, y, g: (g * (1 - y)).T @ x),
            "The derivative of tanh is 1 - y², with a square.",
            read="Backwards through a layer",
        ),
        Misconception(
            "mean instead of sum",
            layer(lambda x, y, g: (g * (1 - y**2)).T @ x / len(x)),
            "The samples are averaged. The mean of the loss is already in grad_y, so here the samples add up.",
            read="Backwards through a layer",
        ),
        Misconception(
            "sign turned round",
            layer(lambda x, y, g: -(g * (1 - y**2)).T @ x),
            "The sign is turned round. This is the gradient; the optimiser takes the minus.",
            read="Backwards through a layer",
        ),
    ),
    crash_help={
        "mat1 and mat2 shapes cannot be multiplied": "The sum goes over the samples: (… of shape [B, outputs]).T @ x.",
        "The size of tensor a": "1 - y² is multiplied with grad_y, which has the same shape [B, outputs], not with x.",
    },
    note="One layer, backwards.",
)

# ---------------------------------------------------------------------------------------------------------------
# iterations_to_pay_back(start_up, before, after) -> int, or infinity


def iterations_to_pay_back(start_up, before, after):
    """The reference: what is spent once, divided by what each iteration saves."""
    saved = before - after
    return math.ceil(start_up / saved) if saved > 0 else INFINITE


def count_iterations(start_up, before, after):
    """The oracle: run both, iteration by iteration, until the one that was compiled is not behind."""
    if after >= before:
        return INFINITE if start_up > 0 or after > before else 0
    slow, fast, count = 0.0, start_up, 0
    while fast > slow + 1e-9:
        slow, fast, count = slow + before, fast + after, count + 1
    return count


ITERATIONS_TO_PAY_BACK = Exercise(
    name="iterations_to_pay_back",
    chapter=18,
    prompt="How many iterations until what was spent once at the start is paid back?",
    hints=(
        "What does one iteration save?",
        "start_up / (before - after) is the number of iterations, and a started iteration is a whole one: round up.",
        "saved = before - after; return math.ceil(start_up / saved) if saved > 0 else float('inf')",
    ),
    cases=(
        Case(
            "it comes out even",
            "Each iteration saves before - after seconds.",
            read="A compiler",
            arguments=lambda: (30.0, 0.5, 0.25),
        ),
        Case(
            "it does not come out even",
            "After one iteration less it is not yet paid back: round up.",
            read="A compiler",
            arguments=lambda: (35.0, 1.0, 0.7),
        ),
        Case(
            "nothing to pay back",
            "What costs nothing is paid back at once.",
            read="A compiler",
            arguments=lambda: (0.0, 1.0, 0.7),
        ),
        Case(
            "no faster",
            "What saves nothing is never paid back: infinity.",
            read="A compiler",
            arguments=lambda: (35.0, 0.5, 0.5),
        ),
        Case(
            "slower",
            "What makes each iteration slower is never paid back: infinity, not a negative number.",
            read="A compiler",
            arguments=lambda: (35.0, 0.5, 0.6),
        ),
    ),
    reference=iterations_to_pay_back,
    oracle=count_iterations,
    misconceptions=(
        Misconception(
            "divided by the old time",
            lambda start_up, before, after: (
                math.ceil(start_up / before - 1e-9) if after < before else INFINITE
            ),
            "The start is divided by the old time of an iteration, as if iterations had become free. Each saves only before - after.",
            read="A compiler",
        ),
        Misconception(
            "divided by the new time",
            lambda start_up, before, after: (
                math.ceil(start_up / after - 1e-9) if after < before else INFINITE
            ),
            "The start is divided by the new time of an iteration. What pays is what each iteration saves: before - after.",
            read="A compiler",
        ),
        Misconception(
            "rounded down",
            lambda start_up, before, after: (
                math.floor(start_up / (before - after) + 1e-9) if after < before else INFINITE
            ),
            "This is rounded down, so that the last part is not yet paid back. Round up.",
            read="A compiler",
        ),
        Misconception(
            "not rounded",
            lambda start_up, before, after: start_up / (before - after) if after < before else INFINITE,
            "There is no third of an iteration: round up to a whole number.",
            read="A compiler",
        ),
        Misconception(
            "negative",
            lambda start_up, before, after: (
                INFINITE if before == after else math.ceil(start_up / (before - after) - 1e-9)
            ),
            "Where the new iteration is slower, this gives a negative number. It is never paid back: infinity.",
            read="A compiler",
        ),
    ),
    crash_help={
        "division by zero": "Where nothing is saved, there is nothing to divide by: return float('inf').",
        "cannot convert float infinity": "math.ceil takes finite numbers only: ask first whether anything is saved.",
    },
    note="Once is spent, each iteration saves.",
)

# ---------------------------------------------------------------------------------------------------------------
# global_moments(counts, sums, squares) -> [mean, std] over all ranks


def global_moments(counts, sums, squares):
    """The reference: add up the three numbers of the ranks, then mean and unbiased std."""
    count, total, square = sum(counts), sum(sums), sum(squares)
    mean = total / count
    return [mean, math.sqrt((square - count * mean**2) / (count - 1))]


def merged_pairwise(counts, sums, squares):
    """The oracle: mean and sum of squared deviations of each rank, merged two by two (Chan, Golub and LeVeque)."""
    n, mean, deviations = 0, 0.0, 0.0
    for count, total, square in zip(counts, sums, squares, strict=True):
        own = total / count
        difference = own - mean
        deviations += square - total * own + difference**2 * n * count / (n + count)
        mean += difference * count / (n + count)
        n += count
    return [mean, math.sqrt(deviations / (n - 1))]


def _ranks(*parts: Sequence[float]) -> Callable[[], tuple]:
    return lambda: (
        [len(part) for part in parts],
        [math.fsum(part) for part in parts],
        [math.fsum(x * x for x in part) for part in parts],
    )


def _local(counts, sums, squares) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(sizes, means, unbiased variances) of the ranks; a rank with one sample has no variance of its own."""
    n, total, square = (np.asarray(x, float) for x in (counts, sums, squares))
    return n, total / n, (square - total**2 / n) / np.maximum(n - 1, 1)


def _moments(rule: Callable[[np.ndarray, np.ndarray, np.ndarray], list]) -> Callable[..., list]:
    return lambda counts, sums, squares: [float(x) for x in rule(*_local(counts, sums, squares))]


def _whole(n, mean, variance):
    grand = (n * mean).sum() / n.sum()
    deviations = ((n - 1) * variance + n * (mean - grand) ** 2).sum()
    return grand, deviations


GLOBAL_MOMENTS = Exercise(
    name="global_moments",
    chapter=18,
    axes=("mean and std",),
    prompt="The mean and the unbiased standard deviation of all advantages, from what each rank adds up for itself.",
    hints=(
        "Numbers that can be added over ranks: how many, their sum, the sum of their squares. Means and standard deviations cannot.",
        "mean = total sum / total count. The sum of squared deviations is Σ x² - count · mean².",
        "count, total, square = sum(counts), sum(sums), sum(squares); mean = total / count; "
        "return [mean, math.sqrt((square - count * mean**2) / (count - 1))]",
    ),
    cases=(
        Case(
            "one rank",
            "One rank alone must get what one process computes.",
            read="World size is not a hyperparameter",
            arguments=_ranks([1.0, 2.0, 3.0, 6.0]),
        ),
        Case(
            "two equal ranks",
            "Also the distance between the ranks' means is part of the spread.",
            read="World size is not a hyperparameter",
            arguments=_ranks([1.0, 2.0, 3.0], [7.0, 9.0, 11.0]),
        ),
        Case(
            "unequal ranks",
            "A rank with more samples counts more.",
            read="World size is not a hyperparameter",
            arguments=_ranks([1.0, -2.0, 3.0, 0.5, 4.0], [8.0, 9.0]),
        ),
        Case(
            "three ranks, one with a single sample",
            "A single sample has no standard deviation of its own, and it still counts.",
            read="World size is not a hyperparameter",
            arguments=_ranks([1.0, 3.0], [-4.0], [0.5, 2.5, 2.0]),
        ),
    ),
    reference=global_moments,
    oracle=merged_pairwise,
    misconceptions=(
        Misconception(
            "means of the means and of the deviations",
            _moments(lambda n, mean, variance: [mean.mean(), np.sqrt(variance).mean()]),
            "This is the mean of the ranks' means, and of their standard deviations. It forgets that ranks differ in size, and that their means "
            "differ: add the sums first.",
            read="World size is not a hyperparameter",
        ),
        Misconception(
            "mean of the means",
            _moments(
                lambda n, mean, variance: [
                    mean.mean(),
                    np.sqrt(_whole(n, mean, variance)[1] / (n.sum() - 1)),
                ]
            ),
            "The mean is the mean of the ranks' means, so that a rank with two samples counts as much as one with five. Divide the sum of all by the count of all.",
            read="World size is not a hyperparameter",
        ),
        Misconception(
            "spread within the ranks only",
            _moments(
                lambda n, mean, variance: [
                    (n * mean).sum() / n.sum(),
                    np.sqrt(((n - 1) * variance).sum() / (n.sum() - 1)),
                ]
            ),
            "The standard deviation counts the spread within each rank, and leaves out how far the ranks' means lie apart. Take the deviations from the global mean.",
            read="World size is not a hyperparameter",
        ),
        Misconception(
            "biased",
            _moments(
                lambda n, mean, variance: [
                    _whole(n, mean, variance)[0],
                    np.sqrt(_whole(n, mean, variance)[1] / n.sum()),
                ]
            ),
            "The squared deviations are divided by the count. The package normalises with the unbiased standard deviation: divide by one less.",
            read="World size is not a hyperparameter",
        ),
        Misconception(
            "variance",
            _moments(
                lambda n, mean, variance: [
                    _whole(n, mean, variance)[0],
                    _whole(n, mean, variance)[1] / (n.sum() - 1),
                ]
            ),
            "The second number is the variance. Asked is the standard deviation: its square root.",
            read="World size is not a hyperparameter",
        ),
    ),
    crash_help={
        "division by zero": "A rank may hold a single sample: only the global count is reduced by one."
    },
    note="Three numbers a rank are enough.",
)

EXERCISES = (
    ITERATION_SPEEDUP,
    ROLLOUT_VALUES,
    WORKERS_PAY_FROM,
    WEIGHT_GRADIENT,
    ITERATIONS_TO_PAY_BACK,
    GLOBAL_MOMENTS,
)
